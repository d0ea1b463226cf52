//! One request and its answer on one connection. The only file that reads and writes sockets.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::time::Duration;

use millrace_http1::Limits;
use millrace_http1::response::{BodyProgress, ResponseBody};
use millrace_shard::outgoing::{Ready, ready, try_send};
use millrace_shard::{AsyncReadRent, Cut, Guard, IoBufMut, TcpStream, clock};

use crate::connection::{Connection, Deadline};
use crate::error::{Failure, Stage, is_disconnect};
use crate::request::Keep;
use crate::response::{Spare, is_success};

/// First size of a read buffer: most answers are a short head.
const BUFFER_BYTES: usize = 2 * 1024;
/// Less room than this is not worth a system call.
const ROOM_BYTES: usize = 512;
/// How much room is made at once for a body, whatever length the server announces.
const BODY_STEP_BYTES: usize = 256 * 1024;
/// What is not kept of a body is read past up to here, and for so long, to save the connection.
const DRAIN_BYTES_MAX: u64 = 64 * 1024;
const DRAIN_MS: u64 = 500;
/// Informational answers before the final one. Servers send one or two.
const INTERIM_MAX: u32 = 16;

/// A request in the pieces that it is sent in.
pub(crate) type Pieces<'r> = [&'r [u8]; 4];

/// The times that bound an exchange.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// When the attempt ends, as a time of the [`clock`].
    pub(crate) due_ms: u64,
    /// The same as it was asked for, for messages.
    pub(crate) timeout: Duration,
    /// How long no byte may come.
    pub(crate) silence: Option<Duration>,
}

/// What an exchange came to.
pub(crate) struct Outcome {
    pub(crate) result: Result<Answer, Failure>,
    /// Whether any byte of an answer arrived.
    pub(crate) begun: bool,
}

/// A complete answer in the buffer.
pub(crate) struct Answer {
    pub(crate) body: Range<usize>,
    pub(crate) truncated: bool,
    /// Whether the connection may serve another request.
    pub(crate) reusable: bool,
}

/// Sends the request and reads the answer.
pub(crate) async fn exchange(
    connection: &mut Connection,
    spare: &mut Spare,
    pieces: &Pieces<'_>,
    keep: Keep,
    limits: &Limits,
    times: &Times,
) -> Outcome {
    let (stream, guard) = connection.split();
    let mut exchange = Exchange {
        stream,
        guard,
        limits,
        times,
        spare,
        interim: 0,
        head_end: None,
        begun: false,
        draining: false,
    };
    exchange.guard.set(Deadline::Attempt, times.due_ms, Cut::Both);
    let mut result = exchange.run(pieces, keep).await;
    guard.clear();
    if let Ok(answer) = &mut result {
        // A deadline may have passed just after the last byte had come.
        answer.reusable &= guard.expired().is_none();
    }
    Outcome { result, begun: exchange.begun }
}

struct Exchange<'c> {
    stream: &'c mut TcpStream,
    guard: &'c Guard<Deadline>,
    limits: &'c Limits,
    times: &'c Times,
    spare: &'c mut Spare,
    interim: u32,
    /// Where the final head ends, once it is read.
    head_end: Option<usize>,
    begun: bool,
    draining: bool,
}

/// How sending ended.
enum Sent {
    Whole,
    /// The server has answered, or given up, before it had the whole request.
    Partly,
}

