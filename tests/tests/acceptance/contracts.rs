//! Contract handling: R98 to R109 and R167.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use millrace_tests::broker::Broker;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Receiver;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::setup::Setup;
use millrace_tests::sockets::connections;
use millrace_tests::wait::{SOON, until};
use serde_json::json;

use crate::load::Load;

/// Waits until a path answers a minimal event with this status.
pub(crate) fn wait_for_status(receiver: &Receiver, path: &str, status: u16, limit: Duration) {
    until(&format!("{status} from {path}"), limit, || {
        (receiver.status(&Request::minimal(path, &unique())) == status).then_some(())
    });
}

/// Waits until so many contract files could not be parsed.
pub(crate) fn wait_for_malformed(receiver: &Receiver, count: f64) {
    until("the malformed contract to be counted", SOON, || {
        let labels = [("outcome", "malformed")];
        (receiver.scrape().sum("millrace_contract_updates_total", &labels) == count).then_some(())
    });
}

/// The port of a single broker's address.
fn port(bootstrap: &str) -> u16 {
    bootstrap.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("HOST:PORT")
}

/// The receiver's connections to the brokers once they change no more: a new client lets go of its bootstrap
/// connection only when it knows the brokers.
fn settled(rig: &Rig, broker: u16, work: impl Fn()) -> BTreeSet<u16> {
    let mut last = BTreeSet::new();
    let mut same = 0;
    until("the connections to Kafka to settle", SOON, || {
        work();
        let now = connections(rig.receiver.pid(), broker);
        same = if now == last && !now.is_empty() { same + 1 } else { 0 };
        last = now;
        (same >= 20).then(|| last.clone())
    })
}

