//! What must hold of every event that was accepted, in whichever mode.

use std::collections::BTreeMap;

use millrace_event::{ContentMode, Event, RecordValue, Scratch, decode_http};

pub const STRUCTURED: [(&[u8], &[u8]); 1] = [(b"content-type", b"application/cloudevents+json")];

/// An event's record with its parts as owned bytes.
#[derive(Debug, PartialEq)]
pub struct Record {
    key: Option<Vec<u8>>,
    headers: BTreeMap<Vec<u8>, Vec<u8>>,
    value: Option<Vec<u8>>,
}

/// The record of content mode binary.
pub fn binary_record(event: &Event<'_>, body: &[u8]) -> Record {
    let mut headers = BTreeMap::new();
    let value = event.record(ContentMode::Binary, &mut |name, value| {
        assert!(std::str::from_utf8(value).is_ok());
        assert!(
            headers.insert(name.as_bytes().to_vec(), value.to_vec()).is_none(),
            "a header came twice"
        );
    });
    let value = match value {
        RecordValue::Null => None,
        RecordValue::Body(range) => Some(body[range].trim_ascii().to_vec()),
        RecordValue::Owned(bytes) => Some(bytes.trim_ascii().to_vec()),
    };
    Record { key: event.key().map(<[u8]>::to_vec), headers, value }
}

/// The structured record decodes to the same event again, but for blanks around its data.
pub fn check_round_trip(event: &Event<'_>, body: &[u8]) {
    let direct = binary_record(event, body);
    for (name, _) in event.extensions() {
        assert!(event.extension_text(name).is_some());
        if name == "data" {
            return; // Left out of the structured form, as documented.
        }
    }
    let RecordValue::Owned(json) = event.record(ContentMode::Structured, &mut |_, _| {}) else {
        panic!("a structured record has a value of its own");
    };
    let raw: &serde_json::value::RawValue =
        serde_json::from_slice(&json).expect("a structured record is JSON");
    assert_eq!(raw.get().len(), json.len());
    let mut scratch = Scratch::new();
    let back = decode_http(STRUCTURED.iter().copied(), &json, &mut scratch)
        .expect("a structured record decodes");
    let mut back = binary_record(&back, &json);
    // JSON data without a type is given one when it is read (receiver.md 3.4).
    if event.datacontenttype().is_none() && direct.value.is_some() {
        back.headers.remove(&b"content-type"[..]);
    }
    assert_eq!(back, direct);
}
