//! Where an answer ends and what its status is, cheaply when answers repeat.

use millrace_http1::Limits;
use millrace_http1::response::{BodyProgress, ResponseBody, ResponseHead};

/// An answer under way on one connection.
#[derive(Debug, Default)]
pub(crate) struct Partial {
    bytes: Vec<u8>,
    head: ResponseHead,
    body: Option<(usize, ResponseBody)>,
}

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    NeedMore,
    Done {
        status: u16,
        /// Whether the connection may be used again.
        reusable: bool,
    },
    Malformed,
}

/// Reads the answers of all connections of a thread. A server that always answers with the same
/// bytes is understood by comparing them.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    known: Vec<u8>,
    known_status: u16,
    limits: Limits,
}

impl Reader {
    pub(crate) fn take(&mut self, partial: &mut Partial, bytes: &[u8]) -> Progress {
        let fresh = partial.bytes.is_empty() && partial.body.is_none();
        if fresh && !self.known.is_empty() && bytes == self.known {
            return Progress::Done { status: self.known_status, reusable: true };
        }
        partial.bytes.extend_from_slice(bytes);
        let progress = self.read(partial);
        if let Progress::Done { status, reusable: true } = progress
            && fresh
        {
            self.known.clear();
            self.known.extend_from_slice(bytes);
            self.known_status = status;
        }
        if progress != Progress::NeedMore {
            partial.forget();
        }
        progress
    }

    /// The connection has ended.
    pub(crate) fn end(&self, partial: &mut Partial) -> Option<u16> {
        let whole = partial.body.as_ref().is_some_and(|(_, body)| body.end_of_stream().is_ok());
        let status = partial.head.status();
        partial.forget();
        whole.then_some(status)
    }

    fn read(&self, partial: &mut Partial) -> Progress {
        loop {
            if let Some((start, body)) = &mut partial.body {
                return match body.feed(&mut partial.bytes, *start) {
                    Ok(BodyProgress::NeedMore) => Progress::NeedMore,
                    Ok(BodyProgress::Done { surplus }) => Progress::Done {
                        status: partial.head.status(),
                        reusable: partial.head.keep_alive() && !surplus,
                    },
                    Err(_) => Progress::Malformed,
                };
            }
            match partial.head.parse(&partial.bytes, &self.limits) {
                Ok(None) => return Progress::NeedMore,
                Ok(Some(length)) if partial.head.is_interim() => {
                    partial.bytes.drain(..length);
                }
                Ok(Some(length)) => {
                    partial.body =
                        Some((length, ResponseBody::new(&partial.head, 0, &self.limits)));
                }
                Err(_) => return Progress::Malformed,
            }
        }
    }
}

impl Partial {
    /// Ready for the next answer, or for a new connection.
    pub(crate) fn forget(&mut self) {
        self.bytes.clear();
        self.head.reset();
        self.body = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";

    fn done(status: u16, reusable: bool) -> Progress {
        Progress::Done { status, reusable }
    }

    #[test]
    fn answers_in_any_pieces_and_framings() {
        for (answer, expected) in [
            (ACCEPTED, done(202, true)),
            (b"HTTP/1.1 503 x\r\nContent-Length: 3\r\n\r\nabc", done(503, true)),
            (
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nDate: x\r\n\r\n",
                done(204, true),
            ),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                done(200, true),
            ),
            (
                b"HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                done(202, false),
            ),
        ] {
            for piece in [1, 7, answer.len()] {
                let (mut reader, mut partial) = (Reader::default(), Partial::default());
                for _ in 0..2 {
                    let mut progress = Progress::NeedMore;
                    for bytes in answer.chunks(piece) {
                        assert_eq!(progress, Progress::NeedMore);
                        progress = reader.take(&mut partial, bytes);
                    }
                    assert_eq!(progress, expected, "{}", String::from_utf8_lossy(answer));
                }
            }
        }
    }

    #[test]
    fn known_answer_does_not_hide_another_one() {
        let (mut reader, mut partial) = (Reader::default(), Partial::default());
        assert_eq!(reader.take(&mut partial, ACCEPTED), done(202, true));
        assert_eq!(reader.known, ACCEPTED);
        let refused = b"HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(reader.take(&mut partial, refused), done(503, true));
        assert_eq!(reader.take(&mut partial, ACCEPTED), done(202, true));
        assert_eq!(reader.take(&mut partial, b"nonsense\r\n"), Progress::Malformed);
    }

    #[test]
    fn a_second_answer_in_the_same_bytes_makes_the_connection_useless() {
        let (mut reader, mut partial) = (Reader::default(), Partial::default());
        let twice = [ACCEPTED, ACCEPTED].concat();
        assert_eq!(reader.take(&mut partial, &twice), done(202, false));
    }

    #[test]
    fn answer_that_ends_with_its_connection() {
        let (mut reader, mut partial) = (Reader::default(), Partial::default());
        assert_eq!(reader.take(&mut partial, b"HTTP/1.0 200 OK\r\n\r\nabc"), Progress::NeedMore);
        assert_eq!(reader.end(&mut partial), Some(200));
        let short = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
        assert_eq!(reader.take(&mut partial, short), Progress::NeedMore);
        assert_eq!(reader.end(&mut partial), None);
    }
}