matrix! {
    fn r098_c001_empty_contract_at_start(variant: Variant) {
        let receiver = Receiver::start(&Setup::new(variant.driver).contract(""));
        assert_eq!(receiver.status(&Request::get("/readyz")), 200);
        assert_eq!(receiver.status(&Request::minimal("/ns/a", "1")), 404);
        assert!(receiver.logs().iter().all(|line| line["level"] != "ERROR"), "{}", receiver.printed());
    }

    fn r099_invalid_json_changes_nothing(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let load = Load::start(rig.receiver.port(), "/ns/a", 1);
        rig.receiver.swap_contract("{\"generation\": \"2\", \"resources\": [");
        wait_for_malformed(&rig.receiver, 1.0);
        rig.receiver.wait_for_log_text("ERROR", "cannot be parsed");
        load.wait_for_answers(20);
        load.stop().assert_all_accepted();
    }

    fn r100_new_resource_in_a_new_generation(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let load = Load::start(rig.receiver.port(), "/ns/a", 1);
        let bootstrap = Broker::shared(variant.broker).bootstrap();
        let resource = Resource::new("Broker", "ns", "new", &rig.topics.c, bootstrap);
        let swapped = Instant::now();
        rig.receiver.swap_contract(rig.contract.next().with(resource).to_bytes());
        wait_for_status(&rig.receiver, "/ns/new", 202, SOON);
        let took = swapped.elapsed();
        load.stop().assert_all_accepted();
        assert!(took < Duration::from_secs(2), "routed after {took:?}");
    }

    fn r101_same_contract_again_keeps_the_producers(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let broker = port(Broker::shared(variant.broker).bootstrap());
        let load = Load::start(rig.receiver.port(), "/ns/a", 4);
        let before = settled(&rig, broker, || load.wait_for_answers(50));
        rig.receiver.swap_contract(rig.contract.to_bytes());
        // A second change that does something shows that the first one has been read.
        let changed = rig.contract.next().without("uid-ns-c");
        rig.receiver.swap_contract(changed.to_bytes());
        wait_for_status(&rig.receiver, "/ns/c", 404, SOON);
        load.wait_for_answers(20);
        load.stop().assert_all_accepted();
        let after = connections(rig.receiver.pid(), broker);
        assert!(!before.is_empty() && before.is_subset(&after), "connections before {before:?}, after {after:?}");
    }

    /// Java answers 503 and 404 for a while: it tears the producer down (receiver.md W4).
    fn r102_change_of_policies_under_load(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let load = Load::start(rig.receiver.port(), "/ns/a", 3);
        let mut contract = rig.contract.clone();
        for turn in 0..5 {
            let policies = json!([{ "tokenMatchers": [{ "exact": { "attributes": { "sub": format!("s{turn}") } } }] }]);
            contract = contract.next().edit("uid-ns-a", |a| a.put("/ingress/eventPolicies", policies));
            rig.receiver.swap_contract(contract.to_bytes());
            load.wait_for_answers(30);
        }
        let outcome = load.stop();
        outcome.assert_all_accepted();
        outcome.assert_none_lost(&rig.tail, &[&rig.topics.a]);
    }

    /// Java answers 404 for a while.
    fn r103_change_of_topic_under_load(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let load = Load::start(rig.receiver.port(), "/ns/a", 3);
        let contract = rig.contract.next().edit("uid-ns-a", |a| a.put("/topics", json!([rig.topics.c])));
        rig.receiver.swap_contract(contract.to_bytes());
        until("records in the new topic", SOON, || (!rig.tail.all(&rig.topics.c).is_empty()).then_some(()));
        load.wait_for_answers(30);
        let outcome = load.stop();
        outcome.assert_all_accepted();
        outcome.assert_none_lost(&rig.tail, &[&rig.topics.a, &rig.topics.c]);
    }

    /// One producer serves both; Java has one a CPU.
    fn r105_resources_with_the_same_servers_share_a_producer(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("SHARDS", "1"));
        let broker = port(Broker::shared(variant.broker).bootstrap());
        let before = settled(&rig, broker, || rig.accepted(&Request::minimal("/ns/a", &unique())));
        rig.accepted(&Request::minimal("/ns/c", &unique()));
        assert_eq!(connections(rig.receiver.pid(), broker), before);
    }

    fn r106_resource_without_a_route(variant: Variant) {
        let topic = "unused";
        let bootstrap = Broker::shared(variant.broker).bootstrap().to_owned();
        let bad = Resource::new("Broker", "ns", "bad", topic, &bootstrap).set("/ingress/path", "/");
        let rig = Rig::own(variant, |setup| setup);
        rig.receiver.swap_contract(rig.contract.next().with(bad).edit("uid-ns-s", |s| s.put("/ingress/path", "/ns/s2")).to_bytes());
        wait_for_status(&rig.receiver, "/ns/s2", 202, SOON);
        rig.receiver.wait_for_log_text("ERROR", "uid-ns-bad");
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        rig.answers(&Request::minimal("/", &unique()), 404);
    }

    fn r107_c014_lenient_protobuf_json(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let mut contract = rig.contract.next().edit("uid-ns-s", |s| s.put("/ingress/contentMode", 1)).to_json();
        contract["generation"] = json!(2);
        contract["unknown"] = json!({ "deep": [1, { "er": null }] });
        contract["resources"][0]["alsoUnknown"] = json!("x");
        contract["resources"][0]["ingress"]["path"] = json!("/ns/lenient");
        rig.receiver.swap_contract(contract.to_string());
        wait_for_status(&rig.receiver, "/ns/lenient", 202, SOON);
        let id = unique();
        let record = rig.structured_record_of(&Request::minimal("/ns/s", &id), &id);
        assert_eq!(record.header("content-type").as_deref(), Some("application/cloudevents+json"));
    }

    fn r108_c008_smaller_generation(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let contract = Contract { generation: 0, ..rig.contract.clone() }.without("uid-ns-c");
        rig.receiver.swap_contract(contract.to_bytes());
        wait_for_status(&rig.receiver, "/ns/c", 404, SOON);
        rig.accepted(&Request::minimal("/ns/a", &unique()));
    }

    fn r109_resource_loses_its_ingress(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.receiver.swap_contract(rig.contract.next().edit("uid-ns-a", |a| a.remove("ingress")).to_bytes());
        wait_for_status(&rig.receiver, "/ns/a", 404, SOON);
        rig.accepted(&Request::minimal("/ns/s", &unique()));
    }

    fn r167_other_resources_come_and_go(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let load = Load::start(rig.receiver.port(), "/ns/a", 8);
        let bootstrap = Broker::shared(variant.broker).bootstrap();
        let mut contract = rig.contract.clone();
        for turn in 0..10 {
            let name = format!("guest{turn}");
            contract = contract.next().with(Resource::new("KafkaSink", "ns", &name, &rig.topics.s, bootstrap).structured());
            if turn % 3 == 2 {
                contract = contract.without("uid-ns-guest1");
                contract.resources.rotate_left(2);
            }
            rig.receiver.swap_contract(contract.to_bytes());
            wait_for_status(&rig.receiver, &format!("/ns/{name}"), 202, SOON);
        }
        let outcome = load.stop();
        outcome.assert_all_accepted();
        outcome.assert_none_lost(&rig.tail, &[&rig.topics.a]);
    }
}
