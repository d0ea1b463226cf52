//! Properties of records: what one half of this crate writes the other reads, and nothing panics.

mod common;

use common::kafka::{Given, Request, STRUCTURED};
use common::write;
use millrace_event::{ContentMode, Failure, KeyType};
use proptest::prelude::*;

/// A header's name and value.
type Header = (Vec<u8>, Vec<u8>);

/// A request to the receiver that it accepts.
fn any_request() -> impl Strategy<Value = (Vec<Header>, Vec<u8>)> {
    let text =
        || proptest::collection::vec(prop_oneof![9 => 0x20..0x7f_u8, 1 => 0x80..=0xff_u8], 0..20);
    let version = prop_oneof![Just("1.0"), Just("0.3")];
    let kind = prop_oneof![Just("application/json"), Just("text/plain"), Just("a/b; c=d")];
    let time = prop_oneof![Just("2020-01-01T10:00Z"), Just("2020-01-01T10:00:00.50+01:00")];
    let optional = (
        proptest::option::of(text()),
        proptest::option::of(kind),
        proptest::option::of(time),
        proptest::option::of("/[a-z]{1,5}"),
    );
    let extensions = proptest::collection::vec(("ce-e[a-zA-Z0-9]{1,3}", text()), 0..30);
    let body = proptest::collection::vec(any::<u8>(), 0..100);
    (version, text(), text(), optional, extensions, body).prop_map(
        |(version, id, event_type, (subject, kind, time, schema), extensions, body)| {
            let mut headers: Vec<(&str, Vec<u8>)> = vec![
                ("ce-specversion", version.into()),
                ("ce-id", id),
                ("ce-source", "/s".into()),
                ("ce-type", event_type),
            ];
            let schema_name = if version == "1.0" { "ce-dataschema" } else { "ce-schemaurl" };
            headers.extend(subject.map(|value| ("ce-subject", value)));
            headers.extend(kind.map(|value| ("content-type", value.into())));
            headers.extend(time.map(|value| ("ce-time", value.into())));
            headers.extend(schema.map(|value| (schema_name, value.into())));
            headers.extend(extensions.iter().map(|(name, value)| (&name[..], value.clone())));
            let headers = headers.into_iter().map(|(name, value)| (name.into(), value));
            (headers.collect(), body)
        },
    )
}

/// What the receiver writes into a topic.
fn record(mode: ContentMode, headers: &[Header], body: &[u8]) -> Given {
    let headers: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    let record = write(mode, &headers, body).expect("the receiver accepts it");
    let headers = record.headers.iter().map(|(name, value)| (name.as_bytes(), Some(&value[..])));
    Given::of_bytes(headers, record.value.as_deref())
}

/// JSON data loses the blanks around it in a structured record, nothing else, and is given a type.
fn settle(mut request: Request, has_type: bool) -> Request {
    request.borrowed = false;
    request.body = request.body.map(|body| body.trim_ascii().to_vec());
    if !has_type {
        request.headers.remove("content-type");
    }
    request
}

proptest! {
    #[test]
    fn what_the_receiver_wrote_is_delivered((headers, body) in any_request()) {
        let given = record(ContentMode::Binary, &headers, &body);
        let request = given.request().unwrap();
        prop_assert_eq!(request.body.unwrap_or_default(), body);
        // Again a record, it is the one that came in, but for what was added.
        let again = given.see(|event| {
            let mut again = Vec::new();
            event.record(ContentMode::Binary, &mut |name, value| {
                again.push((name.as_bytes().to_vec(), Some(value.to_vec())));
            });
            again
        });
        let mut again = again.unwrap();
        again.retain(|(name, _)| !name.starts_with(b"ce_knativekafka"));
        again.sort();
        let mut expected = given.headers.clone();
        expected.sort();
        prop_assert_eq!(again, expected);
    }

    #[test]
    fn both_modes_of_a_topic_deliver_the_same((headers, body) in any_request()) {
        let binary = record(ContentMode::Binary, &headers, &body).request().unwrap();
        let has_type = binary.header("content-type").is_some();
        let structured = record(ContentMode::Structured, &headers, &body).request().unwrap();
        prop_assert_eq!(settle(structured, has_type), settle(binary, has_type));
    }

    #[test]
    fn the_structured_request_reads_as_the_same_event((headers, body) in any_request()) {
        let given = record(ContentMode::Binary, &headers, &body);
        let json = given.see(|event| {
            let mut json = Vec::new();
            event.write_structured(&mut json);
            String::from_utf8(json).unwrap()
        }).unwrap();
        let direct = given.request().unwrap();
        let has_type = direct.header("content-type").is_some();
        let again = Given::new(&[STRUCTURED], Some(&json)).request().unwrap();
        prop_assert_eq!(settle(again, has_type), settle(direct, has_type));
    }

    #[test]
    fn any_record_is_judged_without_panic(
        headers in proptest::collection::vec(
            (prop_oneof![
                Just("ce_specversion".into()), Just("ce_id".into()), Just("ce_source".into()),
                Just("ce_type".into()), Just("ce_time".into()), Just("content-type".into()),
                "ce_[a-z]{0,3}", "[ -~]{0,8}", any::<String>(),
             ],
             proptest::option::of(prop_oneof![
                Just(b"1.0".to_vec()), Just(b"0.3".to_vec()), Just(b"/s".to_vec()),
                Just(b"application/cloudevents+json".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..40),
             ])), 0..20),
        value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80)),
        key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..12)),
        offset: i64, timestamp_ms: i64,
    ) {
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
        let mut given = Given::of_bytes(headers, value.as_deref());
        (given.offset, given.timestamp_ms, given.key) = (offset, timestamp_ms, key);
        let judged = given.request();
        for key_type in [KeyType::String, KeyType::Integer, KeyType::Double, KeyType::ByteArray] {
            let request = given.request_of_source(key_type);
            if let Ok(event) = &judged {
                prop_assert_eq!(event, &request);
            }
        }
        let failure = Failure::with_response("d", 500, b"x", std::iter::empty());
        let dead = given.clone().with_failure(failure).request();
        prop_assert_eq!(dead.is_ok(), judged.is_ok());
    }

    #[test]
    fn a_damaged_structured_record_is_judged_without_panic(
        at in 0..200_usize, byte: u8, cut in 0..200_usize,
    ) {
        let json = common::json_with(
            r#""time":"2020-01-01T10:00:00.1+01:00","x":{"a":"\ud83d\ude00"},"data":{"a":"\n"},"n":-12"#,
        );
        let mut value = json.into_bytes();
        if let Some(place) = value.get_mut(at) {
            *place = byte;
        }
        value.truncate(value.len().min(cut + 60));
        let headers = [(STRUCTURED.0.as_bytes(), Some(STRUCTURED.1.as_bytes()))];
        let given = Given::of_bytes(headers, Some(&value));
        let _verdict = given.request();
        let _wrapped = given.request_of_source(KeyType::String);
    }
}
