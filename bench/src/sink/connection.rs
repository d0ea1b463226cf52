//! One connection of the subscriber: requests in, answers out.

use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use millrace_http1::{BodyReader, Head, Limits, Progress};
use rustix::event::epoll;

use super::behaviour::Reaction;

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) buffer: Vec<u8>,
    pub(super) head: Head,
    pub(super) body: Option<(usize, BodyReader)>,
    /// The answer that waits for its time.
    pub(super) waiting: Option<Reaction>,
    pub(super) keep: bool,
    pub(super) unsent: Vec<u8>,
    /// The socket's room for sending is watched.
    pub(super) watched: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            head: Head::new(),
            body: None,
            waiting: None,
            keep: true,
            unsent: Vec::new(),
            watched: false,
        }
    }

    /// A whole request: where its body is, and where the next one begins.
    pub(super) fn request(
        &mut self,
        limits: &Limits,
    ) -> Result<Option<(std::ops::Range<usize>, usize)>, ()> {
        if self.body.is_none() {
            match self.head.parse(&self.buffer, limits) {
                Ok(Some(start)) => {
                    let reader = BodyReader::new(self.head.framing(), limits).map_err(drop)?;
                    self.body = Some((start, reader));
                }
                Ok(None) => return Ok(None),
                Err(_) => return Err(()),
            }
        }
        let Some((start, reader)) = &mut self.body else { return Ok(None) };
        match reader.feed(&mut self.buffer, *start).map_err(drop)? {
            Progress::NeedMore => Ok(None),
            Progress::Done { body, next } => {
                self.body = None;
                Ok(Some((body, next)))
            }
        }
    }

    /// Whether the connection still lives.
    pub(super) fn send(&mut self, bytes: &[u8], epoll: &OwnedFd, token: u64) -> bool {
        self.unsent.extend_from_slice(bytes);
        self.send_rest(epoll, token)
    }

    pub(super) fn send_rest(&mut self, epoll: &OwnedFd, token: u64) -> bool {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) if count > 0 => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                _ => return false,
            }
        }
        let watched = !self.unsent.is_empty();
        if watched == self.watched {
            return true;
        }
        self.watched = watched;
        let mut interest = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        interest.set(epoll::EventFlags::OUT, watched);
        epoll::modify(epoll, &self.stream, epoll::EventData::new_u64(token), interest).is_ok()
    }
}
