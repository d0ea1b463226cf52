//! What can go wrong at this crate's edge, with the setting or action that helps.

use thiserror::Error;

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
