//! An event as an HTTP request in binary mode (dispatcher.md 9.1).

use std::ops::Range;

use wide::u8x16;

use crate::event::{Data, Event, Payload, SpecVersion, name};

/// Where an event's data stands, for a sender that does not copy it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// The event has no data.
    None,
    /// These bytes of the record's value, or of the body, that was decoded; may be empty.
    Slice(Range<usize>),
    /// Bytes that were decoded from it; they go with the scratch.
    Apart(&'a [u8]),
}

impl<'a> Event<'a> {
    /// The request's body.
    #[must_use]
    pub fn body(&self) -> Body<'a> {
        match (&self.payload, self.data()) {
            (Payload::Body { bytes, start, .. }, _) => {
                Body::Slice(*start..start.saturating_add(bytes.len()))
            }
            (_, Data::Bytes(bytes) | Data::Json(bytes)) => Body::Apart(bytes),
            (_, Data::None) => Body::None,
        }
    }

    /// Appends the event's headers as lines `name: value\r\n`, names in lower case and each once;
    /// `content-type` among them if the event has a `datacontenttype`. Nothing about the body's
    /// length.
    ///
    /// Control characters other than the tab, and what is not ASCII, are percent-encoded as UTF-8.
    /// All else stands for itself, `%` too, since other SDKs do not decode (dispatcher.md W12).
    pub fn write_http_headers(&self, out: &mut Vec<u8>) {
        let schema = match self.spec_version {
            SpecVersion::V03 => "ce-schemaurl",
            SpecVersion::V1 => "ce-dataschema",
        };
        for (name, value) in [
            ("ce-specversion", Some(self.spec_version.as_str())),
            ("ce-id", Some(self.id)),
            ("ce-source", Some(self.source)),
            ("ce-type", Some(self.event_type)),
            (schema, self.dataschema),
            ("ce-subject", self.subject),
            ("ce-time", self.time),
            ("content-type", self.datacontenttype),
        ] {
            if let Some(value) = value {
                out.extend_from_slice(name.as_bytes());
                write_value(value, out);
            }
        }
        for extension in &self.scratch.extensions {
            out.extend_from_slice(b"ce-");
            out.extend_from_slice(name(extension, self.scratch).as_bytes());
            write_value(&self.scratch.text[extension.value.clone()], out);
        }
    }
}

/// Ends a header's line with this value.
fn write_value(value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b": ");
    if all_stand_for_themselves(value.as_bytes()) {
        out.extend_from_slice(value.as_bytes());
    } else {
        write_encoded(value, out);
    }
    out.extend_from_slice(b"\r\n");
}

fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7e)
}

/// Sixteen bytes at a time, without an early end; the last block overlaps the one before.
fn all_stand_for_themselves(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<16>() else {
        return bytes.iter().all(|byte| stands_for_itself(*byte));
    };
    let (blocks, _) = bytes.as_chunks::<16>();
    let encoded = blocks.iter().chain([last]).fold(u8x16::ZERO, |found, block| {
        let block = u8x16::new(*block);
        let control = block.min(u8x16::splat(0x1f)).simd_eq(block);
        let high = block.max(u8x16::splat(0x7f)).simd_eq(block);
        found | high | (control & !block.simd_eq(u8x16::splat(b'\t')))
    });
    encoded == u8x16::ZERO
}

#[cold]
fn write_encoded(value: &str, out: &mut Vec<u8>) {
    for byte in value.bytes() {
        if stands_for_itself(byte) {
            out.push(byte);
        } else {
            out.extend([b'%', hex_digit(byte >> 4), hex_digit(byte & 0xf)]);
        }
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        0..=9 => b'0' | digit,
        _ => b'A' + (digit & 0xf) - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d015_values_are_encoded_only_where_http_demands_it() {
        for (value, expected) in [
            ("", ""),
            ("a b\"%25\t~!", "a b\"%25\t~!"),
            ("gr\u{fc}n", "gr%C3%BCn"),
            ("\0\u{7f}\r\nx: y", "%00%7F%0D%0Ax: y"),
            ("\u{1F600}", "%F0%9F%98%80"),
            ("\u{1f}\u{a0}", "%1F%C2%A0"),
        ] {
            let mut out = Vec::new();
            write_value(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!(": {expected}\r\n"));
        }
    }
    #[test]
    fn each_byte_is_judged_in_each_place() {
        for byte in 0..=u8::MAX {
            for length in 1..50 {
                for at in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    let judged = all_stand_for_themselves(&bytes);
                    assert_eq!(judged, stands_for_itself(byte), "{byte:#x} at {at} of {length}");
                }
            }
        }
    }
}
