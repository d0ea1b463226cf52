//! A consumed record, read where librdkafka has it.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

use rdkafka_sys as sys;

use super::partition_queue::Core;

/// A record. Key, value and headers lie in the buffer in which the broker's answer came, which
/// lives until the last message in it is dropped: a message kept for long keeps that whole answer.
///
/// It may outlive its queue and its consumer, and be dropped on any thread.
pub struct Message {
    message: NonNull<sys::rd_kafka_message_t>,
    /// Parsed when the message is made, so that reading changes nothing. Owned by the message.
    headers: Option<NonNull<sys::rd_kafka_headers_t>>,
    /// Keeps the client alive.
    core: Arc<Core>,
}

// SAFETY: a message belongs to whoever polled it, has no tie to a thread, and librdkafka allows
// destroying it anywhere; the counters it shares with others are atomic or locked there.
unsafe impl Send for Message {}
// SAFETY: after `own` nothing is written until the destruction; every access only reads.
unsafe impl Sync for Message {}

impl Message {
    /// # Safety
    /// `message` came from the queue of `core` without an error code, and is owned by nobody else.
    pub(super) unsafe fn own(message: NonNull<sys::rd_kafka_message_t>, core: Arc<Core>) -> Self {
        let mut headers: *mut sys::rd_kafka_headers_t = std::ptr::null_mut();
        // SAFETY: alive and ours; the parsed list stays the message's. The codes are librdkafka's
        // own few.
        let error = unsafe { sys::rd_kafka_message_headers(message.as_ptr(), &raw mut headers) };
        let headers = if error as i32 == 0 { NonNull::new(headers) } else { None };
        Self { message, headers, core }
    }

    fn fields(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: alive until drop, and nobody writes to it. Its code is 0, so also the enum that
        // this reference covers holds a valid value.
        unsafe { self.message.as_ref() }
    }

    /// The partition that it came from.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.fields().partition
    }

    /// The topic that it came from.
    #[must_use]
    pub fn topic(&self) -> &Arc<str> {
        &self.core.place().topic
    }

    /// Its offset in the partition.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.fields().offset
    }

    /// Milliseconds since the epoch, of creation or of appending as the topic is set; `None` when
    /// the record has none.
    #[must_use]
    pub fn timestamp_ms(&self) -> Option<i64> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: alive; the kind is one of librdkafka's own three values.
        let time = unsafe { sys::rd_kafka_message_timestamp(self.message.as_ptr(), &raw mut kind) };
        (kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE).then_some(time)
    }

    /// `None` is a null key; an empty key is `Some`.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        let fields = self.fields();
        // SAFETY: null or `key_len` bytes, which live as long as the message.
        unsafe { bytes(fields.key, fields.key_len) }
    }

    /// `None` is a null value (a tombstone); an empty value is `Some`.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        let fields = self.fields();
        // SAFETY: null or `len` bytes, which live as long as the message.
        unsafe { bytes(fields.payload, fields.len) }
    }

    /// Name and value of each header, in record order; repeated names are kept. A null value is
    /// `None`. librdkafka ends a name at its first zero byte. None when the record's headers are
    /// malformed.
    #[must_use]
    pub fn headers(&self) -> MessageHeaders<'_> {
        let count = self.headers.map_or(0, |list| {
            // SAFETY: the list lives as long as the message.
            unsafe { sys::rd_kafka_header_cnt(list.as_ptr()) }
        });
        MessageHeaders { message: self, next: 0, count }
    }
}

/// The value, empty for a null one: for owners of bytes such as `Bytes::from_owner`.
impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self.value().unwrap_or_default()
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({}/{}@{})", self.topic(), self.partition(), self.offset())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once; the client is alive since `core` is dropped after this.
        unsafe { sys::rd_kafka_message_destroy(self.message.as_ptr()) };
    }
}

/// The headers of a message.
#[derive(Clone, Debug)]
pub struct MessageHeaders<'m> {
    message: &'m Message,
    next: usize,
    count: usize,
}

impl<'m> Iterator for MessageHeaders<'m> {
    type Item = (&'m [u8], Option<&'m [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let list = self.message.headers?;
        if self.next >= self.count {
            return None;
        }
        let mut name: *const c_char = std::ptr::null();
        let mut value: *const c_void = std::ptr::null();
        let mut length = 0_usize;
        // SAFETY: the list lives as long as the message, which outlives 'm; the results are ours.
        // The list is an array, so the index costs nothing.
        let error = unsafe {
            sys::rd_kafka_header_get_all(
                list.as_ptr(),
                self.next,
                &raw mut name,
                &raw mut value,
                &raw mut length,
            )
        };
        self.next += 1;
        if error as i32 != 0 || name.is_null() {
            return None;
        }
        // SAFETY: librdkafka zero-terminates names; they live as long as the message.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        // SAFETY: null or `length` bytes, which live as long as the message.
        Some((name, unsafe { bytes(value, length) }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for MessageHeaders<'_> {}

/// # Safety
/// `ptr` is null or points to `length` bytes that live and stay unchanged for 'm.
unsafe fn bytes<'m>(ptr: *const c_void, length: usize) -> Option<&'m [u8]> {
    if ptr.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller vouches for the rest.
    Some(unsafe { std::slice::from_raw_parts(ptr.cast::<u8>(), length) })
}
