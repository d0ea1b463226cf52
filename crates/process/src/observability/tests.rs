//! The observability directory: endpoints, protocols, tracing.

use std::fs;

use millrace_settings::Severity;

use super::*;

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
