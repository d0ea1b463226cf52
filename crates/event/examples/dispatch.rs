//! Prints what one record costs on its way to a request, in nanoseconds:
//! `cargo run --release -p millrace-event --example dispatch`.
//!
//! Each figure is the best of several rounds, as in `cost`.

use std::hint::black_box;
use std::time::Instant;

use millrace_event::{
    Additions, KeyType, Overrides, PlainSource, Record, Scratch, decode_record,
    decode_record_or_plain,
};

const ROUNDS: usize = 600;
const ROUND_RECORDS: u32 = 400;

const HEADERS: [(&str, &str); 10] = [
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

fn main() {
    let data = format!("{{\"a\":\"{}\"}}", "x".repeat(1014));
    let json = format!(
        r#"{{"specversion":"1.0","id":"4f0a8a9e-5b5f-4f5e-8b7b-2f1f2c3d4e5f","source":"/apis/v1/namespaces/default/pingsources/ping","type":"dev.knative.sources.ping","time":"2026-01-31T10:00:00.123456Z","datacontenttype":"application/json","partitionkey":"customer-1234","data":{data}}}"#
    );
    let overrides = Overrides::new([("env", "prod")]).0;
    let additions = Additions { overrides: &overrides, failure: None };
    let source = PlainSource::new("default", "kafkasources", "ks", KeyType::String);
    let source = source.expect("no part is blank");
    let mut scratch = Scratch::new();
    let mut head = Vec::new();
    for (what, headers, value) in [
        ("binary record", &HEADERS[..], &data),
        ("structured record", &[("content-type", "application/cloudevents+json")], &json),
    ] {
        best(what, || {
            head.clear();
            let event = decode_record(record(headers, value), &additions, &mut scratch);
            let event = event.expect("the record is an event");
            event.write_http_headers(&mut head);
            black_box((event.body(), head.len()));
        });
    }
    best("plain record", || {
        head.clear();
        let record = record(&HEADERS[7..], &data);
        let event = decode_record_or_plain(record, &source, &additions, &mut scratch);
        event.write_http_headers(&mut head);
        black_box((event.body(), head.len()));
    });
}

fn record<'a>(
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
        value: Some(value.as_bytes()),
    }
}

/// Runs rounds of the work and prints the cheapest.
fn best(what: &str, mut work: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..ROUND_RECORDS {
            work();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(ROUND_RECORDS));
    }
    println!("{what:20} {best:9.0} ns");
}
