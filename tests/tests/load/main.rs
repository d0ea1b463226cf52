//! Load goals of reliability.md 5 (`p…`) that need a real Kafka: more than can be done, Kafka gone, a long way behind,
//! nothing but time.
//!
//! What is asserted are bounds of memory and that nothing accepted is lost; the figures of speed are printed, visible
//! with `--nocapture`, and say little in a debug build on a busy machine. `MILLRACE_LONG=1` runs the long forms.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "in a test, a failed unwrap says where and ends that test")]

mod backlog;
mod clients;
mod drift;
mod offered;
mod outage;
mod place;
mod soak;
