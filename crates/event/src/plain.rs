//! A plain Kafka record made an event: what a KafkaSource delivers (dispatcher.md 5.5).

use std::fmt::Write as _;
use std::ops::Range;

use crate::binary::{Charset, is_content_type};
use crate::draft::{Draft, Text};
use crate::event::{Payload, SpecVersion};
use crate::kafka::Record;
use crate::key::KeyType;
use crate::scratch::{Extension, ExtensionKind, HEADER_PREFIX, Scratch};
use crate::time::Timestamp;

/// Of which source the events are, made once for an egress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainSource {
    /// The attribute `source` up to the topic's name.
    source_start: String,
    key_type: KeyType,
}

impl PlainSource {
    /// `None` when a part is blank: then plain records are discarded.
    #[must_use]
    pub fn new(namespace: &str, kind_plural: &str, name: &str, key_type: KeyType) -> Option<Self> {
        if [namespace, kind_plural, name].iter().any(|part| part.trim().is_empty()) {
            return None;
        }
        let source_start = format!("/apis/v1/namespaces/{namespace}/{kind_plural}/{name}#");
        Some(Self { source_start, key_type })
    }

    /// The event of a record that is none. Needs no check: all of it is made here.
    pub(crate) fn wrap<'a, H>(&self, record: &Record<'a, H>, scratch: &mut Scratch) -> Draft<'a>
    where
        H: Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone,
    {
        scratch.reset();
        let mut content_type = None;
        // Java drops the whole batch for a header of value null (W11).
        for (name, value) in record.headers.clone() {
            let Some(value) = value else { continue };
            if is_content_type(name) {
                content_type = Some(value);
            } else {
                let header = push_header_name(name, scratch);
                let value = Charset::Utf8.push(value, scratch);
                scratch.extensions.push(Extension { header, value, kind: ExtensionKind::Text });
            }
        }
        if let Some(key) = record.key.filter(|key| !key.is_empty()) {
            let value = scratch.push_with(|text| self.key_type.push_text(key, text));
            for header in ["ce_partitionkey", "ce_key"] {
                let (header, value) = (scratch.push_text(header), value.clone());
                scratch.extensions.push(Extension { header, value, kind: ExtensionKind::Text });
            }
        }
        let Record { topic, partition, offset, timestamp_ms, value, .. } = *record;
        // Writing to a String cannot fail.
        let mut text = |write: &dyn Fn(&mut String)| Text::Scratch(scratch.push_with(write));
        let id = text(&|out| _ = write!(out, "partition:{partition}/offset:{offset}"));
        let subject = text(&|out| _ = write!(out, "partition:{partition}#{offset}"));
        let source = text(&|out| out.extend([&self.source_start[..], topic]));
        let time = text(&|out| Timestamp::from_epoch_ms(timestamp_ms).write(out));
        Draft {
            spec_version: SpecVersion::V1,
            id,
            source,
            event_type: Text::Borrowed("dev.knative.kafka.event"),
            subject: Some(subject),
            time: Some(time),
            dataschema: None,
            datacontenttype: content_type.map(|value| push_lower(value, scratch)),
            payload: match value {
                None => Payload::None,
                Some(bytes) => Payload::Body { bytes, start: 0, is_json_text: false },
            },
        }
    }
}

/// `kafkaheader` and what is left of the name when it is lower-cased and only `a-z0-9` stay.
fn push_header_name(name: &[u8], scratch: &mut Scratch) -> Range<usize> {
    scratch.push_with(|text| {
        text.push_str(HEADER_PREFIX);
        text.push_str("kafkaheader");
        let keep = |char: &char| matches!(char, 'a'..='z' | '0'..='9');
        match name.is_ascii() {
            true => text
                .extend(name.iter().map(|byte| char::from(byte.to_ascii_lowercase())).filter(keep)),
            // A letter outside ASCII can have a lower case inside.
            false => {
                text.extend(String::from_utf8_lossy(name).to_lowercase().chars().filter(keep));
            }
        }
    })
}

fn push_lower<'a>(value: &[u8], scratch: &mut Scratch) -> Text<'a> {
    Text::Scratch(match std::str::from_utf8(value) {
        Ok(text) if text.is_ascii() => scratch.push_with(|out| {
            out.extend(text.chars().map(|char| char.to_ascii_lowercase()));
        }),
        _ => scratch.push_text(&String::from_utf8_lossy(value).to_lowercase()),
    })
}
