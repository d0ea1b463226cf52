//! What can go wrong at this crate's edge, with the setting or action that helps.

use std::fmt;

use thiserror::Error;

use crate::ffi::code;
use crate::producer::Payload;

/// Why a client or a topic handle could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CreateError {
    /// librdkafka does not take this setting or this value.
    #[error("Kafka client setting {key} is refused: {reason}; correct it in the properties file")]
    Setting {
        /// librdkafka's name of the setting.
        key: String,
        /// librdkafka's words, without the value of a secret setting.
        reason: String,
    },
    /// A string holds a zero byte, which no C string can carry.
    #[error("the {what} holds a zero byte; remove it")]
    ZeroByte {
        /// Which string.
        what: String,
    },
    /// No broker address was given.
    #[error("bootstrap.servers is empty; give at least one host:port")]
    NoBootstrap,
    /// No consumer group was given.
    #[error("group.id is empty; the egress must name its consumer group")]
    NoGroup,
    /// The descriptor for wake-ups could not be duplicated.
    #[error("the wake-up descriptor cannot be duplicated: {reason}; check the open files limit")]
    Wake {
        /// The system's words.
        reason: String,
    },
    /// librdkafka could not make the client.
    #[error("the Kafka client could not be created: {reason}")]
    Client {
        /// librdkafka's words.
        reason: String,
    },
    /// librdkafka could not make the topic handle.
    #[error("the handle of topic {topic} could not be created: {reason}")]
    Topic {
        /// The topic's name.
        topic: String,
        /// librdkafka's words.
        reason: String,
    },
}

/// What kind of failure kept a record out of Kafka (receiver.md 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The record is larger than `max.request.size`, or than the broker takes.
    TooLarge,
    /// The topic does not exist, or was not known within `max.block.ms`.
    UnknownTopic,
    /// The broker refuses our credentials, or they may not write to the topic.
    Auth,
    /// `delivery.timeout.ms` passed.
    Timeout,
    /// The client's queue is full (`buffer.memory`).
    QueueFull,
    /// The client is broken for good and must be made anew.
    Fatal,
    /// The client was closed before the record was acknowledged.
    Closed,
    /// Any other code of Kafka or librdkafka.
    Other,
}

/// Why a record did not reach Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryError {
    kind: FailureKind,
    code: i32,
}

impl DeliveryError {
    /// From a code of Kafka (positive) or librdkafka (negative).
    #[must_use]
    pub fn from_code(code: i32) -> Self {
        let kind = match code {
            code::MSG_SIZE_TOO_LARGE | code::RECORD_LIST_TOO_LARGE => FailureKind::TooLarge,
            code::LOCAL_UNKNOWN_TOPIC
            | code::LOCAL_UNKNOWN_PARTITION
            | code::UNKNOWN_TOPIC_OR_PART
            | code::TOPIC_EXCEPTION => FailureKind::UnknownTopic,
            code::TOPIC_AUTHORIZATION_FAILED
            | code::CLUSTER_AUTHORIZATION_FAILED
            | code::LOCAL_AUTHENTICATION
            | code::SASL_AUTHENTICATION_FAILED => FailureKind::Auth,
            code::LOCAL_MSG_TIMED_OUT | code::LOCAL_TIMED_OUT | code::REQUEST_TIMED_OUT => {
                FailureKind::Timeout
            }
            code::LOCAL_QUEUE_FULL => FailureKind::QueueFull,
            code::LOCAL_FATAL | code::LOCAL_FENCED => FailureKind::Fatal,
            code::LOCAL_PURGE_QUEUE | code::LOCAL_PURGE_INFLIGHT | code::LOCAL_DESTROY => {
                FailureKind::Closed
            }
            _ => FailureKind::Other,
        };
        Self { kind, code }
    }

    /// The class of the failure.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Kafka's code when positive, librdkafka's when negative.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.code
    }

    /// Whether the same record may succeed when it is sent to this client again later.
    #[must_use]
    pub fn retriable(&self) -> bool {
        match self.kind {
            FailureKind::TooLarge
            | FailureKind::Auth
            | FailureKind::Fatal
            | FailureKind::Closed => false,
            FailureKind::UnknownTopic | FailureKind::Timeout | FailureKind::QueueFull => true,
            FailureKind::Other => !matches!(
                self.code,
                code::LOCAL_INVALID_ARG | code::POLICY_VIOLATION | code::INVALID_RECORD
            ),
        }
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let help = match self.kind {
            FailureKind::TooLarge => "; see max.request.size and the topic's max.message.bytes",
            FailureKind::UnknownTopic => "; create the topic",
            FailureKind::Auth => "; check the credentials and the topic's ACLs",
            FailureKind::Timeout => "; see delivery.timeout.ms and the brokers",
            FailureKind::QueueFull => "; see buffer.memory",
            FailureKind::Fatal | FailureKind::Closed | FailureKind::Other => "",
        };
        let text = crate::ffi::error_text(self.code);
        write!(f, "Kafka: {text} ({}){help}", crate::ffi::error_name(self.code))
    }
}

impl std::error::Error for DeliveryError {}

/// A record that was not taken; nothing of it will be sent or reported.
#[derive(Debug)]
pub struct Refused {
    /// The payload, unchanged.
    pub payload: Payload,
    /// Why.
    pub error: DeliveryError,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classified() {
        for (code, kind, retriable) in [
            (10, FailureKind::TooLarge, false),
            (3, FailureKind::UnknownTopic, true),
            (29, FailureKind::Auth, false),
            (-192, FailureKind::Timeout, true),
            (-184, FailureKind::QueueFull, true),
            (-150, FailureKind::Fatal, false),
            (-151, FailureKind::Closed, false),
            (19, FailureKind::Other, true),
            (87, FailureKind::Other, false),
        ] {
            let error = DeliveryError::from_code(code);
            assert_eq!((error.kind(), error.retriable()), (kind, retriable), "{code}: {error}");
        }
    }

    #[test]
    fn codes_of_newer_brokers_still_have_a_text() {
        assert!(DeliveryError::from_code(9_999).to_string().contains("9999"));
    }
}
