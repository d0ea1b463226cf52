//! A partition that is without a leader for a while, as KRaft tells of those whose only broker stood still.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{Rig, producer};
use millrace_kafka::properties::translate_producer;
use millrace_kafka::testing::{MockCluster, TestConsumer, api_key};
use millrace_kafka::{Payload, ProducerOptions, Record, partition_of};
use millrace_settings::{Origin, Properties, Report};

const REFRESH: &str = "topic.metadata.refresh.interval.ms";
const LEADERLESS: Duration = Duration::from_secs(3);
/// Far below the delivery timeout, and below Java's five minutes between two refreshes.
const RECOVERS_WITHIN: Duration = Duration::from_secs(30);

/// As the properties file makes it, but for the delivery timeout, and with another refresh if one is given.
fn options(bootstrap: &str, refresh_ms: Option<&str>) -> ProducerOptions {
    let text = "enable.idempotence=false\ndelivery.timeout.ms=600000\n";
    let properties = Properties::parse(text, Origin::File("p.properties".into())).unwrap();
    let settings = translate_producer(&properties, &mut Report::default()).unwrap();
    let mut options = ProducerOptions::new(&settings, bootstrap, "producer-1");
    let interval = options.pairs.iter_mut().find(|(key, _)| key == REFRESH).unwrap();
    if let Some(refresh_ms) = refresh_ms {
        interval.1 = refresh_ms.to_owned();
    }
    options
}

fn key_of(partition: i32) -> String {
    (0..)
        .map(|number| format!("key-{number}"))
        .find(|key| partition_of(key.as_bytes(), 2) == Some(partition))
        .unwrap()
}

/// The client asks for the leader until there is one, whatever the time between two refreshes.
#[test]
fn partition_is_sent_to_again_when_it_has_a_leader_again() {
    for refresh_ms in [None, Some("300000")] {
        let cluster = MockCluster::start(1).unwrap();
        // Version 10 tells of the leader, of which there is none.
        cluster.api_version_max(api_key::PRODUCE, 9).unwrap();
        cluster.create_topic("t", 2).unwrap();
        let (producer, wake) = producer(&options(&cluster.bootstrap_servers(), refresh_ms));
        let mut rig = Rig { producer, wake, cluster };
        let topic = rig.producer.topic("t").unwrap();
        let [leaderless, other] = [0, 1].map(key_of);
        let send = |rig: &Rig, key: &str, token| {
            let record = Record { key: Some(key.as_bytes()), headers: None };
            rig.producer.produce(&topic, record, Payload::whole(vec![1]), token).unwrap();
        };
        send(&rig, &leaderless, 1);
        send(&rig, &other, 2);
        assert!(rig.reports(2).into_values().all(|report| report.outcome.is_ok()));

        rig.cluster.leader("t", 0, -1).unwrap();
        rig.cluster.track_requests();
        let taken = Instant::now();
        for token in 10..20 {
            send(&rig, &leaderless, token);
            send(&rig, &other, token + 10);
        }
        // The other partition is sent to meanwhile.
        let reports = rig.reports(10);
        assert!(
            reports.iter().all(|(token, report)| *token >= 20 && report.outcome.is_ok()),
            "{reports:?}"
        );
        while taken.elapsed() < LEADERLESS {
            rig.producer.poll_reports(100, |report| panic!("sent to nobody: {report:?}"));
            std::thread::sleep(Duration::from_millis(50));
        }
        let asked = rig.cluster.requests().iter().filter(|key| **key == api_key::METADATA).count();
        assert!(asked > 0, "nobody asked for the leader");

        rig.cluster.leader("t", 0, 1).unwrap();
        let given = Instant::now();
        let reports = rig.reports(10);
        let took = given.elapsed();
        println!(
            "refresh {refresh_ms:?}: asked {asked} times in {LEADERLESS:?}, delivered {took:.1?} after"
        );
        assert!(reports.into_values().all(|report| report.outcome.unwrap().partition == 0));
        assert!(took < RECOVERS_WITHIN, "{took:?} with a refresh each {refresh_ms:?}");
        let landed = TestConsumer::new(&rig.cluster.bootstrap_servers()).unwrap();
        assert_eq!(landed.read_all("t", common::SOON).unwrap().len(), 22);
    }
}
