//! The event codec: what receiver and dispatcher do with an event between the sockets.

use std::hint::black_box;

use millrace_event::{
    Additions, ContentMode, KeyType, Overrides, PlainSource, Record, Scratch, decode_http_within,
    decode_record, decode_record_or_plain,
};

use crate::case::Case;

const REQUEST: [(&str, &str); 10] = [
    ("host", "broker-ingress.knative-eventing.svc.cluster.local"),
    ("content-type", "application/json"),
    ("content-length", "1024"),
    ("user-agent", "a-client/1.0"),
    ("ce-specversion", "1.0"),
    ("ce-id", "4f0a8a9e-5b5f-4f5e-8b7b-2f1f2c3d4e5f"),
    ("ce-source", "/apis/v1/namespaces/default/pingsources/ping"),
    ("ce-type", "dev.knative.sources.ping"),
    ("ce-time", "2026-01-31T10:00:00.123456Z"),
    ("ce-partitionkey", "customer-1234"),
];

const RECORD: [(&str, &str); 10] = [
    ("ce_specversion", "1.0"),
    ("ce_id", "4f0a8a9e-5b5f-4f5e-8b7b-2f1f2c3d4e5f"),
    ("ce_source", "/apis/v1/namespaces/default/pingsources/ping"),
    ("ce_type", "dev.knative.sources.ping"),
    ("content-type", "application/json"),
    ("ce_subject", "orders/1234"),
    ("ce_time", "2026-01-31T10:00:00.123456Z"),
    ("ce_partitionkey", "customer-1234"),
    ("ce_tenant", "acme"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
];

const STRUCTURED: [(&str, &str); 1] = [("content-type", "application/cloudevents+json")];

pub(crate) fn cases() -> Vec<Case> {
    let body = structured(1024);
    vec![
        request("binary request to record", &REQUEST, body.clone(), ContentMode::Binary),
        request("structured request to record", &STRUCTURED, body.clone(), ContentMode::Binary),
        request(
            "structured 64 KiB to record",
            &STRUCTURED,
            structured(65_536),
            ContentMode::Binary,
        ),
        request("binary request to JSON record", &REQUEST, body.clone(), ContentMode::Structured),
        record("binary record to request", &RECORD, body.clone()),
        record("structured record to request", &STRUCTURED, body.clone()),
        plain("plain record to request", body),
    ]
}

/// The receiver's share: decode, key, headers and value of the record.
fn request(
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: String,
    mode: ContentMode,
) -> Case {
    let mut scratch = Scratch::new();
    let mut head = Vec::new();
    let places: Vec<_> = headers
        .iter()
        .map(|(name, value)| {
            let start = head.len();
            head.extend_from_slice(name.as_bytes());
            let colon = head.len();
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            let end = head.len();
            head.extend_from_slice(b"\r\n");
            (start..colon, colon + 2..end)
        })
        .collect();
    Case::new(name, move || {
        let head = black_box(&head[..]);
        let headers =
            places.iter().map(|(name, value)| (&head[name.clone()], &head[value.clone()]));
        let event = decode_http_within(head, headers, black_box(body.as_bytes()), &mut scratch);
        let event = event.expect("the event is valid");
        black_box(event.key());
        black_box(event.record(mode, &mut |name, value| {
            black_box((name, value));
        }));
    })
}

/// The dispatcher's share: decode, override, headers and body of the request.
fn record(
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    value: String,
) -> Case {
    let overrides = Overrides::new([("env", "prod")]).0;
    let (mut scratch, mut head) = (Scratch::new(), Vec::new());
    Case::new(name, move || {
        head.clear();
        let additions = Additions { overrides: &overrides, failure: None };
        let event = decode_record(consumed(headers, &value), &additions, &mut scratch);
        let event = event.expect("the record is an event");
        event.write_http_headers(&mut head);
        black_box((event.body(), head.len()));
    })
}

fn plain(name: &'static str, value: String) -> Case {
    let source = PlainSource::new("default", "kafkasources", "ks", KeyType::String);
    let source = source.expect("no part is blank");
    let overrides = Overrides::default();
    let (mut scratch, mut head) = (Scratch::new(), Vec::new());
    Case::new(name, move || {
        head.clear();
        let additions = Additions { overrides: &overrides, failure: None };
        let record = consumed(RECORD.get(7..).unwrap_or_default(), &value);
        let event = decode_record_or_plain(record, &source, &additions, &mut scratch);
        event.write_http_headers(&mut head);
        black_box((event.body(), head.len()));
    })
}

fn consumed<'a>(
    headers: &'a [(&'a str, &'a str)],
    value: &'a str,
) -> Record<'a, impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone> {
    let headers = black_box(headers).iter();
    Record {
        topic: "t",
        partition: 3,
        offset: 123_456_789,
        timestamp_ms: 1_769_853_600_123,
        key: Some(b"customer-1234"),
        headers: headers.map(|(name, value)| (name.as_bytes(), Some(value.as_bytes()))),
        value: Some(black_box(value.as_bytes())),
    }
}

/// A structured event of about this many bytes, with data of the usual mix of members.
fn structured(bytes: usize) -> String {
    const AROUND: usize = 300;
    let mut data = "{\"n\":0".to_owned();
    let mut n = 0;
    while data.len() + AROUND < bytes {
        n += 1;
        data.push_str(&format!(
            r#","name{n}":"Maria Müller","note{n}":"a sentence of plain text, as they are","price{n}":12.5,"flags{n}":[true,null,{n}]"#
        ));
    }
    data.push('}');
    format!(
        r#"{{"specversion":"1.0","id":"4f0a8a9e-5b5f-4f5e-8b7b-2f1f2c3d4e5f","source":"/apis/v1/namespaces/default/pingsources/ping","type":"dev.knative.sources.ping","time":"2026-01-31T10:00:00.123456Z","datacontenttype":"application/json","partitionkey":"customer-1234","data":{data}}}"#
    )
}
