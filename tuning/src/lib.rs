//! What slows the products down on a machine, found by looking (`check`), and which settings help,
//! found by measuring (`sweep`).
//!
//! Nothing in here changes a machine or a setting: it tells what to change, and what that is worth.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod check;
pub mod sweep;
