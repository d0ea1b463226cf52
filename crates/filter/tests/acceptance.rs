//! The acceptance cases of dispatcher.md 18 that a filter alone decides: 46 to 68.

use millrace_event::{Additions, Event, Overrides, Record, Scratch, decode_http, decode_record};
use millrace_filter::{Filter, Mode};

/// The event of these cases, with further headers.
fn with_event<T>(more: &[(&str, &str)], then: impl FnOnce(&Event<'_>) -> T) -> T {
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-type", "com.acme.created"),
        ("ce-source", "/src"),
        ("ce-id", "123-42"),
    ];
    let headers =
        headers.iter().chain(more).map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut scratch = Scratch::new();
    then(&decode_http(headers, b"{}", &mut scratch).expect("a valid event"))
}

fn passes(filter: &Filter) -> bool {
    with_event(&[], |event| filter.matches(event))
}

fn entries<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec()
}

fn exact<const N: usize>(pairs: [(&str, &str); N]) -> Filter {
    Filter::exact(entries(pairs))
}

fn prefix<const N: usize>(pairs: [(&str, &str); N]) -> Filter {
    Filter::prefix(entries(pairs))
}

fn suffix<const N: usize>(pairs: [(&str, &str); N]) -> Filter {
    Filter::suffix(entries(pairs))
}

fn cesql(expression: &str, mode: Mode) -> bool {
    passes(&Filter::cesql(expression, mode).unwrap_or_else(|e| panic!("{expression}: {e}")))
}

#[test]
fn case_46_exact_is_case_sensitive() {
    assert!(passes(&exact([("type", "com.acme.created")])));
    assert!(!passes(&exact([("type", "COM.ACME.CREATED")])));
}

#[test]
fn case_47_empty_texts_are_dropped() {
    assert!(passes(&exact([("type", ""), ("ext1", "")])));
    assert!(passes(&prefix([("subject", "")])));
    assert!(passes(&suffix([("nosuch", ""), ("type", "")])));
}

#[test]
fn case_48_names_are_case_sensitive() {
    assert!(!passes(&exact([("Type", "com.acme.created")])));
}

#[test]
fn case_50_no_entries_pass() {
    assert!(passes(&exact([])));
    assert!(passes(&prefix([])));
    assert!(passes(&suffix([])));
    assert!(passes(&Filter::pass()));
}

#[test]
fn cases_51_to_54_texts() {
    assert!(!passes(&exact([("subject", "x")])));
    assert!(passes(&prefix([("type", "com.acme.")])));
    assert!(!passes(&prefix([("type", "com.other")])));
    assert!(passes(&suffix([("type", ".created")])));
    assert!(!passes(&suffix([("type", ".deleted")])));
    for name in ["subject", "datacontenttype", "dataschema", "time", "nosuch"] {
        assert!(!passes(&prefix([(name, "x")])), "{name}");
        assert!(!passes(&suffix([(name, "x")])), "{name}");
    }
    assert!(!passes(&exact([("type", "com.acme.created"), ("id", "1")])), "all entries count");
}

#[test]
fn cases_55_and_56_not() {
    assert!(passes(&Filter::not(prefix([("subject", "x")]))));
    assert!(!passes(&Filter::not(exact([("type", "com.acme.created")]))));
}

#[test]
fn cases_57_to_59_lists() {
    assert!(!passes(&Filter::any(vec![])));
    assert!(passes(&Filter::all(vec![])));
    assert!(!passes(&Filter::not(Filter::pass())));
    let created = || prefix([("type", "com.")]);
    let wrong = || exact([("id", "1")]);
    assert!(passes(&Filter::all(vec![created(), exact([("id", "123-42")])])));
    assert!(passes(&Filter::any(vec![wrong(), created()])));
    assert!(!passes(&Filter::any(vec![wrong(), wrong()])));
    assert!(!passes(&Filter::all(vec![created(), wrong()])));
    assert!(!passes(&Filter::any(vec![wrong()])));
    assert!(!passes(&Filter::all(vec![wrong()])));
    assert!(passes(&Filter::any(vec![created()])));
}

