//! Prints what one event costs, in nanoseconds: `cargo run --release -p millrace-event --example cost`.
//!
//! Each figure is the best of several rounds, as rounds are only ever slowed down by others on
//! the machine. simd-json on the same body is there to compare with: its tape alone, without
//! reading an attribute, and with the copy it needs because it writes into its input.

use std::hint::black_box;
use std::time::Instant;

use millrace_event::{ContentMode, Scratch, decode_http};

const ROUNDS: usize = 600;
/// Short, so that some rounds pass undisturbed on a machine that others use too.
const ROUND_EVENTS: u32 = 400;

const BINARY: [(&str, &str); 10] = [
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

fn main() {
    for size in [1024, 64 * 1024] {
        let data = json_data(size - 300);
        let body = format!(
            r#"{{"specversion":"1.0","id":"4f0a8a9e-5b5f-4f5e-8b7b-2f1f2c3d4e5f","source":"/apis/v1/namespaces/default/pingsources/ping","type":"dev.knative.sources.ping","time":"2026-01-31T10:00:00.123456Z","datacontenttype":"application/json","partitionkey":"customer-1234","data":{data}}}"#
        );
        let structured = [("content-type", "application/cloudevents+json")];
        println!("{} bytes of body", body.len());
        measure("binary in, binary out", &BINARY, &body, ContentMode::Binary);
        measure("binary in, structured out", &BINARY, &body, ContentMode::Structured);
        measure("structured in, binary out", &structured, &body, ContentMode::Binary);
        measure("structured in, structured out", &structured, &body, ContentMode::Structured);
        let mut copy = Vec::new();
        let mut buffers = simd_json::Buffers::default();
        best("simd-json: copy and tape", || {
            copy.clear();
            copy.extend_from_slice(body.as_bytes());
            let tape = simd_json::to_tape_with_buffers(&mut copy, &mut buffers);
            black_box(tape.expect("the body is JSON").0.len());
        });
    }
}

fn measure(what: &str, headers: &[(&str, &str)], body: &str, mode: ContentMode) {
    let headers: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let mut scratch = Scratch::new();
    best(what, || {
        let headers = black_box(&headers).iter().copied();
        let event = decode_http(headers, black_box(body.as_bytes()), &mut scratch);
        let event = event.expect("the event is valid");
        black_box(event.key());
        black_box(event.record(mode, &mut |name, value| {
            black_box((name, value));
        }));
    });
}

/// Runs rounds of the work and prints the cheapest.
fn best(what: &str, mut work: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..ROUND_EVENTS {
            work();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(ROUND_EVENTS));
    }
    println!("  {what:32} {best:9.0} ns");
}

/// An object of about this many bytes with the usual mix of members.
fn json_data(bytes: usize) -> String {
    let mut members = vec!["\"n\":0".to_owned()];
    let mut length = 0;
    while length < bytes {
        let n = members.len();
        let member = format!(
            r#""name{n}":"Maria Müller","note{n}":"a sentence of plain text, as they are","price{n}":12.5,"flags{n}":[true,null,{n}]"#
        );
        length += member.len() + 1;
        members.push(member);
    }
    format!("{{{}}}", members.join(","))
}
