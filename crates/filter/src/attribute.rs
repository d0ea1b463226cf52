//! Attribute names, resolved while a filter is built.

use std::borrow::Cow;

use millrace_event::{Event, ExtValue, SpecVersion};

/// What a name in a filter reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    SpecVersion,
    Id,
    Source,
    Type,
    Subject,
    Time,
    DataContentType,
    DataSchema,
    /// `schemaurl` in CESQL: an attribute in version 0.3, an extension in 1.0.
    SchemaUrl,
    Extension(Box<str>),
}

impl Attribute {
    /// As exact, prefix and suffix name it: `dataschema` and `schemaurl` are the same.
    pub(crate) fn of_filter(name: &str) -> Self {
        match Self::of_identifier(name) {
            Self::SchemaUrl => Self::DataSchema,
            attribute => attribute,
        }
    }

    /// As a CESQL expression names it; an unknown name is an extension.
    pub(crate) fn of_identifier(name: &str) -> Self {
        match name {
            "specversion" => Self::SpecVersion,
            "id" => Self::Id,
            "source" => Self::Source,
            "type" => Self::Type,
            "subject" => Self::Subject,
            "time" => Self::Time,
            "datacontenttype" => Self::DataContentType,
            "dataschema" => Self::DataSchema,
            "schemaurl" => Self::SchemaUrl,
            name => Self::Extension(name.into()),
        }
    }

    /// The text that exact, prefix and suffix compare (dispatcher.md 7.2), if present.
    pub(crate) fn text<'e>(&self, event: &Event<'e>) -> Option<Cow<'e, str>> {
        match self {
            Self::Time => event.attribute("time"),
            Self::DataSchema | Self::SchemaUrl => event.dataschema().map(Cow::Borrowed),
            Self::Extension(name) => event.extension_text(name).map(Cow::Borrowed),
            _ => self.core_text(event).map(Cow::Borrowed),
        }
    }

    /// The value that CESQL reads, if present; texts but for typed extensions. In version 0.3
    /// there is no `dataschema`, and CESQL does not read `schemaurl`.
    pub(crate) fn value<'e>(&self, event: &Event<'e>) -> Option<ExtValue<'e>> {
        match self {
            Self::DataSchema => match event.spec_version() {
                SpecVersion::V1 => event.dataschema().map(ExtValue::Text),
                SpecVersion::V03 => None,
            },
            Self::SchemaUrl => extension(event, "schemaurl"),
            Self::Extension(name) => extension(event, name),
            _ => self.core_text(event).map(ExtValue::Text),
        }
    }

    /// Whether the event has it, as `EXISTS` asks.
    pub(crate) fn exists(&self, event: &Event<'_>) -> bool {
        match self {
            Self::SchemaUrl if event.spec_version() == SpecVersion::V03 => {
                event.dataschema().is_some()
            }
            _ => self.value(event).is_some(),
        }
    }

    /// An attribute that every event has.
    pub(crate) fn is_required(&self) -> bool {
        matches!(self, Self::SpecVersion | Self::Id | Self::Source | Self::Type)
    }

    fn core_text<'e>(&self, event: &Event<'e>) -> Option<&'e str> {
        match self {
            Self::SpecVersion => Some(event.spec_version().as_str()),
            Self::Id => Some(event.id()),
            Self::Source => Some(event.source()),
            Self::Type => Some(event.event_type()),
            Self::Subject => event.subject(),
            Self::Time => event.time(),
            Self::DataContentType => event.datacontenttype(),
            Self::DataSchema | Self::SchemaUrl | Self::Extension(_) => None,
        }
    }
}

fn extension<'e>(event: &Event<'e>, wanted: &str) -> Option<ExtValue<'e>> {
    event.extensions().find(|(name, _)| *name == wanted).map(|(_, value)| value)
}
