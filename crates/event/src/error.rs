//! Why a request, record or response is not a valid event: one variant a rule, each with a label for metrics.

/// What is not a valid CloudEvent. Who made it is at fault and the same bytes fail again, so the
/// receiver answers 400 and the dispatcher discards the record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Neither binary nor structured mode was recognised (receiver.md 3.1, rule 4).
    #[error(
        "the request is not a CloudEvent: send a ce-specversion header (binary mode) or \
         Content-Type application/cloudevents+json (structured mode)"
    )]
    NotCloudEvent,
    /// A record that is no CloudEvent at all (dispatcher.md 5.2, rule 4).
    #[error(
        "the record is not a CloudEvent: it has neither a ce_specversion header nor content-type \
         application/cloudevents+json"
    )]
    PlainRecord,
    /// A response with a body that is no CloudEvent (dispatcher.md 11).
    #[error(
        "the response has a body but is not a CloudEvent: answer with a CloudEvent, or with an \
         empty body if there is no reply"
    )]
    PlainReply,
    /// A CloudEvents media type that is not accepted here (receiver.md 3.1, rule 2).
    #[error(
        "event format {media_type:?} is not supported: use application/cloudevents+json or \
         binary mode"
    )]
    UnsupportedFormat {
        /// What the sender wrote, cut to 64 bytes.
        media_type: String,
    },
    /// `specversion` is neither `0.3` nor `1.0`.
    #[error("attribute specversion is {found:?}: supported are \"0.3\" and \"1.0\"")]
    SpecVersion {
        /// What the sender wrote, cut to 64 bytes.
        found: String,
    },
    /// A required attribute is absent.
    #[error("required attribute {attribute} is missing")]
    Missing {
        /// Name of the attribute.
        attribute: &'static str,
    },
    /// An extension's name holds something else than lower-case letters and digits.
    #[error("extension name {name:?} is invalid: only a-z and 0-9 are allowed")]
    ExtensionName {
        /// The name as received, cut to 64 bytes.
        name: String,
    },
    /// A JSON member has a type that its attribute cannot take.
    #[error("attribute {attribute} must be {expected}")]
    AttributeType {
        /// Name of the attribute, cut to 64 bytes.
        attribute: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// `source`, `dataschema` or `schemaurl` is not a URI reference (receiver.md 3.3).
    #[error("attribute {attribute} is not a URI reference: {why}")]
    Uri {
        /// Name of the attribute.
        attribute: &'static str,
        /// The rule that was broken.
        why: &'static str,
    },
    /// `time` is not a date-time with offset (receiver.md 3.3).
    #[error("attribute time is not a timestamp like 2020-01-31T10:00:00Z: {why}")]
    Time {
        /// The rule that was broken.
        why: &'static str,
    },
    /// The body of a structured event is not valid JSON.
    #[error("the body is not a valid JSON event: {why} at byte {at}")]
    Json {
        /// The rule that was broken.
        why: &'static str,
        /// Position in the body, in bytes from its start.
        at: usize,
    },
    /// `data` or `data_base64` does not fit the event's `datacontenttype` or encoding.
    #[error("the event's data is refused: {why}")]
    Data {
        /// The rule that was broken.
        why: &'static str,
    },
    /// One event of a batch is invalid, so that none of the batch is accepted.
    #[error("event {index} of the batch (counted from 0): {error}")]
    InBatch {
        /// Place in the batch, counted from 0.
        index: usize,
        /// What is wrong with it.
        error: Box<EventError>,
    },
}

impl EventError {
    /// A short stable label from a fixed set, fit for a metric.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotCloudEvent | Self::PlainRecord | Self::PlainReply => "not_a_cloudevent",
            Self::UnsupportedFormat { .. } => "unsupported_format",
            Self::SpecVersion { .. } => "specversion",
            Self::Missing { .. } => "missing_attribute",
            Self::ExtensionName { .. } => "extension_name",
            Self::AttributeType { .. } => "attribute_type",
            Self::Uri { .. } => "uri",
            Self::Time { .. } => "time",
            Self::Json { .. } => "json",
            Self::Data { .. } => "data",
            Self::InBatch { error, .. } => error.reason(),
        }
    }
}

/// What a peer sent, made fit for a message: cut, and lossy where it is not UTF-8.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const EXCERPT_BYTES_MAX: usize = 64;
    let cut = bytes.get(..EXCERPT_BYTES_MAX).unwrap_or(bytes);
    String::from_utf8_lossy(cut).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_attribute_and_stay_short() {
        let error = EventError::Uri { attribute: "source", why: "space" };
        assert_eq!(error.to_string(), "attribute source is not a URI reference: space");
        assert_eq!(excerpt(&[b'a'; 500]).len(), 64);
        assert_eq!(excerpt(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn a_batch_reports_the_reason_of_its_bad_event() {
        let inner = EventError::Missing { attribute: "id" };
        let error = EventError::InBatch { index: 3, error: Box::new(inner) };
        assert_eq!(error.reason(), "missing_attribute");
        assert!(error.to_string().contains("event 3"));
    }
}
