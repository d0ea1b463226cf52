//! Contract files as the control plane writes them: C10, C13, C22, C29, C30, C40; and the chain of D140.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use millrace_tests::binaries;
use millrace_tests::broker::{Broker, BrokerKind};
use millrace_tests::groups::Groups;
use millrace_tests::matrix::Variant;
use millrace_tests::process::{Dispatcher, Receiver};
use millrace_tests::producer::{self, NewRecord};
use millrace_tests::rig::unique;
use millrace_tests::setup::Setup;
use millrace_tests::sockets::listening;
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::subscriber::{Answer, Subscriber};
use millrace_tests::wait::{SOON, until};
use millrace_tests::{cases, drivers, on_apache};
use serde_json::{Value, json};

/// A file of the contract's examples with its groups and topics.
struct Example {
    text: String,
    groups: Vec<String>,
    /// The topics' names in the file, and ours.
    topics: BTreeMap<String, String>,
}

impl Example {
    /// The same text with other servers, topics and URLs. Text is replaced, so that what a parser would smooth stays.
    /// The host of an URL becomes the endpoint: `http://HOST/path` is now `http://S/HOST/path`.
    fn read(name: &str, bootstrap: &str, subscriber: &Subscriber) -> Self {
        let path = binaries::root().join("contract/tests/data").join(name);
        let mut text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let parsed: Value = serde_json::from_str(&text).unwrap();
        let (mut groups, mut topics) = (Vec::new(), BTreeMap::new());
        for resource in parsed["resources"].as_array().unwrap() {
            text = text.replace(resource["bootstrapServers"].as_str().unwrap(), bootstrap);
            for topic in resource["topics"].as_array().unwrap() {
                let topic = topic.as_str().unwrap().to_owned();
                topics.entry(topic).or_insert_with_key(|topic| format!("{topic}-{}", unique()));
            }
            for egress in resource["egresses"].as_array().unwrap() {
                groups.push(egress["consumerGroup"].as_str().unwrap().to_owned());
            }
        }
        for (old, new) in &topics {
            text = text.replace(&format!("\"{old}\""), &format!("\"{new}\""));
        }
        text = text.replace("\"http://", &format!("\"{}/", subscriber.url()));
        Self { text, groups, topics }
    }

    fn make_topics(&self, broker: &Broker) {
        for topic in self.topics.values() {
            broker.create_topic(topic, 1);
            for group in &self.groups {
                Groups::of(broker.bootstrap()).begin_at(group, topic, &[0]);
            }
        }
    }
}

/// Two events for each topic, of which filters take some.
fn send_events(example: &Example, bootstrap: &str) {
    let paid = NewRecord::event("paid")
        .set("ce_type", "com.example.order.paid")
        .set("ce_source", "/checkout/eu");
    let large =
        paid.clone().set("ce_id", "large").header("ce_region", "eu").header("ce_amount", "501");
    for topic in example.topics.values() {
        producer::send(bootstrap, topic, 0, &[paid.clone(), large.clone()]);
    }
}

/// Which ids came to which of these hosts, sorted.
fn deliveries(subscriber: &Subscriber, hosts: &[&str]) -> BTreeMap<String, Vec<String>> {
    let ids = |host: &str| {
        let mut ids: Vec<_> = subscriber
            .endpoint(host)
            .received()
            .iter()
            .filter_map(|request| request.header("ce-id"))
            .collect();
        ids.sort();
        ids
    };
    hosts.iter().map(|host| ((*host).to_owned(), ids(host))).collect()
}

const SHIPPING: &str = "shipping.orders.svc.cluster.local";
const FRAUD: &str = "fraud.orders.svc.cluster.local";
const ARCHIVER: &str = "archiver.payments.svc.cluster.local";
const LEGACY: &str = "legacy.payments.svc.cluster.local";

