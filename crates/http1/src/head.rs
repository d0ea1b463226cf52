//! A request head: where it ends, what it says. Filled again for each request, allocates nothing
//! once warm.

use std::{mem, slice};

use crate::blocks::Shape;
use crate::classes::{is_token, is_value};
use crate::encode::Ending;
use crate::fields::{Fields, Meaning};
use crate::request_line::{RequestLine, split_once};
use crate::span::Span;
use crate::{BodyFraming, Limits, Method, Refusal, Version};

/// One request head. It holds positions, not bytes: each question takes the buffer again, which
/// may have grown or moved but must still start at the same byte.
#[derive(Debug, Default)]
pub struct Head {
    scan: Scan,
    line: RequestLine,
    fields: Fields,
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

/// One header line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    name: Span,
    value: Span,
}

impl Entry {
    /// Cuts a header line of `buf` into name and value. A folded line, a blank before the colon
    /// and a line without a colon all fail as a name.
    #[inline]
    pub(crate) fn read<'b>(
        buf: &[u8],
        content: &'b [u8],
    ) -> Result<(Self, &'b [u8], &'b [u8]), Refusal> {
        let (name, value) = split_once(content, b':').ok_or(Refusal::HeaderName)?;
        if name.is_empty() || !is_token(name) {
            return Err(Refusal::HeaderName);
        }
        let value = trim_blanks(value);
        if !is_value(value) {
            return Err(Refusal::HeaderValue);
        }
        let entry = Self { name: Span::of(buf, name)?, value: Span::of(buf, value)? };
        Ok((entry, name, value))
    }
}

/// A header line that [`Entry::read`] would take, found in one pass over its bytes.
pub(crate) struct GoodLine<'b> {
    pub(crate) entry: Entry,
    pub(crate) name: &'b [u8],
    pub(crate) value: &'b [u8],
    /// Without its end.
    pub(crate) content_bytes: usize,
    /// Where the next line starts.
    pub(crate) next: usize,
}

impl<'b> GoodLine<'b> {
    /// The line that starts at `start`. `None` if it is not whole, not flawless or not usual: then it
    /// is to be looked at as any other.
    #[inline]
    pub(crate) fn at(buf: &'b [u8], start: usize) -> Option<Self> {
        let line = buf.get(start..)?;
        let Shape { name_bytes, content_bytes } = Shape::of(line)?;
        let (name, [_, value @ ..]) = line.get(..content_bytes)?.split_at_checked(name_bytes)?
        else {
            return None;
        };
        let value = trim_blanks(value);
        let entry = Entry { name: Span::of(buf, name).ok()?, value: Span::of(buf, value).ok()? };
        // All of it lies in the buffer, so no sum can overflow.
        let next = start.wrapping_add(content_bytes).wrapping_add(2);
        Some(Self { entry, name, value, content_bytes, next })
    }
}

impl Head {
    /// An empty head, to be filled by [`Head::parse`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets a head that was only partly read. Not needed between the requests of a connection.
    pub fn reset(&mut self) {
        self.scan = Scan::default();
        self.line = RequestLine::default();
        self.fields = Fields::default();
        self.meaning = Meaning::default();
        self.entries.clear();
    }

    /// Reads the head at the start of `buf`.
    ///
    /// `Ok(None)`: it is not complete; call again with the same bytes and more. What was seen
    /// before is not looked at again, so a head that comes byte by byte costs linear time.
    /// `Ok(Some(len))`: the head is the first `len` bytes; the body starts there. The next call
    /// starts a new head.
    ///
    /// # Errors
    /// Any break of RFC 9112 or of `limits`, as reliability.md 2 and 3 list them. The first bad
    /// line decides, as soon as it is there, whether the bytes come at once or one at a time.
    pub fn parse(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        if self.scan.over {
            self.reset();
        }
        let end = self.read_lines(buf, limits).inspect_err(|_| self.scan.over = true)?;
        if end.is_some() {
            self.scan.over = true;
            self.meaning = mem::take(&mut self.fields).judge(self.line.version)?;
        }
        Ok(end)
    }

    /// Reads the lines that are complete, up to the empty one.
    fn read_lines(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        if self.scan.line_seen {
            self.read_good_headers(buf, limits)?;
        }
        let from = self.scan.at;
        for found in memchr::memchr_iter(b'\n', buf.get(from..).unwrap_or_default()) {
            let line_feed = from.saturating_add(found);
            let line = buf.get(self.scan.line_start..line_feed).unwrap_or_default();
            let content = line.strip_suffix(b"\r");
            self.check_length(content.unwrap_or(line), limits)?;
            let content = content.ok_or(Refusal::BareLineFeed)?;
            let next = line_feed.saturating_add(1);
            if self.scan.line_seen {
                if content.is_empty() {
                    return Ok(Some(next));
                }
                self.read_header(buf, content, limits)?;
            } else if !content.is_empty() {
                self.line = RequestLine::parse(buf, content)?;
                self.scan.line_seen = true;
                self.scan.line_start = next;
                self.scan.at = next;
                return self.read_lines(buf, limits);
            } else if self.scan.line_start == 0 {
                // One empty line is tolerated, as RFC 9112 2.2 asks.
            } else {
                return Err(Refusal::BytesBeforeRequest);
            }
            self.scan.line_start = next;
        }
        let line = buf.get(self.scan.line_start..).unwrap_or_default();
        self.check_length(line.strip_suffix(b"\r").unwrap_or(line), limits)?;
        self.scan.at = buf.len();
        Ok(None)
    }

