//! The metrics page: cases 5, 52 to 56 and 61 of platform.md 12.

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use millrace_tests::broker::{BrokerKind, in_ci};
use millrace_tests::drivers;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix;
use millrace_tests::matrix::{Driver, Variant};
use millrace_tests::metrics::Samples;
use millrace_tests::ports;
use millrace_tests::process::Receiver;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::setup::Setup;
use millrace_tests::sockets::listening;
use millrace_tests::wait::{SOON, until};

const COUNT: &str = "kn_eventing_dispatch_latency_ms_count";

/// Memory that the process holds, in KiB.
fn resident_kib(receiver: &Receiver) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", receiver.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Sends one event of each type with these numbers, several connections at a time, and wants 202 for all.
fn send_types(rig: &Rig, numbers: std::ops::Range<u32>) {
    const CLIENTS: u32 = 4;
    const AT_ONCE: u32 = 50;
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let numbers: Vec<u32> =
                numbers.clone().filter(|number| number % CLIENTS == client).collect();
            scope.spawn(move || {
                let mut connection = Connection::open(rig.receiver.port());
                for part in numbers.chunks(AT_ONCE as usize) {
                    let requests = part.iter().map(|number| {
                        Request::minimal("/ns/a", "1")
                            .set("ce-type", format!("com.example.type-{number}"))
                            .to_bytes()
                    });
                    connection.send(&requests.collect::<Vec<_>>().concat());
                    part.iter().for_each(|_| assert_eq!(connection.answer().status, 202));
                }
            });
        }
    });
}

matrix! {
    fn p055_series_of_one_event(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        let page = Connection::open(rig.receiver.metrics_port()).exchange(&Request::get("/metrics"));
        let page = String::from_utf8(page.body).unwrap();
        let of_event: Vec<&str> = page.lines().filter(|line| line.contains("kn_eventing_dispatch_latency_ms")).collect();
        let (comments, series): (Vec<&str>, Vec<&str>) = of_event.iter().partition(|line| line.starts_with('#'));
        for kind in ["# TYPE kn_eventing_dispatch_latency_ms histogram", "# TYPE kn_eventing_dispatch_latency_ms_max gauge"] {
            assert!(comments.contains(&kind), "no {kind:?} in {comments:?}");
        }
        // Labels in the order of their names, `le` among them last as scrapers expect it from Java's library.
        let labels = r#"cloudevents_type="t",http_response_status_code="202",kn_broker_name="a",kn_broker_namespace="ns""#;
        let series: BTreeSet<&str> =
            series.iter().map(|line| line.rsplit_once(' ').unwrap().0.trim_end_matches([',', '}'])).collect();
        let mut expected: BTreeSet<String> = ["count", "sum", "max"]
            .iter()
            .map(|suffix| format!("kn_eventing_dispatch_latency_ms_{suffix}{{{labels}"))
            .collect();
        for bound in ["50.0", "100.0", "500.0", "1000.0", "5000.0", "10000.0", "+Inf"] {
            expected.insert(format!("kn_eventing_dispatch_latency_ms_bucket{{{labels},le=\"{bound}\""));
        }
        assert_eq!(series, expected.iter().map(String::as_str).collect());
        let samples = rig.receiver.scrape();
        assert_eq!(samples.sum(COUNT, &[]), 1.0);
        assert_eq!(samples.sum("kn_eventing_dispatch_latency_ms_bucket", &[("le", "+Inf")]), 1.0);
        let [sum, max] = ["sum", "max"].map(|what| samples.sum(&format!("kn_eventing_dispatch_latency_ms_{what}"), &[]));
        // Of one event; whole milliseconds, so 0 on a quick machine.
        assert_eq!(sum, max);
    }

    fn p056_bad_event_counts_and_404_does_not(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.answers(&Request::structured("/ns/s", "{\"specversion\":\"1.0\",\"type\":\"secret\"}"), 400);
        rig.answers(&Request::minimal("/ns/nobody", "1").set("ce-type", "lost"), 404);
        let samples = rig.receiver.scrape();
        let labels = [
            ("cloudevents_type", "unknown"),
            ("http_response_status_code", "400"),
            ("kn_kafkasink_name", "s"),
            ("kn_kafkasink_namespace", "ns"),
        ];
        assert_eq!(samples.sum(COUNT, &labels), 1.0);
        assert_eq!(samples.all(COUNT, &[]).count(), 1, "a series too many: {:?}", samples.all(COUNT, &[]).collect::<Vec<_>>());
    }
}

