//! librdkafka behind a small front: a producer that copies nothing of ours, a group consumer whose
//! partitions are read on other threads, and what belongs to them.
//!
//! The crate knows Kafka and nothing of HTTP. Everything unsafe is in `ffi/`; the rest is safe Rust,
//! and no use of it from outside can break memory safety.
//!
//! # Threads
//!
//! A client brings its own threads: one main thread, one for each broker, and one for each bootstrap
//! address until it is known which broker that is. They inherit the CPU affinity of the thread that
//! makes the client. One more thread for the whole process writes the clients' log lines. A consumer
//! ends on a thread made for that, see [`wait_for_consumers`].
//!
//! # Batching: what was found
//!
//! Unkeyed records with a linger below a millisecond had shown a p99 of 10 to 36 ms. Neither the
//! source of librdkafka 2.12.1 nor measurements show a lost wake-up or a fault of the sticky
//! partitioner:
//!
//! * Every pass of a broker thread looks at all of its partitions and sleeps until the earliest
//!   linger ends, so the rest of a partition that the sticky choice has left is sent in time.
//! * librdkafka sleeps in whole milliseconds, rounded up (`rd_timeout_ms`). A linger of 0.5 ms is
//!   1 to 1.5 ms in truth.
//! * The tail follows the wait for a CPU: shard and broker thread share a core, and whoever else
//!   runs there adds its time slices. On the same two virtual cores, loaded with other work, every
//!   variant (sticky or not, keyed or not, any linger) had a p99 of 9 to 88 ms; at real-time
//!   priority every variant had 1.2 to 3.4 ms, except two first runs, with 6 and 10 ms.
//!
//! Measured at real-time priority, 1 KiB records without headers, acks=all, three mock brokers in
//! another process on the other core, 2 µs of other work a record, one to three runs of 1 to 2 s (an
//! order of size, no more):
//!
//! | in flight | way | records/s | CPU µs | p50 / p99 ms |
//! | --- | --- | --- | --- | --- |
//! | 256 | librdkafka's sticky choice, linger 0.5 | 159k to 201k | 3.9 to 4.3 | 0.84 / 2.0 to 10.4 |
//! | 256 | no sticky choice, linger 0.5 | 167k to 201k | 4.7 to 5.2 | 0.91 to 1.03 / 3.4 to 6.5 |
//! | 256 | one partition a turn, linger 0.5 | 220k to 232k | 3.9 to 4.1 | 0.73 to 0.78 / 1.3 to 1.5 |
//! | 256 | one partition a turn, linger 0 | 219k to 224k | 4.1 | 0.82 to 0.84 / 1.3 to 1.5 |
//! | 64 | one partition a turn, linger 0.5 | 36k to 42k | 6.8 to 8.3 | 1.43 to 1.50 / 1.6 to 6.3 |
//! | 64 | one partition a turn, linger 0 | 148k to 186k | 4.5 to 5.4 | 0.25 to 0.30 / 0.5 to 1.3 |
//! | 4 | one partition a turn, linger 0.5 | 2.6k | 66 | 1.3 / 6.9 |
//! | 4 | one partition a turn, linger 0 | 23k | 26 | 0.11 / 1.1 |
//!
//! Hence: librdkafka's own linger stays 0 unless the user asks for whole milliseconds, the
//! [`batcher`] makes the bursts, and a burst without keys goes to one partition
//! ([`Topic::rotate`]). For the tail, give the process a core more than it has shards.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod batcher;
pub mod budget;
mod consumer;
mod error;
mod ffi;
mod log;
mod murmur2;
mod producer;
pub mod properties;
pub mod statistics;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod topic;

pub use consumer::reaper::wait_for_consumers;
pub use consumer::{
    Committed, Consumer, ConsumerOptions, GroupEvent, GroupTrouble, MAX_POLL_INTERVAL_MS_MAX,
    Served, TopicPartition, TroubleKind, Wake, Watermarks,
};
pub use error::{CreateError, DeliveryError, FailureKind, Refused};
pub use ffi::conf::librdkafka_version;
pub use ffi::headers::Headers;
pub use ffi::message::{Message, MessageHeaders};
pub use ffi::partition_queue::{PartitionQueue, Taken};
pub use murmur2::{murmur2, partition_of};
pub use producer::{
    Closed, Delivered, Payload, Placed, Polled, Producer, ProducerOptions, Record, Report, Trouble,
};
pub use topic::{Partitioning, Topic, Unkeyed};
