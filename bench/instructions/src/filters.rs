//! The filters, each asked about an event that passes or, where its name says so, that does not.

use std::hint::black_box;

use millrace_event::{Event, Scratch, decode_http};
use millrace_filter::{Filter, Mode};

use crate::case::Case;

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

pub(crate) fn cases() -> Vec<Case> {
    let exact = |name, text| Filter::exact(one(name, text));
    let (type_name, ping) = ("type", "dev.knative.sources.ping");
    vec![
        case("filter exact type", exact(type_name, ping)),
        case("filter exact type, fails", exact(type_name, "dev.knative.sources.pong")),
        case("filter exact extension", exact("tenant", "acme")),
        case("filter prefix", Filter::prefix(one(type_name, "dev.knative."))),
        case("filter suffix", Filter::suffix(one(type_name, ".ping"))),
        case(
            "filter all of four",
            Filter::all(vec![
                exact(type_name, ping),
                exact("tenant", "acme"),
                Filter::prefix(one("source", "/apis/v1/")),
                Filter::not(exact("sequence", "42")),
            ]),
        ),
        case(
            "filter any, the last of four",
            Filter::any(vec![
                exact(type_name, "a"),
                exact(type_name, "b"),
                exact("tenant", "other"),
                exact("tenant", "acme"),
            ]),
        ),
        cesql("CESQL equal", "type = 'dev.knative.sources.ping'"),
        cesql("CESQL and", "type = 'dev.knative.sources.ping' AND tenant = 'acme'"),
        cesql("CESQL like", "type LIKE 'dev.%.ping'"),
        cesql("CESQL in", "type IN ('a', 'b', 'c', 'dev.knative.sources.ping')"),
        cesql("CESQL arithmetic", "EXISTS tenant AND INT(sequence) + 1 > 41"),
        cesql("CESQL functions", "UPPER(LEFT(tenant, 2)) = 'AC'"),
    ]
}

fn cesql(name: &'static str, expression: &str) -> Case {
    case(name, Filter::cesql(expression, Mode::Lax).expect("the expression compiles"))
}

fn case(name: &'static str, filter: Filter) -> Case {
    let event = event();
    assert_eq!(filter.matches(event), !name.ends_with("fails"), "{name}");
    Case::new(name, move || {
        black_box(black_box(&filter).matches(black_box(event)));
    })
}

/// The event lives as long as the process, which does one piece of work and ends.
fn event() -> &'static Event<'static> {
    let headers = HEADERS.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let scratch = Box::leak(Box::new(Scratch::new()));
    Box::leak(Box::new(decode_http(headers, b"{}", scratch).expect("the event is valid")))
}

fn one(name: &str, text: &str) -> [(String, String); 1] {
    [(name.to_owned(), text.to_owned())]
}
