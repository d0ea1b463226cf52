//! Goals of reliability.md 5 as seeded runs of the real dispatcher: order and commits (`o…`), rebalances and stalls
//! (`r…`), bad subscribers (`f…`).
//!
//! Each run prints what it counted, visible with `--nocapture`. `MILLRACE_SEED` repeats a schedule, `MILLRACE_LONG=1`
//! runs for as long as the table of the goals says.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "in a test, a failed unwrap says where and ends that test")]

mod commits;
mod groups;
mod lanes;
mod metric_names;
mod runs;
mod scale;
mod stalls;
mod subscribers;
