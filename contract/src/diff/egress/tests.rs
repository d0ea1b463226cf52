//! The diff of egresses against a naive model, field by field, and over the example files.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::json::Warnings;
use crate::proto;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Start,
    Keep,
    Update,
    Restart,
    Hold,
    Stop,
}
use Kind::{Keep, Restart, Update};

fn kinds(steps: &[EgressStep]) -> BTreeMap<String, Kind> {
    let kinds = steps.iter().map(|step| {
        let (kind, uid) = match step {
            EgressStep::Start(new) => (Kind::Start, new.uid()),
            EgressStep::Update(new) => (Update, new.uid()),
            EgressStep::Restart(new) => (Restart, new.uid()),
            EgressStep::Keep(uid) => (Keep, uid),
            EgressStep::Hold { uid, .. } => (Kind::Hold, uid),
            EgressStep::Stop(uid) => (Kind::Stop, uid),
        };
        (uid.to_string(), kind)
    });
    let kinds: BTreeMap<_, _> = kinds.collect();
    assert_eq!(kinds.len(), steps.len(), "a uid appears twice in {steps:?}");
    kinds
}

fn read(message: proto::Contract) -> Contract {
    Contract::from_message(message, &mut Warnings::default())
}

/// A resource with one egress; few values, so that equal ones are met often.
#[derive(Clone, Debug, PartialEq)]
struct Small {
    uid: u8,
    /// 0 is one that cannot be used.
    group: u8,
    /// 0 is none, so that the whole resource cannot be used.
    topic: u8,
    destination: u8,
}

fn small() -> impl Strategy<Value = Small> {
    let group = prop_oneof![1 => Just(0_u8), 8 => 1..3_u8];
    let topic = prop_oneof![1 => Just(0_u8), 8 => 1..3_u8];
    (0..5_u8, group, topic, 0..2_u8).prop_map(|(uid, group, topic, destination)| Small {
        uid,
        group,
        topic,
        destination,
    })
}

fn contract(smalls: &[Small], bundle: bool) -> Contract {
    let resources = smalls.iter().map(|small| proto::Resource {
        uid: format!("r{}", small.uid),
        topics: Vec::from_iter((small.topic > 0).then(|| format!("t{}", small.topic))),
        bootstrap_servers: "k:9092".to_owned(),
        egresses: vec![proto::Egress {
            uid: format!("e{}", small.uid),
            consumer_group: "g".repeat(small.group.into()),
            destination: format!("http://s/{}", small.destination),
            ..Default::default()
        }],
        ..Default::default()
    });
    read(proto::Contract {
        resources: resources.collect(),
        trust_bundles: Vec::from_iter(bundle.then(|| "PEM".to_owned())),
        ..Default::default()
    })
}

/// The same answer from the small values alone, one uid at a time. The first of a uid counts.
fn expected(old: &[Small], new: &[Small], other_bundle: bool) -> BTreeMap<String, Kind> {
    let first = |smalls: &[Small], uid| smalls.iter().find(|small| small.uid == uid).cloned();
    let usable = |small: &Small| small.group > 0 && small.topic > 0;
    let mut kinds = BTreeMap::new();
    for uid in 0..5 {
        let kind = match (first(old, uid).filter(usable), first(new, uid)) {
            (None, Some(is)) if usable(&is) => Kind::Start,
            (None, _) => continue,
            (Some(_), None) => Kind::Stop,
            (Some(_), Some(is)) if !usable(&is) => Kind::Hold,
            (Some(was), Some(is)) if was == is && !other_bundle => Keep,
            (Some(was), Some(is)) if (was.group, was.topic) == (is.group, is.topic) => Update,
            (Some(_), Some(_)) => Restart,
        };
        kinds.insert(format!("e{uid}"), kind);
    }
    kinds
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(
        old in prop::collection::vec(small(), 0..6),
        new in prop::collection::vec(small(), 0..6),
        (bundle_before, bundle_after) in any::<(bool, bool)>(),
    ) {
        let mut running = Wanted::all(&contract(&old, bundle_before));
        let mut after = contract(&new, bundle_after);
        let expected = expected(&old, &new, bundle_before != bundle_after);
        prop_assert_eq!(&kinds(&egresses(&running, &after)), &expected);
        after.resources.reverse();
        running.reverse();
        prop_assert_eq!(&kinds(&egresses(&running, &after)), &expected, "order has an effect");
    }
}

