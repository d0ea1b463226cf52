//! What the data plane says about itself: metrics, their Prometheus page, and log lines.
//!
//! Metrics are plain cells, one writer each (a shard), summed when somebody scrapes; nothing on an
//! event's path takes a lock or allocates. Log lines are JSON with the field names of the Java
//! data plane, and a slow stdout loses lines (counted) rather than time.
//!
//! This crate knows nothing of HTTP ingress, events or the Kafka client: it is told numbers.
//! It does not export traces or push OTLP.

#![forbid(unsafe_code)]

pub mod admin;
mod bounds;
mod cell;
mod dispatch;
mod egress;
mod exposition;
mod kafka;
pub mod level;
pub mod limit;
mod line;
pub mod log;
pub mod names;
mod owner;
#[cfg(test)]
mod page;
mod process;
mod registry;
mod series;
mod sync;
mod types;
mod writer;

#[doc(hidden)]
pub use tracing;

pub use bounds::LATENCY_BOUNDS_MS;
pub use cell::{Counter, Gauge, Histogram, SharedCounter, SharedGauge};
pub use dispatch::{DispatchLatency, DispatchStatus, EventSeries};
pub use egress::{
    EgressMeters, EgressName, End, EventMeters, GroupMeters, PartitionMeters, QueueMeters, Target,
};
pub use kafka::{KafkaClientStats, KafkaSample, KafkaScope};
pub use names::Family;
pub use owner::Owner;
pub use registry::{Registry, RegistryOptions};
pub use types::DispatchOptions;