/// What a dispatcher with an example delivers, once all expected has come.
fn deliveries_of(variant: Variant, name: &str) -> BTreeMap<String, Vec<String>> {
    let (broker, subscriber) = (Broker::start(variant.broker), Subscriber::start());
    let example = Example::read(name, broker.bootstrap(), &subscriber);
    example.make_topics(&broker);
    let _dispatcher =
        Dispatcher::start(&Setup::dispatcher(variant.driver).contract(example.text.as_str()));
    send_events(&example, broker.bootstrap());
    let groups = Groups::of(broker.bootstrap());
    for (group, topic) in example.groups.iter().zip([
        "orders-default",
        "orders-default",
        "payments-ledger",
        "payments-ledger",
    ]) {
        let topic = format!("knative-broker-{topic}");
        groups.settles_at(group, &example.topics[&topic], 0, 2);
    }
    deliveries(&subscriber, &[SHIPPING, FRAUD, ARCHIVER, LEGACY])
}

drivers! {
    fn c013_lenient_scalars(variant: Variant) {
        let strict = deliveries_of(variant, "broker-dispatcher.json");
        let both = vec!["large".to_owned(), "paid".to_owned()];
        assert_eq!(strict, BTreeMap::from([
            (SHIPPING.to_owned(), both.clone()), (FRAUD.to_owned(), vec!["large".to_owned()]),
            (ARCHIVER.to_owned(), both.clone()), (LEGACY.to_owned(), both),
        ]));
        assert_eq!(deliveries_of(variant, "edge/lenient-scalars.json"), strict);
    }

    fn c010_two_reply_strategies_at_once(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker).with("c010", |plan| plan.egress(|egress| egress.reply_to_topic())).start();
        let case = stage.case("c010");
        let conflict = stage.contract.next().edit(case.plan.to_resource().uid(), |resource| resource.put("/egresses/0/discardReply", json!({})));
        stage.dispatcher.swap_contract(conflict.to_bytes());
        stage.dispatcher.wait_for_log("a contract that is refused", |line| line["level"] == "ERROR" || line["level"] == "WARN");
        case.send(&[NewRecord::event("1")]);
        case.settles(1);
        assert_eq!(case.subscriber().count(), 1);
    }

    /// Java applies nothing of such a contract, and tries it again every five seconds.
    fn c022_duplicate_uid(variant: Variant) {
        let (broker, subscriber) = (Broker::start(variant.broker), Subscriber::start());
        let example = Example::read("edge/duplicate-egress-uid.json", broker.bootstrap(), &subscriber);
        example.make_topics(&broker);
        let dispatcher = Dispatcher::start(&Setup::dispatcher(variant.driver).contract(example.text.as_str()));
        send_events(&example, broker.bootstrap());
        subscriber.endpoint(FRAUD).wait(1);
        subscriber.endpoint(ARCHIVER).wait(2);
        dispatcher.wait_for_log_text("ERROR", "a5fee8f6-afc7-4f9a-a68c-000e33e318a2");
    }
}

