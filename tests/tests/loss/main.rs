//! The loss goals of reliability.md 5 (`l…`): programs and brokers are killed, stopped, updated and told errors while
//! events flow, and no event that was acknowledged may be lost.
//!
//! Each run prints what it counted, visible with `--nocapture`. `MILLRACE_SEED` repeats a schedule, `MILLRACE_LONG=1`
//! asks for the long form. Runs that need a broker to break take turns on one, so that two brokers run at most.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "in a test, a failed unwrap says where and ends that test")]

mod chain;
mod chaos;
mod dispatcher_kills;
mod fragile;
mod network;
mod outages;
mod produce_errors;
mod receiver_kills;
mod rest;
mod rolling;
mod senders;
mod steady;
mod takeovers;
mod tally;
mod updates;
mod usage;
