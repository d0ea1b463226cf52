//! What the programs of this folder share: a Kafka cluster in the process, the products started on it,
//! and the harness that measures them.
#![deny(unsafe_code)]

pub mod arguments;
pub mod clock;
pub mod cluster;
pub mod compare;
pub mod dispatcher;
pub mod event;
pub mod floor;
pub mod goals;
pub mod ids;
pub mod latency;
pub mod load;
pub mod machine;
pub mod oracle;
pub mod products;
pub mod receiver;
pub mod report;
pub mod round;
pub mod shipped;
pub mod signals;
pub mod sink;
pub mod started;
pub mod stats;
pub mod subscriber;
pub mod usage;
