//! Where events go that a subscriber does not take: D82 to D91, C45.

use std::time::Duration;

use millrace_tests::cases;
use millrace_tests::plan::Plan;
use millrace_tests::producer::NewRecord;
use millrace_tests::stage::Case;
use millrace_tests::subscriber::{Answer, Received};
use serde_json::json;

fn with_sink(plan: Plan) -> Plan {
    plan.egress(|egress| egress.dead_letter())
}

/// The sink's only request after the subscriber's answer to an event.
fn dead_letter_after(case: &Case<'_>, answer: Answer) -> Received {
    case.subscriber().always(answer);
    case.send(&[NewRecord::event("1")]);
    case.settles(1);
    assert_eq!(case.subscriber().count(), 1);
    case.dead_letters().one()
}

fn error(letter: &Received, name: &str) -> Option<String> {
    letter.header(&format!("ce-knativeerror{name}"))
}

/// As many `A` in base64: three become `QUFB`.
fn base64_of_a(count: usize) -> String {
    let rest = ["", "QQ==", "QUE="][count % 3];
    "QUFB".repeat(count / 3) + rest
}

cases! { Broker;
    fn d082_event_with_the_reasons(case, |plan| plan.egress(|egress| egress.to("/x").dead_letter())) {
        let letter = dead_letter_after(case, Answer::status(422).body(r#"{"m":1}"#));
        assert_eq!(error(&letter, "dest").as_deref(), Some(case.egress().destination()));
        assert_eq!(error(&letter, "code").as_deref(), Some("422"));
        assert_eq!(error(&letter, "data").as_deref(), Some("eyJtIjoxfQ=="));
        for (name, value) in [
            ("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t1"),
            ("content-type", "application/json"), ("ce-knativekafkaoffset", "0"), ("ce-knativekafkapartition", "0"),
            ("Prefer", "reply"), ("Kn-Namespace", "ns1"),
        ] {
            assert_eq!(letter.header(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!((letter.method.as_str(), letter.body.as_slice()), ("POST", &br#"{"a":1}"#[..]));
    }

    /// Of the body, not of its base64: unlike Knative's Go brokers.
    fn d083_long_body_is_cut(case, with_sink) {
        let letter = dead_letter_after(case, Answer::status(500).body("A".repeat(1_030)));
        let data = error(&letter, "data").unwrap();
        assert_eq!(data.len(), 1_368);
        assert_eq!(data, base64_of_a(1_024));
    }

    fn d084_empty_body(case, with_sink) {
        let letter = dead_letter_after(case, Answer::status(500));
        assert_eq!((error(&letter, "code").as_deref(), error(&letter, "data")), (Some("500"), None));
    }

    fn d085_timeout(case, |plan| plan.egress(|egress| egress.config(json!({ "timeout": "100" })).dead_letter())) {
        let letter = dead_letter_after(case, Answer::status(500).body("late").after(Duration::from_secs(2)));
        assert_eq!(error(&letter, "dest").as_deref(), Some(case.egress().destination()));
        assert_eq!((error(&letter, "code"), error(&letter, "data")), (None, None));
    }

    fn d086_headers_of_the_answer(case, with_sink) {
        let letter = dead_letter_after(case, Answer::status(422).header("Kne-TestError", "hello").header("something", "nope"));
        assert_eq!(letter.header("ce-testerror").as_deref(), Some("hello"));
        let strangers = letter.headers.iter().filter(|(_, value)| value == b"nope");
        assert_eq!(strangers.count(), 0, "{letter:?}");
    }

    /// In Java the record then never ends (dispatcher.md W10), and `kne-type` makes a second `ce-type`.
    fn d087_header_of_an_illegal_name(case, with_sink) {
        let letter = dead_letter_after(case, Answer::status(422).header("kne-my-header", "x").header("kne-type", "y").header("kne-", "z"));
        assert_eq!(letter.header("ce-type").as_deref(), Some("t1"));
        assert!(!letter.headers.iter().any(|(name, value)| name.contains("my-header") || value == b"z"), "{letter:?}");
    }

    fn d088_sink_fails_too(case, |plan| plan.egress(|egress| egress.retry(1, 10).dead_letter())) {
        case.subscriber().always(Answer::status(500));
        case.dead_letters().always(Answer::status(500));
        case.send(&[NewRecord::event("1")]);
        case.settles(1);
        assert_eq!((case.subscriber().count(), case.dead_letters().count()), (2, 2));
    }

    fn d089_without_a_sink_later_records_flow(case, |plan| plan.egress(|egress| egress.ordered())) {
        case.subscriber().in_turn(vec![Answer::status(500), Answer::status(200)]);
        case.send(&[NewRecord::event("1"), NewRecord::event("2")]);
        case.settles(2);
        let ids: Vec<_> = case.subscriber().received().iter().filter_map(|request| request.header("ce-id")).collect();
        assert_eq!(ids, ["1", "2"]);
    }

    fn d090_version_0_3_becomes_1_0(case, with_sink) {
        case.subscriber().always(Answer::status(500));
        case.send(&[NewRecord::event("1").set("ce_specversion", "0.3").header("ce_schemaurl", "/x")]);
        case.settles(1);
        assert_eq!(case.subscriber().one().header("ce-specversion").as_deref(), Some("0.3"));
        let letter = case.dead_letters().one();
        assert_eq!(letter.header("ce-specversion").as_deref(), Some("1.0"));
        assert_eq!(letter.header("ce-dataschema").as_deref(), Some("/x"));
        assert_eq!(letter.header("ce-schemaurl"), None);
    }

    fn d091_last_status_counts(case, |plan| plan.egress(|egress| egress.retry(1, 10).dead_letter())) {
        case.subscriber().in_turn(vec![Answer::status(500).body("first"), Answer::status(400)]);
        case.send(&[NewRecord::event("1")]);
        case.settles(1);
        assert_eq!(case.subscriber().count(), 2);
        let letter = case.dead_letters().one();
        assert_eq!((error(&letter, "code").as_deref(), error(&letter, "data")), (Some("400"), None));
    }

    fn c045_empty_config_hides_the_sink_of_the_resource(case, |plan| {
        let sink = plan.clone().egress(|egress| egress.dead_letter()).egresses[0].json["egressConfig"].clone();
        plan.resource("/egressConfig", sink).egress(|egress| egress.config(json!({}))).and("inherits", |egress| egress)
    }) {
        for egress in &case.plan.egresses {
            case.subscriber_of(egress).always(Answer::status(500));
        }
        case.send(&[NewRecord::event("1")]);
        for egress in &case.plan.egresses {
            case.settles_for(egress, 0, 1);
            assert_eq!(case.subscriber_of(egress).count(), 1);
        }
        // Only of the egress that has no config of its own.
        let letter = case.dead_letters().one();
        assert_eq!(error(&letter, "dest").as_deref(), Some(case.and("inherits").destination()));
    }
}
