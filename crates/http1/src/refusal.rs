//! Why a request was refused at the HTTP level. One table: variant, status, metric label.

/// A request that we do not read any further. Answer with [`Refusal::status`] and close: the end
/// of the request is unknown or not worth waiting for (reliability.md 2).
///
/// All are the client's fault. Statuses below 500 other than 408 are not retried by Knative
/// senders (receiver.md 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("request refused with {}: {}", self.status(), self.reason())]
#[non_exhaustive]
pub enum Refusal {
    /// More than one empty line, or other bytes, before the request line.
    BytesBeforeRequest,
    /// The request line is not method, target and version with one space between.
    RequestLine,
    /// The target has bytes or a form that no request may have.
    Target,
    /// Not HTTP/1.0 or HTTP/1.1; also the preface of HTTP/2.
    Version,
    /// The request line is longer than `line_max`.
    RequestLineTooLong,
    /// The header lines together are longer than `headers_bytes_max`.
    HeadersTooLarge,
    /// More header lines than `headers_max`.
    TooManyHeaders,
    /// A line ends in LF without CR.
    BareLineFeed,
    /// A header name with bytes that are not allowed, a folded line, or no colon; also CR before
    /// the colon.
    HeaderName,
    /// A header value with control bytes, CR among them.
    HeaderValue,
    /// No Host in HTTP/1.1, several, or one that is no host and port.
    Host,
    /// Content-Length is not a plain number that fits 64 bits.
    ContentLength,
    /// More than one Content-Length, equal or not.
    ContentLengthRepeated,
    /// Transfer-Encoding is anything but one `chunked`.
    TransferEncoding,
    /// Transfer-Encoding next to Content-Length.
    TransferEncodingAndLength,
    /// Transfer-Encoding in HTTP/1.0.
    TransferEncodingInHttp10,
    /// An expectation other than `100-continue`.
    Expectation,
    /// A chunk size that is not 1 to 16 hexadecimal digits.
    ChunkSize,
    /// A chunk extension with control bytes or an open quote.
    ChunkExtension,
    /// Chunk extensions of one body longer than `chunk_ext_max`.
    ChunkExtensionsTooLong,
    /// A chunk's data is not followed by CRLF.
    ChunkEnd,
    /// A trailer line that is no header line.
    Trailer,
    /// Trailers longer than `trailer_max`, or more lines than `headers_max`.
    TrailersTooLarge,
    /// The body is, or says it is, longer than `body_max`.
    BodyTooLarge,
    /// The head did not arrive in time. Found by the connection, not here.
    HeadTimeout,
    /// The body did not arrive in time or was too slow. Found by the connection, not here.
    BodyTimeout,
}

impl Refusal {
    /// Each refusal once, to lay out one counter per reason.
    pub const ALL: [Self; 26] = [
        Self::BytesBeforeRequest,
        Self::RequestLine,
        Self::Target,
        Self::Version,
        Self::RequestLineTooLong,
        Self::HeadersTooLarge,
        Self::TooManyHeaders,
        Self::BareLineFeed,
        Self::HeaderName,
        Self::HeaderValue,
        Self::Host,
        Self::ContentLength,
        Self::ContentLengthRepeated,
        Self::TransferEncoding,
        Self::TransferEncodingAndLength,
        Self::TransferEncodingInHttp10,
        Self::Expectation,
        Self::ChunkSize,
        Self::ChunkExtension,
        Self::ChunkExtensionsTooLong,
        Self::ChunkEnd,
        Self::Trailer,
        Self::TrailersTooLarge,
        Self::BodyTooLarge,
        Self::HeadTimeout,
        Self::BodyTimeout,
    ];

    /// The status to answer with; always with `connection: close`.
    pub const fn status(self) -> u16 {
        match self {
            Self::HeadTimeout | Self::BodyTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::RequestLineTooLong => 414,
            Self::Expectation => 417,
            Self::HeadersTooLarge | Self::TooManyHeaders | Self::TrailersTooLarge => 431,
            Self::Version => 505,
            _ => 400,
        }
    }

    /// A short label for metrics and logs; the set is [`Refusal::ALL`].
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BytesBeforeRequest => "bytes_before_request",
            Self::RequestLine => "request_line",
            Self::Target => "target",
            Self::Version => "version",
            Self::RequestLineTooLong => "request_line_too_long",
            Self::HeadersTooLarge => "headers_too_large",
            Self::TooManyHeaders => "too_many_headers",
            Self::BareLineFeed => "bare_line_feed",
            Self::HeaderName => "header_name",
            Self::HeaderValue => "header_value",
            Self::Host => "host",
            Self::ContentLength => "content_length",
            Self::ContentLengthRepeated => "content_length_repeated",
            Self::TransferEncoding => "transfer_encoding",
            Self::TransferEncodingAndLength => "transfer_encoding_and_length",
            Self::TransferEncodingInHttp10 => "transfer_encoding_in_http10",
            Self::Expectation => "expectation",
            Self::ChunkSize => "chunk_size",
            Self::ChunkExtension => "chunk_extension",
            Self::ChunkExtensionsTooLong => "chunk_extensions_too_long",
            Self::ChunkEnd => "chunk_end",
            Self::Trailer => "trailer",
            Self::TrailersTooLarge => "trailers_too_large",
            Self::BodyTooLarge => "body_too_large",
            Self::HeadTimeout => "head_timeout",
            Self::BodyTimeout => "body_timeout",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_refusal_has_its_own_label() {
        let labels: HashSet<_> = Refusal::ALL.iter().map(|refusal| refusal.reason()).collect();
        assert_eq!(labels.len(), Refusal::ALL.len());
    }
}
