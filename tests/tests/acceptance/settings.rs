//! Settings that are wrong, odd or not supported (`p…`: platform.md 12), and input that is no HTTP; R148.

use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Receiver;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::setup::Setup;
use millrace_tests::wait::SOON;

fn minimal() -> Request {
    Request::minimal("/ns/a", &unique())
}

/// No resource can be served with this producer file, and that is all that happens.
fn assert_serves_nothing(variant: Variant, key: &str, value: &str) {
    let rig = Rig::own(variant, |setup| setup.producer(key, value));
    rig.receiver.wait_for_log_text("ERROR", key);
    rig.answers(&minimal(), 404);
    rig.answers(&Request::get("/readyz"), 200);
    assert_eq!(rig.receiver.try_exit(), None);
}

matrix! {
    fn p006_missing_producer_file(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("PRODUCER_CONFIG_FILE_PATH", "/nonexistent/producer.properties"));
        rig.receiver.wait_for_log_text("WARN", "/nonexistent/producer.properties");
        rig.accepted(&minimal());
    }

    fn p009_unknown_key_names_the_nearest(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.producer("linger.sm", "5"));
        rig.receiver.wait_for_log("a warning that names both", |line| {
            let text = line.to_string();
            line["level"] == "WARN" && text.contains("linger.sm") && text.contains("linger.ms")
        });
        rig.accepted(&minimal());
    }

    fn p010_value_that_java_refuses(variant: Variant) {
        assert_serves_nothing(variant, "acks", "foo");
    }

    fn p011_class_that_we_do_not_have(variant: Variant) {
        assert_serves_nothing(variant, "partitioner.class", "org.example.X");
    }

    fn p026_max_header_size_of_the_properties_file(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.http_server("maxHeaderSize", "1024"));
        rig.accepted(&minimal().header("X-Fits", "x".repeat(500)));
        let mut connection = Connection::open(rig.receiver.port());
        assert_eq!(connection.exchange(&minimal().header("X-Large", "x".repeat(1100))).status, 431);
        assert!(connection.closes(SOON));
    }

    fn p039_security_of_the_file_has_no_effect(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.producer("security.protocol", "SASL_SSL"));
        rig.receiver.wait_for_log_text("WARN", "security.protocol");
        rig.accepted(&minimal());
    }

    fn p061_event_types_are_bounded_in_metrics(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        for part in (0..1500).collect::<Vec<u32>>().chunks(100) {
            let send = |number: &u32| minimal().set("ce-type", format!("type-{number}")).to_bytes();
            let mut connection = Connection::open(rig.receiver.port());
            connection.send(&part.iter().flat_map(send).collect::<Vec<u8>>());
            part.iter().for_each(|_| assert_eq!(connection.answer().status, 202));
        }
        let samples = rig.receiver.scrape();
        let name = "kn_eventing_dispatch_latency_ms_count";
        assert_eq!(samples.sum(name, &[]), 1500.0, "every event is counted");
        let series = samples.all(name, &[]).count();
        assert!((900..=1100).contains(&series), "{series} series");
        assert!(samples.sum(name, &[("cloudevents_type", "unknown")]) >= 400.0);
    }

    fn p063_metrics_by_grpc_are_not_there(variant: Variant) {
        let receiver = Receiver::start(&Setup::new(variant.driver).contract("").observability("metrics-protocol", "grpc"));
        receiver.wait_for_log_text("WARN", "grpc");
        assert!(Connection::try_open(receiver.metrics_port()).is_err());
    }

    fn p067_bad_sampling_rate(variant: Variant) {
        let setup = Setup::new(variant.driver)
            .contract("")
            .observability("tracing-protocol", "http/protobuf")
            .observability("tracing-endpoint", "http://collector.test:4318/v1/traces")
            .observability("tracing-sampling-rate", "2");
        let receiver = Receiver::launch(&setup);
        assert!(!receiver.wait_exit(SOON).success());
        assert!(receiver.printed().contains("tracing-sampling-rate"), "{}", receiver.printed());
    }

    /// An extension that only looks like a trace header.
    fn r148_trace_extension_is_no_trace_header(rig: &'static Rig) {
        let id = unique();
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let record = rig.record_of(&Request::minimal("/ns/a", &id).header("ce-traceparent", trace), &id);
        assert_eq!(record.header("ce_traceparent").as_deref(), Some(trace));
        assert_eq!(record.header("traceparent"), None);
    }

    fn a_bad_start_of_a_connection_is_answered_in_http(rig: &'static Rig) {
        for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"hello\r\n\r\n", b"\0\0\0\0\r\n\r\n"] {
            let mut connection = Connection::open(rig.receiver.port());
            connection.send(bytes);
            connection.finish_sending();
            match connection.answer_within(SOON) {
                Ok(answer) => assert_eq!(answer.status, 400, "to {bytes:?}"),
                Err(error) => assert!(matches!(error, NoAnswer::Closed(_)), "{error:?} to {bytes:?}"),
            }
        }
        rig.accepted(&minimal());
    }
}
