//! Whole sets of settings, as a pod would have them, on disk.

use std::fs;

use millrace_process::exit::CONFIG;
use millrace_settings::{Severity, Variables};

use super::*;

const CONTRACT: &str = r#"{"generation":"3","resources":[{"uid":"u1","topics":["t"],
 "bootstrapServers":"k:9092","reference":{"namespace":"ns","name":"b","kind":"Broker"},
 "egresses":[{"uid":"e1","consumerGroup":"g","destination":"http://s/x",
   "reference":{"namespace":"ns","name":"trig","kind":"Trigger"}}]}]}"#;

/// A directory with the files of a pod, and variables that name them.
fn pod(webclient: &str) -> (tempfile::TempDir, Variables) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    fs::write(at("consumer"), "auto.offset.reset=latest\n").unwrap();
    fs::write(at("producer"), "acks=all\n").unwrap();
    fs::write(at("webclient"), webclient).unwrap();
    fs::write(at("contract"), CONTRACT).unwrap();
    fs::create_dir(at("observability")).unwrap();
    let variables = [
        ("CONSUMER_CONFIG_FILE_PATH", at("consumer")),
        ("WEBCLIENT_CONFIG_FILE_PATH", at("webclient")),
        ("EGRESSES_INITIAL_CAPACITY", "20".to_owned()),
        ("SERVICE_NAMESPACE", "knative-eventing".to_owned()),
        ("PRODUCER_CONFIG_FILE_PATH", at("producer")),
        ("DATA_PLANE_CONFIG_FILE_PATH", at("contract")),
        ("CONFIG_OBSERVABILITY_PATH", at("observability")),
        ("WAIT_STARTUP_SECONDS", "8".to_owned()),
    ]
    .into_iter()
    .collect();
    (directory, variables)
}

fn text(variables: &Variables) -> (String, i32) {
    run(variables, cli::Check { json: false, deny_warnings: false })
}

#[test]
fn a_good_pod_is_clean_and_shows_its_settings() {
    let (_directory, variables) = pod("idleTimeout=10000\nmaxPoolSize=100\n");
    let (shown, code) = text(&variables);
    assert_eq!(code, 0, "{shown}");
    for part in [
        "EGRESSES_INITIAL_CAPACITY=20 ",
        "DRAIN_SECONDS=20 (default)",
        "metrics=none",
        "maxPoolSize=100\n",
        "idleTimeout=10000 s\n",
        "librdkafka.acks=",
        "librdkafka.auto.offset.reset=latest\n",
        "generation 3, 1 resources",
        "0 errors, 0 warnings",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn mistakes_of_all_places_are_shown_together() {
    let (directory, mut variables) = pod("maxPoolsize=1");
    let (shown, code) = text(&variables);
    assert!(code == 0 && shown.contains("did you mean maxPoolSize?"), "{shown}");
    let denied = run(&variables, cli::Check { json: false, deny_warnings: true });
    assert_eq!(denied.1, CONFIG);
    variables.0.insert("EGRESSES_INITIAL_CAPACITY".into(), "0".into());
    variables.0.remove("SERVICE_NAMESPACE");
    fs::write(directory.path().join("contract"), "{").unwrap();
    let (shown, code) = text(&variables);
    assert_eq!(code, CONFIG);
    for part in ["EGRESSES_INITIAL_CAPACITY=0", "SERVICE_NAMESPACE is not set", "3 errors"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn refused_kafka_files_fail_the_check_but_load() {
    for (file, text) in [("producer", "acks=foo"), ("consumer", "auto.offset.reset=foo")] {
        let (directory, variables) = pod("");
        fs::write(directory.path().join(file), text).unwrap();
        assert_eq!(self::text(&variables).1, CONFIG);
        let mut report = Report::new();
        let settings = Settings::load(&variables, &mut report).unwrap();
        assert_eq!(settings.producer.is_err(), file == "producer");
        assert_eq!(settings.consumer.is_err(), file == "consumer");
        assert!(report.has_errors());
    }
}

#[test]
fn json_holds_the_same() {
    let (_directory, variables) = pod("");
    let (shown, code) = run(&variables, cli::Check { json: true, deny_warnings: false });
    let document: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &document["errors"]), (0, &0.into()));
    assert_eq!(document["environment"]["HEALTHY_FILE"]["value"], "/tmp/healthy");
    assert_eq!(document["settings"]["http client"]["maxPoolSize"], "5");
}

#[test]
fn a_pod_without_files_starts_with_warnings() {
    let (directory, variables) = pod("");
    for name in ["consumer", "producer", "webclient", "contract"] {
        fs::remove_file(directory.path().join(name)).unwrap();
    }
    fs::remove_dir(directory.path().join("observability")).unwrap();
    let mut report = Report::new();
    assert!(Settings::load(&variables, &mut report).is_some_and(|s| s.producer.is_ok()));
    assert_eq!((report.count(Severity::Warning), report.has_errors()), (3, false));
    assert_eq!(text(&variables).1, 0);
}

#[test]
fn a_malformed_file_stops_the_process_as_it_stops_java() {
    for name in ["consumer", "producer", "webclient"] {
        let (directory, variables) = pod("");
        fs::write(directory.path().join(name), "a=\\u12").unwrap();
        let mut report = Report::new();
        assert!(Settings::load(&variables, &mut report).is_none());
        assert!(report.has_errors());
    }
}

#[test]
fn egresses_that_need_what_is_not_available_are_named() {
    let (directory, variables) = pod("");
    let with = CONTRACT
        .replace(r#""uid":"u1","#, r#""uid":"u1","authSecret":{"namespace":"ns","name":"s"},"#)
        .replace(
            r#""destination":"http://s/x","#,
            r#""destination":"HTTPS://s/x","replyUrl":"http://r","replyUrlAudience":"a","#,
        );
    fs::write(directory.path().join("contract"), with).unwrap();
    let (shown, _) = text(&variables);
    for need in ["credentials for Kafka", "tokens for its targets", "TLS towards its targets"] {
        assert!(
            shown.contains(&format!("egress e1 (ns/trig) is refused: it needs {need}")),
            "{shown}"
        );
    }
}
