//! An answer, client side: where its head ends, what it says, and its body within bounds.
//!
//! The same bytes mean the same here as in a request, and what is refused there is refused here:
//! after a [`BadResponse`] nobody can say where the next answer starts, so the connection ends.
//!
//! 1. [`ResponseHead::parse`] on the buffer until it answers `Some(start)`. An informational answer
//!    ([`ResponseHead::is_interim`]) is cut off the buffer, and the next head read.
//! 2. [`ResponseBody::new`] with the head, then [`ResponseBody::feed`] with `start` after each read
//!    until it is done.

use crate::fields::ConnectionOptions;
use crate::framing::FramingFields;
use crate::head::{Entry, GoodLine};
use crate::request_line::split_once;
use crate::{Headers, Limits, Refusal, ResponseFraming, Version, classes};

mod body;

pub use body::{BodyProgress, ResponseBody};

/// An answer that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BadResponse {
    /// The first bytes are no status line.
    #[error("the answer does not start with a status line of HTTP/1")]
    StatusLine,
    /// A status line of another version.
    #[error("the version of the answer is neither HTTP/1.0 nor HTTP/1.1")]
    Version,
    /// The status line is longer than `line_max`.
    #[error("the status line of the answer is longer than maxInitialLineLength")]
    StatusLineTooLong,
    /// The header lines together are longer than `headers_bytes_max`, or more than `headers_max`.
    #[error("the headers of the answer are longer than maxHeaderSize, or too many")]
    HeadersTooLarge,
    /// Status 101: nobody asked for another protocol.
    #[error("the answer switches to a protocol that nobody asked for")]
    Switching,
    /// Bytes that are wrong in a request and an answer alike.
    #[error("the answer is malformed ({})", .0.reason())]
    Malformed(Refusal),
    /// The connection ended before the answer did.
    #[error("the answer ended early")]
    EndedEarly,
}

impl BadResponse {
    /// Whether a bound on the head was crossed.
    pub const fn is_too_large(self) -> bool {
        matches!(self, Self::StatusLineTooLong | Self::HeadersTooLarge)
    }
}

impl From<Refusal> for BadResponse {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::HeadersTooLarge | Refusal::TooManyHeaders => Self::HeadersTooLarge,
            other => Self::Malformed(other),
        }
    }
}

/// The head of one answer. It holds positions, not bytes: each question takes the buffer again,
/// which may have grown or moved but must still start at the same byte. Filled again for each
/// answer, allocates nothing once warm.
#[derive(Debug, Default)]
pub struct ResponseHead {
    scan: Scan,
    status: u16,
    version: Version,
    fields: ResponseFields,
    meaning: Meaning,
    entries: Vec<Entry>,
}

/// How far the search for the end of the head has come.
#[derive(Debug, Default)]
struct Scan {
    /// Next byte to look at.
    at: usize,
    /// First byte of the line that `at` is in.
    line_start: usize,
    line_seen: bool,
    headers_bytes: usize,
    over: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Meaning {
    framing: ResponseFraming,
    keep_alive: bool,
    keep_alive_s: Option<u64>,
}

impl ResponseHead {
    /// An empty head, to be filled by [`ResponseHead::parse`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets a head that was only partly read. Not needed between whole ones.
    pub fn reset(&mut self) {
        self.scan = Scan::default();
        self.fields = ResponseFields::default();
        self.meaning = Meaning::default();
        self.status = 0;
        self.entries.clear();
    }

