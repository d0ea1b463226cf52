//! Tables of expressions and what they yield, on one event.

mod functions;
mod language;
mod refusals;

use millrace_event::{Event, Scratch, decode_http};

use super::eval::Evaluation;
use super::value::Value;
use super::{Mode, parse};

const JSON: &str = r#"{"specversion":"1.0","type":"com.acme.created","source":"/src","id":"123-42",
    "time":"2020-01-01T01:00:00+01:00","datacontenttype":"text/plain","dataschema":"/schema",
    "number":12,"truth":true,"text":"Grüße","digits":"7","empty":"","lines":"a\nb"}"#;

fn with_event<T>(json: &str, then: impl FnOnce(&Event<'_>) -> T) -> T {
    let headers = [(&b"content-type"[..], &b"application/cloudevents+json"[..])];
    let mut scratch = Scratch::new();
    then(&decode_http(headers.into_iter(), json.as_bytes(), &mut scratch).unwrap())
}

fn text(text: &str) -> Value<'static> {
    Value::Text(text.to_owned().into())
}

/// The value in lax mode, and whether an error occurred.
fn evaluate(expression: &str, json: &str) -> (Value<'static>, bool) {
    let root = parse::parse(expression, Mode::Lax).unwrap_or_else(|e| panic!("{expression}: {e}"));
    with_event(json, |event| {
        let value = Evaluation::of(event, Mode::Lax).value(&root);
        let failed = Evaluation::of(event, Mode::Lax).constant(&root).is_none();
        let value = match value {
            Value::Text(it) => text(&it),
            Value::Missing => Value::Missing,
            Value::Boolean(it) => Value::Boolean(it),
            Value::Integer(it) => Value::Integer(it),
        };
        (value, failed)
    })
}

#[track_caller]
fn yields(table: &[(&str, Value<'_>)]) {
    for (expression, value) in table {
        assert_eq!(evaluate(expression, JSON), (value.clone(), false), "{expression}");
    }
}

#[track_caller]
fn fails_with(table: &[(&str, Value<'_>)]) {
    for (expression, value) in table {
        assert_eq!(evaluate(expression, JSON), (value.clone(), true), "{expression}");
    }
}

fn integers<const N: usize>(table: [(&str, i32); N]) -> [(&str, Value<'_>); N] {
    table.map(|(expression, value)| (expression, Value::Integer(value)))
}

fn truths<const N: usize>(table: [(&str, bool); N]) -> [(&str, Value<'_>); N] {
    table.map(|(expression, value)| (expression, Value::Boolean(value)))
}

fn texts<const N: usize>(table: [(&'static str, &str); N]) -> [(&'static str, Value<'static>); N] {
    table.map(|(expression, value)| (expression, text(value)))
}
