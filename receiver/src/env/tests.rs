//! The environment: the shipped one, and each mistake.

use std::fs;

use millrace_settings::{Severity, Variables};

use super::{observability::MetricsEndpoint, *};

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
    assert_eq!(env.contract.to_str(), Some("/etc/brokers-triggers/data"));
    assert_eq!(env.features, Some("/etc/features".into()));
    assert_eq!(env.wait_startup, Duration::from_secs(8));
    assert_eq!(env.metrics.host, IpAddr::from([0, 0, 0, 0]));
    assert_eq!(env.too_large, TooLargeStatus::ContentTooLarge);
    assert_eq!((env.shards, env.io_driver), (CoreRequest::Auto, DriverChoice::Auto));
    assert_eq!(env.logging_config.to_str(), Some("/etc/logging/config.xml"));
    assert!(!env.batch_enabled && !env.metrics.publish_quantiles && !env.metrics.tls);
}

#[test]
fn the_defaults_in_the_table_are_those_in_force() {
    let defaults: Vec<(&str, &str)> =
        VARIABLES.iter().filter_map(|v| Some((v.name, v.default?))).collect();
    let mut variables: Vec<(&str, &str)> = SHIPPED[..8].to_vec();
    variables.push(SHIPPED[9]);
    let bare: Variables = variables.iter().copied().collect();
    let spelled: Variables = variables.iter().chain(&defaults).copied().collect();
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
        VARIABLES.iter().filter(|v| v.default.is_none()).map(|v| v.name).collect();
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
    assert_eq!((env.ingress_port, env.shards), (0, CoreRequest::Count(3)));
    assert!(env.metrics.disable_event_type && env.metrics.disable_kafka_clients);
    assert_eq!(env.metrics.host, "::1".parse::<IpAddr>().unwrap());
    assert!(env.batch_enabled);
    assert_eq!(env.too_large, TooLargeStatus::ServiceUnavailable);
    assert_eq!(env.io_driver, DriverChoice::Epoll);
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
        assert!(env.is_some_and(|env| !env.metrics.disable_event_type), "{name}={value}");
        assert_eq!(report.count(Severity::Warning), 1, "{name}={value}: {report}");
    }
    let (env, report) = read(&[("METRICS_PEM_CERT_PATH", "/c"), ("METRICS_PEM_KEY_PATH", "/k")]);
    assert!(env.is_some_and(|env| env.metrics.tls));
    assert_eq!(report.count(Severity::Warning), 1);
}

fn observability(files: &[(&str, &str)]) -> (Option<Observability>, Report) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let mut report = Report::new();
    let found = Observability::read(directory.path(), &mut report);
    (found, report)
}

#[test]
fn metrics_endpoints() {
    let table = [
        ("", 9090, "/metrics", 0),
        ("http://0.0.0.0:9999/m", 9999, "/m", 0),
        ("http://x:9091", 9091, "/metrics", 0),
        ("http://x", 9090, "/metrics", 0),
        ("http://x/", 9090, "/", 0),
        ("http://u:p@[::1]:81/a?b#c", 81, "/a", 0),
        ("http://[::1]/a", 9090, "/a", 0),
        ("0.0.0.0:9091", 9091, "/metrics", 0),
        ("[::]:9091", 9091, "/metrics", 0),
        (":9999", 9090, "/metrics", 1),
        ("9999", 9090, "/metrics", 1),
        ("http://x:99999/m", 9090, "/metrics", 1),
        ("http://x:+80/m", 9090, "/metrics", 1),
        ("http://:80", 9090, "/metrics", 1),
        ("a b:80", 9090, "/metrics", 1),
    ];
    for (text, port, path, warnings) in table {
        let (found, report) =
            observability(&[("metrics-protocol", "Prometheus\n"), ("metrics-endpoint", text)]);
        let expected = MetricsEndpoint { port, path: path.to_owned() };
        assert_eq!(found.unwrap().metrics, Some(expected), "{text}");
        assert_eq!(report.count(Severity::Warning), warnings, "{text}: {report}");
    }
}

#[test]
fn protocols_that_are_not_available_are_a_warning_and_no_metrics() {
    for (text, warnings) in
        [("none", 0), ("", 0), ("grpc", 1), ("http/protobuf", 1), ("prometeus", 1)]
    {
        let (found, report) = observability(&[("metrics-protocol", text)]);
        assert_eq!(found.unwrap().metrics, None, "{text}");
        assert_eq!(report.count(Severity::Warning), warnings, "{text}: {report}");
    }
    assert_eq!(observability(&[]), (Some(Observability::default()), Report::new()));
}

#[test]
fn tracing_is_announced_as_missing_and_a_bad_rate_stops() {
    for (text, warnings) in [("none", 0), ("grpc", 1), ("HTTP/protobuf", 1), ("stdout", 1)] {
        let files = [("tracing-protocol", text), ("tracing-sampling-rate", "0.5")];
        let (found, report) = observability(&files);
        assert!(found.is_some());
        assert_eq!(report.count(Severity::Warning), warnings, "{text}: {report}");
    }
    for rate in ["often", "-0.1", "1.1", "NaN"] {
        let (found, report) = observability(&[("tracing-sampling-rate", rate)]);
        assert_eq!(found, None, "{rate}");
        assert!(report.to_string().contains(rate), "{report}");
    }
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
