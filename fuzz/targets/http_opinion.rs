//! The same bytes to hyper, as requests and as an answer: what it refuses we refuse, what both accept ends at the same
//! byte.
#![no_main]
#![allow(dead_code)]

#[path = "../../crates/http1/tests/answers/mod.rs"]
mod answers;
#[path = "../../crates/http1/tests/connection/mod.rs"]
mod connection;
#[path = "../../crates/http1/tests/peer/mod.rs"]
mod peer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    peer::compare_requests("fuzz", bytes);
    peer::compare_answers("fuzz", bytes);
});
