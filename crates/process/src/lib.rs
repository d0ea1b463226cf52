//! What the receiver and the dispatcher have in common as processes: flags, the variables that
//! both read, the check, the start of the log, signals, and the intake of contract updates.
//!
//! It knows no event, no socket and no Kafka client; neither program knows the other. What only
//! one of them does is not here.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod allocator;
pub mod check;
pub mod cli;
pub mod env;
pub mod exit;
pub mod intake;
pub mod logging;
pub mod metrics;
pub mod observability;
pub mod options;
pub mod page;
pub mod program;
pub mod signals;
