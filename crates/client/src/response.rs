//! An answer, whole as far as it was wanted.

use std::ops::Range;
use std::rc::Rc;

use millrace_http1::Headers;
use millrace_http1::response::ResponseHead;

use crate::client::Shared;

/// An answer to a request. Its buffer is used again when it is dropped.
pub struct Response {
    spare: Spare,
    body: Range<usize>,
    truncated: bool,
    shared: Rc<Shared>,
}

/// A head and a buffer to read an answer into. Idle connections hold none.
#[derive(Default)]
pub(crate) struct Spare {
    pub(crate) head: ResponseHead,
    pub(crate) buffer: Vec<u8>,
}

impl Response {
    pub(crate) fn new(
        spare: Spare,
        body: Range<usize>,
        truncated: bool,
        shared: Rc<Shared>,
    ) -> Self {
        Self { spare, body, truncated, shared }
    }

    /// The status, 200 to 999.
    pub fn status(&self) -> u16 {
        self.spare.head.status()
    }

    /// Whether the status says success: below 300 (dispatcher.md 9.2).
    pub fn is_success(&self) -> bool {
        is_success(self.status())
    }

    /// The first value of a header; `name` in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.spare.head.header(&self.spare.buffer, name)
    }

    /// All headers in order: `(name, value)`, names as received.
    pub fn headers(&self) -> Headers<'_> {
        self.spare.head.headers(&self.spare.buffer)
    }

    /// The body, as far as [`Keep`](crate::Keep) said.
    pub fn body(&self) -> &[u8] {
        self.spare.buffer.get(self.body.clone()).unwrap_or_default()
    }

    /// Whether the server sent, or may have meant to send, more of a body than was kept.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        self.shared.give_back(std::mem::take(&mut self.spare));
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Response")
            .field("status", &self.status())
            .field("body_bytes", &self.body.len())
            .field("truncated", &self.truncated)
            .finish_non_exhaustive()
    }
}

pub(crate) const fn is_success(status: u16) -> bool {
    status < 300
}
