//! Fuzzes `checks::chunks`.
#![no_main]
#![allow(dead_code)]

#[path = "../../tests/checks/mod.rs"]
mod checks;
#[path = "../../tests/connection/mod.rs"]
mod connection;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::chunks(bytes));
