//! What a new contract does to running egresses: D118 to D124, D126, D127, C32, C33.
//!
//! On a real Kafka, whose coordinator tells who is in a group: a consumer that was restarted has another member id.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use millrace_tests::contract::{Contract, Resource};
use millrace_tests::matrix::Variant;
use millrace_tests::on_apache;
use millrace_tests::producer::NewRecord;
use millrace_tests::stage::{Case, Kind, Stage};
use millrace_tests::subscriber::{Answer, Gate, Received};
use millrace_tests::wait::{SOON, until, within};
use serde_json::{Value, json};

/// Two egresses with topics of their own, and a third that is not in the contract yet.
fn stage(variant: Variant, name: &str) -> Stage {
    let names = ["a", "b", "later"].map(|part| format!("{name}-{part}"));
    let setup =
        Stage::prepare(variant, Kind::Broker).setup(|setup| setup.env("DRAIN_SECONDS", "2"));
    let stage = names
        .iter()
        .fold(setup, |setup, name| setup.with(name, |plan| plan))
        .start_with_contract(|contract| {
            let later = contract.resources.pop();
            assert!(later.is_some());
        });
    for part in ["a", "b"] {
        stage.case(&format!("{name}-{part}")).wait_for_members(1);
    }
    stage
}

/// The members of both groups.
fn members(cases: &[&Case<'_>]) -> Vec<BTreeMap<String, String>> {
    cases
        .iter()
        .map(|case| case.stage.groups.settles_with(&case.egress().group, 1, SOON).members)
        .collect()
}

/// Adds the third egress and waits until it delivers: everything else in the contract is applied then, too.
fn swap_with(later: &Case<'_>, contract: Contract) {
    later.stage.dispatcher.swap_contract(contract.with(later.plan.to_resource()).to_bytes());
    delivers(later);
}

/// Trust bundles with these names instead of certificates: nobody looks into them without TLS.
fn with_bundles(contract: &Contract, names: &[&str]) -> Value {
    let mut json = contract.to_json();
    json["trustBundles"] = names
        .iter()
        .map(|name| {
            json!(format!("-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n"))
        })
        .collect();
    json
}

fn delivers(case: &Case<'_>) {
    let offset = case.send(&[NewRecord::event("1")]);
    case.settles(offset + 1);
    let requests = case.subscriber().received();
    assert_eq!(
        requests.iter().filter(|request| request.offset() == offset).count(),
        1,
        "requests for offset {offset}"
    );
}

fn redirect(resource: &mut Resource, url: &str) {
    resource.put("/egresses/0/destination", url);
}

on_apache! {
    fn d118_same_generation_with_other_content(variant: Variant) {
        let stage = stage(variant, "d118");
        let [a, b, later] = ["d118-a", "d118-b", "d118-later"].map(|name| stage.case(name));
        let url = format!("{}/d118-elsewhere", stage.subscriber.url());
        let changed = stage.contract.clone().edit(a.plan.to_resource().uid(), |resource| redirect(resource, &url));
        stage.dispatcher.swap_contract(changed.without(b.plan.to_resource().uid()).to_bytes());
        // The next one is read after it.
        swap_with(&later, stage.contract.next());
        delivers(&a);
        delivers(&b);
        assert_eq!(stage.subscriber.endpoint("d118-elsewhere").count(), 0);
    }

    fn d119_c032_same_content_restarts_nobody(variant: Variant) {
        let stage = stage(variant, "d119");
        let [a, b, later] = ["d119-a", "d119-b", "d119-later"].map(|name| stage.case(name));
        let before = members(&[&a, &b]);
        swap_with(&later, stage.contract.next());
        assert_eq!(members(&[&a, &b]), before);
        delivers(&a);
        delivers(&b);
    }

    /// Java restarts the consumer of the egress; whether ours does is not seen from outside, but no record is lost.
    fn d120_changed_destination(variant: Variant) {
        let stage = stage(variant, "d120");
        let [a, b, later] = ["d120-a", "d120-b", "d120-later"].map(|name| stage.case(name));
        delivers(&a);
        let before = members(&[&b]);
        let url = format!("{}/d120-elsewhere", stage.subscriber.url());
        swap_with(&later, stage.contract.next().edit(a.plan.to_resource().uid(), |resource| redirect(resource, &url)));
        let offset = a.send(&[NewRecord::event("2")]);
        a.settles(offset + 1);
        assert_eq!(stage.subscriber.endpoint("d120-elsewhere").one().offset(), offset);
        assert_eq!(a.subscriber().count(), 1);
        assert_eq!(members(&[&b]), before);
        delivers(&b);
    }

    fn d120_changed_destination_under_load(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker).with("d120-load", |plan| plan.egress(|egress| egress.ordered())).start();
        let case = stage.case("d120-load");
        case.subscriber().always(Answer::status(200).after(Duration::from_millis(5)));
        case.send(&(0..200).map(|number| NewRecord::event(&number.to_string())).collect::<Vec<_>>());
        case.subscriber().wait(20);
        let url = format!("{}/d120-new", stage.subscriber.url());
        stage.dispatcher.swap_contract(stage.contract.next().edit(case.plan.to_resource().uid(), |resource| redirect(resource, &url)).to_bytes());
        case.settles(200);
        let old = case.subscriber().received();
        let new = stage.subscriber.endpoint("d120-new").received();
        let offsets: Vec<_> = old.iter().chain(&new).map(|request| request.offset()).collect();
        assert!(!new.is_empty());
        assert!(offsets.iter().copied().eq(0..200), "lost, twice or out of order: {offsets:?}");
    }

    /// What is wanted cannot be read: what runs is the last that could be (contract.md 9, number 5).
    fn d123_unreadable_successor(variant: Variant) {
        let stage = stage(variant, "d123u");
        let [a, b, later] = ["d123u-a", "d123u-b", "d123u-later"].map(|name| stage.case(name));
        let before = members(&[&a, &b]);
        let broken = stage.contract.next().edit(a.plan.to_resource().uid(), |resource| resource.put("/egresses/0/consumerGroup", ""));
        swap_with(&later, broken);
        delivers(&a);
        delivers(&b);
        assert_eq!(members(&[&a, &b]), before);
    }

    /// Who speaks to the subscribers from now on must know the new bundle: no connection from before is used again. Java
    /// leaves and joins all groups for that; here they stay.
    fn d121_changed_trust_bundles(variant: Variant) {
        let stage = stage(variant, "d121");
        let [a, b, later] = ["d121-a", "d121-b", "d121-later"].map(|name| stage.case(name));
        let connections = |case: &Case<'_>| {
            case.subscriber().received().iter().map(|request| request.connection).collect::<Vec<_>>()
        };
        for case in [&a, &b, &a, &b] {
            delivers(case);
        }
        let before = members(&[&a, &b]);
        let [first_a, first_b] = [&a, &b].map(connections);
        // Kept as long as nothing changes, or the rest would prove nothing.
        assert!(first_a[0] == first_a[1] && first_b[0] == first_b[1], "{first_a:?} {first_b:?}");
        let contract = stage.contract.next().with(later.plan.to_resource());
        stage.dispatcher.swap_contract(with_bundles(&contract, &["one", "two"]).to_string());
        delivers(&later);
        delivers(&a);
        delivers(&b);
        let [second_a, second_b] = [&a, &b].map(connections);
        assert!(!first_a.contains(&second_a[2]), "{second_a:?}");
        assert!(!first_b.contains(&second_b[2]), "{second_b:?}");
        // The same set in another order is no change.
        let same = with_bundles(&contract.next(), &["two", "one", "two"]);
        stage.dispatcher.swap_contract(same.to_string());
        stage.dispatcher.wait_for_log("that the third contract was read", |line| line["contractGeneration"] == 3);
        delivers(&a);
        delivers(&b);
        assert_eq!(connections(&a)[3], second_a[2]);
        assert_eq!(connections(&b)[3], second_b[2]);
        assert_eq!(members(&[&a, &b]), before);
        until("connections from before to be closed", SOON, || (stage.subscriber.open_connections() <= 3).then_some(()));
    }

    fn d121_changed_trust_bundles_under_load(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker).with("d121-load", |plan| plan.egress(|egress| egress.ordered())).start();
        let case = stage.case("d121-load");
        case.subscriber().always(Answer::status(200).after(Duration::from_millis(5)));
        case.send(&(0..200).map(|number| NewRecord::event(&number.to_string())).collect::<Vec<_>>());
        for (generation, count) in [(2, 20), (3, 60), (4, 100)] {
            case.subscriber().wait(count);
            let mut contract = stage.contract.clone();
            contract.generation = generation;
            stage.dispatcher.swap_contract(with_bundles(&contract, &[&generation.to_string()]).to_string());
        }
        case.settles(200);
        let requests = case.subscriber().received();
        assert!(requests.iter().map(Received::offset).eq(0..200), "lost, twice or out of order: {requests:?}");
        let connections: BTreeSet<_> = requests.iter().map(|request| request.connection).collect();
        // Two swaps may be read as one.
        assert!(connections.len() >= 2, "nothing was opened anew");
    }

    fn d122_c033_egress_removed(variant: Variant) {
        let stage = stage(variant, "d122");
        let [a, b] = ["d122-a", "d122-b"].map(|name| stage.case(name));
        delivers(&a);
        let before = members(&[&b]);
        stage.dispatcher.swap_contract(stage.contract.next().without(a.plan.to_resource().uid()).to_bytes());
        stage.groups.settles_with(&a.egress().group, 0, SOON);
        assert_eq!(a.committed(0), Some(1));
        assert_eq!(members(&[&b]), before);
        delivers(&b);
    }

    /// Java's member stays until the subscriber answers (dispatcher.md W7).
    fn d122_egress_removed_while_its_subscriber_hangs(variant: Variant) {
        let stage = stage(variant, "d122h");
        let [a, b] = ["d122h-a", "d122h-b"].map(|name| stage.case(name));
        let gate = Gate::closed();
        let hold = gate.clone();
        a.subscriber().answers(move |request, _| match request.offset() {
            0 => Answer::status(200),
            _ => Answer::status(200).behind(&hold),
        });
        a.send(&[NewRecord::event("1"), NewRecord::event("2")]);
        a.busy(1);
        let removed = Instant::now();
        stage.dispatcher.swap_contract(stage.contract.next().without(a.plan.to_resource().uid()).to_bytes());
        // Others need not wait for it.
        delivers(&b);
        stage.groups.settles_with(&a.egress().group, 0, Duration::from_secs(15));
        assert!(removed.elapsed() >= Duration::from_secs(2), "the subscriber had no time");
        assert_eq!(a.committed(0), Some(1), "what was finished, and no more");
        gate.open();
    }

    fn d122_egress_comes_back(variant: Variant) {
        let stage = stage(variant, "d122b");
        let a = stage.case("d122b-a");
        delivers(&a);
        let without = stage.contract.next().without(a.plan.to_resource().uid());
        stage.dispatcher.swap_contract(without.to_bytes());
        stage.dispatcher.swap_contract(without.next().with(a.plan.to_resource()).to_bytes());
        delivers(&a);
        assert_eq!(a.subscriber().count(), 2);
    }

    fn d123_broken_file_keeps_the_state(variant: Variant) {
        let stage = stage(variant, "d123");
        let [a, b, later] = ["d123-a", "d123-b", "d123-later"].map(|name| stage.case(name));
        let before = members(&[&a, &b]);
        for broken in [&b"{\"generation\": \"7\", \"resources\": ["[..], b"", b"[]"] {
            stage.dispatcher.swap_contract(broken);
        }
        delivers(&a);
        delivers(&b);
        swap_with(&later, stage.contract.next());
        assert_eq!(members(&[&a, &b]), before);
    }

    fn d124_unknown_fields(variant: Variant) {
        let stage = stage(variant, "d124");
        let later = stage.case("d124-later");
        let mut contract = stage.contract.next().with(later.plan.to_resource().set("/futureField", json!({ "x": [1] }))).to_json();
        contract["alsoNew"] = json!("x");
        contract["resources"][0]["egresses"][0]["tomorrow"] = json!(true);
        stage.dispatcher.swap_contract(contract.to_string());
        delivers(&later);
        delivers(&stage.case("d124-a"));
    }

    /// What the flag is for does not exist yet; toggling it must not cost an event.
    fn d126_flag_toggles_alone(variant: Variant) {
        let stage = stage(variant, "d126");
        let [a, later] = ["d126-a", "d126-later"].map(|name| stage.case(name));
        delivers(&a);
        let toggled = stage.contract.next().edit(a.plan.to_resource().uid(), |resource| {
            resource.put("/featureFlags", json!({ "enableEventTypeAutocreate": true }));
        });
        swap_with(&later, toggled);
        delivers(&a);
        assert_eq!(a.subscriber().count(), 2);
    }

    /// Java restarts all egresses every five seconds (dispatcher.md W33).
    fn d127_failing_neighbour_and_a_trust_bundle(variant: Variant) {
        let stage = stage(variant, "d127");
        let [a, b, later] = ["d127-a", "d127-b", "d127-later"].map(|name| stage.case(name));
        let mut contract = stage.contract.next()
            .edit(b.plan.to_resource().uid(), |resource| resource.put("/egresses/0/dialectedFilter", json!([{ "cesql": { "expression": "((" } }])))
            .with(later.plan.to_resource())
            .to_json();
        contract["trustBundles"] = json!(["-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"]);
        stage.dispatcher.swap_contract(contract.to_string());
        delivers(&later);
        let before = members(&[&a]);
        let restarted = within(Duration::from_secs(11), || Some(stage.groups.describe(&a.egress().group)).filter(|now| now.members != before[0]));
        assert_eq!(restarted, None);
        delivers(&a);
    }
}
