//! The mock cluster and its reader by themselves.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use millrace_kafka::testing::{MockCluster, TestConsumer, TestingError};

const SOON: Duration = Duration::from_secs(10);

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