on_apache! {
    fn c030_groups_of_the_contract(variant: Variant) {
        let (broker, subscriber) = (Broker::shared(variant.broker), Subscriber::start());
        let example = Example::read("broker-dispatcher.json", broker.bootstrap(), &subscriber);
        example.make_topics(broker);
        let _dispatcher = Dispatcher::start(&Setup::dispatcher(variant.driver).contract(example.text.as_str()));
        let groups = Groups::of(broker.bootstrap());
        assert_eq!(example.groups.len(), 4);
        for group in &example.groups {
            groups.settles_with(group, 1, SOON);
        }
        // An egress without a config of its own or of its resource tries once.
        subscriber.endpoint(ARCHIVER).always(Answer::status(500));
        send_events(&example, broker.bootstrap());
        groups.settles_at("knative-trigger-payments-ledger-archive", &example.topics["knative-broker-payments-ledger"], 0, 2);
        assert_eq!(subscriber.endpoint(ARCHIVER).count(), 2);
    }

    /// One file for both programs: each takes its part and leaves the other's.
    fn c029_contract_of_a_namespaced_broker(variant: Variant) {
        let (broker, subscriber) = (Broker::shared(variant.broker), Subscriber::start());
        let example = Example::read("namespaced-broker-combined.json", broker.bootstrap(), &subscriber);
        example.make_topics(broker);
        let groups = Groups::of(broker.bootstrap());
        let receiver = Receiver::start(&Setup::new(variant.driver).contract(example.text.as_str()));
        let event = millrace_tests::http::Request::minimal("/tenant-a/private", "1");
        assert_eq!(receiver.status(&event.set("ce-type", "a")), 202);
        for group in &example.groups {
            assert_eq!(groups.describe(group).members.len(), 0, "the receiver is in {group}");
        }
        let dispatcher = Dispatcher::start(&Setup::dispatcher(variant.driver).contract(example.text.as_str()));
        assert_eq!(example.groups, ["knative-trigger-tenant-a-first", "knative-trigger-tenant-a-second"]);
        for group in &example.groups {
            groups.settles_with(group, 1, SOON);
        }
        assert!(listening(dispatcher.pid()).into_iter().eq([dispatcher.metrics_port()]));
        for endpoint in ["first.tenant-a.svc.cluster.local", "second.tenant-a.svc.cluster.local"] {
            assert_eq!(subscriber.endpoint(endpoint).one().header("ce-type").as_deref(), Some("a"));
        }
    }

    fn c040_five_hundred_egresses(variant: Variant) {
        const EGRESSES: usize = 500;
        const LIMIT_KIB: u64 = 1_000 * 1_024;
        let broker = Broker::start(BrokerKind::Apache);
        let stage = Stage::prepare_on(&broker, variant, Kind::Broker)
            .with("c040", |plan| (1..EGRESSES).fold(plan, |plan, number| plan.and(&number.to_string(), |egress| egress)))
            .start();
        let case = stage.case("c040");
        case.send(&[NewRecord::event("1")]);
        let started = Instant::now();
        // 60 s are meant; a machine that has other work at the same time gets more.
        until("all to deliver", Duration::from_secs(300), || {
            let done = case.plan.egresses.iter().all(|egress| case.subscriber_of(egress).count() == 1);
            done.then_some(())
        });
        println!("{EGRESSES} egresses have delivered after {:?}", started.elapsed());
        let status = fs::read_to_string(format!("/proc/{}/status", stage.dispatcher.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < LIMIT_KIB, "{peak} KiB");
    }
}

cases! { Broker;
    /// Upstream's own end-to-end test of its data plane.
    fn d140_chain_of_replies(case, |plan| plan.partitions(10)
        .egress(|egress| egress.reply_to_topic().filter(json!({ "type": "type-ce-1" })))
        .and("2", |egress| egress.reply_to_topic().filter(json!({ "type": "type-ce-2" })))
        .and("3", |egress| egress.reply_to_topic().filter(json!({ "source": "nobody" })))
    ) {
        let [first, second, third] = [case.egress(), case.and("2"), case.and("3")].map(|egress| case.subscriber_of(egress));
        first.in_turn(vec![
            Answer::status(200).header("ce-specversion", "0.3").header("ce-id", "2").header("ce-source", "/first")
                .header("ce-type", "type-ce-2").header("Content-Type", "application/json").body(r#"{"n":2}"#),
            Answer::status(202),
        ]);
        second.always(Answer::event("3", "type-ce-1"));
        case.send(&[NewRecord::event("1").set("ce_type", "type-ce-1")]);
        let requests = first.wait(2);
        assert_eq!(requests[1].header("ce-id").as_deref(), Some("3"));
        assert_eq!(requests[1].body, b"");
        let reply = second.one();
        assert_eq!(reply.header("ce-specversion").as_deref(), Some("0.3"));
        assert_eq!(reply.body, br#"{"n":2}"#);
        // All three have read all three records: their partitions are wherever the records without a key went.
        for egress in &case.plan.egresses {
            until("all three records to be committed", SOON, || {
                let committed = (0..10).filter_map(|partition| case.stage.groups.committed(&egress.group, &case.plan.topic, partition));
                (committed.sum::<i64>() == 3).then_some(())
            });
        }
        assert_eq!((first.count(), second.count(), third.count()), (2, 1, 0));
    }
}
