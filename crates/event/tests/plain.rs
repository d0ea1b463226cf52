//! Plain records of a KafkaSource, case by case as in dispatcher.md 18.

mod common;

use common::kafka::{CE, Given, Request};
use millrace_event::{Failure, KeyType, PlainSource};

fn with_key(key_type: KeyType, key: &[u8]) -> Request {
    Given::new(&[], Some("v")).with_key(key).request_of_source(key_type)
}

#[test]
fn d027_a_plain_record_becomes_an_event() {
    let mut given =
        Given::new(&[("content-type", "application/json")], Some("{\"value\":5}")).with_key(b"0");
    (given.offset, given.timestamp_ms) = (7, 1500);
    let request = given.request_of_source(KeyType::String);
    let headers: Vec<(&str, &str)> =
        request.headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    let expected = [
        ("ce-id", "partition:0/offset:7"),
        ("ce-key", "0"),
        ("ce-knativekafkaoffset", "7"),
        ("ce-knativekafkapartition", "0"),
        ("ce-partitionkey", "0"),
        ("ce-source", "/apis/v1/namespaces/ns1/kafkasources/ks#t"),
        ("ce-specversion", "1.0"),
        ("ce-subject", "partition:0#7"),
        ("ce-time", "1970-01-01T00:00:01.5Z"),
        ("ce-type", "dev.knative.kafka.event"),
        ("content-type", "application/json"),
    ];
    assert_eq!(headers, expected);
    assert_eq!((request.text(), request.borrowed), ("{\"value\":5}", true));
}

#[test]
fn d028_d029_the_content_type_is_lowered_whatever_the_case_of_its_name() {
    let request = Given::new(&[], Some("v")).request_of_source(KeyType::String);
    assert_eq!(request.header("content-type"), None);
    for (headers, expected) in [
        (&[("Content-Type", "TEXT/Plain")][..], "text/plain"),
        (&[("CONTENT-TYPE", "a/b"), ("content-type", "c/d")], "c/d"),
        (&[("content-type", "c/d"), ("Content-type", "a/ÄB")], "a/%C3%A4b"),
    ] {
        let request = Given::new(headers, Some("v")).request_of_source(KeyType::String);
        assert_eq!(request.header("content-type"), Some(expected));
        assert_eq!(request.header("ce-kafkaheadercontenttype"), None);
    }
}

#[test]
fn d030_headers_become_extensions() {
    let headers = [
        ("X-Trace_ID", "v"),
        ("a-b", "first"),
        ("AB", "last"),
        ("-_-", "nothing left"),
        // The Kelvin sign, which is a k in lower case.
        ("\u{212a}é1", "ü"),
    ];
    let request = Given::new(&headers, Some("v")).request_of_source(KeyType::String);
    assert_eq!(request.header("ce-kafkaheaderxtraceid"), Some("v"));
    assert_eq!(request.header("ce-kafkaheaderab"), Some("last"));
    assert_eq!(request.header("ce-kafkaheader"), Some("nothing left"));
    assert_eq!(request.header("ce-kafkaheaderk1"), Some("%C3%BC"));
}

#[test]
fn d031_to_d036_the_key_in_its_text_form() {
    for (key_type, key, expected) in [
        (KeyType::Integer, &[0, 0, 0, 7][..], "7"),
        (KeyType::Integer, &[0xff; 4], "-1"),
        (KeyType::Integer, &[0, 0, 0, 0, 0, 0, 0, 7], "%00%00%00%00%00%00%00%07"),
        (KeyType::Integer, b"abc", "abc"),
        (KeyType::Double, &[0x3f, 0xc0, 0, 0], "1.5"),
        (KeyType::Double, &std::f64::consts::PI.to_be_bytes(), "3.141592653589793"),
        (KeyType::ByteArray, &[1, 2, 3, 4], "AQIDBA=="),
    ] {
        let request = with_key(key_type, key);
        assert_eq!(request.header("ce-key"), Some(expected));
        assert_eq!(request.header("ce-partitionkey"), Some(expected));
    }
    for key_type in [KeyType::String, KeyType::Integer, KeyType::Double, KeyType::ByteArray] {
        let request = with_key(key_type, b"");
        assert_eq!((request.header("ce-key"), request.header("ce-partitionkey")), (None, None));
    }
}

#[test]
fn d037_null_is_no_data_and_empty_is_empty_data() {
    let request = Given::new(&[], None).with_key(b"a").request_of_source(KeyType::String);
    assert_eq!((request.body.as_deref(), request.header("ce-key")), (None, Some("a")));
    let request = Given::new(&[], Some("")).request_of_source(KeyType::String);
    assert_eq!(request.body.as_deref(), Some(&b""[..]));
}

#[test]
fn d038_an_event_stays_an_event() {
    let given = Given::new(&[&CE[..], &[("foo", "x")]].concat(), Some("{}")).with_key(b"k");
    assert_eq!(given.request_of_source(KeyType::String), given.request().unwrap());
}

#[test]
fn d039_a_source_without_a_name_is_none() {
    for (namespace, plural, name) in [("", "p", "n"), ("ns", " ", "n"), ("ns", "p", "")] {
        assert_eq!(PlainSource::new(namespace, plural, name, KeyType::String), None);
    }
}

#[test]
fn d040_a_header_of_value_null_is_left_out() {
    let mut given = Given::new(&[("g", "1")], Some("v"));
    given.headers.push((b"h".to_vec(), None));
    let request = given.request_of_source(KeyType::String);
    assert_eq!(request.header("ce-kafkaheaderg"), Some("1"));
    assert_eq!(request.header("ce-kafkaheaderh"), None);
}

#[test]
fn a_broken_event_is_wrapped_as_a_whole() {
    let headers = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_bad-name", "x")];
    let request = Given::new(&headers, Some("v")).request_of_source(KeyType::String);
    assert_eq!(request.header("ce-id"), Some("partition:0/offset:0"));
    assert_eq!(request.header("ce-kafkaheaderceid"), Some("1"));
    assert_eq!(request.header("ce-kafkaheadercebadname"), Some("x"));
    let headers = [("content-type", "application/cloudevents+json; a=B")];
    let request = Given::new(&headers, Some("{oops")).request_of_source(KeyType::String);
    assert_eq!(request.header("content-type"), Some("application/cloudevents+json; a=b"));
    assert_eq!(request.text(), "{oops");
}

#[test]
fn overrides_and_failures_reach_plain_records() {
    let given = Given::new(&[], Some("v"))
        .with_key(b"k")
        .with_overrides(&[("key", "other")])
        .with_failure(Failure::without_response("http://S/x"));
    let request = given.request_of_source(KeyType::String);
    assert_eq!(request.header("ce-key"), Some("other"));
    assert_eq!(request.header("ce-partitionkey"), Some("k"));
    assert_eq!(request.header("ce-knativeerrordest"), Some("http://S/x"));
}

#[test]
fn any_timestamp_makes_a_time() {
    for (timestamp_ms, time) in [
        (-1, "1969-12-31T23:59:59.999Z"),
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400_000, "2000-02-29T00:00:00Z"),
        (i64::MAX, "+292278994-08-17T07:12:55.807Z"),
        (i64::MIN, "-292275055-05-16T16:47:04.192Z"),
    ] {
        let mut given = Given::new(&[], None);
        given.timestamp_ms = timestamp_ms;
        let request = given.request_of_source(KeyType::String);
        assert_eq!(request.header("ce-time"), Some(time));
    }
}
