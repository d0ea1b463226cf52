//! Brokers inside the process and a reader for them: for tests, bench and the quickstart.
//!
//! The brokers are librdkafka's mock cluster. It keeps 5 MiB or 100,000 records a partition, oldest
//! dropped first, in memory only, on loopback only, without TLS, SASL or the admin API.

mod cluster;
mod reader;

pub use cluster::{
    MockCluster, RECORD_BYTES_MAX_PER_PARTITION, RECORDS_MAX_PER_PARTITION, api_key,
};
pub use reader::{ReadFrom, Tail, TestConsumer};

use thiserror::Error;

/// Why the mock cluster or the reader refused.
#[derive(Debug, Error)]
pub enum TestingError {
    /// The client behind it could not be made.
    #[error(transparent)]
    Create(#[from] crate::CreateError),
    /// The cluster does not know the topic, partition or broker, or refuses the value.
    #[error("{what}: {reason}")]
    Refused {
        /// What was asked.
        what: String,
        /// librdkafka's words.
        reason: String,
    },
    /// The deadline passed.
    #[error("topic {topic}: {read} records read when the time was over: {reason}")]
    Deadline {
        /// The topic read.
        topic: String,
        /// How many records had been read.
        read: usize,
        /// The last thing that went wrong, or what was still missing.
        reason: String,
    },
}

/// A record as a consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRecord {
    /// Partition it is in.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since the epoch; -1 when the broker gave none.
    pub timestamp_ms: i64,
    /// `None` is a null key; an empty key is `Some`.
    pub key: Option<Vec<u8>>,
    /// `None` is a null value (a tombstone); an empty value is `Some`.
    pub value: Option<Vec<u8>>,
    /// In record order; repeated names are kept.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl TestRecord {
    /// Value of the last header of that name, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().rev().find(|(found, _)| found == name)?;
        value.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}
