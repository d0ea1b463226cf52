//! Structured mode: one JSON object holds attributes and data (receiver.md 3.4).

use crate::data::decode_base64;
use crate::draft::{Draft, Slots, Text, required};
use crate::error::{EventError, excerpt};
use crate::event::{Event, Payload, SpecVersion};
use crate::json::{self, Kind, NESTING_MAX, Scanner, Syntax, Value};
use crate::media_type::is_json_input;
use crate::scratch::{Extension, ExtensionKind, Member, Scratch};

/// Reads a body of type `application/cloudevents+json`. Text after the object is ignored.
pub(crate) fn read_body<'a>(
    body: &'a [u8],
    scratch: &mut Scratch,
) -> Result<Draft<'a>, EventError> {
    read_object(body, first_token(body), NESTING_MAX, scratch).map(|(draft, _)| draft)
}

/// Where the first token begins: a byte order mark and blanks may come before it.
pub(crate) fn first_token(body: &[u8]) -> usize {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let mark = if body.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let mut scanner = Scanner::new(body.get(mark..).unwrap_or_default(), 0);
    scanner.skip_blanks();
    mark.saturating_add(scanner.at())
}

/// As [`read_object`], with the event checked.
pub(crate) fn decode_object<'a>(
    body: &'a [u8],
    start: usize,
    nesting_max: usize,
    scratch: &'a mut Scratch,
) -> Result<(Event<'a>, usize), EventError> {
    let (draft, end) = read_object(body, start, nesting_max, scratch)?;
    Ok((draft.finish(scratch)?, end))
}

/// Reads the object that begins at `start`; also tells where it ends. `nesting_max` counts
/// containers, this object being the first.
fn read_object<'a>(
    body: &'a [u8],
    start: usize,
    nesting_max: usize,
    scratch: &mut Scratch,
) -> Result<(Draft<'a>, usize), EventError> {
    scratch.reset();
    let json = body.get(start..).unwrap_or_default();
    let mut members = Members::default();
    let end = members.scan(json, nesting_max, scratch).map_err(|error| shift(error, start))?;
    let text = std::str::from_utf8(json.get(..end).unwrap_or_default()).map_err(|error| {
        EventError::Json { why: "not UTF-8", at: start.saturating_add(error.valid_up_to()) }
    })?;
    let draft = members.resolve(text, start, scratch)?;
    Ok((draft, start.saturating_add(end)))
}

fn shift(error: EventError, start: usize) -> EventError {
    match error {
        EventError::Json { why, at } => EventError::Json { why, at: at.saturating_add(start) },
        other => other,
    }
}

/// The object's members; extensions stand in [`Scratch::members`].
#[derive(Default)]
struct Members {
    attributes: Slots<Value>,
    data: Option<Value>,
    data_base64: Option<Value>,
}

impl Members {
    /// Checks the object's syntax and notes where its members stand; returns where it ends.
    fn scan(
        &mut self,
        json: &[u8],
        nesting_max: usize,
        scratch: &mut Scratch,
    ) -> Result<usize, EventError> {
        let mut scanner = Scanner::new(json, nesting_max.saturating_sub(1));
        scanner.open_object().map_err(syntax)?;
        let mut first = true;
        while let Some((key, value)) = scanner.member(first).map_err(syntax)? {
            first = false;
            let name = json.get(key.inside_quotes()).unwrap_or_default();
            if key.kind == (Kind::String { escaped: true }) {
                // No sender in its senses escapes a key; one that does may cost an allocation.
                let mut plain = String::new();
                let text = std::str::from_utf8(name).unwrap_or_default();
                if text.is_empty() || json::unescape(text, &mut plain).is_err() {
                    return Err(EventError::ExtensionName { name: excerpt(name) });
                }
                self.keep(plain.as_bytes(), value, scratch)?;
            } else {
                self.keep(name, value, scratch)?;
            }
        }
        Ok(scanner.at())
    }

