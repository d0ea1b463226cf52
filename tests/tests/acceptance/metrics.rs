//! Metrics of events: R150 to R158.

use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::metrics::Samples;
use millrace_tests::ports;
use millrace_tests::process::Receiver;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::setup::Setup;
use millrace_tests::wait::{SOON, until};

const COUNT: &str = "kn_eventing_dispatch_latency_ms_count";

fn count(rig: &Rig, labels: &[(&str, &str)]) -> f64 {
    rig.receiver.scrape().sum(COUNT, labels)
}

matrix! {
    fn r150_one_event(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        let samples = rig.receiver.scrape();
        let labels = [
            ("cloudevents_type", "t"),
            ("http_response_status_code", "202"),
            ("kn_broker_name", "a"),
            ("kn_broker_namespace", "ns"),
        ];
        let found: Vec<_> = samples.all(COUNT, &labels).collect();
        assert_eq!(found.iter().map(|sample| (sample.value, sample.labels.len())).collect::<Vec<_>>(), [(1.0, 4)]);
        let buckets = samples.all("kn_eventing_dispatch_latency_ms_bucket", &labels);
        let bounds: Vec<&str> = buckets.map(|sample| sample.labels["le"].as_str()).collect();
        assert_eq!(bounds, ["50.0", "100.0", "500.0", "1000.0", "5000.0", "10000.0", "+Inf"]);
        assert_eq!(samples.all("kn_eventing_dispatch_latency_ms_max", &labels).count(), 1);
        assert_eq!(samples.all("kn_eventing_dispatch_latency_ms_sum", &labels).count(), 1);
    }

    fn r151_r152_what_counts(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.answers(&Request::new("POST", "/ns/a").body("no event"), 400);
        rig.answers(&Request::minimal("/ns/unknown", "1"), 404);
        rig.answers(&Request::get("/ns/a"), 405);
        let labels = [("cloudevents_type", "unknown"), ("http_response_status_code", "400"), ("kn_broker_name", "a")];
        assert_eq!(count(&rig, &labels), 1.0);
        assert_eq!(count(&rig, &[]), 1.0, "only the bad event counts");
    }

    fn r153_label_names_follow_the_kind(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.accepted(&Request::minimal("/ns/s", &unique()));
        rig.accepted(&Request::minimal("/ns/c", &unique()));
        assert_eq!(count(&rig, &[("kn_kafkasink_name", "s"), ("kn_kafkasink_namespace", "ns")]), 1.0);
        assert_eq!(count(&rig, &[("kn_kafkachannel_name", "c"), ("kn_kafkachannel_namespace", "ns")]), 1.0);
    }

    fn r154_series_go_with_their_resource(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        rig.accepted(&Request::minimal("/ns/s", &unique()));
        assert_eq!(count(&rig, &[("kn_broker_name", "a")]), 1.0);
        rig.receiver.swap_contract(rig.contract.next().without("uid-ns-a").to_bytes());
        until("the series of A to vanish", SOON, || {
            let samples = rig.receiver.scrape();
            samples.0.iter().all(|sample| !sample.labels.contains_key("kn_broker_name")).then_some(())
        });
        assert_eq!(count(&rig, &[("kn_kafkasink_name", "s")]), 1.0);
    }

    fn r155_type_label_switched_off(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("METRICS_DISABLE_EVENT_TYPE_TAG", "true"));
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        assert_eq!(count(&rig, &[("cloudevents_type", "unknown")]), 1.0);
        assert_eq!(count(&rig, &[]), 1.0);
    }

    fn r156_no_protocol_no_port(variant: Variant) {
        let mut setup = Setup::new(variant.driver).contract("");
        setup.observability.remove("metrics-protocol");
        let receiver = Receiver::start(&setup);
        assert!(Connection::try_open(receiver.metrics_port()).is_err(), "somebody listens for scrapes");
    }

    fn r157_r158_endpoint_gives_port_and_path(variant: Variant) {
        let port = ports::free();
        let url = Setup::new(variant.driver).contract("").observability("metrics-endpoint", &format!("http://0.0.0.0:{port}/m"));
        let receiver = Receiver::start(&url);
        Samples::scrape(port, "/m");
        assert_eq!(Connection::open(port).exchange(&Request::get("/metrics")).status, 404);
        drop(receiver);
        let port = ports::free();
        // Java falls back to 9090 (receiver.md W22).
        let address = Setup::new(variant.driver).contract("").observability("metrics-endpoint", &format!("0.0.0.0:{port}"));
        let _receiver = Receiver::start(&address);
        Samples::scrape(port, "/metrics");
    }
}
