//! Black-box acceptance of the receiver: the cases of receiver.md 12 (`r…`), contract.md 10 (`c…`) and platform.md 12
//! (`p…`).
//!
//! Each case is four tests: both I/O drivers, on librdkafka's mock cluster and on a real Apache Kafka. Cases that only
//! send and look share one receiver a variant; those that stop, change or starve something start their own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "in a test, a failed unwrap says where and ends that test")]

mod absent;
mod binary;
mod connections;
mod contract_files;
mod contract_swaps;
mod contracts;
mod failures;
mod features;
mod keys;
mod limits;
mod load;
mod metrics;
mod peer_python;
mod peers;
mod platform_io;
mod platform_lifecycle;
mod platform_logging;
mod platform_metrics;
mod platform_properties;
mod platform_settings;
mod probe;
mod rigs;
mod routing;
mod settings;
mod sink;
mod start;
mod stop;
mod structured;
mod structured_data;
