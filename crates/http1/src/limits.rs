//! Every bound on what a peer may send, with its default and its reason.

/// Bounds on one request. All are inclusive: a value equal to the bound is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request line without its line end; more is 414. `maxInitialLineLength` of the
    /// Java server (platform.md 4.5).
    pub line_max: usize,
    /// Bytes of all header lines together without their line ends; more is 431. `maxHeaderSize`
    /// of the Java server, which counts the same way (platform.md 4.5).
    pub headers_bytes_max: usize,
    /// Number of header lines, and of trailer lines of one body; more is 431. Each header costs 16
    /// bytes while the head is known.
    pub headers_max: usize,
    /// Bytes of all chunk extensions of one body; more is 400. Nobody uses extensions, but each
    /// chunk may carry one, so the sum must be bounded.
    pub chunk_ext_max: usize,
    /// Bytes of all trailer lines of one body with their line ends; more is 431. Trailers are
    /// read and dropped.
    pub trailer_max: usize,
    /// Bytes of a decoded body; more is 413.
    pub body_max: u64,
}

impl Limits {
    /// The most bytes that [`crate::Head::parse`] asks for before it answers or refuses; a
    /// connection needs no more buffer than this before the body starts.
    pub fn head_bytes_max(&self) -> usize {
        const LINE_END: usize = 2;
        let lines_end = self.headers_max.saturating_add(3).saturating_mul(LINE_END);
        self.line_max.saturating_add(self.headers_bytes_max).saturating_add(lines_end)
    }
}

impl Default for Limits {
    /// The Java server's bounds where it has them; a body of 1 MiB, the default of
    /// `max.request.size`.
    fn default() -> Self {
        Self {
            line_max: 4096,
            headers_bytes_max: 8192,
            headers_max: 128,
            chunk_ext_max: 4096,
            trailer_max: 8192,
            body_max: 1024 * 1024,
        }
    }
}
