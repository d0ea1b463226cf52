//! The step both HTTP modes share: attributes found, now checked and made an event.

use std::ops::Range;

use crate::error::EventError;
use crate::event::{Event, Payload, SpecVersion};
use crate::scratch::Scratch;
use crate::time::Timestamp;
use crate::uri;

/// Text that stands in the request or was rewritten into [`Scratch::text`].
#[derive(Debug, Clone)]
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Scratch(Range<usize>),
}

impl<'a> Text<'a> {
    pub(crate) fn resolve<'s>(&self, scratch: &'s str) -> &'s str
    where
        'a: 's,
    {
        match self {
            Self::Borrowed(text) => text,
            Self::Scratch(range) => &scratch[range.clone()],
        }
    }
}

/// One place for each name that is an attribute in some spec version; what fills it differs by
/// mode. The last value stays (receiver.md 3.2, 3.4).
pub(crate) struct Slots<T> {
    pub(crate) specversion: Option<T>,
    pub(crate) id: Option<T>,
    pub(crate) source: Option<T>,
    pub(crate) event_type: Option<T>,
    pub(crate) subject: Option<T>,
    pub(crate) time: Option<T>,
    pub(crate) dataschema: Option<T>,
    pub(crate) schemaurl: Option<T>,
    pub(crate) datacontenttype: Option<T>,
    pub(crate) datacontentencoding: Option<T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            specversion: None,
            id: None,
            source: None,
            event_type: None,
            subject: None,
            time: None,
            dataschema: None,
            schemaurl: None,
            datacontenttype: None,
            datacontentencoding: None,
        }
    }
}

impl<T> Slots<T> {
    /// The place for a lower-case name; `None` for the name of an extension.
    pub(crate) fn slot(&mut self, name: &[u8]) -> Option<&mut Option<T>> {
        Some(match name {
            b"specversion" => &mut self.specversion,
            b"id" => &mut self.id,
            b"source" => &mut self.source,
            b"type" => &mut self.event_type,
            b"subject" => &mut self.subject,
            b"time" => &mut self.time,
            b"dataschema" => &mut self.dataschema,
            b"schemaurl" => &mut self.schemaurl,
            b"datacontenttype" => &mut self.datacontenttype,
            b"datacontentencoding" => &mut self.datacontentencoding,
            _ => return None,
        })
    }

    /// Takes the values whose names are extensions in this version: `schemaurl` and
    /// `datacontentencoding` belong to 0.3, `dataschema` to 1.0.
    pub(crate) fn take_foreign(&mut self, version: SpecVersion) -> [(&'static str, Option<T>); 2] {
        match version {
            SpecVersion::V1 => [
                ("schemaurl", self.schemaurl.take()),
                ("datacontentencoding", self.datacontentencoding.take()),
            ],
            SpecVersion::V03 => {
                let foreign = self.dataschema.take();
                // From here on one place serves both versions.
                self.dataschema = self.schemaurl.take();
                [("dataschema", foreign), ("schemaurl", None)]
            }
        }
    }
}

/// All attributes of an event, not yet checked.
pub(crate) struct Draft<'a> {
    pub(crate) spec_version: SpecVersion,
    pub(crate) id: Option<Text<'a>>,
    pub(crate) source: Option<Text<'a>>,
    pub(crate) event_type: Option<Text<'a>>,
    pub(crate) subject: Option<Text<'a>>,
    pub(crate) time: Option<Text<'a>>,
    /// `schemaurl` in version 0.3.
    pub(crate) dataschema: Option<Text<'a>>,
    pub(crate) datacontenttype: Option<Text<'a>>,
    pub(crate) payload: Payload<'a>,
}

impl<'a> Draft<'a> {
    /// Checks what must be there and what has a form (receiver.md 3.3).
    pub(crate) fn finish(self, scratch: &'a mut Scratch) -> Result<Event<'a>, EventError> {
        let time = self.written_time(scratch)?;
        let scratch: &'a Scratch = scratch;
        let resolve =
            |text: &Option<Text<'a>>| text.as_ref().map(|text| text.resolve(&scratch.text));
        let required = |text: &Option<Text<'a>>, attribute| {
            resolve(text).ok_or(EventError::Missing { attribute })
        };
        let event = Event {
            spec_version: self.spec_version,
            id: required(&self.id, "id")?,
            source: required(&self.source, "source")?,
            event_type: required(&self.event_type, "type")?,
            subject: resolve(&self.subject),
            time: resolve(&time),
            dataschema: resolve(&self.dataschema),
            datacontenttype: resolve(&self.datacontenttype),
            payload: self.payload,
            scratch,
        };
        check_uri("source", event.source)?;
        if let Some(schema) = event.dataschema {
            check_uri(event.spec_version.schema_attribute(), schema)?;
        }
        Ok(event)
    }

    /// The time in the record's form: as sent where it has that form.
    fn written_time(&self, scratch: &mut Scratch) -> Result<Option<Text<'a>>, EventError> {
        let Some(text) = &self.time else { return Ok(None) };
        let sent = text.resolve(&scratch.text);
        let parsed = Timestamp::parse(sent).map_err(|why| EventError::Time { why })?;
        if Timestamp::is_written_form(sent) {
            return Ok(Some(text.clone()));
        }
        let start = scratch.text.len();
        parsed.write(&mut scratch.text);
        Ok(Some(Text::Scratch(start..scratch.text.len())))
    }
}

fn check_uri(attribute: &'static str, value: &str) -> Result<(), EventError> {
    uri::check(value).map_err(|why| EventError::Uri { attribute, why })
}
