//! librdkafka behind a small front: a producer that copies nothing of ours, and what belongs to it.
//!
//! The crate knows Kafka and nothing of HTTP. Everything unsafe is in `ffi/`; the rest is safe Rust
//! and is written so that no use of it from outside can break memory safety.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod batcher;
pub mod budget;
mod error;
mod ffi;
mod log;
mod murmur2;
mod producer;
pub mod properties;
pub mod statistics;
#[cfg(feature = "testing")]
pub mod testing;
mod topic;

pub use error::{CreateError, DeliveryError, FailureKind, Refused};
pub use ffi::conf::librdkafka_version;
pub use ffi::headers::Headers;
pub use murmur2::{murmur2, partition_of};
pub use producer::{
    Closed, Delivered, Payload, Placed, Polled, Producer, ProducerOptions, Record, Report, Trouble,
};
pub use topic::{Partitioning, Topic, Unkeyed};
