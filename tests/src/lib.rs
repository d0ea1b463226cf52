//! The harness of the black-box suites: it starts the real binaries on a directory laid out like the mounts of a pod,
//! on librdkafka's mock cluster or on a real Apache Kafka broker, speaks raw HTTP to them and reads what landed.
//!
//! It knows our binaries from outside only: environment, files, ports, signals, log lines. No unit of theirs is linked.
//! The suites are in `tests/acceptance` (the receiver) and `tests/dispatcher`; a case of the specs is one function there,
//! its number in the name.
#![forbid(unsafe_code)]

pub mod batches;
pub mod binaries;
pub mod books;
pub mod broker;
pub mod cases;
mod checksum;
pub mod commits;
pub mod contract;
pub mod feed;
pub mod files;
pub mod fleet;
pub mod footprint;
pub mod groups;
pub mod http;
pub mod matrix;
pub mod memlock;
pub mod metrics;
pub mod mount;
pub mod offsets;
pub mod oracle;
pub mod plan;
pub mod ports;
pub mod process;
pub mod producer;
pub mod properties;
pub mod proxy;
pub mod python;
pub mod records;
pub mod rig;
mod running;
pub mod schedule;
pub mod second_opinion;
pub mod setup;
pub mod sockets;
pub mod spawn;
pub mod stage;
pub mod subscriber;
pub mod topics;
pub mod wait;
mod wire;
