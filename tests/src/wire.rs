//! Requests and answers of Kafka's protocol with fixed widths, on a plain TCP stream.
//!
//! The harness speaks it by itself where librdkafka's client would decide too much: which bytes a record has, what a
//! group has committed. One node leads everything in both kinds of cluster.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a broker may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than any answer that the suites ask for.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A connection to a broker.
pub(crate) struct Link(TcpStream);

impl Link {
    pub(crate) fn open(bootstrap: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(bootstrap)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Sends one request, waits for its answer and gives what follows the correlation id.
    pub(crate) fn ask(&mut self, api: i16, version: i16, body: &Body) -> io::Result<Answer> {
        let mut head = Body::default();
        head.i16(api).i16(version).i32(1).text(Some("millrace-tests"));
        let length = i32::try_from(head.0.len() + body.0.len()).map_err(io::Error::other)?;
        let request = [&length.to_be_bytes(), head.0.as_slice(), body.0.as_slice()].concat();
        self.0.write_all(&request)?;
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?;
        if length > ANSWER_BYTES_MAX {
            return Err(io::Error::other(format!("an answer of {length} bytes")));
        }
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(Answer { bytes, at: 4 })
    }
}

/// A request in the making.
#[derive(Default)]
pub(crate) struct Body(pub(crate) Vec<u8>);

impl Body {
    pub(crate) fn i16(&mut self, value: i16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// A string with its length before it; `None` is Kafka's null.
    pub(crate) fn text(&mut self, text: Option<&str>) -> &mut Self {
        let Some(text) = text else { return self.i16(-1) };
        self.i16(i16::try_from(text.len()).expect("names are short")).raw(text.as_bytes())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.i32(i32::try_from(bytes.len()).expect("tests send less than 2 GiB")).raw(bytes)
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// An answer, read from its front. Every read fails when the bytes are over.
pub(crate) struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Answer {
    pub(crate) fn i16(&mut self) -> io::Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> io::Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> io::Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A string; a null one is empty.
    pub(crate) fn text(&mut self) -> io::Result<String> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    pub(crate) fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.i32()?).unwrap_or(0);
        Ok(self.take(length)?.to_vec())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N)?.try_into().map_err(io::Error::other)
    }

    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        let taken = self.bytes.get(self.at..self.at + count);
        self.at += count;
        taken.ok_or_else(|| io::Error::other("an answer that ends too early"))
    }
}