type Edit = fn(&mut proto::Contract);

fn base() -> proto::Contract {
    let egress = |uid: &str| proto::Egress {
        uid: uid.to_owned(),
        consumer_group: "g".to_owned(),
        destination: "http://s".to_owned(),
        ..Default::default()
    };
    proto::Contract {
        generation: 1,
        resources: vec![proto::Resource {
            uid: "u".to_owned(),
            topics: vec!["a".to_owned(), "b".to_owned()],
            bootstrap_servers: "k:9092".to_owned(),
            egresses: vec![egress("e"), egress("other")],
            ..Default::default()
        }],
        trust_bundles: vec!["A".to_owned(), "B".to_owned()],
    }
}

/// What an edit of the base contract means for egress `e`, and for the other one beside it.
fn after(edit: Edit) -> (Kind, Kind) {
    let mut edited = base();
    edit(&mut edited);
    let kinds = kinds(&egresses(&Wanted::all(&read(base())), &read(edited)));
    (kinds["e"], kinds["other"])
}

fn resource(contract: &mut proto::Contract) -> &mut proto::Resource {
    &mut contract.resources[0]
}

fn egress(contract: &mut proto::Contract) -> &mut proto::Egress {
    &mut contract.resources[0].egresses[0]
}

fn named(name: &str) -> proto::Reference {
    proto::Reference { namespace: "n".to_owned(), name: name.to_owned(), ..Default::default() }
}

#[test]
fn c119_c121_c126_each_field_that_all_egresses_share() {
    let edits: [(&str, Kind, Edit); 14] = [
        ("generation", Keep, |it| it.generation += 1),
        ("trustBundles", Update, |it| it.trust_bundles.truncate(1)),
        ("order of trustBundles", Keep, |it| it.trust_bundles.reverse()),
        ("a bundle twice", Keep, |it| it.trust_bundles.push("A".to_owned())),
        ("uid", Update, |it| resource(it).uid.push('v')),
        ("topics", Restart, |it| resource(it).topics.push("c".to_owned())),
        ("bootstrapServers", Restart, |it| resource(it).bootstrap_servers.push_str(",l:9092")),
        ("auth", Restart, |it| {
            resource(it).auth = Some(proto::resource::Auth::AuthSecret(named("s")));
        }),
        ("ingress", Keep, |it| {
            let path = "/a/b".to_owned();
            resource(it).ingress = Some(proto::Ingress { path, ..Default::default() });
        }),
        ("cloudEventOverrides", Update, |it| {
            let extensions = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
            resource(it).cloud_event_overrides = Some(proto::CloudEventOverrides { extensions });
        }),
        ("reference", Update, |it| resource(it).reference = Some(named("r"))),
        ("egressConfig, which no egress has itself", Update, |it| {
            let config = proto::EgressConfig { retry: 1, ..Default::default() };
            resource(it).egress_config = Some(config);
        }),
        ("featureFlags", Update, |it| {
            let flags = proto::FeatureFlags { enable_event_type_autocreate: true };
            resource(it).feature_flags = Some(flags);
        }),
        ("order of egresses", Keep, |it| resource(it).egresses.reverse()),
    ];
    for (field, kind, edit) in edits {
        assert_eq!(after(edit), (kind, kind), "{field}");
    }
}

