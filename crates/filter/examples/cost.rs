//! Prints what one evaluation costs, in nanoseconds:
//! `cargo run --release -p millrace-filter --example cost`.
//!
//! Each figure is the best of several rounds, as rounds are only ever slowed down by others on
//! the machine.

use std::hint::black_box;
use std::time::Instant;

use millrace_event::{Scratch, decode_http};
use millrace_filter::{Filter, Mode};

const ROUNDS: usize = 600;
const ROUND_EVENTS: u32 = 1000;

const HEADERS: [(&str, &str); 9] = [
    ("ce-specversion", "1.0"),
    ("ce-id", "4f0a8a9e-5b5f-4f5e-8b7b-2f1f2c3d4e5f"),
    ("ce-source", "/apis/v1/namespaces/default/pingsources/ping"),
    ("ce-type", "dev.knative.sources.ping"),
    ("ce-time", "2026-01-31T10:00:00.123456Z"),
    ("content-type", "application/json"),
    ("ce-partitionkey", "customer-1234"),
    ("ce-tenant", "acme"),
    ("ce-sequence", "41"),
];

fn main() {
    let headers = HEADERS.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut scratch = Scratch::new();
    let event = decode_http(headers, b"{}", &mut scratch).expect("the event is valid");
    let one = |name: &str, text: &str| [(name.to_owned(), text.to_owned())];
    let mut filters = vec![
        ("pass".to_owned(), Filter::pass()),
        ("exact type".into(), Filter::exact(one("type", "dev.knative.sources.ping"))),
        ("exact extension".into(), Filter::exact(one("tenant", "acme"))),
        ("exact time".into(), Filter::exact(one("time", "2026-01-31T10:00:00.123456Z"))),
        ("prefix type".into(), Filter::prefix(one("type", "dev.knative."))),
        ("suffix type".into(), Filter::suffix(one("type", ".ping"))),
    ];
    for expression in [
        "type = 'dev.knative.sources.ping'",
        "type = 'dev.knative.sources.ping' AND tenant = 'acme'",
        "type LIKE 'dev.%.ping'",
        "type IN ('a', 'b', 'c', 'dev.knative.sources.ping')",
        "EXISTS tenant AND INT(sequence) + 1 > 41",
        "UPPER(LEFT(tenant, 2)) = 'AC'",
    ] {
        let filter = Filter::cesql(expression, Mode::Lax).expect("the expression compiles");
        filters.push((expression.to_owned(), filter));
    }
    for (what, filter) in &filters {
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for _ in 0..ROUND_EVENTS {
                assert!(black_box(filter).matches(black_box(&event)));
            }
            best = best.min(start.elapsed().as_nanos() as f64 / f64::from(ROUND_EVENTS));
        }
        println!("{what:55} {best:6.1} ns");
    }
}
