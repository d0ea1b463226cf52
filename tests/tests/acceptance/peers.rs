//! Other people's programs as second opinions: curl and the CloudEvents SDK send, kcat reads, Java's producer
//! chooses partitions.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use cloudevents::{AttributesReader, EventBuilder, EventBuilderV10};
use millrace_tests::broker::{Broker, BrokerKind, apache_class_path};
use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::matrix::{Driver, Variant, run};
use millrace_tests::records::Record;
use millrace_tests::records::headers;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::wait::{SOON, until};
use serde_json::{Value, json};

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

matrix! {
    fn curl_sends_and_kcat_reads(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let url = format!("http://127.0.0.1:{}/ns/a", rig.receiver.port());
        let id = unique();
        let body = format!("{{\"text\":\"{}\"}}", "é".repeat(2000));
        let status = output_of("curl", &[
            "--silent", "--show-error", "--max-time", "20", "--output", "/dev/null", "--write-out", "%{http_code}",
            "-H", "ce-specversion: 1.0", "-H", &format!("ce-id: {id}"), "-H", "ce-source: /curl", "-H", "ce-type: t",
            "-H", "ce-partitionkey: k1", "-H", "Content-Type: application/json", "--data-binary", &body, &url,
        ]);
        assert_eq!(status, "202");
        rig.tail.one(&rig.topics.a, &id);
        let bootstrap = Broker::shared(variant.broker).bootstrap();
        let read = output_of("kcat", &["-b", bootstrap, "-t", &rig.topics.a, "-C", "-e", "-q", "-J"]);
        let record: Value = serde_json::from_str(read.trim()).expect("one record as JSON");
        assert_eq!((&record["partition"], &record["key"], &record["payload"]), (&json!(2), &json!("k1"), &json!(body)));
        // kcat prints the headers as one list of names and values.
        let flat: Vec<&str> = record["headers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let mut headers: Vec<(&str, &str)> = flat.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        headers.sort_unstable();
        let expected = [
            ("ce_id", id.as_str()),
            ("ce_partitionkey", "k1"),
            ("ce_source", "/curl"),
            ("ce_specversion", "1.0"),
            ("ce_type", "t"),
            ("content-type", "application/json"),
        ];
        assert_eq!(headers, expected);
    }

    fn events_of_the_cloudevents_sdk(rig: &'static Rig) {
        let id = unique();
        let event = EventBuilderV10::new()
            .id(&id)
            .source("http://sdk.test/source")
            .ty("com.example.sdk")
            .subject("a subject with blanks, \"quotes\" and é")
            .time("2026-07-31T10:00:00.5+02:00")
            .extension("flag", true)
            .extension("count", 42)
            .data("application/json", json!({ "message": "hello", "list": [1, 2.5, null] }))
            .build()
            .unwrap();
        let wire = serde_json::to_string(&event).unwrap();
        let record = rig.record_of(&Request::structured("/ns/a", &wire), &id);
        let expected = [
            ("ce_count", "42"),
            ("ce_flag", "true"),
            ("ce_id", &id),
            ("ce_source", "http://sdk.test/source"),
            ("ce_specversion", "1.0"),
            ("ce_subject", event.subject().unwrap()),
            ("ce_time", &record.header("ce_time").unwrap()),
            ("ce_type", "com.example.sdk"),
            ("content-type", "application/json"),
        ];
        assert_eq!(headers(&record), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let value: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        assert_eq!(value, json!({ "message": "hello", "list": [1, 2.5, null] }));

        // In a sink's topic the record is an event of the JSON format again: the SDK reads it back as it was.
        let record = rig.structured_record_of(&Request::structured("/ns/s", &wire), &id);
        let back: cloudevents::Event = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        assert_eq!(back, event);
    }
}

/// On a real broker only: the mock does not speak what the current Java client asks for.
mod java_producer_chooses_the_same_partitions {
    use super::*;

    #[test]
    fn io_uring_apache() {
        run(Driver::IoUring, BrokerKind::Apache, same_partitions_as_java);
    }

    #[test]
    fn epoll_apache() {
        run(Driver::Epoll, BrokerKind::Apache, same_partitions_as_java);
    }
}

/// Data written by the Java version and by ours must meet in one partition (receiver.md 4.1).
fn same_partitions_as_java(variant: Variant) {
    let rig = Rig::own(variant, |setup| setup);
    let keys: Vec<String> =
        (0..40).map(|number| format!("key {number} \u{e9}{}", "x".repeat(number))).collect();
    send_by_java(Broker::shared(variant.broker).bootstrap(), &rig.topics.c, &keys);
    for key in &keys {
        let event = json!({ "specversion": "1.0", "id": unique(), "source": "/s", "type": "t", "partitionkey": key });
        rig.accepted(&Request::structured("/ns/a", event.to_string()));
    }
    let [ours, javas] = [&rig.topics.a, &rig.topics.c].map(|topic| {
        until("all keys to land", SOON, || {
            Some(partitions(&rig.tail.all(topic))).filter(|keys| keys.len() == 40)
        })
    });
    assert_eq!(ours, javas);
}

/// Sends each key with Java's own producer.
fn send_by_java(bootstrap: &str, topic: &str, keys: &[String]) {
    let mut command = Command::new("java");
    command.args([
        "-Dfile.encoding=UTF-8",
        "-cp",
        &apache_class_path(),
        "org.apache.kafka.tools.ConsoleProducer",
    ]);
    command.args(["--bootstrap-server", bootstrap, "--topic", topic]);
    command.args(["--property", "parse.key=true", "--property", "key.separator=|"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("Java runs");
    let mut input = child.stdin.take().unwrap();
    for key in keys {
        writeln!(input, "{key}|value").unwrap();
    }
    drop(input);
    assert!(child.wait().unwrap().success(), "the Java producer failed");
}

fn partitions(records: &[Record]) -> BTreeMap<Vec<u8>, i32> {
    records.iter().filter_map(|record| Some((record.key.clone()?, record.partition))).collect()
}
