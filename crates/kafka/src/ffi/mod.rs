//! The only unsafe code of this crate: librdkafka's C interface, wrapped type by type.
//!
//! Error codes are read as plain `i32`. The bindings declare them as a Rust enum, but a broker may
//! send a code that librdkafka 2.12 does not know, and such a value in an enum would be undefined
//! behaviour.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};

use crate::error::CreateError;

pub(crate) mod conf;
#[cfg(feature = "testing")]
pub(crate) mod consumer;
#[cfg(feature = "testing")]
pub(crate) mod mock;

#[allow(clashing_extern_declarations)]
mod raw {
    use std::ffi::c_char;

    unsafe extern "C" {
        pub(super) fn rd_kafka_err2str(code: i32) -> *const c_char;
        pub(super) fn rd_kafka_err2name(code: i32) -> *const c_char;
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
