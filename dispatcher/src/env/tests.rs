//! The environment: the shipped one, and each mistake.

use millrace_settings::{Severity, Variables};

use super::*;

/// As in the stock StatefulSets (platform.md 2).
const SHIPPED: [(&str, &str); 14] = [
    ("CONSUMER_CONFIG_FILE_PATH", "/etc/config/config-kafka-broker-consumer.properties"),
    ("WEBCLIENT_CONFIG_FILE_PATH", "/etc/config/config-kafka-broker-webclient.properties"),
    ("EGRESSES_INITIAL_CAPACITY", "20"),
    ("SERVICE_NAMESPACE", "knative-eventing"),
    ("PRODUCER_CONFIG_FILE_PATH", "/etc/config/config-kafka-broker-producer.properties"),
    ("DATA_PLANE_CONFIG_FILE_PATH", "/etc/contract-resources/data"),
    ("CONFIG_OBSERVABILITY_PATH", "/etc/observability"),
    ("WAIT_STARTUP_SECONDS", "8"),
    ("METRICS_PUBLISH_QUANTILES", "false"),
    ("METRICS_JVM_ENABLED", "false"),
    ("JAVA_TOOL_OPTIONS", "-XX:+CrashOnOutOfMemoryError -XX:MaxRAMPercentage=70.0"),
    ("HTTP2_DISABLE", "true"),
    ("INSTANCE_ID", "0-1-2"),
    ("SERVICE_NAME", "kafka-broker-dispatcher"),
];
const REQUIRED: usize = 8;

fn read(changes: &[(&str, &str)]) -> (Option<Env>, Report) {
    let mut report = Report::new();
    let variables: Variables = SHIPPED.iter().chain(changes).copied().collect();
    let env = Env::from_source(&variables, &mut report);
    (env, report)
}

#[test]
fn the_shipped_environment_is_taken_without_a_word() {
    let (env, report) = read(&[]);
    assert_eq!(report.findings(), []);
    let env = env.unwrap();
    assert_eq!(env.service_namespace, "knative-eventing");
    assert_eq!(env.common.contract.to_str(), Some("/etc/contract-resources/data"));
    assert_eq!(env.dead_letter_on_failure, OnLastFailure::Commit);
    assert_eq!((env.retry_after_max, env.backoff_max), (None, None));
    assert_eq!((env.backoff_jitter_percent, env.cesql_strict), (0, false));
    assert_eq!(env.response_body_max, 4 * 1024 * 1024);
}

#[test]
fn the_defaults_in_the_table_are_those_in_force() {
    let variables = variables();
    let defaults: Vec<(&str, &str)> =
        variables.iter().filter_map(|v| Some((v.name, v.default?))).collect();
    let needed = &SHIPPED[..REQUIRED];
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
    assert_eq!(missing.len(), REQUIRED);
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
        ("EGRESSES_INITIAL_CAPACITY", "0"),
        ("EGRESSES_INITIAL_CAPACITY", "many"),
        ("WAIT_STARTUP_SECONDS", "0"),
        ("RETRY_AFTER_MAX_MS", "-1"),
        ("BACKOFF_MAX_MS", "10s"),
        ("BACKOFF_JITTER", "1.5"),
        ("BACKOFF_JITTER", "NaN"),
        ("BACKOFF_JITTER", "half"),
        ("DEAD_LETTER_ON_FAILURE", "drop"),
        ("DRAIN_SECONDS", "-1"),
        ("REVOKE_DRAIN_SECONDS", "301"),
        ("RESOLVE_INTERVAL_SECONDS", "0"),
        ("STALL_AFTER_SECONDS", "0"),
        ("RESPONSE_BODY_MAX_BYTES", "1"),
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
        ("CESQL_STRICT", "TRUE"),
        ("RETRY_AFTER_MAX_MS", "30000"),
        ("BACKOFF_MAX_MS", "60000"),
        ("BACKOFF_JITTER", "0.25"),
        ("DEAD_LETTER_ON_FAILURE", "hold"),
        ("DRAIN_SECONDS", "0"),
        ("REVOKE_DRAIN_SECONDS", "1"),
        ("RESOLVE_INTERVAL_SECONDS", "5"),
        ("STALL_AFTER_SECONDS", "3"),
        ("RESPONSE_BODY_MAX_BYTES", "1024"),
    ]);
    assert_eq!(report.findings(), []);
    let env = env.unwrap();
    assert!(env.cesql_strict);
    assert_eq!(env.retry_after_max, Some(Duration::from_secs(30)));
    assert_eq!(env.backoff_max, Some(Duration::from_secs(60)));
    assert_eq!(env.backoff_jitter_percent, 25);
    assert_eq!(env.dead_letter_on_failure, OnLastFailure::Hold);
    assert_eq!((env.drain, env.revoke_drain), (Duration::ZERO, Duration::from_secs(1)));
    assert_eq!(env.stall_after, Duration::from_secs(3));
    assert_eq!((env.resolve_interval, env.response_body_max), (Duration::from_secs(5), 1024));
}

#[test]
fn the_healthy_file_is_known_whatever_else_is_wrong() {
    let file = |variables: &[(&str, &str)]| {
        healthy_file(&variables.iter().copied().collect::<Variables>()).display().to_string()
    };
    assert_eq!(file(&[]), "/tmp/healthy");
    assert_eq!(file(&[("HEALTHY_FILE", "")]), "/tmp/healthy");
    assert_eq!(file(&[("HEALTHY_FILE", "/run/ready")]), "/run/ready");
}
