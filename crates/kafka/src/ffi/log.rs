//! The log callback: copies librdkafka's line into a bounded queue and returns.

use std::ffi::{c_char, c_int};

use rdkafka_sys as sys;

use super::text;
use crate::log::{Line, submit};

/// Runs on any of librdkafka's threads, some of them holding its locks: no call back into it except
/// for the client's name, which never changes.
///
/// # Safety
/// Only librdkafka calls it: `client` is null or alive, the strings are zero-terminated.
pub(super) unsafe extern "C" fn forward(
    client: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    let name = if client.is_null() {
        String::new()
    } else {
        // SAFETY: alive; the name is copied.
        unsafe { text(sys::rd_kafka_name(client)) }
    };
    // SAFETY: both strings are zero-terminated or null, and copied.
    let (facility, words) = unsafe { (text(facility), text(line)) };
    submit(Line { level, client: name, facility, text: words });
}