    /// Reads header lines in one pass each, as long as they are whole and flawless; the first that is
    /// not, and the empty one, are left to be judged. A line that was looked at before is left, too:
    /// looking twice at each byte that comes would cost time in their square.
    #[inline]
    fn read_good_headers(&mut self, buf: &[u8], limits: &Limits) -> Result<(), Refusal> {
        while self.scan.at == self.scan.line_start {
            let Some(good) = GoodLine::at(buf, self.scan.at) else { return Ok(()) };
            let headers_bytes = self.scan.headers_bytes.saturating_add(good.content_bytes);
            if headers_bytes > limits.headers_bytes_max || self.entries.len() >= limits.headers_max
            {
                return Ok(());
            }
            self.entries.push(good.entry);
            self.fields.take(buf, good.name, good.value)?;
            self.scan.headers_bytes = headers_bytes;
            self.scan.at = good.next;
            self.scan.line_start = good.next;
        }
        Ok(())
    }

    /// Bounds a line, complete or not.
    fn check_length(&self, content: &[u8], limits: &Limits) -> Result<(), Refusal> {
        if self.scan.line_seen {
            let bytes = self.scan.headers_bytes.saturating_add(content.len());
            return if bytes > limits.headers_bytes_max {
                Err(Refusal::HeadersTooLarge)
            } else {
                Ok(())
            };
        }
        // A TLS hello or other binary traffic is refused at its first byte.
        if content.first().is_some_and(|byte| !is_token(slice::from_ref(byte))) {
            return Err(Refusal::BytesBeforeRequest);
        }
        if content.len() > limits.line_max { Err(Refusal::RequestLineTooLong) } else { Ok(()) }
    }

    /// Notes the name and the value of a header line.
    #[inline]
    fn read_header(&mut self, buf: &[u8], content: &[u8], limits: &Limits) -> Result<(), Refusal> {
        self.scan.headers_bytes = self.scan.headers_bytes.saturating_add(content.len());
        if self.entries.len() >= limits.headers_max {
            return Err(Refusal::TooManyHeaders);
        }
        let (entry, name, value) = Entry::read(buf, content)?;
        self.entries.push(entry);
        self.fields.take(buf, name, value)
    }
}

/// Without blanks and tabs around; other bytes that some take for blanks stay and are judged.
#[inline]
fn trim_blanks(value: &[u8]) -> &[u8] {
    // One blank before and none behind, as nearly always.
    if let [b' ', b'!'..=b'~', .., b'!'..=b'~'] = value {
        return value.get(1..).unwrap_or_default();
    }
    let mut value = value;
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

impl Head {
    /// The method.
    pub fn method(&self) -> Method {
        self.line.method
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// The raw path: no query, nothing decoded or normalised (receiver.md 2.2). An absolute
    /// target is cut to its path, `/` if it has none. Starts with `/` except for `*` and for the
    /// target of CONNECT.
    pub fn path<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        match self.line.path.bytes(buf) {
            [] => b"/",
            path => path,
        }
    }

    /// The host to route by, with its port if the client sent one. That of an absolute target
    /// wins over the Host header (RFC 9112 3.2.2), unless they differ in case only: then the
    /// header's spelling is given, since the lookup is case-sensitive. `None` only in HTTP/1.0.
    pub fn host<'b>(&self, buf: &'b [u8]) -> Option<&'b [u8]> {
        let header = self.meaning.host.map(|host| host.bytes(buf));
        match (self.line.authority.map(|authority| authority.bytes(buf)), header) {
            (Some(target), Some(header)) if target.eq_ignore_ascii_case(header) => Some(header),
            (Some(target), _) => Some(target),
            (None, header) => header,
        }
    }

    /// The first value of a header; `name` in any case. Bytes as received, without blanks around.
    pub fn header<'b>(&self, buf: &'b [u8], name: &str) -> Option<&'b [u8]> {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.name.bytes(buf).eq_ignore_ascii_case(name.as_bytes()))?;
        Some(entry.value.bytes(buf))
    }

    /// All headers in order: name as received (a token), value as received, without blanks
    /// around. Values may hold bytes above 127, never control bytes but tab.
    pub fn headers<'b>(&'b self, buf: &'b [u8]) -> Headers<'b> {
        Headers::new(buf, &self.entries)
    }

    /// Where the body ends.
    pub fn framing(&self) -> BodyFraming {
        self.meaning.framing
    }

    /// Whether the client wants the connection kept after the answer.
    pub fn keep_alive(&self) -> bool {
        self.meaning.keep_alive
    }

    /// Whether the client waits for `100 Continue` before it sends a body. Never in HTTP/1.0 or
    /// without a body.
    pub fn expects_continue(&self) -> bool {
        self.meaning.expects_continue
    }

    /// How the answer must name the fate of the connection, given whether we keep it.
    pub fn ending(&self, keep: bool) -> Ending {
        match self.line.version {
            _ if !(keep && self.keep_alive()) => Ending::Close,
            Version::Http10 => Ending::KeepAliveHttp10,
            Version::Http11 => Ending::KeepAlive,
        }
    }
}

/// The headers of a head, in order: `(name, value)`.
#[derive(Clone, Debug)]
pub struct Headers<'b> {
    buf: &'b [u8],
    entries: slice::Iter<'b, Entry>,
}

impl<'b> Headers<'b> {
    pub(crate) fn new(buf: &'b [u8], entries: &'b [Entry]) -> Self {
        Self { buf, entries: entries.iter() }
    }
}

impl<'b> Iterator for Headers<'b> {
    type Item = (&'b [u8], &'b [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?;
        Some((entry.name.bytes(self.buf), entry.value.bytes(self.buf)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl ExactSizeIterator for Headers<'_> {}

#[cfg(test)]
mod tests;
