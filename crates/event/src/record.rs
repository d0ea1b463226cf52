//! An event as a Kafka record: key, headers, value (receiver.md 4.1 to 4.3).

use std::io::Write as _;
use std::ops::Range;

use crate::data::encode_base64;
use crate::event::{Data, Event, ExtValue, Payload, SpecVersion};
use crate::json;
use crate::media_type::is_json_output;

/// How an event is written into a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentMode {
    /// Attributes in headers, data as the value.
    #[default]
    Binary,
    /// All in one JSON object.
    Structured,
}

/// A record's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordValue {
    /// No value at all, which a compacted topic reads as a deletion (receiver.md W44).
    Null,
    /// These bytes of the body that was decoded; may be empty, which is not null.
    Body(Range<usize>),
    /// Bytes that stand nowhere in the body; may be empty, which is not null.
    Owned(Vec<u8>),
}

/// The only header of a structured record besides trace headers.
pub const STRUCTURED_CONTENT_TYPE: &str = "application/cloudevents+json";

impl<'a> Event<'a> {
    /// The record's key: the extension `partitionkey` in its string form, also when empty
    /// (receiver.md 4.1, W18). `None` is the null key.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.extension_text("partitionkey").map(str::as_bytes)
    }

    /// The record's value; its headers go to `header` as name and UTF-8 value, each name once.
    pub fn record(&self, mode: ContentMode, header: &mut impl FnMut(&str, &[u8])) -> RecordValue {
        match mode {
            ContentMode::Binary => {
                self.binary_headers(header);
                self.binary_value()
            }
            ContentMode::Structured => {
                header("content-type", STRUCTURED_CONTENT_TYPE.as_bytes());
                let mut json = Vec::with_capacity(self.structured_size());
                self.write_structured(&mut json);
                RecordValue::Owned(json)
            }
        }
    }

    fn binary_headers(&self, header: &mut impl FnMut(&str, &[u8])) {
        let schema = match self.spec_version {
            SpecVersion::V03 => "ce_schemaurl",
            SpecVersion::V1 => "ce_dataschema",
        };
        header("ce_specversion", self.spec_version.as_str().as_bytes());
        header("ce_id", self.id.as_bytes());
        header("ce_source", self.source.as_bytes());
        header("ce_type", self.event_type.as_bytes());
        for (name, value) in [
            ("content-type", self.datacontenttype),
            (schema, self.dataschema),
            ("ce_subject", self.subject),
            ("ce_time", self.time),
        ] {
            if let Some(value) = value {
                header(name, value.as_bytes());
            }
        }
        let text = &self.scratch.text;
        for extension in &self.scratch.extensions {
            let name = &text[extension.header.clone()];
            header(name, text[extension.value.clone()].as_bytes());
        }
    }

    fn binary_value(&self) -> RecordValue {
        match (&self.payload, self.data()) {
            (Payload::Body { bytes, start, .. }, _) => {
                RecordValue::Body(*start..start.saturating_add(bytes.len()))
            }
            (_, Data::Bytes(bytes) | Data::Json(bytes)) => RecordValue::Owned(bytes.to_vec()),
            (_, Data::None) => RecordValue::Null,
        }
    }

    /// Appends the structured form: one compact JSON object (receiver.md 4.3).
    ///
    /// An extension called `data`, which only binary mode lets through, is left out: beside the
    /// member of that name it would make the object ambiguous.
    pub fn write_structured(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"specversion\":\"");
        out.extend_from_slice(self.spec_version.as_str().as_bytes());
        out.push(b'"');
        for (name, value) in [
            ("id", Some(self.id)),
            ("source", Some(self.source)),
            ("type", Some(self.event_type)),
            ("datacontenttype", self.datacontenttype),
            (self.spec_version.schema_attribute(), self.dataschema),
            ("subject", self.subject),
            ("time", self.time),
        ] {
            if let Some(value) = value {
                write_text_member(name, value, out);
            }
        }
        for (name, value) in self.extensions().filter(|(name, _)| *name != "data") {
            match value {
                ExtValue::Text(text) => write_text_member(name, text, out),
                ExtValue::Boolean(true) => write_member(name, b"true", out),
                ExtValue::Boolean(false) => write_member(name, b"false", out),
                ExtValue::Integer(number) => {
                    write_name(name, out);
                    // Writing to a Vec cannot fail.
                    let _ = write!(out, "{number}");
                }
                ExtValue::Long(number) => {
                    write_name(name, out);
                    let _ = write!(out, "\"{number}\"");
                }
            }
        }
        self.write_data(out);
        out.push(b'}');
    }

    /// Bytes are pasted as JSON only where their type says JSON and they are valid (W23).
    fn write_data(&self, out: &mut Vec<u8>) {
        let bytes = match self.data() {
            Data::None => return,
            Data::Json(json) => return write_member("data", json, out),
            Data::Bytes(bytes) => bytes,
        };
        let json = match self.datacontenttype.is_none_or(is_json_output) {
            true => json::single_value(bytes),
            false => None,
        };
        match (json, self.spec_version) {
            (Some(json), _) => write_member("data", json.as_bytes(), out),
            (None, SpecVersion::V1) => write_base64_member("data_base64", bytes, out),
            (None, SpecVersion::V03) => {
                write_member("datacontentencoding", b"\"base64\"", out);
                write_base64_member("data", bytes, out);
            }
        }
    }

    /// A guess that seldom is too small: all text unescaped, data as base64, member names.
    fn structured_size(&self) -> usize {
        const NAMES: usize = 256;
        let optional = [self.datacontenttype, self.dataschema, self.subject, self.time];
        let data = match self.data() {
            Data::None => 0,
            Data::Json(bytes) => bytes.len(),
            Data::Bytes(bytes) => bytes.len() / 3 * 4 + 4,
        };
        NAMES
            + self.id.len()
            + self.source.len()
            + self.event_type.len()
            + optional.iter().flatten().map(|text| text.len()).sum::<usize>()
            + self.scratch.text.len()
            + self.scratch.extensions.len() * 8
            + data
    }
}

/// `name` needs no escapes: attribute names are letters, digits and underscores.
fn write_name(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn write_member(name: &str, json: &[u8], out: &mut Vec<u8>) {
    write_name(name, out);
    out.extend_from_slice(json);
}

fn write_text_member(name: &str, text: &str, out: &mut Vec<u8>) {
    write_name(name, out);
    out.push(b'"');
    json::escape(text, |piece| out.extend_from_slice(piece.as_bytes()));
    out.push(b'"');
}

fn write_base64_member(name: &str, bytes: &[u8], out: &mut Vec<u8>) {
    write_name(name, out);
    out.push(b'"');
    encode_base64(bytes, out);
    out.push(b'"');
}
