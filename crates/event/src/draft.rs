//! The step all modes share: attributes found, now checked and made an event.

use std::ops::Range;

use crate::error::EventError;
use crate::event::{Event, Payload, SpecVersion};
use crate::scratch::Scratch;
use crate::time::Timestamp;
use crate::uri;

/// Text that stands in what was received or was rewritten into [`Scratch::text`].
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
        self.find(name.len(), |lower| name == lower)
    }

    /// As [`slot`](Self::slot), in any case. Nearly all come in lower case.
    #[inline]
    pub(crate) fn slot_in_any_case(&mut self, name: &[u8]) -> Option<&mut Option<T>> {
        self.find(name.len(), |lower| name == lower || name.eq_ignore_ascii_case(lower))
    }

    /// The length tells nearly all names apart, so that two comparisons at most are made.
    #[inline]
    fn find(&mut self, length: usize, is: impl Fn(&[u8]) -> bool) -> Option<&mut Option<T>> {
        Some(match length {
            2 if is(b"id") => &mut self.id,
            4 if is(b"type") => &mut self.event_type,
            4 if is(b"time") => &mut self.time,
            6 if is(b"source") => &mut self.source,
            7 if is(b"subject") => &mut self.subject,
            9 if is(b"schemaurl") => &mut self.schemaurl,
            10 if is(b"dataschema") => &mut self.dataschema,
            11 if is(b"specversion") => &mut self.specversion,
            15 if is(b"datacontenttype") => &mut self.datacontenttype,
            19 if is(b"datacontentencoding") => &mut self.datacontentencoding,
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

/// Whether the name can be given to an extension: `[a-z0-9]+`, and no version knows it as an
/// attribute, which would then stand twice in a request (dispatcher.md W10).
pub(crate) fn is_extension_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
        && Slots::<()>::default().slot(name.as_bytes()).is_none()
}

/// An attribute that must be there (receiver.md 3.3).
pub(crate) fn required<T>(attribute: &'static str, found: Option<T>) -> Result<T, EventError> {
    found.ok_or(EventError::Missing { attribute })
}

/// All attributes of an event; what has a form is not yet checked. Does not borrow the scratch,
/// so that extensions can still be added.
pub(crate) struct Draft<'a> {
    pub(crate) spec_version: SpecVersion,
    pub(crate) id: Text<'a>,
    pub(crate) source: Text<'a>,
    pub(crate) event_type: Text<'a>,
    pub(crate) subject: Option<Text<'a>>,
    pub(crate) time: Option<Text<'a>>,
    /// `schemaurl` in version 0.3.
    pub(crate) dataschema: Option<Text<'a>>,
    pub(crate) datacontenttype: Option<Text<'a>>,
    pub(crate) payload: Payload<'a>,
}

impl<'a> Draft<'a> {
    /// The event, if it is valid.
    pub(crate) fn finish(mut self, scratch: &'a mut Scratch) -> Result<Event<'a>, EventError> {
        self.check(scratch)?;
        Ok(self.event(scratch))
    }

    /// Checks what has a form (receiver.md 3.3) and gives the time the form it is written in.
    pub(crate) fn check(&mut self, scratch: &mut Scratch) -> Result<(), EventError> {
        self.normalise_time(scratch)?;
        check_uri("source", self.source.resolve(&scratch.text))?;
        match &self.dataschema {
            Some(schema) => {
                check_uri(self.spec_version.schema_attribute(), schema.resolve(&scratch.text))
            }
            None => Ok(()),
        }
    }

    /// The event of a draft that was checked, or that needs no check.
    pub(crate) fn event(self, scratch: &'a Scratch) -> Event<'a> {
        let resolve =
            |text: &Option<Text<'a>>| text.as_ref().map(|text| text.resolve(&scratch.text));
        Event {
            spec_version: self.spec_version,
            id: self.id.resolve(&scratch.text),
            source: self.source.resolve(&scratch.text),
            event_type: self.event_type.resolve(&scratch.text),
            subject: resolve(&self.subject),
            time: resolve(&self.time),
            dataschema: resolve(&self.dataschema),
            datacontenttype: resolve(&self.datacontenttype),
            payload: self.payload,
            scratch,
        }
    }

    fn normalise_time(&mut self, scratch: &mut Scratch) -> Result<(), EventError> {
        let Some(text) = &self.time else { return Ok(()) };
        let sent = text.resolve(&scratch.text);
        let parsed = Timestamp::parse(sent).map_err(|why| EventError::Time { why })?;
        if !Timestamp::is_written_form(sent) {
            self.time = Some(Text::Scratch(scratch.push_with(|out| parsed.write(out))));
        }
        Ok(())
    }
}

fn check_uri(attribute: &'static str, value: &str) -> Result<(), EventError> {
    uri::check(value).map_err(|why| EventError::Uri { attribute, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_a_slot_lead_to_the_same() {
        for name in [
            "specversion",
            "id",
            "source",
            "type",
            "subject",
            "time",
            "dataschema",
            "schemaurl",
            "datacontenttype",
            "datacontentencoding",
            "ids",
            "timer",
            "tenant",
            "",
            "specversio",
        ] {
            let mut slots = Slots::<()>::default();
            let exact = slots.slot(name.as_bytes()).map(std::ptr::from_mut);
            for spelling in [name.to_owned(), name.to_uppercase(), name.replacen('t', "T", 1)] {
                let found = slots.slot_in_any_case(spelling.as_bytes()).map(std::ptr::from_mut);
                assert_eq!(found, exact, "{spelling}");
            }
        }
    }
}
