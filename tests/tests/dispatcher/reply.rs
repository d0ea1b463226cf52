//! Events in the answers of subscribers: D93 to D103, C42.

use millrace_tests::cases;
use millrace_tests::plan::Plan;
use millrace_tests::producer::NewRecord;
use millrace_tests::stage::Case;
use millrace_tests::subscriber::{Answer, Gate, Received};
use serde_json::json;

/// Replies go to a URL; what fails goes to a sink; retries would show.
fn to_url(plan: Plan) -> Plan {
    plan.egress(|egress| egress.reply_url().dead_letter().retry(1, 10))
}

/// Replies go to the topic, which the egress reads itself: it takes type `t1` only.
fn to_topic(plan: Plan) -> Plan {
    plan.egress(|egress| egress.reply_to_topic().filter(json!({ "type": "t1" })))
}

fn send(case: &Case<'_>) {
    case.send(&[NewRecord::event("1")]);
    case.settles(1);
}

/// The subscriber's answer is no reply: it is not asked again, and its event is a dead letter without a status.
fn is_malformed(case: &Case<'_>, answer: Answer) {
    case.subscriber().always(answer);
    send(case);
    assert_eq!((case.subscriber().count(), case.replies().count()), (1, 0));
    let letter = case.dead_letters().one();
    assert_eq!(letter.header("ce-knativeerrordest").as_deref(), Some(case.egress().destination()));
    assert_eq!(
        (letter.header("ce-knativeerrorcode"), letter.header("ce-knativeerrordata")),
        (None, None)
    );
    assert_eq!(letter.body, br#"{"a":1}"#);
}

/// The subscriber's answer is a success without a reply.
fn is_no_reply(case: &Case<'_>, answer: Answer) {
    case.subscriber().always(answer);
    send(case);
    assert_eq!(
        (case.subscriber().count(), case.replies().count(), case.dead_letters().count()),
        (1, 0, 0)
    );
}

fn assert_is_event(request: &Received, id: &str) {
    for (name, value) in
        [("ce-specversion", "1.0"), ("ce-id", id), ("ce-source", "/reply"), ("ce-type", "reply")]
    {
        assert_eq!(request.header(name).as_deref(), Some(value), "{name}");
    }
}

const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";

fn structured_reply(id: &str) -> Answer {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/reply", "type": "reply", "partitionkey": "p1", "data": { "b": 2 },
    });
    Answer::status(200).header("Content-Type", STRUCTURED).body(event.to_string())
}

