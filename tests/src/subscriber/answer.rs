//! What a subscriber says and when: a proper answer, odd bytes, silence, a cut.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What becomes of the connection behind the bytes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    KeepAlive,
    /// In good order: FIN.
    Close,
    /// RST.
    Reset,
}

/// An answer in the making: `Answer::status(500).body("x").after(Duration::from_millis(50))`.
#[derive(Clone, Debug)]
pub struct Answer {
    content: Content,
    pub(super) end: End,
    pub(super) delay: Duration,
    pub(super) gate: Option<Gate>,
}

#[derive(Clone, Debug)]
enum Content {
    Http { status: u16, headers: Vec<(String, Vec<u8>)>, body: Vec<u8> },
    Raw(Vec<u8>),
}

impl Answer {
    /// A status without a body. `Content-Length` is set as it should be.
    pub fn status(status: u16) -> Self {
        Self::of(Content::Http { status, headers: Vec::new(), body: Vec::new() })
    }

    /// A binary event without data, in a 200: `ce-specversion 1.0, ce-id ID, ce-source /reply, ce-type TYPE`.
    pub fn event(id: &str, kind: &str) -> Self {
        Self::status(200)
            .header("ce-specversion", "1.0")
            .header("ce-id", id)
            .header("ce-source", "/reply")
            .header("ce-type", kind)
    }

    /// Just these bytes.
    pub fn raw(bytes: impl AsRef<[u8]>, end: End) -> Self {
        Self { end, ..Self::of(Content::Raw(bytes.as_ref().to_vec())) }
    }

    /// Nothing but a cut connection.
    pub fn reset() -> Self {
        Self::raw("", End::Reset)
    }

    /// No answer, ever.
    pub fn hang() -> Self {
        Self::status(200).behind(&Gate::closed())
    }

    fn of(content: Content) -> Self {
        Self { content, end: End::KeepAlive, delay: Duration::ZERO, gate: None }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Content::Http { headers, .. } = &mut self.content {
            headers.push((name.to_owned(), value.as_ref().to_vec()));
        }
        self
    }

    pub fn body(mut self, content: impl AsRef<[u8]>) -> Self {
        if let Content::Http { body, .. } = &mut self.content {
            *body = content.as_ref().to_vec();
        }
        self
    }

    /// Waits before it answers.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Answers only once the gate is open.
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Ends the connection after the answer.
    pub fn then(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (status, headers, body) = match &self.content {
            Content::Raw(bytes) => return bytes.clone(),
            Content::Http { status, headers, body } => (status, headers, body),
        };
        let mut bytes = format!("HTTP/1.1 {status} Of A Test\r\n").into_bytes();
        for (name, value) in headers {
            bytes.extend(name.as_bytes());
            bytes.extend(b": ");
            bytes.extend(value);
            bytes.extend(b"\r\n");
        }
        if self.end != End::KeepAlive {
            bytes.extend(b"Connection: close\r\n");
        }
        // RFC 9110, 8.6: these have no length.
        if !matches!(status, 204 | 304) {
            bytes.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body);
        bytes
    }
}

/// Holds answers back until it is opened. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn closed() -> Self {
        Self::default()
    }

    pub fn open(&self) {
        *self.0.0.lock().expect("no one panics in here") = true;
        self.0.1.notify_all();
    }

    pub(super) fn wait(&self) {
        let open = self.0.0.lock().expect("no one panics in here");
        drop(self.0.1.wait_while(open, |open| !*open).expect("no one panics in here"));
    }
}
