//! What the header lines of one request say about the message itself: host, framing, connection,
//! expectation. All other headers are the event's business.

use crate::classes::is_token;
use crate::framing::FramingFields;
use crate::request_line::is_authority;
use crate::span::Span;
use crate::{BodyFraming, Refusal, Version};

/// Gathered header by header, judged at the end.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    framing: FramingFields,
    host: Option<Span>,
    connection: ConnectionOptions,
    expect_continue: bool,
    expect_other: bool,
}

/// The judgement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meaning {
    pub(crate) framing: BodyFraming,
    pub(crate) host: Option<Span>,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
}

impl Fields {
    /// Takes one header. Most are told apart by the length of their name alone.
    #[inline]
    pub(crate) fn take(&mut self, buf: &[u8], name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        if let [_, b'e' | b'E', b'-', ..] = name {
            // An attribute of an event: half of all lines, and some are as long as names below.
            return Ok(());
        }
        match name.len() {
            4 if matches!(name, b"host" | b"Host") || name.eq_ignore_ascii_case(b"host") => {
                self.take_host(buf, value)
            }
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.take_expect(value);
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.connection.take(value);
                Ok(())
            }
            // Nearly always in one of two spellings; comparing without case goes byte by byte.
            14 if matches!(name, b"content-length" | b"Content-Length")
                || name.eq_ignore_ascii_case(b"content-length") =>
            {
                self.framing.content_length(value)
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.framing.transfer_encoding(value)
            }
            _ => Ok(()),
        }
    }

    fn take_host(&mut self, buf: &[u8], value: &[u8]) -> Result<(), Refusal> {
        // An empty Host is legal (RFC 9112 3.2) and matches no route.
        if self.host.is_some() || !(value.is_empty() || is_authority(value)) {
            return Err(Refusal::Host);
        }
        self.host = Some(Span::of(buf, value)?);
        Ok(())
    }

    fn take_expect(&mut self, value: &[u8]) {
        if value.eq_ignore_ascii_case(b"100-continue") {
            self.expect_continue = true;
        } else {
            self.expect_other = true;
        }
    }

    pub(crate) fn judge(self, version: Version) -> Result<Meaning, Refusal> {
        let framing = self.framing.decide(version)?;
        let is_11 = version == Version::Http11;
        if is_11 && self.host.is_none() {
            return Err(Refusal::Host);
        }
        // HTTP/1.0 knows no Expect; it must be ignored there (RFC 9110 10.1.1).
        if is_11 && self.expect_other {
            return Err(Refusal::Expectation);
        }
        Ok(Meaning {
            framing,
            host: self.host,
            keep_alive: self.connection.keep_alive(version),
            expects_continue: is_11 && self.expect_continue && framing != BodyFraming::Empty,
        })
    }
}

/// What the Connection lines of one head say about keeping the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
}

impl ConnectionOptions {
    /// Takes the value of a Connection line.
    pub(crate) fn take(&mut self, value: &[u8]) {
        for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            // A mangled option may have been `close`.
            self.close |= token.eq_ignore_ascii_case(b"close") || !is_token(token);
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// HTTP/1.1 keeps unless told otherwise, HTTP/1.0 closes unless told otherwise.
    pub(crate) fn keep_alive(self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }
}
