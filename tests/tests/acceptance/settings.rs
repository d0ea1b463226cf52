//! Settings as an operator may write them: cases of platform.md 12 (`p…`) and R148.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Receiver;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::setup::Setup;
use millrace_tests::wait::{SOON, until};

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

    fn p013_events_without_key_spread(rig: &'static Rig) {
        let ids: Vec<String> = (0..400).map(|_| unique()).collect();
        for part in ids.chunks(50) {
            let bytes: Vec<u8> = part.iter().flat_map(|id| Request::minimal("/ns/a", id).to_bytes()).collect();
            let mut connection = Connection::open(rig.receiver.port());
            connection.send(&bytes);
            part.iter().for_each(|_| assert_eq!(connection.answer().status, 202));
        }
        let partitions: BTreeSet<i32> = ids.iter().map(|id| rig.tail.one(&rig.topics.a, id).partition).collect();
        assert_eq!(partitions, BTreeSet::from([0, 1, 2]));
    }

    /// `linger.ms=0` as shipped: an event that is alone is not held back to wait for company.
    fn p016_single_event_is_not_delayed(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let mut connection = Connection::open(rig.receiver.port());
        let times = (0..60).map(|_| {
            let started = Instant::now();
            assert_eq!(connection.exchange(&minimal()).status, 202);
            started.elapsed()
        });
        // The quickest, because a busy machine delays the others.
        let quickest = times.min().unwrap();
        assert!(quickest < Duration::from_millis(5), "the quickest of 60 took {quickest:?}");
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

    fn p068_log_lines_have_the_fields_of_java(variant: Variant) {
        let receiver = Receiver::start(&Setup::new(variant.driver).contract(""));
        let lines = until("log lines", SOON, || Some(receiver.logs()).filter(|lines| lines.len() > 2));
        for line in lines {
            for field in ["@timestamp", "@version", "message", "logger_name", "thread_name", "level", "level_value"] {
                assert!(line.get(field).is_some(), "no {field} in {line}");
            }
            assert_eq!((&line["@version"], &line["level_value"]), (&"1".into(), &20000.into()), "{line}");
        }
    }

    fn p083_sigterm_during_start(variant: Variant) {
        let receiver = Receiver::launch(&Setup::new(variant.driver).contract("").env("DRAIN_GRACE_SECONDS", "10"));
        // Somewhere between its first line and its last step.
        until("the first sign of life", SOON, || (receiver.printed().len() > 100).then_some(()));
        let terminated = Instant::now();
        receiver.signal("TERM");
        receiver.wait_exit(SOON);
        assert!(terminated.elapsed() < Duration::from_secs(15), "it took {:?}", terminated.elapsed());
    }

    fn p088_second_sigterm_ends_it_at_once(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("DRAIN_GRACE_SECONDS", "15"));
        rig.receiver.signal("TERM");
        until("readiness to end", SOON, || (rig.status(&Request::get("/readyz")) != 200).then_some(()));
        let second = Instant::now();
        rig.receiver.signal("TERM");
        rig.receiver.wait_exit(SOON);
        assert!(second.elapsed() < Duration::from_secs(8), "it took {:?}", second.elapsed());
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
