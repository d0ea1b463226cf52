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

/// Reads a request that is not of a CloudEvents media type; `head` as for
/// [`crate::decode_http_within`]. Repeated extensions stay repeated.
pub(crate) fn read_http<'a>(
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    head: &'a [u8],
    body: &'a [u8],
    scratch: &mut Scratch,
) -> Result<Draft<'a>, EventError> {
    scratch.reset();
    let mut attributes = Attributes::new(Charset::latin_1_within(head));
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
pub(crate) enum Charset<'a> {
    /// In HTTP (receiver.md W29). Values that stand in `ascii` need no look of their own.
    Latin1 { ascii: &'a str },
    /// In a Kafka record; what is malformed becomes U+FFFD.
    Utf8,
}

impl<'a> Charset<'a> {
    /// That of headers whose values stand in `head`, all or some of them.
    fn latin_1_within(head: &'a [u8]) -> Self {
        Self::Latin1 { ascii: ascii_text(head).unwrap_or_default() }
    }

    /// Borrowed while the bytes are text as they stand.
    fn read(self, value: &'a [u8], scratch: &mut Scratch) -> Text<'a> {
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

    #[inline]
    fn as_it_stands<'v>(self, value: &'v [u8]) -> Option<&'v str>
    where
        'a: 'v,
    {
        match self {
            Self::Latin1 { ascii } => part_of(ascii, value).or_else(|| ascii_text(value)),
            Self::Utf8 => from_utf8(value).ok(),
        }
    }

    #[cold]
    fn rewrite(self, value: &[u8], scratch: &mut Scratch) -> std::ops::Range<usize> {
        match self {
            Self::Latin1 { .. } => scratch.push_latin1(value),
            Self::Utf8 => scratch.push_text(&String::from_utf8_lossy(value)),
        }
    }
}

fn ascii_text(bytes: &[u8]) -> Option<&str> {
    from_utf8(bytes).ok().filter(|text| text.is_ascii())
}

/// The same bytes as text, if they stand in `text`. Told by where they lie in memory, so nothing is read.
#[inline]
fn part_of<'t>(text: &'t str, bytes: &[u8]) -> Option<&'t str> {
    let start = bytes.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    text.get(start..start.checked_add(bytes.len())?)
}

/// The attributes found so far; extensions go to the scratch at once.
pub(crate) struct Attributes<'a> {
    slots: Slots<&'a [u8]>,
    charset: Charset<'a>,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(charset: Charset<'a>) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_in_the_text_is_part_of_it() {
        let text = "ce-id: 7".to_owned();
        let bytes = text.as_bytes();
        for start in 0..=bytes.len() {
            for end in start..=bytes.len() {
                assert_eq!(part_of(&text, &bytes[start..end]), Some(&text[start..end]));
            }
        }
        let (before, after) = bytes.split_at(3);
        assert_eq!(part_of(&text[..3], after), None, "behind it");
        assert_eq!(part_of(&text[3..], before), None, "before it");
        assert_eq!(part_of(&text[..4], &bytes[2..6]), None, "over its end");
        assert_eq!(part_of("", b"7"), None);
    }

    #[test]
    fn latin_1_reads_alike_with_the_head_and_without() {
        let head = b"a: plain\r\nb: caf\xe9\r\nc: caf\xc3\xa9\r\n".to_vec();
        for value in [&head[3..8], &head[13..17], &head[22..27]] {
            let reads = [&head[..], &head[..10], b""].map(|head| {
                let mut scratch = Scratch::new();
                let text = Charset::latin_1_within(head).read(value, &mut scratch);
                text.resolve(&scratch.text).to_owned()
            });
            let expected: String = value.iter().copied().map(char::from).collect();
            assert_eq!(reads, [&expected[..]; 3]);
        }
    }
}
