//! The environment: the shipped one, and each mistake.

use std::{fs, net::IpAddr};

use millrace_settings::{Severity, Variables};
use millrace_shard::{CoreRequest, DriverChoice};

use super::*;

const SHIPPED: [(&str, &str); 16] = [
    ("INGRESS_PORT", "8080"),
    ("INGRESS_TLS_PORT", "8443"),
    ("LIVENESS_PROBE_PATH", "/healthz"),
    ("READINESS_PROBE_PATH", "/readyz"),
    ("HTTPSERVER_CONFIG_FILE_PATH", "/etc/config/config-kafka-broker-httpserver.properties"),
    ("PRODUCER_CONFIG_FILE_PATH", "/etc/config/config-kafka-broker-producer.properties"),
    ("DATA_PLANE_CONFIG_FILE_PATH", "/etc/brokers-triggers/data"),
    ("CONFIG_OBSERVABILITY_PATH", "/etc/observability"),
    ("CONFIG_FEATURES_PATH", "/etc/features"),
    ("WAIT_STARTUP_SECONDS", "8"),
    ("METRICS_PUBLISH_QUANTILES", "false"),
    ("METRICS_JVM_ENABLED", "false"),
    ("JAVA_TOOL_OPTIONS", "-XX:+CrashOnOutOfMemoryError"),
    ("HTTP2_DISABLE", "true"),
    ("INSTANCE_ID", "0-1-2"),
    ("SERVICE_NAME", "kafka-broker-receiver"),
];

fn shipped_with(changes: &[(&str, &str)]) -> Variables {
    SHIPPED.iter().chain(changes).copied().collect()
}

fn read(changes: &[(&str, &str)]) -> (Option<Env>, Report) {
    let mut report = Report::new();
    let env = Env::from_source(&shipped_with(changes), &mut report);
    (env, report)
}

#[test]
fn the_shipped_environment_is_taken_without_a_word() {
    let (env, report) = read(&[]);
    assert_eq!(report.findings(), []);
    let env = env.unwrap();
    assert_eq!(env.ingress_port, 8080);
    assert_eq!(env.common.contract.to_str(), Some("/etc/brokers-triggers/data"));
    assert_eq!(env.features, Some("/etc/features".into()));
    assert_eq!(env.common.wait_startup, Duration::from_secs(8));
    assert_eq!(env.common.metrics.host, IpAddr::from([0, 0, 0, 0]));
    assert_eq!(env.too_large, TooLargeStatus::ContentTooLarge);
    assert_eq!((env.common.shards, env.common.io_driver), (CoreRequest::Auto, DriverChoice::Auto));
    assert_eq!(env.common.logging_config.to_str(), Some("/etc/logging/config.xml"));
    assert!(!env.batch_enabled && !env.common.metrics.publish_quantiles && !env.common.metrics.tls);
}

#[test]
fn the_defaults_in_the_table_are_those_in_force() {
    let defaults: Vec<(&str, &str)> =
        variables().iter().filter_map(|v| Some((v.name, v.default?))).collect();
    let mut needed: Vec<(&str, &str)> = SHIPPED[..8].to_vec();
    needed.push(SHIPPED[9]);
    let bare: Variables = needed.iter().copied().collect();
    let spelled: Variables = needed.iter().chain(&defaults).copied().collect();
    let mut report = Report::new();
    let first = Env::from_source(&bare, &mut report);
    assert!(first.is_some());
    assert_eq!(first, Env::from_source(&spelled, &mut report));
    assert_eq!(report.findings(), []);
}

#[test]
fn every_required_variable_is_named_when_missing_all_at_once() {
    let mut report = Report::new();
    assert_eq!(Env::from_source(&Variables::default(), &mut report), None);
    let missing: Vec<&str> = report.findings().iter().filter_map(|f| f.key.as_deref()).collect();
    let required: Vec<&str> =
        variables().iter().filter(|v| v.default.is_none()).map(|v| v.name).collect();
    assert_eq!(missing, required);
    for name in required {
        let (env, report) = read(&[(name, "")]);
        assert_eq!(env, None, "{name}");
        assert_eq!(report.count(Severity::Error), 1, "{name}: {report}");
        assert!(report.to_string().contains(name), "{report}");
    }
}

