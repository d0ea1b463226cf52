//! Fuzzes `checks::head` of the HTTP crate's tests.
#![no_main]
#![allow(dead_code)]

#[path = "../../crates/http1/tests/answers/mod.rs"]
mod answers;
#[path = "../../crates/http1/tests/checks/mod.rs"]
mod checks;
#[path = "../../crates/http1/tests/connection/mod.rs"]
mod connection;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::head(bytes));
