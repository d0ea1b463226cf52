//! Answers of subscribers, case by case as in dispatcher.md 18.

mod common;

use common::kafka::Request;
use common::{CT, MIN, json_with, min_and};
use millrace_event::{ContentMode, EventError, RecordValue, Reply, Scratch, decode_reply};

/// Judges an answer and hands the event's request to `look`, if it is one.
fn answer(headers: &[(&str, &str)], body: &str) -> Result<Option<Request>, EventError> {
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    match decode_reply(headers, body.as_bytes(), &mut Scratch::new()) {
        Reply::Event(event) => Ok(Some(Request::of(&event, body.as_bytes()))),
        Reply::Nothing => Ok(None),
        Reply::Garbage(error) => Err(error),
    }
}

#[test]
fn d093_a_binary_event_goes_on_without_additions() {
    let headers = min_and(&[("CE-Ext", "v"), ("Content-Type", "text/plain"), ("Server", "x")]);
    let request = answer(&headers, "hi").unwrap().unwrap();
    let names: Vec<&String> = request.headers.keys().collect();
    let expected = ["ce-ext", "ce-id", "ce-source", "ce-specversion", "ce-type", "content-type"];
    assert_eq!(names, expected);
    assert_eq!((request.text(), request.borrowed), ("hi", true));
    assert_eq!(answer(&MIN, "").unwrap().unwrap().body, None);
}

#[test]
fn d094_d096_without_a_body_there_is_nothing_to_forward() {
    for headers in [&[][..], &[("Content-Type", "text/html")], &MIN[..1], &[CT]] {
        assert_eq!(answer(headers, "").unwrap(), None);
    }
}

#[test]
fn d095_d096_d103_a_body_that_is_no_event_is_garbage() {
    assert_eq!(answer(&[("Content-Type", "text/html")], "<html>"), Err(EventError::PlainReply));
    for (headers, body, reason) in [
        (&MIN[..1], "x", "missing_attribute"),
        (&[CT], "{oops", "json"),
        (&[("content-type", "application/cloudevents-batch+json")], "[]", "unsupported_format"),
    ] {
        assert_eq!(answer(headers, body).unwrap_err().reason(), reason);
    }
    assert!(EventError::PlainReply.to_string().contains("empty body"));
}

#[test]
fn d098_a_structured_answer_becomes_a_record() {
    let body = json_with(r#""partitionkey":"k","data":{"a":1}"#);
    let headers = [(CT.0.as_bytes(), CT.1.as_bytes())];
    let mut scratch = Scratch::new();
    let Reply::Event(event) = decode_reply(headers.into_iter(), body.as_bytes(), &mut scratch)
    else {
        panic!("an event");
    };
    assert_eq!(event.reply_key(), Ok(Some(&b"k"[..])));
    let mut names = Vec::new();
    let value = event.record(ContentMode::Binary, &mut |name, _| names.push(name.to_owned()));
    let RecordValue::Body(range) = value else { panic!("{value:?}") };
    assert_eq!(&body[range], "{\"a\":1}");
    names.sort();
    let expected =
        ["ce_id", "ce_partitionkey", "ce_source", "ce_specversion", "ce_type", "content-type"];
    assert_eq!(names, expected);
}

#[test]
fn a_key_must_be_text() {
    for (member, key) in [
        (r#""x":1"#, Ok(None)),
        (r#""partitionkey":"""#, Ok(Some(&b""[..]))),
        (r#""partitionkey":1"#, Err("attribute_type")),
        (r#""partitionkey":true"#, Err("attribute_type")),
    ] {
        let body = json_with(member);
        let headers = [(CT.0.as_bytes(), CT.1.as_bytes())];
        let mut scratch = Scratch::new();
        let reply = decode_reply(headers.into_iter(), body.as_bytes(), &mut scratch);
        let Reply::Event(event) = reply else { panic!("an event") };
        assert_eq!(event.reply_key().map_err(|error| error.reason()), key, "{member}");
    }
}