    fn keep(&mut self, name: &[u8], value: Value, scratch: &mut Scratch) -> Result<(), EventError> {
        match name {
            b"data" => self.data = Some(value),
            b"data_base64" => self.data_base64 = Some(value),
            _ => match self.attributes.slot(name) {
                Some(slot) => *slot = Some(value),
                None => push_member(name, value, scratch)?,
            },
        }
        Ok(())
    }

    /// Judges the members. `text` is the object, which begins at `start` of the body.
    fn resolve<'a>(
        mut self,
        text: &'a str,
        start: usize,
        scratch: &mut Scratch,
    ) -> Result<Draft<'a>, EventError> {
        let version = read_text("specversion", &self.attributes.specversion, text, scratch)?
            .ok_or(EventError::Missing { attribute: "specversion" })?;
        let spec_version = SpecVersion::parse(version.resolve(&scratch.text).as_bytes())?;
        for (name, value) in self.attributes.take_foreign(spec_version) {
            if let Some(value) = value {
                push_member(name.as_bytes(), value, scratch)?;
            }
        }
        read_extensions(text, scratch)?;
        let mut attribute = |name, value: &Option<Value>| read_text(name, value, text, scratch);
        let attributes = &self.attributes;
        let mut draft = Draft {
            spec_version,
            id: required("id", attribute("id", &attributes.id)?)?,
            source: required("source", attribute("source", &attributes.source)?)?,
            event_type: required("type", attribute("type", &attributes.event_type)?)?,
            subject: attribute("subject", &attributes.subject)?,
            time: attribute("time", &attributes.time)?,
            dataschema: attribute(spec_version.schema_attribute(), &attributes.dataschema)?,
            datacontenttype: attribute("datacontenttype", &attributes.datacontenttype)?,
            payload: Payload::None,
        };
        let encoding = attribute("datacontentencoding", &attributes.datacontentencoding)?;
        let is_base64 = encoding.is_some_and(|text| text.resolve(&scratch.text) == "base64");
        let is_json = match &draft.datacontenttype {
            Some(given) => is_json_input(given.resolve(&scratch.text)),
            None => true,
        };
        let form = match (is_base64, is_json) {
            (true, _) => Form::Base64,
            (_, true) => Form::Json,
            _ => Form::Text,
        };
        draft.payload = self.payload(form, text, start, scratch)?;
        if self.data.is_some() && draft.datacontenttype.is_none() {
            draft.datacontenttype = Some(Text::Borrowed("application/json"));
        }
        Ok(draft)
    }

    fn payload<'a>(
        &self,
        form: Form,
        text: &'a str,
        start: usize,
        scratch: &mut Scratch,
    ) -> Result<Payload<'a>, EventError> {
        let (value, form) = match (&self.data, &self.data_base64) {
            (None, None) => return Ok(Payload::None),
            (Some(data), None) => (data, form),
            (None, Some(base64)) => (base64, Form::Base64),
            (Some(_), Some(_)) => {
                return Err(EventError::Data { why: "both data and data_base64 are present" });
            }
        };
        let body = |span: std::ops::Range<usize>, is_json_text| Payload::Body {
            bytes: text.as_bytes().get(span.clone()).unwrap_or_default(),
            start: start.saturating_add(span.start),
            is_json_text,
        };
        match (form, value.kind) {
            (Form::Json, _) => Ok(body(value.span.clone(), true)),
            (Form::Text, Kind::String { escaped: false }) => Ok(body(value.inside_quotes(), false)),
            (Form::Text, Kind::String { escaped: true }) => {
                let inside = text.get(value.inside_quotes()).unwrap_or_default();
                let start = scratch.text.len();
                json::unescape(inside, &mut scratch.text).map_err(|_| EventError::Data {
                    why: "the string holds half a surrogate pair",
                })?;
                Ok(Payload::ScratchText(start..scratch.text.len()))
            }
            (Form::Base64, Kind::String { escaped }) => {
                let inside = text.get(value.inside_quotes()).unwrap_or_default();
                decode_base64(inside, escaped, &mut scratch.data)
                    .map_err(|why| EventError::Data { why })?;
                Ok(Payload::ScratchData)
            }
            (Form::Text, _) => Err(EventError::Data {
                why: "data must be a string because datacontenttype is not JSON",
            }),
            (Form::Base64, _) => Err(EventError::Data { why: "base64 data must be a string" }),
        }
    }
}