    /// Reads the head at the start of `buf`.
    ///
    /// `Ok(None)`: it is not complete; call again with the same bytes and more. `Ok(Some(len))`:
    /// the head is the first `len` bytes. The next call starts a new head.
    ///
    /// # Errors
    /// Any break of RFC 9112 or of `limits`. The first bad line decides, as soon as it is there,
    /// whether the bytes come at once or one at a time.
    pub fn parse(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<usize>, BadResponse> {
        if self.scan.over {
            self.reset();
        }
        let end = self.read_lines(buf, limits).inspect_err(|_| self.scan.over = true)?;
        if end.is_some() {
            self.scan.over = true;
            self.meaning = std::mem::take(&mut self.fields).judge(self.status, self.version)?;
        }
        Ok(end)
    }

    fn read_lines(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<usize>, BadResponse> {
        if self.scan.line_seen {
            self.read_good_headers(buf, limits)?;
        }
        let from = self.scan.at;
        for found in memchr::memchr_iter(b'\n', buf.get(from..).unwrap_or_default()) {
            let line_feed = from.saturating_add(found);
            let line = buf.get(self.scan.line_start..line_feed).unwrap_or_default();
            let content = line.strip_suffix(b"\r");
            self.check_start_and_length(content.unwrap_or(line), limits)?;
            let content = content.ok_or(Refusal::BareLineFeed)?;
            let next = line_feed.saturating_add(1);
            if self.scan.line_seen {
                if content.is_empty() {
                    return Ok(Some(next));
                }
                self.read_header(buf, content, limits)?;
            } else {
                self.read_status_line(content)?;
                self.scan.line_seen = true;
                self.scan.line_start = next;
                self.scan.at = next;
                return self.read_lines(buf, limits);
            }
            self.scan.line_start = next;
        }
        let line = buf.get(self.scan.line_start..).unwrap_or_default();
        self.check_start_and_length(line.strip_suffix(b"\r").unwrap_or(line), limits)?;
        self.scan.at = buf.len();
        Ok(None)
    }

    /// As of a request's head: lines that are whole and flawless, in one pass each.
    #[inline]
    fn read_good_headers(&mut self, buf: &[u8], limits: &Limits) -> Result<(), BadResponse> {
        while self.scan.at == self.scan.line_start {
            let Some(good) = GoodLine::at(buf, self.scan.at) else { return Ok(()) };
            let headers_bytes = self.scan.headers_bytes.saturating_add(good.content_bytes);
            if headers_bytes > limits.headers_bytes_max || self.entries.len() >= limits.headers_max
            {
                return Ok(());
            }
            self.entries.push(good.entry);
            self.fields.take(good.name, good.value)?;
            self.scan.headers_bytes = headers_bytes;
            self.scan.at = good.next;
            self.scan.line_start = good.next;
        }
        Ok(())
    }

    /// Bounds a line, complete or not; other protocols are refused at their first byte.
    fn check_start_and_length(&self, content: &[u8], limits: &Limits) -> Result<(), BadResponse> {
        if self.scan.line_seen {
            let bytes = self.scan.headers_bytes.saturating_add(content.len());
            let fits = bytes <= limits.headers_bytes_max;
            return if fits { Ok(()) } else { Err(BadResponse::HeadersTooLarge) };
        }
        if !content.iter().zip(b"HTTP/").all(|(byte, expected)| byte == expected) {
            return Err(BadResponse::StatusLine);
        }
        let fits = content.len() <= limits.line_max;
        if fits { Ok(()) } else { Err(BadResponse::StatusLineTooLong) }
    }

    /// Version, status, phrase. Servers that leave the phrase out also leave out the blank before
    /// it, against RFC 9112 4; nothing can be misread there, so it is let pass.
    fn read_status_line(&mut self, content: &[u8]) -> Result<(), BadResponse> {
        let (version, rest) = split_once(content, b' ').ok_or(BadResponse::StatusLine)?;
        self.version = match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(BadResponse::Version);
            }
            _ => return Err(BadResponse::StatusLine),
        };
        let phrase_is_good = |phrase: &[u8]| match phrase {
            [] => true,
            [b' ', words @ ..] => classes::is_value(words),
            _ => false,
        };
        match rest {
            [first @ b'1'..=b'9', second @ b'0'..=b'9', third @ b'0'..=b'9', phrase @ ..]
                if phrase_is_good(phrase) =>
            {
                let digits = [first, second, third];
                self.status = digits
                    .iter()
                    .fold(0, |status: u16, digit| status * 10 + u16::from(**digit & 0x0f));
                Ok(())
            }
            _ => Err(BadResponse::StatusLine),
        }
    }

    fn read_header(
        &mut self,
        buf: &[u8],
        content: &[u8],
        limits: &Limits,
    ) -> Result<(), BadResponse> {
        self.scan.headers_bytes = self.scan.headers_bytes.saturating_add(content.len());
        if self.entries.len() >= limits.headers_max {
            return Err(BadResponse::HeadersTooLarge);
        }
        let (entry, name, value) = Entry::read(buf, content)?;
        self.entries.push(entry);
        self.fields.take(name, value)
    }
}

impl ResponseHead {
    /// The status, 100 to 999.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether another answer follows this one (status 1xx).
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The first value of a header; `name` in any case.
    pub fn header<'b>(&'b self, buf: &'b [u8], name: &str) -> Option<&'b [u8]> {
        self.headers(buf)
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// All headers in order: name as received (a token), value as received, without blanks
    /// around. Values may hold bytes above 127, never control bytes but tab.
    pub fn headers<'b>(&'b self, buf: &'b [u8]) -> Headers<'b> {
        Headers::new(buf, &self.entries)
    }

    /// Where the body ends.
    pub fn framing(&self) -> ResponseFraming {
        self.meaning.framing
    }

    /// Whether the connection may serve another request once this answer is read in full.
    pub fn keep_alive(&self) -> bool {
        self.meaning.keep_alive
    }

    /// `Keep-Alive: timeout=`: for so many seconds the server means to keep an idle connection.
    pub fn keep_alive_timeout_s(&self) -> Option<u64> {
        self.meaning.keep_alive_s
    }
}

/// The headers that matter to the protocol, gathered line by line, judged at the end.
#[derive(Debug, Default)]
struct ResponseFields {
    framing: FramingFields,
    connection: ConnectionOptions,
    keep_alive_s: Option<u64>,
}

impl ResponseFields {
    #[inline]
    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), BadResponse> {
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => self.connection.take(value),
            10 if name.eq_ignore_ascii_case(b"keep-alive") => {
                self.keep_alive_s = self.keep_alive_s.or_else(|| timeout_parameter(value));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.framing.content_length(value)?;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.framing.transfer_encoding(value)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn judge(self, status: u16, version: Version) -> Result<Meaning, BadResponse> {
        if status == 101 {
            return Err(BadResponse::Switching);
        }
        let announces_body = self.framing.announces_body();
        let framing = self.framing.decide_response(version)?;
        // These never have a body, whatever they announce (RFC 9112 6.3). One that announces a
        // body may still send it, so nothing is read from its connection any more.
        let bodiless = status < 200 || matches!(status, 204 | 304);
        let framing = if bodiless { ResponseFraming::Empty } else { framing };
        Ok(Meaning {
            framing,
            keep_alive: self.connection.keep_alive(version)
                && framing != ResponseFraming::UntilClose
                && !(bodiless && announces_body),
            keep_alive_s: self.keep_alive_s,
        })
    }
}

/// `timeout=5` among other parameters. What can't be read is taken for absent: it is a hint.
fn timeout_parameter(value: &[u8]) -> Option<u64> {
    value.split(|byte| *byte == b',').find_map(|parameter| {
        let (name, seconds) = split_once(parameter.trim_ascii(), b'=')?;
        if !name.trim_ascii().eq_ignore_ascii_case(b"timeout") {
            return None;
        }
        std::str::from_utf8(seconds.trim_ascii()).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests;
