//! Record headers in librdkafka's own list, so that producing hands them over without a copy.

use std::ptr::NonNull;

use rdkafka_sys as sys;

/// The headers of one record, in order; freed unless a record has taken them over.
///
/// Costs one allocation for the list, one for its index (two past 16 headers without
/// [`Headers::with_capacity`]) and one for each header, which holds name and value together.
pub struct Headers(NonNull<sys::rd_kafka_headers_t>);

// SAFETY: a plain heap structure without any tie to a thread.
unsafe impl Send for Headers {}

impl Headers {
    /// An empty list with room for `count` headers.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        // SAFETY: no preconditions; the C side keeps the count as an int.
        let list = unsafe { sys::rd_kafka_headers_new(count.min(1 << 16)) };
        Self(NonNull::new(list).expect("librdkafka aborts when memory runs out"))
    }

    /// Appends a header; `None` is a null value. Name and value are copied. Repeated names are kept.
    pub fn add(&mut self, name: &str, value: Option<&[u8]>) {
        // A Rust slice is at most isize::MAX bytes long, so neither length can turn negative.
        let (value, value_length) = match value {
            Some(value) => (super::start_of(value), value.len() as isize),
            None => (std::ptr::null(), 0),
        };
        // SAFETY: the list is ours; both lengths are given, so no terminator is looked for; name
        // and value are copied before the call returns. The call has no failure that is not fatal.
        unsafe {
            sys::rd_kafka_header_add(
                self.0.as_ptr(),
                name.as_ptr().cast(),
                name.len() as isize,
                value,
                value_length,
            );
        }
    }

    /// How many headers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        // SAFETY: the list is ours.
        unsafe { sys::rd_kafka_header_cnt(self.0.as_ptr()) }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_headers_t {
        self.0.as_ptr()
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Headers({})", self.len())
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: no record took the list over, or the client would have forgotten us.
        unsafe { sys::rd_kafka_headers_destroy(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_headers_are_freed_and_counted() {
        let mut headers = Headers::with_capacity(0);
        assert!(headers.is_empty());
        for index in 0..40_u32 {
            headers.add("same", Some(&index.to_be_bytes()));
        }
        headers.add("", None);
        headers.add("empty", Some(b""));
        assert_eq!(headers.len(), 42);
    }
}
