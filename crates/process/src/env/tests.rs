//! The common variables: defaults, each mistake, what has no effect.

use millrace_settings::{Report, Severity, Variables};

use super::*;

const NEEDED: [(&str, &str); 4] = [
    (PRODUCER_CONFIG_FILE_PATH, "/etc/config/producer"),
    (DATA_PLANE_CONFIG_FILE_PATH, "/etc/contract/data"),
    (CONFIG_OBSERVABILITY_PATH, "/etc/observability"),
    (WAIT_STARTUP_SECONDS, "8"),
];

fn read(changes: &[(&str, &str)]) -> (Option<CommonEnv>, Report) {
    let source: Variables = NEEDED.iter().chain(changes).copied().collect();
    let mut report = Report::new();
    let env = CommonEnv::read(&mut Reader::new(&source, &mut report));
    (env, report)
}

#[test]
fn the_defaults_in_the_table_are_those_in_force() {
    let defaults: Vec<(&str, &str)> =
        COMMON.iter().filter_map(|v| Some((v.name, v.default?))).collect();
    assert_eq!(read(&[]), read(&defaults));
    assert_eq!(read(&[]).1.findings(), []);
    let env = read(&[]).0.unwrap();
    assert_eq!((env.shards, env.io_driver), (CoreRequest::Auto, DriverChoice::Auto));
    assert_eq!(env.metrics.host, IpAddr::from([0, 0, 0, 0]));
}

#[test]
fn what_is_missing_is_named_in_the_order_of_the_table() {
    let (source, mut report) = (Variables::default(), Report::new());
    assert_eq!(CommonEnv::read(&mut Reader::new(&source, &mut report)), None);
    let missing: Vec<&str> = report.findings().iter().filter_map(|f| f.key.as_deref()).collect();
    let required: Vec<&str> =
        COMMON.iter().filter(|v| v.default.is_none()).map(|v| v.name).collect();
    assert_eq!(missing, required);
}

#[test]
fn wrong_values_are_named_with_their_variable() {
    for (name, value) in [
        (WAIT_STARTUP_SECONDS, "0"),
        (SHARDS, "0"),
        (SHARDS, "many"),
        (IO_DRIVER, "kqueue"),
        (CONTRACT_POLL_SECONDS, "0"),
        (METRICS_HOST, "not a host"),
    ] {
        let (env, report) = read(&[(name, value)]);
        assert_eq!(env, None, "{name}={value}");
        assert_eq!(report.count(Severity::Error), 1, "{name}={value}: {report}");
        assert!(report.to_string().contains(&format!("{name}={value}")), "{report}");
    }
}

#[test]
fn what_has_no_effect_is_a_warning() {
    for (name, value) in [
        (METRICS_DISABLE_EVENT_TYPE_TAG, "yes"),
        ("METRICS_JVM_ENABLED", "true"),
        ("METRICS_HTTP_SERVER_ENABLED", "true"),
        ("METRICS_HTTP_CLIENT_ENABLED", "true"),
        ("JAVA_TOOL_OPTIONS", "-Xmx1g -Djavax.net.ssl.trustStore=/t.jks"),
        ("JAVA_TOOL_OPTIONS", "-Dlogback.configurationFile=/x.xml"),
    ] {
        let (env, report) = read(&[(name, value)]);
        assert!(env.is_some_and(|env| !env.metrics.disable_event_type), "{name}={value}");
        assert_eq!(report.count(Severity::Warning), 1, "{name}={value}: {report}");
    }
    let (env, report) = read(&[(METRICS_PEM_CERT_PATH, "/c"), (METRICS_PEM_KEY_PATH, "/k")]);
    assert!(env.is_some_and(|env| env.metrics.tls));
    assert_eq!(report.count(Severity::Warning), 1);
}
