//! Binary mode: attributes from headers, data from the body (receiver.md 3.2).

use std::str::from_utf8;

use crate::draft::{Draft, Slots, Text};
use crate::error::{EventError, excerpt};
use crate::event::{Event, Payload, SpecVersion};
use crate::scratch::{Extension, ExtensionKind, Scratch};

/// Compares first as the two usual spellings, which costs a tenth of comparing without case.
pub(crate) fn is_content_type(name: &[u8]) -> bool {
    name == b"content-type" || name == b"Content-Type" || name.eq_ignore_ascii_case(b"content-type")
}

/// Decodes a request that is not of a CloudEvents media type.
pub(crate) fn decode<'a>(
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    body: &'a [u8],
    scratch: &'a mut Scratch,
) -> Result<Event<'a>, EventError> {
    scratch.reset();
    let mut slots = Slots::<&'a [u8]>::default();
    for (name, value) in headers {
        match attribute_name(name) {
            Some(attribute) => read_attribute(attribute, value, &mut slots, scratch)?,
            None if is_content_type(name) => slots.datacontenttype = Some(value),
            None => {}
        }
    }
    let spec_version = match slots.specversion {
        Some(found) => SpecVersion::parse(found)?,
        None => return Err(EventError::NotCloudEvent),
    };
    for (name, value) in slots.take_foreign(spec_version) {
        if let Some(value) = value {
            push_extension(name.as_bytes(), value, scratch)?;
        }
    }
    scratch.keep_last_extensions();
    let mut text = |value: Option<&'a [u8]>| value.map(|value| header_text(value, scratch));
    let draft = Draft {
        spec_version,
        id: text(slots.id),
        source: text(slots.source),
        event_type: text(slots.event_type),
        subject: text(slots.subject),
        time: text(slots.time),
        dataschema: text(slots.dataschema),
        datacontenttype: text(slots.datacontenttype),
        payload: match body {
            [] => Payload::None,
            bytes => Payload::Body { bytes, start: 0, is_json_text: false },
        },
    };
    draft.finish(scratch)
}

/// What follows `ce-`, if that is how the name begins and anything follows.
fn attribute_name(header: &[u8]) -> Option<&[u8]> {
    match header {
        [b'c' | b'C', b'e' | b'E', b'-', name @ ..] if !name.is_empty() => Some(name),
        _ => None,
    }
}

fn read_attribute<'a>(
    name: &[u8],
    value: &'a [u8],
    slots: &mut Slots<&'a [u8]>,
    scratch: &mut Scratch,
) -> Result<(), EventError> {
    // A fixed length is lowered in a few vector operations.
    let mut lower = [0; LONGEST_ATTRIBUTE.next_multiple_of(16)];
    if let Some(start) = lower.get_mut(..name.len()) {
        start.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let lower = lower.get(..name.len()).unwrap_or_default();
        // The first copy has decided the mode; further ones are ignored.
        if lower == b"specversion" {
            slots.specversion.get_or_insert(value);
            return Ok(());
        }
        if let Some(slot) = slots.slot(lower) {
            *slot = Some(value);
            return Ok(());
        }
    }
    push_extension(name, value, scratch)
}

const LONGEST_ATTRIBUTE: usize = "datacontentencoding".len();

fn push_extension(name: &[u8], value: &[u8], scratch: &mut Scratch) -> Result<(), EventError> {
    let Some(header) = scratch.push_header_name(name) else {
        return Err(EventError::ExtensionName { name: excerpt(name) });
    };
    let value = match ascii(value) {
        Some(text) => scratch.push_text(text),
        None => scratch.push_latin1(value),
    };
    scratch.extensions.push(Extension { header, value, kind: ExtensionKind::Text });
    Ok(())
}

/// A header's value as text: borrowed while it is ASCII, else read as Latin-1 (W29).
fn header_text<'a>(value: &'a [u8], scratch: &mut Scratch) -> Text<'a> {
    match ascii(value) {
        Some(text) => Text::Borrowed(text),
        None => Text::Scratch(scratch.push_latin1(value)),
    }
}

fn ascii(value: &[u8]) -> Option<&str> {
    if value.is_ascii() { from_utf8(value).ok() } else { None }
}
