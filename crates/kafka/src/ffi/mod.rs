//! The only unsafe code of this crate: librdkafka's C interface, wrapped type by type.
//!
//! Error codes are read as plain `i32`. The bindings declare them as a Rust enum, but a broker may
//! send a code that librdkafka 2.12 does not know, and such a value in an enum would be undefined
//! behaviour.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::time::Duration;

use crate::error::CreateError;

pub(crate) mod client;
pub(crate) mod code;
pub(crate) mod conf;
#[cfg(feature = "testing")]
pub(crate) mod consumer;
mod event;
pub(crate) mod group;
pub(crate) mod handle;
pub(crate) mod headers;
mod log;
pub(crate) mod message;
#[cfg(feature = "testing")]
pub(crate) mod mock;
pub(crate) mod partition_queue;
mod partitioner;
pub(crate) mod partitions;

#[allow(clashing_extern_declarations)]
mod raw {
    //! Functions whose error codes are integers here and enums in the bindings.
    use std::ffi::{c_char, c_int, c_void};

    use rdkafka_sys::{
        rd_kafka_message_t, rd_kafka_queue_t, rd_kafka_t, rd_kafka_topic_partition_list_t,
    };

    unsafe extern "C" {
        pub(super) fn rd_kafka_err2str(code: i32) -> *const c_char;
        pub(super) fn rd_kafka_err2name(code: i32) -> *const c_char;
        pub(super) fn rd_kafka_last_error() -> i32;
        pub(super) fn rd_kafka_error_code(error: *const c_void) -> i32;
        pub(super) fn rd_kafka_error_destroy(error: *mut c_void);
        pub(super) fn rd_kafka_event_error(event: *mut c_void) -> i32;
        pub(super) fn rd_kafka_flush(client: *mut rd_kafka_t, timeout_ms: c_int) -> i32;
        pub(super) fn rd_kafka_purge(client: *mut rd_kafka_t, flags: c_int) -> i32;
        pub(super) fn rd_kafka_error_string(error: *const c_void) -> *const c_char;
        pub(super) fn rd_kafka_error_is_fatal(error: *const c_void) -> c_int;
        pub(super) fn rd_kafka_message_errstr(message: *const rd_kafka_message_t) -> *const c_char;
        pub(super) fn rd_kafka_subscribe(
            client: *mut rd_kafka_t,
            topics: *const rd_kafka_topic_partition_list_t,
        ) -> i32;
        pub(super) fn rd_kafka_unsubscribe(client: *mut rd_kafka_t) -> i32;
        pub(super) fn rd_kafka_assign(
            client: *mut rd_kafka_t,
            partitions: *const rd_kafka_topic_partition_list_t,
        ) -> i32;
        pub(super) fn rd_kafka_incremental_assign(
            client: *mut rd_kafka_t,
            partitions: *const rd_kafka_topic_partition_list_t,
        ) -> *mut c_void;
        pub(super) fn rd_kafka_incremental_unassign(
            client: *mut rd_kafka_t,
            partitions: *const rd_kafka_topic_partition_list_t,
        ) -> *mut c_void;
        pub(super) fn rd_kafka_consumer_close_queue(
            client: *mut rd_kafka_t,
            queue: *mut rd_kafka_queue_t,
        ) -> *mut c_void;
        pub(super) fn rd_kafka_commit_queue(
            client: *mut rd_kafka_t,
            offsets: *const rd_kafka_topic_partition_list_t,
            queue: *mut rd_kafka_queue_t,
            callback: *const c_void,
            opaque: *mut c_void,
        ) -> i32;
        pub(super) fn rd_kafka_pause_partitions(
            client: *mut rd_kafka_t,
            partitions: *mut rd_kafka_topic_partition_list_t,
        ) -> i32;
        pub(super) fn rd_kafka_resume_partitions(
            client: *mut rd_kafka_t,
            partitions: *mut rd_kafka_topic_partition_list_t,
        ) -> i32;
    }
}

/// Length of the error buffers lent to librdkafka; its own examples use 512.
const ERROR_TEXT_MAX: usize = 512;

/// librdkafka's sentence for an error code.
pub(crate) fn error_text(code: i32) -> String {
    // SAFETY: any i32 is accepted; unknown codes are formatted into a thread-local buffer, and
    // the returned string is copied before another call can be made on this thread.
    unsafe { text(raw::rd_kafka_err2str(code)) }
}

/// librdkafka's short name for an error code, for instance `_MSG_TIMED_OUT`.
pub(crate) fn error_name(code: i32) -> String {
    // SAFETY: as for `error_text`.
    unsafe { text(raw::rd_kafka_err2name(code)) }
}

/// Copies a C string; null becomes the empty string.
///
/// # Safety
/// `ptr` is null or points to a zero-terminated string that nobody changes during the call.
unsafe fn text(ptr: *const c_char) -> String {
    if ptr.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { CStr::from_ptr(ptr) }.to_string_lossy().into_owned()
}

/// A C string, or the error that names what held a zero byte.
fn c_string(what: &str, value: &str) -> Result<CString, CreateError> {
    CString::new(value).map_err(|_| CreateError::ZeroByte { what: what.to_owned() })
}

/// The text that librdkafka left in an error buffer.
fn buffer_text(buffer: &[c_char; ERROR_TEXT_MAX]) -> String {
    let bytes: Vec<u8> =
        buffer.iter().map(|&c| c.cast_unsigned()).take_while(|&b| b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The address of the first byte; never null, also for an empty slice, since null means "none" to
/// librdkafka while an empty key or value is something.
fn start_of(bytes: &[u8]) -> *const c_void {
    bytes.as_ptr().cast()
}

/// Milliseconds for librdkafka, rounded up so that a short wait is not a busy loop.
fn timeout_ms(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
}
