//! The example contracts on a running receiver: C4, C5, C11, C12, C21, C23 to C27, C29 and C39.

use std::fs;
use std::time::{Duration, Instant};

use millrace_tests::binaries;
use millrace_tests::broker::Broker;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Receiver;
use millrace_tests::records::{Record, Tail};
use millrace_tests::rig::{Rig, unique};
use millrace_tests::setup::Setup;
use millrace_tests::wait::SOON;
use serde_json::{Value, json};

use crate::contracts::wait_for_status;
use crate::load::Load;

/// An example file as it is.
pub(crate) fn example(name: &str) -> Vec<u8> {
    let path = binaries::root().join("contract/tests/data").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A receiver on an example whose resources all point to one topic of the broker at hand.
struct Example {
    receiver: Receiver,
    topic: String,
    tail: Tail,
}

impl Example {
    fn start(variant: Variant, name: &str) -> Self {
        let broker = Broker::shared(variant.broker);
        let topic = format!("example-{}", unique());
        broker.create_topic(&topic, 1);
        let contract = pointed_at(&example(name), broker.bootstrap(), &topic);
        let receiver = Receiver::start(&Setup::new(variant.driver).contract(contract));
        Self { receiver, topic, tail: Tail::of(broker.bootstrap()) }
    }

    fn status(&self, path: &str) -> u16 {
        self.receiver.status(&Request::minimal(path, &unique()))
    }

    fn record_of(&self, path: &str) -> Record {
        let id = unique();
        assert_eq!(self.receiver.status(&Request::minimal(path, &id)), 202, "{path}");
        self.tail.one(&self.topic, &id)
    }

    fn status_by_host(&self, host: &str) -> u16 {
        self.receiver.status(&Request::minimal("/", &unique()).set("Host", host))
    }
}

/// The same text with other servers and topics. Text is replaced, so that what a parser would smooth stays.
fn pointed_at(text: &[u8], bootstrap: &str, topic: &str) -> String {
    let mut text = String::from_utf8(text.to_vec()).unwrap();
    let parsed: Value = serde_json::from_str(&text).unwrap();
    for resource in parsed["resources"].as_array().unwrap() {
        let Some(servers) =
            resource["bootstrapServers"].as_str().or(resource["bootstrap_servers"].as_str())
        else {
            continue;
        };
        text = text.replace(&format!("\"{servers}\""), &format!("\"{bootstrap}\""));
        for old in resource["topics"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            text = text.replace(&format!("\"{old}\""), &format!("\"{topic}\""));
        }
    }
    text
}

matrix! {
    fn c004_c005_c026_brokers_in_either_layout(variant: Variant) {
        for name in ["broker-receiver.json", "broker-receiver.compact.json"] {
            let example = Example::start(variant, name);
            let paths = ["/orders/default", "/payments/ledger", "/orders/other", "/orders/default/", "/orders/default//"];
            assert_eq!(paths.map(|path| example.status(path)), [202, 202, 404, 202, 404], "{name}");
        }
    }

    fn c011_unknown_fields(variant: Variant) {
        let example = Example::start(variant, "edge/unknown-fields.json");
        assert_eq!(["/orders/default", "/payments/ledger"].map(|path| example.status(path)), [202, 202]);
    }

    fn c012_unknown_enum_name_is_binary(variant: Variant) {
        let example = Example::start(variant, "edge/unknown-enum-name.json");
        let text: Value = serde_json::from_slice(&self::example("edge/unknown-enum-name.json")).unwrap();
        let path = text["resources"][0]["ingress"]["path"].as_str().unwrap();
        assert_eq!(example.record_of(path).header("ce_type").as_deref(), Some("t"));
    }

    /// Java applies nothing of such a contract (contract.md 9, no. 7).
    fn c021_duplicate_uid(variant: Variant) {
        let example = Example::start(variant, "edge/duplicate-resource-uid.json");
        let text: Value = serde_json::from_slice(&self::example("edge/duplicate-resource-uid.json")).unwrap();
        let resources = text["resources"].as_array().unwrap();
        let duplicate = resources.iter().map(|resource| resource["uid"].as_str().unwrap()).find(|uid| {
            resources.iter().filter(|resource| resource["uid"] == *uid).count() > 1
        });
        let mut seen = Vec::new();
        for resource in resources {
            let (uid, path) = (resource["uid"].as_str().unwrap(), resource["ingress"]["path"].as_str().unwrap());
            let expected = if seen.contains(&uid) { 404 } else { 202 };
            assert_eq!(example.status(path), expected, "{path}");
            seen.push(uid);
        }
        example.receiver.wait_for_log_text("ERROR", duplicate.expect("the example holds a duplicate"));
    }

    fn c023_resource_without_a_route(variant: Variant) {
        let example = Example::start(variant, "edge/ingress-without-route.json");
        let text: Value = serde_json::from_slice(&self::example("edge/ingress-without-route.json")).unwrap();
        for resource in text["resources"].as_array().unwrap() {
            match resource["ingress"]["path"].as_str() {
                Some(path) if path.len() > 1 => assert_eq!(example.status(path), 202, "{path}"),
                _ => {
                    example.receiver.wait_for_log_text("ERROR", resource["uid"].as_str().unwrap());
                }
            }
        }
    }

    fn c024_long_channel_name(variant: Variant) {
        let example = Example::start(variant, "channel-receiver.json");
        let name = "quarterly-reconciliation-of-settlement-statements-emea";
        assert_eq!(example.status_by_host(&format!("{name}.billing.svc.cluster.local")), 202);
        assert_eq!(example.status_by_host(&format!("{name}-kn-channel.billing.svc.cluster.local")), 404);
    }

    /// Java answers 404 by host with a port; we route it (receiver.md W7), as R18 asks.
    fn c025_channel_host_with_port(variant: Variant) {
        let example = Example::start(variant, "channel-receiver.json");
        assert_eq!(example.status_by_host("invoices-kn-channel.billing.svc.cluster.local:80"), 202);
        assert_eq!(example.status("/billing/invoices"), 202);
    }

    fn c027_content_mode_of_each_sink(variant: Variant) {
        let example = Example::start(variant, "sink-receiver.json");
        let structured = example.record_of("/compliance/audit-sink");
        assert!(structured.header("content-type").unwrap().starts_with("application/cloudevents+json"));
        assert_eq!(structured.header("ce_type"), None);
        assert_eq!(example.record_of("/web/clicks").header("ce_type").as_deref(), Some("t"));
    }

    /// One resource with an ingress and egresses: the receiver sees to the ingress only.
    fn c029_namespaced_broker(variant: Variant) {
        let example = Example::start(variant, "namespaced-broker-combined.json");
        let text: Value = serde_json::from_slice(&self::example("namespaced-broker-combined.json")).unwrap();
        let path = text["resources"][0]["ingress"]["path"].as_str().unwrap();
        example.record_of(path);
    }

    /// Applied within 2 s, while another resource is served without a pause.
    fn c039_contract_of_1_mib_with_2000_brokers(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let bootstrap = Broker::shared(variant.broker).bootstrap();
        let mut contract: Contract = rig.contract.next();
        let filler = "x".repeat(150);
        for number in 0..2000 {
            let resource = Resource::new("Broker", "many", &format!("b{number}"), &rig.topics.c, bootstrap)
                .set("/egressConfig", json!({ "deadLetter": format!("http://{filler}") }));
            contract = contract.with(resource);
        }
        let bytes = contract.to_bytes();
        assert!((900_000..=1_100_000).contains(&bytes.len()), "{} bytes", bytes.len());
        let load = Load::start(rig.receiver.port(), "/ns/a", 1);
        let swapped = Instant::now();
        rig.receiver.swap_contract(bytes);
        wait_for_status(&rig.receiver, "/many/b1999", 202, SOON);
        let took = swapped.elapsed();
        wait_for_status(&rig.receiver, "/many/b0", 202, SOON);
        load.stop().assert_all_accepted();
        // The limit is for a release build on an idle machine.
        let limit = if cfg!(debug_assertions) { Duration::from_secs(6) } else { Duration::from_secs(2) };
        assert!(took < limit, "applied after {took:?}");
    }
}
