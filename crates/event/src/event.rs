//! The event itself: checked attributes, extensions and data, all borrowed.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{EventError, excerpt};
use crate::scratch::{Extension, ExtensionKind, HEADER_PREFIX, Scratch};
use crate::time::Timestamp;

/// A CloudEvents spec version that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecVersion {
    /// `0.3`
    V03,
    /// `1.0`
    V1,
}

impl SpecVersion {
    /// Accepts exactly `0.3` and `1.0`.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, EventError> {
        match text {
            b"0.3" => Ok(Self::V03),
            b"1.0" => Ok(Self::V1),
            _ => Err(EventError::SpecVersion { found: excerpt(text) }),
        }
    }

    /// As it stands in `specversion`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V03 => "0.3",
            Self::V1 => "1.0",
        }
    }

    /// What the version calls the data's schema.
    #[must_use]
    pub fn schema_attribute(self) -> &'static str {
        match self {
            Self::V03 => "schemaurl",
            Self::V1 => "dataschema",
        }
    }
}

/// A valid CloudEvent, borrowed from the request or record and the [`Scratch`] it was decoded with.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    pub(crate) spec_version: SpecVersion,
    pub(crate) id: &'a str,
    pub(crate) source: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) time: Option<&'a str>,
    pub(crate) dataschema: Option<&'a str>,
    pub(crate) datacontenttype: Option<&'a str>,
    pub(crate) payload: Payload<'a>,
    pub(crate) scratch: &'a Scratch,
}

/// The value of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtValue<'a> {
    /// Text; in binary mode every value is text.
    Text(&'a str),
    /// A JSON integer of 32 bits, or a partition.
    Integer(i32),
    /// An offset. Not a number of CloudEvents, which end at 32 bits: CESQL and JSON see its
    /// decimal text whatever its size (dispatcher.md 7.4).
    Long(i64),
    /// A JSON boolean.
    Boolean(bool),
}

/// The event's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data<'a> {
    /// No data, which is not the same as empty data.
    None,
    /// Bytes of the event's `datacontenttype`.
    Bytes(&'a [u8]),
    /// The valid JSON text of a structured event's `data` member, as sent.
    Json(&'a [u8]),
}

/// Where the data stands.
#[derive(Debug, Clone)]
pub(crate) enum Payload<'a> {
    None,
    /// A slice of the received body or value that begins at `start`.
    Body {
        bytes: &'a [u8],
        start: usize,
        is_json_text: bool,
    },
    /// A string with escapes, now in [`Scratch::text`].
    ScratchText(Range<usize>),
    /// Decoded base64, all of [`Scratch::data`].
    ScratchData,
}

impl<'a> Event<'a> {
    /// `specversion`.
    #[must_use]
    pub fn spec_version(&self) -> SpecVersion {
        self.spec_version
    }

    /// `id`; may be empty (receiver.md W27).
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// `source`, a URI reference, as sent.
    #[must_use]
    pub fn source(&self) -> &'a str {
        self.source
    }

    /// `type`; may be empty (receiver.md W27).
    #[must_use]
    pub fn event_type(&self) -> &'a str {
        self.event_type
    }

    /// `subject`.
    #[must_use]
    pub fn subject(&self) -> Option<&'a str> {
        self.subject
    }

    /// `time` in the form that goes into the record (receiver.md 3.3).
    #[must_use]
    pub fn time(&self) -> Option<&'a str> {
        self.time
    }

    /// `dataschema`, in version 0.3 `schemaurl`: a URI reference, as sent.
    #[must_use]
    pub fn dataschema(&self) -> Option<&'a str> {
        self.dataschema
    }

    /// `datacontenttype`, with its parameters.
    #[must_use]
    pub fn datacontenttype(&self) -> Option<&'a str> {
        self.datacontenttype
    }

    /// The extensions, each name once, in no meaningful order.
    pub fn extensions(&self) -> impl Iterator<Item = (&'a str, ExtValue<'a>)> + use<'a> {
        let scratch = self.scratch;
        scratch.extensions.iter().map(|extension| {
            let value = match extension.kind {
                ExtensionKind::Text => ExtValue::Text(&scratch.text[extension.value.clone()]),
                ExtensionKind::Integer(number) => ExtValue::Integer(number),
                ExtensionKind::Long(number) => ExtValue::Long(number),
                ExtensionKind::Boolean(truth) => ExtValue::Boolean(truth),
            };
            (name(extension, scratch), value)
        })
    }

    /// An extension's string form: integers decimal, booleans `true` or `false`.
    #[must_use]
    pub fn extension_text(&self, wanted: &str) -> Option<&'a str> {
        let scratch = self.scratch;
        let found = scratch.extensions.iter().find(|extension| name(extension, scratch) == wanted);
        found.map(|extension| &scratch.text[extension.value.clone()])
    }

    /// The string form of any attribute or extension, as filters see it (receiver.md 7.4):
    /// `dataschema` and `schemaurl` both name the schema, `time` is the instant in UTC with 0,
    /// 3, 6 or 9 fraction digits. Only `time` allocates.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        let text = match name {
            "specversion" => Some(self.spec_version.as_str()),
            "id" => Some(self.id),
            "source" => Some(self.source),
            "type" => Some(self.event_type),
            "subject" => self.subject,
            "dataschema" | "schemaurl" => self.dataschema,
            "datacontenttype" => self.datacontenttype,
            "time" => {
                let time = Timestamp::parse(self.time?).ok()?;
                let mut instant = String::new();
                time.write_instant(&mut instant);
                return Some(Cow::Owned(instant));
            }
            _ => self.extension_text(name),
        };
        text.map(Cow::Borrowed)
    }

    /// The event's data.
    #[must_use]
    pub fn data(&self) -> Data<'a> {
        match &self.payload {
            Payload::None => Data::None,
            Payload::Body { bytes, is_json_text: true, .. } => Data::Json(bytes),
            Payload::Body { bytes, .. } => Data::Bytes(bytes),
            Payload::ScratchText(range) => Data::Bytes(self.scratch.text[range.clone()].as_bytes()),
            Payload::ScratchData => Data::Bytes(&self.scratch.data),
        }
    }
}

pub(crate) fn name<'a>(extension: &Extension, scratch: &'a Scratch) -> &'a str {
    let header = &scratch.text[extension.header.clone()];
    header.strip_prefix(HEADER_PREFIX).unwrap_or(header)
}