#[test]
fn c120_each_field_of_one_egress_is_about_it_alone() {
    let edits: [(&str, Kind, Edit); 16] = [
        ("consumerGroup", Restart, |it| egress(it).consumer_group.push('h')),
        ("deliveryOrder", Restart, |it| egress(it).delivery_order = 1),
        ("vReplicas", Restart, |it| egress(it).v_replicas = 7),
        ("enableRateLimiter", Restart, |it| {
            egress(it).feature_flags.get_or_insert_default().enable_rate_limiter = true;
        }),
        ("enableOrderedExecutorMetrics", Restart, |it| {
            let flags = egress(it).feature_flags.get_or_insert_default();
            flags.enable_ordered_executor_metrics = true;
        }),
        ("reference", Restart, |it| egress(it).reference = Some(named("t"))),
        ("destination", Update, |it| egress(it).destination.push_str("/x")),
        ("destinationAudience", Update, |it| egress(it).destination_audience.push('a')),
        ("destinationCACerts", Update, |it| egress(it).destination_ca_certs.push('a')),
        ("discardReply", Update, |it| {
            let discard = proto::egress::ReplyStrategy::DiscardReply(Default::default());
            egress(it).reply_strategy = Some(discard);
        }),
        ("replyToOriginalTopic, which is the default", Keep, |it| {
            let topic = proto::egress::ReplyStrategy::ReplyToOriginalTopic(Default::default());
            egress(it).reply_strategy = Some(topic);
        }),
        ("filter", Update, |it| {
            let attributes = BTreeMap::from([("type".to_owned(), "t".to_owned())]);
            egress(it).filter = Some(proto::Filter { attributes });
        }),
        ("dialectedFilter", Update, |it| {
            let exact = proto::dialected_filter::Filter::Exact(Default::default());
            egress(it).dialected_filter.push(proto::DialectedFilter { filter: Some(exact) });
        }),
        ("egressConfig", Update, |it| {
            let config = proto::EgressConfig { timeout: 1, ..Default::default() };
            egress(it).egress_config = Some(config);
        }),
        ("keyType", Update, |it| egress(it).key_type = 1),
        ("oidcServiceAccountName", Update, |it| egress(it).oidc_service_account_name.push('a')),
    ];
    for (field, kind, edit) in edits {
        assert_eq!(after(edit), (kind, Keep), "{field}");
    }
}

#[test]
fn c127_one_that_never_starts_leaves_the_others_alone() {
    let contract = read(base());
    let mut running = Wanted::all(&contract);
    running.retain(|it| &**it.uid() == "other");
    for _ in 0..3 {
        let kinds = kinds(&egresses(&running, &contract));
        assert_eq!((kinds["e"], kinds["other"]), (Kind::Start, Keep));
    }
}

#[test]
fn of_two_with_one_uid_the_first_runs_and_the_other_is_rejected_by_name() {
    let mut message = base();
    let mut twin = egress(&mut message).clone();
    twin.destination = "http://elsewhere".to_owned();
    twin.reference = Some(named("twin"));
    resource(&mut message).egresses.push(twin);
    let contract = read(message);
    let [rejection] = contract.rejected.as_slice() else { panic!("{:?}", contract.rejected) };
    assert_eq!((&*rejection.name, &rejection.reason), ("twin", &Reason::DuplicateUid));
    let kinds = kinds(&egresses(&Wanted::all(&read(base())), &contract));
    assert_eq!((kinds["e"], kinds["other"], kinds.len()), (Keep, Keep, 2));
}

#[test]
fn the_examples_start_are_kept_and_stop() {
    for text in [
        include_str!("../../../tests/data/broker-dispatcher.json"),
        include_str!("../../../tests/data/broker-dispatcher-oidc-tls.json"),
        include_str!("../../../tests/data/channel-dispatcher.json"),
        include_str!("../../../tests/data/source-dispatcher.json"),
        include_str!("../../../tests/data/source-dispatcher-multi-auth.json"),
        include_str!("../../../tests/data/namespaced-broker-combined.json"),
    ] {
        let contract = Contract::parse(text.as_bytes()).unwrap().contract;
        let running = Wanted::all(&contract);
        assert!(!running.is_empty(), "{text}");
        for (running, next, kind) in [
            (&[] as &[Wanted], &contract, Kind::Start),
            (&running, &contract, Keep),
            (&running, &Contract::default(), Kind::Stop),
        ] {
            let kinds = kinds(&egresses(running, next));
            assert!(!kinds.is_empty() && kinds.values().all(|it| *it == kind), "{kinds:?}");
        }
    }
}