/// How a data member is read.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Text,
    Base64,
}

fn syntax(Syntax { at, why }: Syntax) -> EventError {
    EventError::Json { why, at }
}

fn push_member(name: &[u8], value: Value, scratch: &mut Scratch) -> Result<(), EventError> {
    let is_lower = !name.iter().any(u8::is_ascii_uppercase);
    match scratch.push_header_name(name).filter(|_| is_lower) {
        Some(header) => {
            scratch.members.push(Member { header, value });
            Ok(())
        }
        None => Err(EventError::ExtensionName { name: excerpt(name) }),
    }
}

/// A string attribute; null counts as absent.
fn read_text<'a>(
    attribute: &str,
    value: &Option<Value>,
    text: &'a str,
    scratch: &mut Scratch,
) -> Result<Option<Text<'a>>, EventError> {
    let refused =
        |expected| EventError::AttributeType { attribute: attribute.to_owned(), expected };
    let Some(value) = value else { return Ok(None) };
    let inside = text.get(value.inside_quotes()).unwrap_or_default();
    match value.kind {
        Kind::Null => Ok(None),
        Kind::String { escaped: false } => Ok(Some(Text::Borrowed(inside))),
        Kind::String { escaped: true } => {
            let start = scratch.text.len();
            json::unescape(inside, &mut scratch.text)
                .map_err(|_| refused("a string without half a surrogate pair"))?;
            Ok(Some(Text::Scratch(start..scratch.text.len())))
        }
        _ => Err(refused("a string")),
    }
}

/// Turns the members that are no attributes into extensions.
fn read_extensions(text: &str, scratch: &mut Scratch) -> Result<(), EventError> {
    scratch.keep_last_members();
    let members = std::mem::take(&mut scratch.members);
    let outcome = members.iter().try_for_each(|member| read_extension(member, text, scratch));
    scratch.members = members;
    outcome
}

fn read_extension(member: &Member, text: &str, scratch: &mut Scratch) -> Result<(), EventError> {
    let raw = text.get(member.value.span.clone()).unwrap_or_default();
    let inside = text.get(member.value.inside_quotes()).unwrap_or_default();
    let start = scratch.text.len();
    let kind = match member.value.kind {
        // Absent, as the JSON format has it (W26).
        Kind::Null => return Ok(()),
        Kind::True => ExtensionKind::Boolean(true),
        Kind::False => ExtensionKind::Boolean(false),
        Kind::Number => {
            ExtensionKind::Integer(raw.parse().map_err(|_| extension_type(member, scratch))?)
        }
        _ => ExtensionKind::Text,
    };
    match member.value.kind {
        Kind::String { escaped: true } => {
            if json::unescape(inside, &mut scratch.text).is_err() {
                return Err(extension_type(member, scratch));
            }
        }
        Kind::String { escaped: false } => scratch.text.push_str(inside),
        Kind::Object | Kind::Array => json::compact(raw, &mut scratch.text),
        _ if kind == ExtensionKind::Integer(0) => scratch.text.push('0'),
        _ => scratch.text.push_str(raw),
    }
    let value = start..scratch.text.len();
    scratch.extensions.push(Extension { header: member.header.clone(), value, kind });
    Ok(())
}

fn extension_type(member: &Member, scratch: &Scratch) -> EventError {
    let name = scratch.text.as_bytes().get(member.header.clone()).unwrap_or_default();
    EventError::AttributeType {
        attribute: excerpt(name.get(3..).unwrap_or_default()),
        expected: "a whole string, a boolean, a 32-bit integer, an object or an array",
    }
}