drivers! {
    fn p005_event_type_label_by_setting(variant: Variant) {
        // Only `true`, in any case, is true (platform.md 2).
        for (value, label) in [("TRUE", "unknown"), ("yes", "t")] {
            let rig = Rig::own(variant, |setup| setup.env("METRICS_DISABLE_EVENT_TYPE_TAG", value));
            rig.accepted(&Request::minimal("/ns/a", &unique()));
            let samples = rig.receiver.scrape();
            let types: Vec<&str> = samples.all(COUNT, &[]).map(|sample| sample.labels["cloudevents_type"].as_str()).collect();
            assert_eq!(types, [label], "with {value:?}");
        }
    }

    fn p052_without_protocol_only_events_are_listened_for(variant: Variant) {
        let mut setup = Setup::new(variant.driver).contract("");
        setup.observability.clear();
        for protocol in [None, Some("none"), Some("")] {
            let setup = protocol.iter().fold(setup.clone(), |setup, value| setup.observability("metrics-protocol", value));
            let receiver = Receiver::start(&setup);
            assert_eq!(listening(receiver.pid()), BTreeSet::from([receiver.port()]), "protocol {protocol:?}");
        }
    }

    fn p053_one_path_has_the_page(variant: Variant) {
        let receiver = Receiver::start(&Setup::new(variant.driver).contract(""));
        let port = receiver.metrics_port();
        Samples::scrape(port, "/metrics");
        let ask = |request: &Request| Connection::open(port).exchange(request);
        let page = ask(&Request::new("POST", "/metrics").body("x"));
        assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        assert_eq!(ask(&Request::get("/metrics?name=x")).status, 200);
        for path in ["/", "/metrics/", "/metric", "/Metrics", "//metrics", "/healthz"] {
            assert_eq!(ask(&Request::get(path)).status, 404, "{path}");
        }
        assert_eq!(listening(receiver.pid()), BTreeSet::from([receiver.port(), port]));
    }

    fn p054_endpoint_as_a_url(variant: Variant) {
        let port = ports::free();
        let endpoint = format!("http://0.0.0.0:{port}/m");
        let receiver = Receiver::start(&Setup::new(variant.driver).contract("").observability("metrics-endpoint", &endpoint));
        Samples::scrape(port, "/m");
        assert_eq!(Connection::open(port).exchange(&Request::get("/metrics")).status, 404);
        assert_eq!(listening(receiver.pid()), BTreeSet::from([receiver.port(), port]));
    }
}

/// The form that Knative documents. Monitors look on 9090, so that is where it must be; one test, as there is only one
/// such port.
#[test]
fn p054_port_alone_is_9090() {
    let setup = Setup::new(Driver::Epoll).contract("").observability("metrics-endpoint", ":9999");
    let receiver = Receiver::start(&setup);
    receiver.wait_for_log("a warning that names the value and the port in use", |line| {
        let text = line.to_string();
        line["level"] == "WARN" && text.contains(":9999") && text.contains("9090")
    });
    let served = receiver.wait_for_log("the metrics endpoint, open or refused", |line| {
        line["message"].as_str().is_some_and(|message| message.starts_with("Metrics are"))
    });
    if served["level"] == "ERROR" {
        assert!(served.to_string().contains("9090"), "{served}");
        assert!(!in_ci(), "port 9090 is taken, and CI skips nothing: {served}");
        return eprintln!("SKIPPED: port 9090 is taken: {served}");
    }
    assert_eq!(listening(receiver.pid()), BTreeSet::from([receiver.port(), 9090]));
    Samples::scrape(9090, "/metrics");
}

/// A client that invents types must not fill the memory or the page. Slow for its number, so it runs once only.
#[test]
fn p061_a_hundred_thousand_event_types() {
    let rig =
        Rig::own(Variant { driver: Driver::Epoll, broker: BrokerKind::Embedded }, |setup| setup);
    send_types(&rig, 0..20_000);
    let page = |rig: &Rig| {
        let samples = rig.receiver.scrape();
        (samples.0.len(), samples.all(COUNT, &[]).count(), samples.sum(COUNT, &[]))
    };
    let (lines, series, count) = page(&rig);
    let before = resident_kib(&rig.receiver);
    assert!(
        (2..=1_100).contains(&series) && count == 20_000.0,
        "{series} series of {count} events"
    );
    send_types(&rig, 20_000..100_000);
    let (lines_after, series_after, count) = page(&rig);
    assert_eq!((series_after, count), (series, 100_000.0));
    // Others, such as those of the Kafka client, may come up meanwhile.
    assert!(lines_after < lines + 200, "the page grew from {lines} to {lines_after} lines");
    let grown = until("memory to settle", SOON, || {
        Some(resident_kib(&rig.receiver).saturating_sub(before))
    });
    // 80,000 types kept would be 10 MiB in names alone.
    assert!(grown < 8 * 1024, "memory grew by {grown} KiB");
}
