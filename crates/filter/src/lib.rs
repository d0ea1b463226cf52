//! Which events pass: exact, prefix, suffix, all, any, not, CESQL (dispatcher.md 7).
//!
//! A [`Filter`] is built once, when an egress starts, and then asked for every event. Names are
//! resolved, patterns cut and constants computed while building, so that evaluation borrows from
//! the filter and the event; it allocates only where a text has to be made: `time`, `CONCAT`,
//! `CONCAT_WS`, `LOWER` and `UPPER` that change something, and integers read as text.
//!
//! The crate knows events and nothing else. `KN_VERIFY_CORRELATION_ID` needs Kubernetes secrets:
//! an expression that calls it is refused for now ([`CesqlError::NotAvailable`]); its place is
//! `cesql/function.rs`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod attribute;
mod cesql;
mod filter;

pub use cesql::{CesqlError, EXPRESSION_BYTES_MAX, Mode, NESTING_MAX, TEXT_BYTES_MAX};
pub use filter::Filter;
