//! A request in, a record out: what the cases of receiver.md 12 look at.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

pub mod kafka;

use std::collections::BTreeMap;

use millrace_event::{ContentMode, EventError, RecordValue, Scratch, decode_http};

/// The headers of a minimal binary event, as the cases call it.
pub const MIN: [(&str, &str); 4] =
    [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];

pub const CT: (&str, &str) = ("Content-Type", "application/cloudevents+json");

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub headers: BTreeMap<String, Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// The value is a slice of the body.
    pub borrowed: bool,
}

impl Record {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| std::str::from_utf8(value).expect("UTF-8"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().expect("a value")).expect("UTF-8")
    }
}

pub fn write(
    mode: ContentMode,
    headers: &[(&[u8], &[u8])],
    body: &[u8],
) -> Result<Record, EventError> {
    let mut scratch = Scratch::new();
    let event = decode_http(headers.iter().copied(), body, &mut scratch)?;
    let mut sent = BTreeMap::new();
    let value = event.record(mode, &mut |name, value| {
        assert!(sent.insert(name.to_owned(), value.to_vec()).is_none(), "a header came twice");
    });
    let borrowed = matches!(value, RecordValue::Body(_));
    let value = match value {
        RecordValue::Null => None,
        RecordValue::Body(range) => Some(body[range].to_vec()),
        RecordValue::Owned(bytes) => Some(bytes),
    };
    Ok(Record { key: event.key().map(<[u8]>::to_vec), headers: sent, value, borrowed })
}

fn bytes<'a>(headers: &[(&'a str, &'a str)]) -> Vec<(&'a [u8], &'a [u8])> {
    headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

/// Sends exactly these headers to an ingress of mode BINARY.
pub fn send(headers: &[(&str, &str)], body: &str) -> Result<Record, EventError> {
    write(ContentMode::Binary, &bytes(headers), body.as_bytes())
}

/// As [`send`], to one of mode STRUCTURED.
pub fn send_structured(headers: &[(&str, &str)], body: &str) -> Result<Record, EventError> {
    write(ContentMode::Structured, &bytes(headers), body.as_bytes())
}

/// The minimal event with more headers.
pub fn min_and<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&MIN[..], more].concat()
}

/// A minimal structured event with more members, given as JSON text without braces.
pub fn json_with(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{comma}{members}}}"#)
}

/// Sends a minimal structured event with more members.
pub fn send_json(members: &str) -> Result<Record, EventError> {
    send(&[CT], &json_with(members))
}
