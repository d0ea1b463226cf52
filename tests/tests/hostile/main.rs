//! Hostile input over TCP to the real receiver (reliability.md 5, S1, S5, S6), on both I/O drivers.
//!
//! The cases are files that the parsers' own tests read, too: `crates/http1/tests/corpus` and `crates/event/tests/table`.
//! There each is tried split at every byte; here at some, which a seed draws (`MILLRACE_SEED` repeats a run,
//! `MILLRACE_LONG=1` splits at every byte).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "in a test, a failed unwrap says where and ends that test")]

mod bounds;
mod events;
mod few_files;
mod floods;
#[path = "../../../crates/http1/tests/mutate/mod.rs"]
mod mutate;
mod mutations;
mod routes;
mod secrets;
mod slow;
mod smuggling;
#[path = "../../../crates/event/tests/table/mod.rs"]
mod table;
