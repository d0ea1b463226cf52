//! One request after the other on one connection, for rows that look at single ones.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(10);
const ANSWER_MAX: usize = 64 * 1024;

/// A connection on which requests take turns.
pub(super) struct Exchange {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Exchange {
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, WITHIN)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(WITHIN))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// The status of the answer to a request.
    pub(super) fn send(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let mut piece = [0; 4096];
        loop {
            let count = self.stream.read(&mut piece)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(piece.get(..count).unwrap_or_default());
            if let Some(status) = status(&self.buffer)? {
                return Ok(status);
            }
            if self.buffer.len() > ANSWER_MAX {
                return Err(io::Error::other("an answer without an end"));
            }
        }
    }
}

/// Once the answer, which must tell its length, is whole.
fn status(buffer: &[u8]) -> io::Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(buffer).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let length =
        response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    let whole = head.checked_add(length.unwrap_or(0)).is_some_and(|end| end <= buffer.len());
    Ok(response.code.filter(|_| whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_once_its_body_is_there() {
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..answer.len() {
            assert_eq!(status(&answer[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(status(answer).unwrap(), Some(400));
        assert!(status(b"nonsense\r\n\r\n").is_err());
    }
}