/// A structured reply lands in the topic as a binary record, and is committed behind the event it answers.
fn lands_in_the_topic(case: &Case<'_>) {
    let id = case.plan.topic.clone();
    let reply = structured_reply(&id);
    case.subscriber().always(reply);
    case.send(&[NewRecord::event("1").key("k")]);
    let record = case.stage.tail.one(&case.plan.topic, &id);
    for (name, value) in [
        ("ce_specversion", "1.0"),
        ("ce_source", "/reply"),
        ("ce_type", "reply"),
        ("ce_partitionkey", "p1"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(record.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!((record.offset, record.key.as_deref()), (1, Some(&b"p1"[..])));
    assert_eq!(record.value.as_deref(), Some(&br#"{"b":2}"#[..]));
    assert!(!record.headers.iter().any(|(name, _)| name.contains("knativekafka")), "{record:?}");
    case.settles(2);
    assert_eq!(case.subscriber().count(), 1);
}

cases! { Broker;
    fn d093_reply_to_a_url(case, |plan| to_url(plan).and("clock", |egress| egress)) {
        let gate = Gate::closed();
        case.subscriber().answers(|request, _| match request.offset() {
            0 => Answer::event("r1", "reply").header("ce-ext", "v").header("Content-Type", "text/plain").body("data"),
            _ => Answer::status(202),
        });
        case.replies().always(Answer::status(202).behind(&gate));
        case.send(&[NewRecord::event("1")]);
        let reply = case.replies().wait(1).remove(0);
        assert_is_event(&reply, "r1");
        for (name, value) in [("ce-ext", "v"), ("content-type", "text/plain"), ("Prefer", "reply"), ("Kn-Namespace", "ns1")] {
            assert_eq!(reply.header(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!((reply.method.as_str(), reply.body.as_slice()), ("POST", &b"data"[..]));
        assert!(!reply.headers.iter().any(|(name, _)| name.to_ascii_lowercase().contains("knativekafka")), "{reply:?}");
        // Another group commits two records meanwhile: ticks pass, and still this one is not done with the first.
        case.send(&[NewRecord::event("2")]);
        case.settles_for(case.and("clock"), 0, 2);
        assert_eq!(case.committed(0), Some(0));
        gate.open();
        case.settles(2);
        assert_eq!((case.subscriber().count(), case.replies().count(), case.dead_letters().count()), (2, 1, 0));
    }

    fn d094_accepted_without_reply(case, to_url) {
        is_no_reply(case, Answer::status(202));
    }

    fn d094_no_content(case, to_url) {
        is_no_reply(case, Answer::status(204));
    }

    fn d095_page_instead_of_an_event(case, to_url) {
        is_malformed(case, Answer::status(200).header("Content-Type", "text/html").body("<html>"));
    }

    fn d096_incomplete_event_without_body(case, to_url) {
        is_no_reply(case, Answer::status(200).header("ce-specversion", "1.0"));
    }

    fn d096_incomplete_event_with_body(case, to_url) {
        is_malformed(case, Answer::status(200).header("ce-specversion", "1.0").body("x"));
    }

    fn d097_reply_is_refused(case, to_url) {
        case.subscriber().always(Answer::event("r1", "reply"));
        case.replies().always(Answer::status(500).body("busy"));
        send(case);
        assert_eq!((case.subscriber().count(), case.replies().count()), (1, 2));
        let letter = case.dead_letters().one();
        assert_eq!(letter.header("ce-id").as_deref(), Some("1"));
        assert_eq!(letter.header("ce-knativeerrordest").as_deref(), Some(case.egress().destination()));
        assert_eq!(letter.header("ce-knativeerrorcode").as_deref(), Some("500"));
        assert_eq!(letter.header("ce-knativeerrordata").as_deref(), Some("YnVzeQ=="));
    }

    fn d098_reply_to_the_topic(case, to_topic) {
        lands_in_the_topic(case);
    }

    fn d099_c042_reply_without_a_strategy(case, |plan| plan
        .egress(|egress| egress.without("discardReply").filter(json!({ "type": "t1" })))
    ) {
        lands_in_the_topic(case);
    }

    fn d100_replies_are_discarded(case) {
        case.subscriber().in_turn(vec![
            Answer::event("r1", "reply"), Answer::status(200).body("<html>"),
            Answer::status(200).header("Content-Type", STRUCTURED).body("{"),
        ]);
        case.send(&[NewRecord::event("1"), NewRecord::event("2"), NewRecord::event("3")]);
        case.settles(3);
        // What were produced would lie before this one.
        case.send(&[NewRecord::event("last")]);
        case.settles(4);
        assert_eq!(case.stage.tail.one(&case.plan.topic, "last").offset, 3);
        assert_eq!(case.subscriber().count(), 4);
    }

    fn d101_reply_of_the_sink(case, to_url) {
        case.subscriber().always(Answer::status(400));
        case.dead_letters().always(Answer::event("r1", "reply"));
        send(case);
        assert_is_event(&case.replies().one(), "r1");
        assert_eq!(case.dead_letters().count(), 1);
    }

    fn d102_reply_that_matches_its_own_filter(case, to_topic) {
        case.subscriber().answers(|_, number| match number {
            0..3 => Answer::event(&format!("r{number}"), "t1"),
            _ => Answer::status(202),
        });
        case.send(&[NewRecord::event("1")]);
        case.settles(4);
        let requests = case.subscriber().received();
        assert_eq!(requests.iter().map(Received::offset).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(requests[3].header("ce-id").as_deref(), Some("r2"));
    }

    fn d103_reply_that_is_no_json(case, to_url) {
        is_malformed(case, Answer::status(200).header("Content-Type", STRUCTURED).body(r#"{"specversion":"#));
    }
}
