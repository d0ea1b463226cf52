//! The two programs as a user starts them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use millrace_kafka::testing::TestConsumer;

#[test]
fn embedded_kafka_tells_its_address_first_and_ends_on_sigterm() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_embedded-kafka"));
    command.args(["--topic", "one:1", "--topic", "two:2"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let bootstrap =
        first.trim().strip_prefix("bootstrap.servers=").expect("the address is the first line");
    let consumer = TestConsumer::new(bootstrap).unwrap();
    assert_eq!(consumer.read_all("two", Duration::from_secs(20)).unwrap(), []);

    let kill = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("5 MiB"),
        "the warning names the limit"
    );
}

#[test]
fn embedded_kafka_refuses_a_topic_without_partitions() {
    let output = Command::new(env!("CARGO_BIN_EXE_embedded-kafka"))
        .args(["--topic", "one"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("NAME:PARTITIONS"));
}

#[test]
fn quickstart_once_shows_the_record_of_its_event() {
    let output = Command::new(env!("CARGO_BIN_EXE_quickstart")).arg("--once").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for expected in [
        "HTTP/1.1 202",
        "key      hello",
        "ce_type: com.example.hello",
        r#"value    {"message":"Hello, Millrace"}"#,
        "POST /hello",
        "ce-type: com.example.hello",
        "ce-knativekafkaoffset: 0",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in:\n{text}");
    }
    assert!(!text.contains("POST /other"), "the other trigger's filter let it pass:\n{text}");
}
