//! The one place that decides where a body ends (RFC 9112 6, reliability.md 2).

use crate::{Refusal, Version};

/// How the body of a request is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFraming {
    /// No body: neither header, or a length of 0.
    #[default]
    Empty,
    /// Exactly so many bytes, at least 1.
    Length(u64),
    /// Chunks up to the one of size 0, then trailers.
    Chunked,
}

/// How the body of an answer to a POST is delimited (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseFraming {
    /// No body: the status has none, or a length of 0.
    #[default]
    Empty,
    /// Exactly so many bytes, at least 1.
    Length(u64),
    /// Chunks up to the one of size 0, then trailers.
    Chunked,
    /// Everything up to the end of the connection, which can't be used again.
    UntilClose,
}

/// The framing headers of one head, gathered in any order.
#[derive(Debug, Default)]
pub(crate) struct FramingFields {
    content_length: Option<u64>,
    chunked: bool,
}

impl FramingFields {
    /// Takes the value of a Content-Length line. A second one is refused even when equal: two
    /// readers that pick different ones disagree about the next request.
    pub(crate) fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.content_length.is_some() {
            return Err(Refusal::ContentLengthRepeated);
        }
        self.content_length = Some(number(value).ok_or(Refusal::ContentLength)?);
        Ok(())
    }

    /// Takes the value of a Transfer-Encoding line. Only one `chunked` is understood. Other
    /// codings get 400, not the 501 that RFC 9112 6.1 suggests: Knative senders repeat a 5xx, and
    /// a repeat cannot help here.
    pub(crate) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::TransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    /// Whether a head says anything of a body; a length of 0 says there is none.
    pub(crate) fn announces_body(&self) -> bool {
        self.chunked || self.content_length.is_some_and(|length| length > 0)
    }

    /// The framing of an answer whose status may have a body.
    pub(crate) fn decide_response(self, version: Version) -> Result<ResponseFraming, Refusal> {
        let silent = !self.chunked && self.content_length.is_none();
        Ok(match self.decide(version)? {
            BodyFraming::Empty if silent => ResponseFraming::UntilClose,
            BodyFraming::Empty => ResponseFraming::Empty,
            BodyFraming::Length(length) => ResponseFraming::Length(length),
            BodyFraming::Chunked => ResponseFraming::Chunked,
        })
    }

    pub(crate) fn decide(self, version: Version) -> Result<BodyFraming, Refusal> {
        match (self.chunked, self.content_length) {
            (true, _) if version == Version::Http10 => Err(Refusal::TransferEncodingInHttp10),
            (true, Some(_)) => Err(Refusal::TransferEncodingAndLength),
            (true, None) => Ok(BodyFraming::Chunked),
            (false, None | Some(0)) => Ok(BodyFraming::Empty),
            (false, Some(length)) => Ok(BodyFraming::Length(length)),
        }
    }
}

/// Digits only: no sign, blank, list or prefix (the forms behind CVE-2021-32715 and others).
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| match digit {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(digit & 0x0f)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_takes_digits_only() {
        let table: &[(&[u8], Option<u64>)] = &[
            (b"0", Some(0)),
            (b"007", Some(7)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"99999999999999999999", None),
            (b"", None),
            (b"+1", None),
            (b"-1", None),
            (b"1 ", None),
            (b"1 2", None),
            (b"1,1", None),
            (b"0x10", None),
            (b"1e3", None),
            (b"1.0", None),
            (b"\xb2", None),
            (b"\xd9\xa1", None),
        ];
        for (digits, expected) in table {
            assert_eq!(number(digits), *expected, "{}", digits.escape_ascii());
        }
    }
}
