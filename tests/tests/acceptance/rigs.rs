//! The rigs themselves: a cluster of either kind takes records, keeps them over an outage and can lack a topic.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use millrace_tests::broker::{Broker, BrokerKind, apache_available};
use millrace_tests::records::Tail;
use millrace_tests::rig::unique;
use millrace_tests::wait::{SOON, until};

fn kcat(bootstrap: &str, topic: &str, value: &str) -> Output {
    let mut command = Command::new("kcat");
    command.args(["-P", "-b", bootstrap, "-t", topic, "-p", "1", "-X", "message.timeout.ms=3000"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kcat is needed for this test");
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn survives_an_outage(kind: BrokerKind) {
    let broker = Broker::start(kind);
    let (topic, missing) = (unique(), unique());
    broker.create_topic(&topic, 2);
    broker.keep_missing(&missing);
    let tail = Tail::of(broker.bootstrap());
    assert!(kcat(broker.bootstrap(), &topic, "one").status.success());
    assert!(!kcat(broker.bootstrap(), &missing, "none").status.success());
    broker.down();
    assert!(!kcat(broker.bootstrap(), &topic, "lost").status.success());
    broker.up();
    until("the cluster to take records again", SOON, || {
        kcat(broker.bootstrap(), &topic, "two").status.success().then_some(())
    });
    until("both records", Duration::from_secs(20), || {
        let values: Vec<_> =
            tail.all(&topic).iter().filter_map(|record| record.value.clone()).collect();
        (values.first()? == b"one" && values.last()? == b"two").then_some(())
    });
}

#[test]
fn embedded_kafka_survives_an_outage() {
    survives_an_outage(BrokerKind::Embedded);
}

#[test]
fn apache_kafka_survives_an_outage() {
    if apache_available() {
        survives_an_outage(BrokerKind::Apache);
    }
}