#[test]
fn wrong_values_are_named_with_their_variable() {
    for (name, value) in [
        ("INGRESS_PORT", "abc"),
        ("INGRESS_PORT", "65536"),
        ("INGRESS_PORT", " 80"),
        ("INGRESS_TLS_PORT", "-1"),
        ("WAIT_STARTUP_SECONDS", "0"),
        ("SHARDS", "0"),
        ("SHARDS", "many"),
        ("IO_DRIVER", "kqueue"),
        ("INGRESS_TOO_LARGE_STATUS", "400"),
        ("DRAIN_GRACE_SECONDS", "21"),
        ("INGRESS_MAX_CONNECTIONS", "0"),
        ("INGRESS_HEAD_TIMEOUT_SECONDS", "0"),
        ("INGRESS_BODY_TIMEOUT_SECONDS", "1.5"),
        ("CONTRACT_POLL_SECONDS", "0"),
        ("PRODUCER_BATCH_DELAY_US", "-1"),
        ("METRICS_HOST", "not a host"),
    ] {
        let (env, report) = read(&[(name, value)]);
        assert_eq!(env, None, "{name}={value}");
        assert_eq!(report.count(Severity::Error), 1, "{name}={value}: {report}");
        assert!(report.to_string().contains(&format!("{name}={value}")), "{report}");
    }
}

#[test]
fn good_values_arrive() {
    let (env, report) = read(&[
        ("INGRESS_PORT", "0"),
        ("METRICS_DISABLE_EVENT_TYPE_TAG", "TRUE"),
        ("DISABLE_KAFKA_CLIENTS_METRICS", "true"),
        ("METRICS_HOST", "::1"),
        ("INGRESS_BATCH_ENABLED", "true"),
        ("INGRESS_TOO_LARGE_STATUS", "503"),
        ("SHARDS", "3"),
        ("IO_DRIVER", "epoll"),
        ("DRAIN_GRACE_SECONDS", "0"),
        ("PRODUCER_BATCH_DELAY_US", "0"),
    ]);
    assert_eq!(report.findings(), []);
    let env = env.unwrap();
    assert_eq!((env.ingress_port, env.common.shards), (0, CoreRequest::Count(3)));
    assert!(env.common.metrics.disable_event_type && env.common.metrics.disable_kafka_clients);
    assert_eq!(env.common.metrics.host, "::1".parse::<IpAddr>().unwrap());
    assert!(env.batch_enabled);
    assert_eq!(env.too_large, TooLargeStatus::ServiceUnavailable);
    assert_eq!(env.common.io_driver, DriverChoice::Epoll);
    assert_eq!((env.drain_grace, env.batch_delay), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn what_has_no_effect_is_a_warning() {
    for (name, value) in [
        ("METRICS_DISABLE_EVENT_TYPE_TAG", "yes"),
        ("METRICS_JVM_ENABLED", "true"),
        ("METRICS_HTTP_SERVER_ENABLED", "true"),
        ("JAVA_TOOL_OPTIONS", "-Xmx1g -Djavax.net.ssl.trustStore=/t.jks"),
        ("JAVA_TOOL_OPTIONS", "-Dlogback.configurationFile=/x.xml"),
        ("LIVENESS_PROBE_PATH", "healthz"),
    ] {
        let (env, report) = read(&[(name, value)]);
        assert!(env.is_some_and(|env| !env.common.metrics.disable_event_type), "{name}={value}");
        assert_eq!(report.count(Severity::Warning), 1, "{name}={value}: {report}");
    }
    let (env, report) = read(&[("METRICS_PEM_CERT_PATH", "/c"), ("METRICS_PEM_KEY_PATH", "/k")]);
    assert!(env.is_some_and(|env| env.common.metrics.tls));
    assert_eq!(report.count(Severity::Warning), 1);
}

#[test]
fn features_are_on_only_when_enabled() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("authentication-oidc");
    for (text, on) in [("Enabled\n", true), ("disabled", false), ("true", false)] {
        fs::write(&file, text).unwrap();
        let mut report = Report::new();
        let found = Features::read(Some(directory.path()), &mut report);
        assert_eq!(found.authentication_oidc, on, "{text}");
        assert_eq!(report.count(Severity::Warning), usize::from(on), "{text}");
    }
    let mut report = Report::new();
    let none = [None, Some(std::path::Path::new("/nonexistent"))];
    for directory in none {
        assert_eq!(Features::read(directory, &mut report), Features::default());
    }
    assert_eq!(report.findings(), []);
}
