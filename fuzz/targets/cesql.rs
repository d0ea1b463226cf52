//! Any text as a CESQL expression, compiled in both modes and evaluated on one event.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millrace_event::{Scratch, decode_http};
use millrace_filter::{CesqlError, Filter, Mode};

const EVENT: &str = r#"{"specversion":"1.0","type":"com.acme","source":"/s","id":"1_a%","time":
    "2020-01-01T01:00:00.5+01:00","number":7,"truth":true,"lines":"a\nb","text":"Grüße"}"#;

fuzz_target!(|expression: &str| {
    let headers = [(&b"content-type"[..], &b"application/cloudevents+json"[..])];
    let mut scratch = Scratch::new();
    let event = decode_http(headers.into_iter(), EVENT.as_bytes(), &mut scratch);
    let event = event.expect("the event is valid");
    let lax = Filter::cesql(expression, Mode::Lax);
    let strict = Filter::cesql(expression, Mode::Strict);
    for error in [lax.as_ref().err(), strict.as_ref().err()].into_iter().flatten() {
        let (CesqlError::Syntax { position, .. }
        | CesqlError::Character { position, .. }
        | CesqlError::OpenText { position }
        | CesqlError::Number { position, .. }
        | CesqlError::TooDeep { position }
        | CesqlError::NotAvailable { position, .. }) = error
        else {
            continue;
        };
        assert!((1..=expression.chars().count() + 1).contains(position), "{error}");
    }
    let passes_laxly = lax.as_ref().is_ok_and(|filter| filter.matches(&event));
    if let Ok(strict) = strict {
        assert!(lax.is_ok(), "only strict mode compiles it");
        // `time` alone reads differently.
        assert!(!strict.matches(&event) || passes_laxly || expression.contains("time"));
    }
});