impl Exchange<'_> {
    async fn run(&mut self, pieces: &Pieces<'_>, keep: Keep) -> Result<Answer, Failure> {
        let mut gone = None;
        let sent = match self.send(pieces).await {
            Ok(sent) => sent,
            Err(Failure::Broken { stage, error }) if is_disconnect(&error) => {
                // It may have answered before it closed.
                gone = Some(Failure::Broken { stage, error });
                Sent::Partly
            }
            Err(failure) => return Err(failure),
        };
        let start = match (self.read_head().await, gone) {
            (Ok(start), _) => start,
            (Err(failure), Some(gone)) if failure.is_disconnect() => return Err(gone),
            (Err(failure), _) => return Err(failure),
        };
        let mut answer = self.read_body(start, keep).await?;
        answer.reusable &= self.spare.head.keep_alive() && matches!(sent, Sent::Whole);
        Ok(answer)
    }

    /// Sends all pieces, unless the final head of the answer comes before they are gone.
    async fn send(&mut self, pieces: &Pieces<'_>) -> Result<Sent, Failure> {
        let total = pieces.iter().map(|piece| piece.len()).fold(0, usize::saturating_add);
        let mut sent = 0;
        loop {
            match try_send(self.stream, &rest_of(pieces, sent)) {
                Ok(count) => sent = sent.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Boxed, as a socket without room is rare.
                    if Box::pin(self.wait_to_send()).await? == Ready::Read {
                        self.read_some(Stage::Sending).await?;
                        if self.parse_head()?.is_some() {
                            return Ok(Sent::Partly);
                        }
                    }
                }
                Err(error) => return Err(self.broken(Stage::Sending, error)),
            }
            if sent >= total {
                return Ok(Sent::Whole);
            }
        }
    }

    async fn wait_to_send(&self) -> Result<Ready, Failure> {
        self.expect_bytes();
        ready(self.stream).await.map_err(|error| self.broken(Stage::Sending, error))
    }

    /// Reads until the final head is complete; gives where the body starts.
    async fn read_head(&mut self) -> Result<usize, Failure> {
        loop {
            if let Some(start) = self.parse_head()? {
                return Ok(start);
            }
            self.read_some(Stage::Head).await?;
        }
    }

    fn parse_head(&mut self) -> Result<Option<usize>, Failure> {
        let Spare { head, buffer } = &mut *self.spare;
        while self.head_end.is_none() && !buffer.is_empty() {
            match head.parse(buffer, self.limits)? {
                None => return Ok(None),
                Some(end) if head.is_interim() => {
                    self.interim = self.interim.saturating_add(1);
                    if self.interim > INTERIM_MAX {
                        return Err(Failure::TooManyInterim { max: INTERIM_MAX });
                    }
                    buffer.drain(..end);
                }
                Some(end) => self.head_end = Some(end),
            }
        }
        Ok(self.head_end)
    }

    /// Reads until the body is complete, or until what is wanted of it is there and the rest is
    /// not worth the wait. What goes wrong in the rest costs the connection, not the answer.
    async fn read_body(&mut self, start: usize, keep: Keep) -> Result<Answer, Failure> {
        let keep = if is_success(self.spare.head.status()) { keep.success } else { keep.failure };
        let mut body = ResponseBody::new(&self.spare.head, keep, self.limits);
        let end = self.read_body_to_end(&mut body, start).await;
        let wanted_is_there = body.is_full() && !matches!(end, Err(Failure::Closed));
        let (complete, reusable) = match end {
            Ok(reusable) => (true, reusable),
            Err(_) if wanted_is_there => (false, false),
            Err(failure) => return Err(failure),
        };
        Ok(Answer {
            body: start..start.saturating_add(body.kept()),
            truncated: !complete || body.dropped() > 0,
            reusable,
        })
    }

    /// Gives whether another answer can follow on the connection.
    async fn read_body_to_end(
        &mut self,
        body: &mut ResponseBody,
        start: usize,
    ) -> Result<bool, Failure> {
        loop {
            match body.feed(&mut self.spare.buffer, start)? {
                BodyProgress::Done { surplus } => return Ok(!surplus),
                BodyProgress::NeedMore => {}
            }
            let room = if body.is_full() {
                if body.dropped().saturating_add(body.missing()) > DRAIN_BYTES_MAX {
                    return Err(Failure::Ended { stage: Stage::Body });
                }
                self.drain_from_now_on();
                BUFFER_BYTES
            } else {
                let missing = usize::try_from(body.missing()).unwrap_or(usize::MAX);
                missing.clamp(ROOM_BYTES, BODY_STEP_BYTES)
            };
            if self.read(room, Stage::Body).await? == 0 {
                body.end_of_stream()?;
                return Ok(false);
            }
        }
    }

    fn drain_from_now_on(&mut self) {
        if !self.draining {
            self.draining = true;
            let by_ms = clock::coarse_ms().saturating_add(DRAIN_MS).min(self.times.due_ms);
            self.guard.set(Deadline::Drain, by_ms, Cut::Both);
        }
    }

    /// Reads at least one byte of a head.
    async fn read_some(&mut self, stage: Stage) -> Result<(), Failure> {
        match self.read(ROOM_BYTES, stage).await? {
            0 => Err(Failure::Ended { stage }),
            _ => Ok(()),
        }
    }

    /// Appends what the server sends, with room for `room` bytes; 0 at the end of the stream.
    async fn read(&mut self, room: usize, stage: Stage) -> Result<usize, Failure> {
        self.expect_bytes();
        let buffer = &mut self.spare.buffer;
        let filled = buffer.len();
        if buffer.capacity().saturating_sub(filled) < room {
            buffer.reserve(room.max(BUFFER_BYTES));
        }
        let target = std::mem::take(buffer).slice_mut(filled..);
        let (result, target) = self.stream.read(target).await;
        self.spare.buffer = target.into_inner();
        match result {
            Ok(0) if self.guard.expired().is_none() => Ok(0),
            Ok(0) => Err(self.broken(stage, io::ErrorKind::ConnectionAborted.into())),
            Ok(count) => {
                self.begun = true;
                Ok(count)
            }
            Err(error) => Err(self.broken(stage, error)),
        }
    }

    /// Bounds the wait for the next bytes where that is tighter than the deadline.
    fn expect_bytes(&self) {
        let Some(silence) = self.times.silence else { return };
        if !self.draining {
            let ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
            let by_ms = clock::coarse_ms().saturating_add(ms);
            let (deadline, by_ms) = if by_ms < self.times.due_ms {
                (Deadline::Silence, by_ms)
            } else {
                (Deadline::Attempt, self.times.due_ms)
            };
            self.guard.set(deadline, by_ms, Cut::Both);
        }
    }

    /// Why the socket failed: by our doing, if a deadline has passed.
    fn broken(&self, stage: Stage, error: io::Error) -> Failure {
        match self.guard.expired() {
            None => Failure::Broken { stage, error },
            Some(Deadline::Closed) => Failure::Closed,
            Some(Deadline::Silence) => {
                Failure::Timeout { stage, limit: self.times.silence.unwrap_or(self.times.timeout) }
            }
            Some(_) => Failure::Timeout { stage, limit: self.times.timeout },
        }
    }
}

/// The pieces without their first `sent` bytes.
fn rest_of<'r>(pieces: &Pieces<'r>, mut sent: usize) -> [IoSlice<'r>; 4] {
    pieces.map(|piece| {
        let skipped = sent.min(piece.len());
        sent = sent.saturating_sub(skipped);
        IoSlice::new(piece.get(skipped..).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_of_the_pieces_at_every_byte() {
        let pieces: Pieces<'_> = [b"abc", b"", b"de", b"f"];
        let whole = pieces.concat();
        for sent in 0..=whole.len() + 1 {
            let rest: Vec<u8> =
                rest_of(&pieces, sent).iter().flat_map(|piece| piece.to_vec()).collect();
            assert_eq!(rest, whole.get(sent..).unwrap_or_default(), "{sent}");
        }
    }
}
