//! A connection without a socket: the loop that a server runs over this crate, with a route that
//! must never be reached by hidden requests. Shared by tests and fuzz targets.
#![allow(dead_code)] // Each user needs a part of it.

use millrace_http1::{BodyReader, Drain, Drained, Head, Limits, Method, Progress, Refusal};

/// Which requests are routed where.
#[derive(Clone, Copy)]
pub(crate) enum Routes {
    /// As in the receiver: POST to `/ok` (and `/canary`), GET to `/healthz`, else 404 or 405.
    Receiver,
    /// All bodies are read, whatever the path and method.
    Everything,
}

/// What a client would see, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted { path: Vec<u8>, body: Vec<u8> },
    Answered(u16),
    Continue,
    Refused(Refusal),
}

pub(crate) struct Connection {
    buf: Vec<u8>,
    head: Head,
    state: State,
    limits: Limits,
    routes: Routes,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) open: bool,
    pub(crate) canary_seen: bool,
}

enum State {
    Head,
    Body { start: usize, reader: BodyReader },
    Drain { start: usize, drain: Drain },
}

/// As in the receiver.
const DRAIN_MAX: u64 = 64 * 1024;

impl Connection {
    pub(crate) fn new(routes: Routes, limits: Limits) -> Self {
        Self {
            buf: Vec::new(),
            head: Head::new(),
            state: State::Head,
            limits,
            routes,
            outcomes: Vec::new(),
            open: true,
            canary_seen: false,
        }
    }

    /// Takes bytes from the client and goes as far as they reach.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        if self.open {
            self.buf.extend_from_slice(bytes);
        }
        while self.open {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => break,
                Err(refusal) => {
                    self.outcomes.push(Outcome::Refused(refusal));
                    self.open = false;
                }
            }
        }
    }

    /// Whether a request has begun and is not over.
    pub(crate) fn is_inside_request(&self) -> bool {
        self.open && !(matches!(self.state, State::Head) && self.buf.is_empty())
    }

    pub(crate) fn buffered(&self) -> usize {
        self.buf.len()
    }

    /// One step; false when more bytes are needed.
    fn turn(&mut self) -> Result<bool, Refusal> {
        match &mut self.state {
            State::Head => {
                let Some(start) = self.head.parse(&self.buf, &self.limits)? else {
                    return Ok(false);
                };
                self.state = self.route(start)?;
                Ok(true)
            }
            State::Body { start, reader } => match reader.feed(&mut self.buf, *start)? {
                Progress::NeedMore => Ok(false),
                Progress::Done { body, next } => {
                    let path = self.head.path(&self.buf).to_vec();
                    let body = self.buf[body].to_vec();
                    self.outcomes.push(Outcome::Accepted { path, body });
                    self.next_request(next);
                    Ok(true)
                }
            },
            State::Drain { start, drain } => match drain.feed(&mut self.buf, *start) {
                Drained::NeedMore => Ok(false),
                Drained::Done { next } => {
                    self.next_request(next);
                    Ok(true)
                }
                Drained::GiveUp => {
                    self.open = false;
                    Ok(false)
                }
            },
        }
    }

    fn route(&mut self, start: usize) -> Result<State, Refusal> {
        let path = self.head.path(&self.buf);
        self.canary_seen |= path == b"/canary";
        let answer = match (self.routes, self.head.method(), path) {
            (Routes::Everything, ..) | (_, Method::Post, b"/ok" | b"/canary") => None,
            (_, Method::Get, b"/healthz") => Some(200),
            (_, Method::Post, _) => Some(404),
            _ => Some(405),
        };
        let Some(status) = answer else {
            let reader = BodyReader::new(self.head.framing(), &self.limits)?;
            if self.head.expects_continue() {
                self.outcomes.push(Outcome::Continue);
            }
            return Ok(State::Body { start, reader });
        };
        self.outcomes.push(Outcome::Answered(status));
        match Drain::new(&self.head, false, DRAIN_MAX, &self.limits) {
            Some(drain) => Ok(State::Drain { start, drain }),
            None => {
                self.open = false;
                Ok(State::Head)
            }
        }
    }

    fn next_request(&mut self, next: usize) {
        self.open = self.head.keep_alive();
        self.buf.drain(..next);
        self.state = State::Head;
    }
}
