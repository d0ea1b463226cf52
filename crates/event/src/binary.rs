//! Binary mode: attributes from headers, data from the body (receiver.md 3.2, dispatcher.md 5.2).

use std::str::from_utf8;

use crate::draft::{Draft, Slots, Text, required};
use crate::error::{EventError, excerpt};
use crate::event::{Payload, SpecVersion};
use crate::scratch::{Extension, ExtensionKind, Scratch};

/// Compares first as the two usual spellings, which costs a tenth of comparing without case.
pub(crate) fn is_content_type(name: &[u8]) -> bool {
    name == b"content-type" || name == b"Content-Type" || name.eq_ignore_ascii_case(b"content-type")
}

/// Reads a request that is not of a CloudEvents media type. Repeated extensions stay repeated.
pub(crate) fn read_http<'a>(
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    body: &'a [u8],
    scratch: &mut Scratch,
) -> Result<Draft<'a>, EventError> {
    scratch.reset();
    let mut attributes = Attributes::new(Charset::Latin1);
    for (name, value) in headers {
        match http_attribute(name) {
            Some(attribute) => attributes.read(attribute, value, scratch)?,
            None if is_content_type(name) => attributes.read_content_type(value),
            None => {}
        }
    }
    let spec_version = match attributes.slots.specversion {
        Some(found) => SpecVersion::parse(found)?,
        None => return Err(EventError::NotCloudEvent),
    };
    attributes.into_draft(spec_version, body, scratch)
}

/// What follows `ce-`, if that is how the name begins and anything follows.
fn http_attribute(header: &[u8]) -> Option<&[u8]> {
    match header {
        [b'c' | b'C', b'e' | b'E', b'-', name @ ..] if !name.is_empty() => Some(name),
        _ => None,
    }
}

/// What a header's bytes mean.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Charset {
    /// In HTTP (receiver.md W29).
    Latin1,
    /// In a Kafka record; what is malformed becomes U+FFFD.
    Utf8,
}

impl Charset {
    /// Borrowed while the bytes are text as they stand.
    fn read<'a>(self, value: &'a [u8], scratch: &mut Scratch) -> Text<'a> {
        match self.as_it_stands(value) {
            Some(text) => Text::Borrowed(text),
            None => Text::Scratch(self.rewrite(value, scratch)),
        }
    }

    pub(crate) fn push(self, value: &[u8], scratch: &mut Scratch) -> std::ops::Range<usize> {
        match self.as_it_stands(value) {
            Some(text) => scratch.push_text(text),
            None => self.rewrite(value, scratch),
        }
    }

    fn as_it_stands(self, value: &[u8]) -> Option<&str> {
        match self {
            Self::Latin1 if !value.is_ascii() => None,
            Self::Latin1 | Self::Utf8 => from_utf8(value).ok(),
        }
    }

    #[cold]
    fn rewrite(self, value: &[u8], scratch: &mut Scratch) -> std::ops::Range<usize> {
        match self {
            Self::Latin1 => scratch.push_latin1(value),
            Self::Utf8 => scratch.push_text(&String::from_utf8_lossy(value)),
        }
    }
}

/// The attributes found so far; extensions go to the scratch at once.
pub(crate) struct Attributes<'a> {
    slots: Slots<&'a [u8]>,
    charset: Charset,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(charset: Charset) -> Self {
        Self { slots: Slots::default(), charset }
    }

    pub(crate) fn read_content_type(&mut self, value: &'a [u8]) {
        self.slots.datacontenttype = Some(value);
    }

    /// Takes a header by its name without prefix, in any case.
    pub(crate) fn read(
        &mut self,
        name: &[u8],
        value: &'a [u8],
        scratch: &mut Scratch,
    ) -> Result<(), EventError> {
        // The first copy of the version has decided the mode; further ones are ignored.
        let first_version = self.slots.specversion;
        if let Some(slot) = self.slots.slot_in_any_case(name) {
            *slot = Some(value);
            self.slots.specversion = first_version.or(self.slots.specversion);
            return Ok(());
        }
        self.push_extension(name, value, scratch)
    }

    fn push_extension(
        &self,
        name: &[u8],
        value: &[u8],
        scratch: &mut Scratch,
    ) -> Result<(), EventError> {
        let Some(header) = scratch.push_header_name(name) else {
            return Err(EventError::ExtensionName { name: excerpt(name) });
        };
        let value = self.charset.push(value, scratch);
        scratch.extensions.push(Extension { header, value, kind: ExtensionKind::Text });
        Ok(())
    }

    pub(crate) fn into_draft(
        mut self,
        spec_version: SpecVersion,
        body: &'a [u8],
        scratch: &mut Scratch,
    ) -> Result<Draft<'a>, EventError> {
        for (name, value) in self.slots.take_foreign(spec_version) {
            if let Some(value) = value {
                self.push_extension(name.as_bytes(), value, scratch)?;
            }
        }
        let Self { slots, charset } = self;
        let mut text = |value: Option<&'a [u8]>| value.map(|value| charset.read(value, scratch));
        Ok(Draft {
            spec_version,
            id: required("id", text(slots.id))?,
            source: required("source", text(slots.source))?,
            event_type: required("type", text(slots.event_type))?,
            subject: text(slots.subject),
            time: text(slots.time),
            dataschema: text(slots.dataschema),
            datacontenttype: text(slots.datacontenttype),
            payload: match body {
                [] => Payload::None,
                bytes => Payload::Body { bytes, start: 0, is_json_text: false },
            },
        })
    }
}
