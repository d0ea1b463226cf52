//! Answers as bytes: ready-made ones for the hot path, and a writer for those with extra headers.
//!
//! All answers of the receiver have an empty body (receiver.md 2.1).

/// What the answer says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It stays open, as HTTP/1.1 assumes.
    KeepAlive,
    /// It stays open, and an HTTP/1.0 client must be told.
    KeepAliveHttp10,
    /// It is closed after this answer.
    Close,
}

/// The interim answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

macro_rules! answers {
    ($($status:literal $phrase:literal),* $(,)?) => {
        /// The complete answer with an empty body. A status that the receiver does not use is
        /// answered as 500.
        pub const fn answer(status: u16, ending: Ending) -> &'static [u8] {
            match status {
                $($status => ready!($status $phrase, ending),)*
                _ => ready!(500 "Internal Server Error", ending),
            }
        }

        /// The start of an answer: the status line with its line end.
        const fn status_line(status: u16) -> &'static [u8] {
            match status {
                $($status => concat!("HTTP/1.1 ", $status, " ", $phrase, "\r\n").as_bytes(),)*
                _ => b"HTTP/1.1 500 Internal Server Error\r\n",
            }
        }

        /// The statuses that have a ready-made answer.
        pub const STATUSES: &[u16] = &[$($status),*];
    };
}

macro_rules! ready {
    ($status:literal $phrase:literal, $ending:expr) => {
        match $ending {
            Ending::KeepAlive => {
                concat!("HTTP/1.1 ", $status, " ", $phrase, "\r\ncontent-length: 0\r\n\r\n")
                    .as_bytes()
            }
            Ending::KeepAliveHttp10 => concat!(
                "HTTP/1.1 ",
                $status,
                " ",
                $phrase,
                "\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n"
            )
            .as_bytes(),
            Ending::Close => concat!(
                "HTTP/1.1 ",
                $status,
                " ",
                $phrase,
                "\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            .as_bytes(),
        }
    };
}

answers! {
    200 "OK",
    202 "Accepted",
    400 "Bad Request",
    401 "Unauthorized",
    403 "Forbidden",
    404 "Not Found",
    405 "Method Not Allowed",
    408 "Request Timeout",
    413 "Content Too Large",
    414 "URI Too Long",
    417 "Expectation Failed",
    429 "Too Many Requests",
    431 "Request Header Fields Too Large",
    500 "Internal Server Error",
    503 "Service Unavailable",
    505 "HTTP Version Not Supported",
}

/// Appends an answer with an empty body and more headers to `out`, for example `allow` or
/// `retry-after`. Names are ours and trusted; values may come from the request (the hash of a
/// probe, receiver.md 2.3) and lose every byte that could end the line.
pub fn write_answer(
    out: &mut Vec<u8>,
    status: u16,
    ending: Ending,
    headers: &[(&'static str, &[u8])],
) {
    out.extend_from_slice(status_line(status));
    for (name, value) in headers {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        let safe = |byte: &&u8| **byte == b'\t' || !byte.is_ascii_control();
        out.extend(value.iter().filter(safe));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(match ending {
        Ending::KeepAlive => b"content-length: 0\r\n\r\n",
        Ending::KeepAliveHttp10 => b"content-length: 0\r\nconnection: keep-alive\r\n\r\n",
        Ending::Close => b"content-length: 0\r\nconnection: close\r\n\r\n",
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;

    const ENDINGS: [Ending; 3] = [Ending::KeepAlive, Ending::KeepAliveHttp10, Ending::Close];

    #[test]
    fn ready_made_and_written_answers_are_the_same() {
        for status in STATUSES {
            for ending in ENDINGS {
                let mut written = Vec::new();
                write_answer(&mut written, *status, ending, &[]);
                assert_eq!(written, answer(*status, ending));
                assert!(written.starts_with(format!("HTTP/1.1 {status} ").as_bytes()));
            }
        }
    }

    #[test]
    fn accepted_is_as_short_as_it_can_be() {
        assert_eq!(
            answer(202, Ending::KeepAlive),
            b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
        );
        assert!(answer(202, Ending::Close).ends_with(b"\r\nconnection: close\r\n\r\n"));
        assert!(
            answer(202, Ending::KeepAliveHttp10).ends_with(b"\r\nconnection: keep-alive\r\n\r\n")
        );
    }

    #[test]
    fn every_refusal_has_a_ready_made_answer() {
        for refusal in Refusal::ALL {
            assert!(STATUSES.contains(&refusal.status()), "{refusal}");
        }
    }

    #[test]
    fn a_status_without_an_answer_is_500() {
        assert_eq!(answer(299, Ending::Close), answer(500, Ending::Close));
    }

    #[test]
    fn echoed_values_cannot_end_the_line() {
        let mut out = Vec::new();
        let hash = b"a\r\nset-cookie: x\0\x7f\x80\t b";
        write_answer(&mut out, 200, Ending::KeepAlive, &[("k-network-hash", hash)]);
        assert_eq!(
            out,
            b"HTTP/1.1 200 OK\r\nk-network-hash: aset-cookie: x\x80\t b\r\ncontent-length: 0\r\n\r\n"
        );
    }
}
