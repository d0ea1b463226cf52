//! Log lines and their levels: case 68 of platform.md 12.

use std::fs;

use millrace_tests::broker::Broker;
use millrace_tests::contract::fixture;
use millrace_tests::drivers;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix::Variant;
use millrace_tests::process::Receiver;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::setup::{Setup, new_folder};
use millrace_tests::wait::SOON;
use serde_json::Value;

const FIELDS: [&str; 7] =
    ["@timestamp", "@version", "level", "level_value", "logger_name", "message", "thread_name"];

/// The logback file with this text.
fn logback(setup: Setup, xml: &str) -> Setup {
    let path = new_folder().join("config.xml");
    fs::write(&path, xml).unwrap();
    setup.env("LOGGING_CONFIG_PATH", &path.display().to_string())
}

fn root(level: &str) -> String {
    format!(
        "<configuration><root level=\"{level}\"><appender-ref ref=\"async\"/></root></configuration>"
    )
}

/// A line of each level, produced from outside: a refused resource (ERROR), a strange setting (WARN), a broken scrape
/// (DEBUG).
fn eventful(variant: Variant, xml: &str) -> Rig {
    let rig = Rig::own(variant, |setup| {
        logback(setup, xml).producer("linger.sm", "5").env("DRAIN_GRACE_SECONDS", "0")
    });
    let mut scrape = Connection::open(rig.receiver.metrics_port());
    scrape.send(b"\0\r\n\r\n");
    // It is logged before the connection is given up.
    while scrape.answer_within(SOON).is_ok() {}
    rig.accepted(&Request::minimal("/ns/a", &unique()));
    rig
}

/// Stops it, so that all lines are out, and returns their levels, each once.
fn levels(rig: &Rig) -> Vec<String> {
    rig.receiver.signal("TERM");
    rig.receiver.wait_exit(SOON);
    let mut levels: Vec<String> = rig
        .receiver
        .logs()
        .iter()
        .filter_map(|line| line["level"].as_str().map(str::to_owned))
        .collect();
    levels.sort();
    levels.dedup();
    levels
}

fn assert_form(line: &Value) {
    for field in FIELDS {
        assert!(line.get(field).is_some(), "no {field} in {line}");
    }
    let value = match line["level"].as_str().unwrap() {
        "TRACE" => 5_000,
        "DEBUG" => 10_000,
        "INFO" => 20_000,
        "WARN" => 30_000,
        "ERROR" => 40_000,
        other => panic!("level {other}"),
    };
    assert_eq!((&line["@version"], &line["level_value"]), (&"1".into(), &value.into()), "{line}");
    // 2026-07-31T10:00:00.123Z: date, time, and an offset.
    let time = line["@timestamp"].as_str().unwrap();
    let (date, clock) = time.split_once('T').unwrap_or_else(|| panic!("time {time}"));
    assert!(
        date.len() == 10 && clock.len() >= 9 && (clock.ends_with('Z') || clock.contains('+')),
        "time {time}"
    );
    // Each key and value is a field of its own and part of the message as well.
    let message = line["message"].as_str().unwrap();
    for (key, value) in line.as_object().unwrap() {
        if FIELDS.contains(&key.as_str()) || key == "stack_trace" {
            continue;
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert!(
            message.contains(&format!("{key}={text}")),
            "{key} is not in the message of {line}"
        );
    }
}

drivers! {
    fn p068_every_line_is_one_json_object(variant: Variant) {
        let rig = eventful(variant, &root("DEBUG"));
        assert_eq!(levels(&rig), ["DEBUG", "ERROR", "INFO", "WARN"]);
        for line in rig.receiver.output() {
            let parsed: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_form(&parsed);
        }
        assert_eq!(rig.receiver.errors(), "");
        rig.receiver.wait_for_log("the contract with its generation as a number", |line| line["contractGeneration"] == 1);
    }

    fn p068_root_level_of_the_file_holds(variant: Variant) {
        assert_eq!(levels(&eventful(variant, &root("ERROR"))), ["ERROR"]);
        assert_eq!(levels(&eventful(variant, &root("warn"))), ["ERROR", "WARN"]);
        assert_eq!(levels(&eventful(variant, &root("INFO"))), ["ERROR", "INFO", "WARN"]);
        assert_eq!(levels(&eventful(variant, &root("DEBUG"))), ["DEBUG", "ERROR", "INFO", "WARN"]);
        assert_eq!(levels(&eventful(variant, &root("OFF"))), Vec::<String>::new());
    }

    /// As if there were none: JSON at INFO, with a word about it.
    fn p068_broken_file_means_info(variant: Variant) {
        for xml in ["<configuration><root level=\"DEBUG\">", "not xml at all", "", "<configuration><root level=\"LOUD\"/></configuration>"] {
            let rig = eventful(variant, xml);
            rig.receiver.wait_for_log_text("INFO", "contractGeneration");
            rig.receiver.wait_for_log("a line about config.xml", |line| line.to_string().contains("config.xml"));
            assert!(levels(&rig).iter().all(|level| level != "DEBUG" && level != "TRACE"), "with {xml:?}");
        }
    }

    /// Java's logger names are mapped to ours.
    fn p068_level_of_one_logger(variant: Variant) {
        let xml = "<configuration><logger name=\"dev.knative.eventing.kafka.broker\" level=\"ERROR\"/><root level=\"INFO\"/></configuration>";
        assert_eq!(levels(&eventful(variant, xml)), ["ERROR"]);
    }

    /// What comes from outside cannot forge a line.
    fn p068_peers_cannot_write_lines(variant: Variant) {
        let broker = Broker::shared(variant.broker);
        let topics = millrace_tests::contract::Topics::new(&unique());
        let forged = "u\n{\"level\":\"ERROR\",\"message\":\"forged\"}";
        let contract = fixture(&topics, broker.bootstrap()).edit("uid-ns-o", |resource| resource.put("/uid", forged));
        let receiver = Receiver::start(&Setup::new(variant.driver).contract(contract.to_bytes()));
        receiver.wait_for_log("the refusal of the resource", |line| line["resource.uid"] == forged);
        assert!(receiver.logs().iter().all(|line| line["message"] != "forged"));
    }
}
