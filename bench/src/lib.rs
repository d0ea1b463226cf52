//! What the programs of this folder share: a Kafka cluster in the process, and the products started on it.
#![forbid(unsafe_code)]

pub mod cluster;
pub mod dispatcher;
pub mod event;
pub mod receiver;
pub mod shipped;
pub mod signals;
pub mod subscriber;
