//! Python's confluent-kafka as a second opinion on partitions: same keys, same places.

use std::io::Write;
use std::process::{Command, Stdio};

use millrace_tests::broker::Broker;
use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::python;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::wait::{SOON, until};
use serde_json::json;

const KEYS: usize = 200;

matrix! {
    fn r080_partitions_of_the_python_client(variant: Variant) {
        let Some(python) = python::script("partitions.py") else { return };
        let rig = Rig::own(variant, |setup| setup);
        let keys: Vec<String> =
            (0..KEYS).map(|number| format!("key {number} \u{e9}{}", "x".repeat(number % 40))).collect();
        let theirs = partitions_by_python(python, Broker::shared(variant.broker).bootstrap(), &rig.topics.c, &keys);
        for key in &keys {
            let event = json!({ "specversion": "1.0", "id": unique(), "source": "/s", "type": "t", "partitionkey": key });
            rig.accepted(&Request::structured("/ns/a", event.to_string()));
        }
        let records = until("all keys to land", SOON, || {
            Some(rig.tail.all(&rig.topics.a)).filter(|records| records.len() == KEYS)
        });
        for (key, partition) in keys.iter().zip(theirs) {
            let ours = records.iter().find(|record| record.key.as_deref() == Some(key.as_bytes()));
            assert_eq!(ours.map(|record| record.partition), Some(partition), "{key}");
        }
    }
}

fn partitions_by_python(
    mut python: Command,
    bootstrap: &str,
    topic: &str,
    keys: &[String],
) -> Vec<i32> {
    python.args([bootstrap, topic]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().expect("Python runs");
    let mut input = child.stdin.take().expect("its input is piped");
    for key in keys {
        writeln!(input, "{key}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the Python producer failed");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.lines().map(|line| line.parse().unwrap()).collect()
}
