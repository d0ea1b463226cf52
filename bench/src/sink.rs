//! `bench sink`: a subscriber that behaves as told and checks what comes.

mod behaviour;
mod check;
mod connection;
pub mod options;
mod server;

pub use behaviour::{Behaviour, Delay, Reaction};
pub use check::{Check, Found};
pub use options::{SinkArguments, run};
pub use server::{Sink, SinkCounts, SinkPlan};
