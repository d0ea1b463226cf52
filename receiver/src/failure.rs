//! Why an event is not in Kafka, in the words of metrics and logs.

use millrace_kafka::{CreateError, DeliveryError, FailureKind};
use thiserror::Error;

/// Why Kafka does not have an event.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// Kafka's or its client's word.
    #[error(transparent)]
    Kafka(#[from] DeliveryError),
    /// Larger than `max.request.size` with key and headers.
    #[error("the record has {bytes} bytes, more than max.request.size={max}")]
    TooLarge { bytes: usize, max: usize },
    /// The brokers have not told the topic's partitions within `max.block.ms`.
    #[error("the brokers did not tell about the topic within max.block.ms; see bootstrap.servers")]
    NoMetadata,
    /// The process is ending; the record may still arrive.
    #[error("the receiver stops before Kafka has acknowledged the event")]
    Stopping,
    /// No handle for the topic.
    #[error(transparent)]
    Topic(#[from] CreateError),
}

impl Failure {
    /// A word from a fixed set, for metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Failure::TooLarge { .. } => "record_too_large",
            Failure::NoMetadata => "kafka_no_metadata",
            Failure::Stopping => "stopping",
            Failure::Topic(_) => "kafka_topic_name",
            Failure::Kafka(error) => match error.kind() {
                FailureKind::TooLarge => "record_too_large",
                FailureKind::UnknownTopic => "kafka_unknown_topic",
                FailureKind::Auth => "kafka_auth",
                FailureKind::Timeout => "kafka_timeout",
                FailureKind::QueueFull => "kafka_queue_full",
                FailureKind::Fatal => "kafka_fatal",
                FailureKind::Closed => "kafka_closed",
                _ => "kafka_other",
            },
        }
    }

    /// Whether the event can never be written as it is.
    pub(crate) fn is_too_large(&self) -> bool {
        match self {
            Failure::TooLarge { .. } => true,
            Failure::Kafka(error) => error.kind() == FailureKind::TooLarge,
            Failure::NoMetadata | Failure::Stopping | Failure::Topic(_) => false,
        }
    }
}