#[test]
fn case_60_time_is_compared_as_an_instant() {
    let filter = exact([("time", "2020-01-01T00:00:00Z")]);
    for (time, passes) in [("2020-01-01T01:00:00+01:00", true), ("2020-01-01T01:00:00Z", false)] {
        assert_eq!(with_event(&[("ce-time", time)], |event| filter.matches(event)), passes);
    }
}

#[test]
fn case_61_further_attributes() {
    assert!(passes(&exact([("specversion", "1.0")])));
    let more = [
        ("ce-subject", "s"),
        ("ce-dataschema", "/schema"),
        ("ce-key", "value"),
        ("content-type", "text/plain"),
    ];
    with_event(&more, |event| {
        for (name, text) in [
            ("subject", "s"),
            ("dataschema", "/schema"),
            ("schemaurl", "/schema"),
            ("key", "value"),
            ("datacontenttype", "text/plain"),
        ] {
            assert!(exact([(name, text)]).matches(event), "{name}");
            assert!(prefix([(name, &text[..1])]).matches(event), "{name}");
            assert!(suffix([(name, &text[1..])]).matches(event), "{name}");
            assert!(!exact([(name, "other")]).matches(event), "{name}");
        }
    });
}

#[test]
fn cases_62_to_67_cesql() {
    let table = [
        ("id LIKE '123%'", true, true),
        ("NOT (id LIKE '123%')", false, false),
        ("'TRUE'", true, false),
        ("'FALSE'", false, false),
        ("0", false, false),
        ("'abc'", false, false),
        ("1", true, false),
        ("subject = 'x'", false, false),
        ("NOT (subject = 'x')", true, false),
        ("EXISTS subject", false, false),
        ("NOT EXISTS subject", true, true),
        ("EXISTS ID", true, true),
        ("ID = '123-42'", false, false),
        ("missing LIKE '%'", true, false),
        ("1 / 0 = 0", true, false),
    ];
    for (expression, lax, strict) in table {
        assert_eq!(cesql(expression, Mode::Lax), lax, "{expression}, lax");
        assert_eq!(cesql(expression, Mode::Strict), strict, "{expression}, strict");
    }
}

#[test]
fn case_68_what_does_not_parse_is_refused() {
    for mode in [Mode::Lax, Mode::Strict] {
        let error = Filter::cesql("type = ", mode).unwrap_err();
        assert!(
            error.to_string().starts_with("CESQL expression, character 8: expected"),
            "{error}"
        );
    }
}

#[test]
fn additions_to_a_record_are_seen_with_their_types() {
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_type", "t"),
        ("ce_source", "/s"),
        ("ce_id", "1"),
        ("ce_env", "dev"),
    ];
    let record = Record {
        topic: "t",
        partition: 3,
        offset: 4_294_967_296,
        timestamp_ms: 0,
        key: None,
        headers: headers.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes()))),
        value: None,
    };
    let overrides = Overrides::new([("env", "prod")]).0;
    let mut scratch = Scratch::new();
    let additions = Additions { overrides: &overrides, failure: None };
    let event = decode_record(record, &additions, &mut scratch).unwrap();
    assert!(exact([("env", "prod"), ("knativekafkaoffset", "4294967296")]).matches(&event));
    // The partition has 32 bits and is a number; the offset has 64 and is a text.
    for (expression, passes) in [
        ("env = 'prod' AND knativekafkapartition + 1 = 4", true),
        ("TRUE = knativekafkapartition", false),
        ("knativekafkaoffset = '4294967296'", true),
        ("knativekafkaoffset > 0", false),
    ] {
        let filter = Filter::cesql(expression, Mode::Lax).unwrap();
        assert_eq!(filter.matches(&event), passes, "{expression}");
    }
}

#[test]
fn a_filter_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&Filter::pass());
}
