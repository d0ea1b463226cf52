//! The mock cluster and its reader by themselves.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{SOON, rig};
use millrace_kafka::testing::{MockCluster, ReadFrom, TestConsumer, TestingError, api_key};
use millrace_kafka::{Headers, Payload, Record};

#[test]
fn empty_topic_reads_as_no_records() {
    let cluster = MockCluster::start(3).unwrap();
    cluster.create_topic("empty", 3).unwrap();
    assert_eq!(cluster.bootstrap_servers().split(',').count(), 3);
    let consumer = TestConsumer::new(&cluster.bootstrap_servers()).unwrap();
    assert_eq!(consumer.read_all("empty", SOON).unwrap(), []);
}

#[test]
fn missing_topic_is_a_deadline_error_that_names_it() {
    let cluster = MockCluster::start(1).unwrap();
    let consumer = TestConsumer::new(&cluster.bootstrap_servers()).unwrap();
    let error = consumer.read_all("nowhere", Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, TestingError::Deadline { ref topic, .. } if topic == "nowhere"));
}

#[test]
fn second_creation_of_a_topic_is_refused() {
    let cluster = MockCluster::start(1).unwrap();
    cluster.create_topic("twice", 1).unwrap();
    let error = cluster.create_topic("twice", 1).unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
}

#[test]
fn tail_gives_records_as_they_land_and_read_until_waits_for_them() {
    let mut rig = rig(2, 2, |_| {});
    let bootstrap = rig.cluster.bootstrap_servers();
    let topic = rig.producer.topic("t").unwrap();
    let send = |token: u64| {
        let mut headers = Headers::with_capacity(2);
        headers.add("ce_id", Some(b"old"));
        headers.add("ce_id", Some(token.to_string().as_bytes()));
        let record = Record { key: Some(b"k1"), headers: Some(headers) };
        rig.producer.produce(&topic, record, Payload::whole(vec![1]), token).unwrap();
    };
    send(0);
    let consumer = TestConsumer::new(&bootstrap).unwrap();
    let mut tail = consumer.tail("t", ReadFrom::Beginning, SOON).unwrap();
    assert_eq!(tail.next(SOON).unwrap().header("ce_id").as_deref(), Some("0"));
    assert_eq!(tail.next(Duration::from_millis(50)), None);
    send(1);
    let record = tail.next(SOON).unwrap();
    assert_eq!(record.header("ce_id").as_deref(), Some("1"));
    assert_eq!((record.header("none"), record.offset), (None, 1));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert!(now.abs_diff(record.timestamp_ms.unsigned_abs().into()) < 60_000);
    drop(tail);

    send(2);
    assert_eq!(consumer.read_until("t", 3, SOON).unwrap().len(), 3);
    let error = consumer.read_until("t", 4, Duration::from_millis(200)).unwrap_err();
    assert!(matches!(error, TestingError::Deadline { read: 3, .. }), "{error}");
    rig.reports(3);
}

#[test]
fn requests_are_tracked() {
    let mut rig = rig(1, 1, |_| {});
    rig.cluster.track_requests();
    let topic = rig.producer.topic("t").unwrap();
    rig.producer.produce(&topic, Record::default(), Payload::Null, 1).unwrap();
    rig.reports(1);
    let requests = rig.cluster.requests();
    assert_eq!(requests.iter().filter(|&&key| key == api_key::PRODUCE).count(), 1);
    assert!(requests.contains(&api_key::METADATA));
}
