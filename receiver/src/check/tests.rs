//! Whole sets of settings, as a pod would have them, on disk.

use std::{fs, path::Path};

use millrace_process::exit::CONFIG;
use millrace_settings::{Severity, Variables};

use super::*;

const CONTRACT: &str = r#"{"generation":"3","resources":[{"uid":"u1","topics":["t"],
 "bootstrapServers":"k:9092","ingress":{"path":"/ns/b"},
 "reference":{"namespace":"ns","name":"b"}}]}"#;

/// A directory with the files of a pod, and variables that name them.
fn pod(producer: &str) -> (tempfile::TempDir, Variables) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    fs::write(at("producer"), producer).unwrap();
    fs::write(at("http"), "idleTimeout=0\n").unwrap();
    fs::write(at("contract"), CONTRACT).unwrap();
    for name in ["observability", "features"] {
        fs::create_dir(at(name)).unwrap();
    }
    let variables = [
        ("INGRESS_PORT", "8080".to_owned()),
        ("INGRESS_TLS_PORT", "8443".to_owned()),
        ("LIVENESS_PROBE_PATH", "/healthz".to_owned()),
        ("READINESS_PROBE_PATH", "/readyz".to_owned()),
        ("HTTPSERVER_CONFIG_FILE_PATH", at("http")),
        ("PRODUCER_CONFIG_FILE_PATH", at("producer")),
        ("DATA_PLANE_CONFIG_FILE_PATH", at("contract")),
        ("CONFIG_OBSERVABILITY_PATH", at("observability")),
        ("CONFIG_FEATURES_PATH", at("features")),
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
    let (_directory, variables) = pod("acks=all\nbatch.size=1\n");
    let (shown, code) = text(&variables);
    assert_eq!(code, 0, "{shown}");
    for part in [
        "INGRESS_PORT=8080 ",
        "SHARDS=auto (default)",
        "metrics=none",
        "listen=0.0.0.0:8080",
        "librdkafka.batch.size=1\n",
        "generation 3, 1 resources",
        "0 errors, 0 warnings",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn warnings_pass_unless_denied() {
    let (_directory, variables) = pod("linger.sm=5");
    let (shown, code) = text(&variables);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("did you mean linger.ms?"), "{shown}");
    let denied = run(&variables, cli::Check { json: false, deny_warnings: true });
    assert_eq!(denied.1, CONFIG);
}

#[test]
fn a_refused_producer_fails_the_check_but_loads() {
    let (_directory, variables) = pod("acks=foo");
    assert_eq!(text(&variables).1, CONFIG);
    let mut report = Report::new();
    let settings = Settings::load(&variables, &mut report).unwrap();
    assert!(settings.producer.unwrap_err().to_string().contains("acks=foo"));
    assert!(report.has_errors());
}

#[test]
fn mistakes_of_all_places_are_shown_together() {
    let (directory, mut variables) = pod("linger.sm=1");
    variables.0.insert("INGRESS_PORT".into(), "abc".into());
    variables.0.remove("LIVENESS_PROBE_PATH");
    fs::write(directory.path().join("contract"), "{").unwrap();
    let (shown, code) = text(&variables);
    assert_eq!(code, CONFIG);
    for part in ["INGRESS_PORT=abc", "LIVENESS_PROBE_PATH is not set", "3 errors"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn secrets_of_the_producer_file_do_not_show() {
    let (_directory, variables) =
        pod("sasl.jaas.config=x.PlainLoginModule required username=\"u\" password=\"hunter2\";\n\
         ssl.key.password=hunter2\nsecurity.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n\
         ssl.truststore.password= hunter2\nsasl.password=hunter2");
    let (shown, _) = text(&variables);
    assert!(!shown.contains("hunter2"), "{shown}");
    let (shown, _) = run(&variables, cli::Check { json: true, deny_warnings: false });
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn json_holds_the_same() {
    let (_directory, variables) = pod("acks=foo");
    let (shown, code) = run(&variables, cli::Check { json: true, deny_warnings: false });
    let document: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(code, CONFIG);
    assert_eq!(document["errors"], 1);
    assert_eq!(document["environment"]["INGRESS_PORT"]["value"], "8080");
    assert_eq!(document["environment"]["SHARDS"]["default"], true);
    assert_eq!(document["settings"]["http server"]["maxHeaderSize"], "8192");
    assert_eq!(document["findings"][0]["key"], "acks");
    assert_eq!(document["findings"][0]["line"], 1);
}

#[test]
fn a_pod_without_files_starts_with_warnings() {
    let (directory, variables) = pod("");
    for name in ["producer", "http", "contract"] {
        fs::remove_file(directory.path().join(name)).unwrap();
    }
    for name in ["observability", "features"] {
        fs::remove_dir(directory.path().join(name)).unwrap();
    }
    let mut report = Report::new();
    assert!(Settings::load(&variables, &mut report).is_some_and(|s| s.producer.is_ok()));
    assert_eq!((report.count(Severity::Warning), report.has_errors()), (2, false));
    assert_eq!(text(&variables).1, 0);
}

#[test]
fn a_malformed_file_stops_the_process_as_it_stops_java() {
    for name in ["producer", "http"] {
        let (directory, variables) = pod("");
        fs::write(directory.path().join(name), "a=\\u12").unwrap();
        let mut report = Report::new();
        assert!(Settings::load(&variables, &mut report).is_none());
        assert!(report.has_errors());
    }
}

#[test]
fn resources_that_need_what_is_not_available_are_named() {
    let (directory, variables) = pod("");
    let path = directory.path().join("contract");
    let with = CONTRACT.replace(
        r#""ingress":{"path":"/ns/b"}"#,
        r#""ingress":{"path":"/ns/b","audience":"a"},
           "authSecret":{"namespace":"ns","name":"s"}"#,
    );
    fs::write(&path, with).unwrap();
    let (shown, _) = text(&variables);
    assert!(shown.contains("(ns/b) is refused: it needs credentials"), "{shown}");
    assert!(shown.contains("(ns/b) is refused: it needs tokens"), "{shown}");
    fs::write(&path, "").unwrap();
    assert!(text(&variables).0.contains("no resources yet"));
    assert!(Path::exists(&path));
}
