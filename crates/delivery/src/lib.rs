//! The rules of delivery as pure values: which offset may be committed, how many events may be on
//! their way, what the answer of a subscriber means and when the next attempt is due.
//!
//! Nothing here knows a socket, a Kafka client, a runtime or the contract; time and randomness are
//! passed in. Section numbers in the documentation are those of dispatcher.md.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod course;
mod credits;
mod offsets;
mod poll_interval;
mod rate;
mod retry;
mod retry_after;
mod sync;
mod verdict;

pub use course::{Course, Fate, Hold, Loss, Outcome, Plan, Step, Target};
pub use credits::{Credits, NoSeat, Seat, Wake};
pub use offsets::{OffsetTracker, Received};
pub use poll_interval::{POLL_INTERVAL_MS_MAX, max_poll_interval_ms};
pub use rate::RateLimiter;
pub use retry::{Backoff, RetryPolicy, WAIT_MS_MAX};
pub use retry_after::retry_after_ms;
pub use verdict::Verdict;
