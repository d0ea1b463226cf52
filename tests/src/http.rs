//! A raw HTTP/1.1 client on a TCP stream: it sends exactly the bytes it is given and reads answers strictly.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::wait::SOON;

/// A request to be written byte for byte; no header is added but those named here.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: None }
            .header("Host", "receiver.test")
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// The "MIN" request of receiver.md 12 with an id of the caller's choice: a binary event without data.
    pub fn minimal(target: &str, id: &str) -> Self {
        Self::new("POST", target)
            .header("ce-specversion", "1.0")
            .header("ce-id", id)
            .header("ce-source", "/s")
            .header("ce-type", "t")
            .body("")
    }

    /// A structured event as JSON text.
    pub fn structured(target: &str, json: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target).header("Content-Type", "application/cloudevents+json").body(json)
    }

    /// Adds a header, also one that is there already.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Replaces all headers of that name by one.
    pub fn set(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).header(name, value)
    }

    /// Drops all headers of that name.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name.as_bytes()));
        self
    }

    /// A body, announced by its `Content-Length`.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        if let Some(body) = &self.body {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// An answer as read from the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(present, _)| present == name).map(|(_, value)| value.as_str())
    }
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nothing, or only a part, came within the time.
    Silent(Vec<u8>),
    /// The peer closed or reset the connection first; what had come is kept.
    Closed(Vec<u8>),
    /// What came is no HTTP/1.x answer.
    Garbled(String),
}

/// One connection, with what was read beyond the last answer.
pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub fn open(port: u16) -> Self {
        Self::try_open(port)
            .unwrap_or_else(|error| panic!("cannot connect to port {port}: {error}"))
    }

    pub fn try_open(port: u16) -> std::io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, SOON)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(SOON))?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Writes the bytes. A peer that answers and closes before it read all is no failure: its answer tells.
    pub fn send(&mut self, bytes: &[u8]) {
        // A refused body ends in a reset of what was still under way.
        let _ = self.stream.write_all(bytes);
    }

    /// How many of the bytes the peer, or the socket between, took before it refused more.
    pub fn send_until_refused(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) | Err(_) => break,
                Ok(count) => sent += count,
            }
        }
        sent
    }

    /// Says that no more bytes will come, and still reads.
    pub fn finish_sending(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// The next answer, interim ones (1xx) included.
    ///
    /// # Panics
    /// When none comes.
    pub fn answer(&mut self) -> Answer {
        self.answer_within(SOON).unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    pub fn answer_within(&mut self, limit: Duration) -> Result<Answer, NoAnswer> {
        loop {
            if let Some((answer, length)) = parse(&self.unread).map_err(NoAnswer::Garbled)? {
                self.unread.drain(..length);
                return Ok(answer);
            }
            match self.read_more(limit) {
                Ok(0) => return Err(NoAnswer::Closed(std::mem::take(&mut self.unread))),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => {
                    return Err(NoAnswer::Silent(self.unread.clone()));
                }
                Err(_) => return Err(NoAnswer::Closed(std::mem::take(&mut self.unread))),
            }
        }
    }

    /// Sends a request and reads its answer.
    pub fn exchange(&mut self, request: &Request) -> Answer {
        self.send(&request.to_bytes());
        self.answer()
    }

    /// [`Self::exchange`] with a patience of the caller's.
    pub fn exchange_within(&mut self, request: &Request, limit: Duration) -> Answer {
        self.send(&request.to_bytes());
        self.answer_within(limit).unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Whether the peer closes the connection within the time, without a further byte.
    pub fn closes(&mut self, limit: Duration) -> bool {
        match self.read_more(limit) {
            Ok(0) => self.unread.is_empty(),
            Ok(_) => false,
            Err(error) => !is_timeout(&error),
        }
    }

    fn read_more(&mut self, limit: Duration) -> std::io::Result<usize> {
        self.stream.set_read_timeout(Some(limit))?;
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk)?;
        self.unread.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}

/// One request on a connection of its own.
pub fn exchange(port: u16, request: &Request) -> Answer {
    Connection::open(port).exchange(request)
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The answer at the start of `bytes` and its length, or `None` while some of it is missing.
fn parse(bytes: &[u8]) -> Result<Option<(Answer, usize)>, String> {
    let Some(head_length) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if bytes.len() > 65_536 { Err("a head without end".into()) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&bytes[..head_length]).map_err(|error| error.to_string())?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| status_line.strip_prefix("HTTP/1.0 "))
        .and_then(|rest| rest.split(' ').next())
        .and_then(|digits| digits.parse::<u16>().ok())
        .ok_or_else(|| format!("not a status line: {status_line:?}"))?;
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) =
            line.split_once(':').ok_or_else(|| format!("not a header: {line:?}"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let answer = Answer { status, headers, body: Vec::new() };
    let body_start = head_length + 4;
    if status < 200 || status == 204 || status == 304 {
        return Ok(Some((answer, body_start)));
    }
    if let Some(coding) = answer.header("transfer-encoding") {
        return Err(format!(
            "an answer in transfer coding {coding}: ours always know their length"
        ));
    }
    let length =
        answer.header("content-length").ok_or_else(|| format!("no content-length in {head:?}"))?;
    let length: usize = length.parse().map_err(|_| format!("content-length {length:?}"))?;
    let end = body_start + length;
    Ok(bytes.get(body_start..end).map(|body| (Answer { body: body.to_vec(), ..answer }, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_only_with_its_whole_body() {
        let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nhiHTTP";
        for cut in 0..wire.len() - 4 {
            assert_eq!(parse(&wire[..cut]).unwrap(), None, "cut at {cut}");
        }
        let (answer, length) = parse(wire).unwrap().unwrap();
        assert_eq!(
            (answer.status, answer.header("x"), answer.body.as_slice(), length),
            (200, Some("y"), &b"hi"[..], 46)
        );
        assert!(
            parse(b"HTTP/2 200\r\n\r\n").is_err() && parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err()
        );
    }

    #[test]
    fn a_request_is_written_as_told() {
        let request =
            Request::minimal("/x", "1").without("host").set("ce-id", "2").header("A", b"\xff");
        let expected = b"POST /x HTTP/1.1\r\nce-specversion: 1.0\r\nce-source: /s\r\nce-type: t\r\nce-id: 2\r\nA: \xff\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(request.to_bytes(), expected);
    }
}
