//! One connection: read a request, answer it, keep alive or close. The only file that reads and
//! writes client sockets.
//!
//! Requests of one connection are answered strictly one after another (receiver.md 2.4). The read
//! buffer is lent to Kafka while its event waits for the acknowledgement and comes back with it, so
//! nothing is read in the meantime. Generic over the stream, which leaves TLS its place.
//!
//! What is rarely waited for is boxed: the task of a connection is one allocation with room for all that
//! it may wait for, and with hundreds of connections its size decides whether they stay in the cache.

use std::io::ErrorKind;
use std::ops::Range;
use std::rc::Rc;
use std::time::Instant;

use millrace_http1::encode::CONTINUE;
use millrace_http1::{BodyFraming, BodyReader, Drain, Drained, Ending, Head, Progress, Refusal};
use millrace_shard::deadline::Cut;
use millrace_shard::{
    AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt, Guard, IoBuf, IoBufMut, SendNow, yield_now,
};

use crate::decide::{Decision, decide};
use crate::ingest::{self, Request};
use crate::respond::{self, Verdict};
use crate::route::Route;
use crate::shard::{Deadline, Room, Shard};

/// First size of the read buffer: a head of ten headers with a 1 KiB event fits, and 10,000 idle
/// connections stay small.
const BUFFER_BYTES: usize = 4 * 1024;
/// Less room than this is not worth a system call.
const ROOM_BYTES: usize = 512;
/// Set aside for a body of unknown length until it turns out to be longer.
const CHUNKED_BYTES: u64 = 64 * 1024;
/// A larger buffer is given back when its request is done.
const BUFFER_KEPT_BYTES_MAX: usize = 64 * 1024;
/// How much room is made at once for a body, whatever length the client announces.
const BODY_STEP_BYTES: usize = 256 * 1024;
/// A body nobody wants is read past up to here; beyond, closing is cheaper (receiver.md W37).
const DRAIN_BYTES_MAX: u64 = 64 * 1024;
/// After a refusal so much is read and thrown away, so that the answer is not lost to a reset.
const LINGER_BYTES_MAX: usize = 512 * 1024;
const LINGER_MS: u64 = 1_000;
/// A client that does not read its answer.
const WRITE_MS: u64 = 30_000;
/// A body must bring so many bytes in each window (reliability.md 3: 1 KiB/s).
const BODY_WINDOW_MS: u64 = 10_000;
const BODY_WINDOW_BYTES: usize = 10 * 1024;
/// After so many exchanges the others have their turn: on epoll a read or write that is ready at
/// once does not leave the task, so a client that pipelines faster than it is answered would have
/// the shard to itself.
const EXCHANGES_PER_TURN: u32 = 32;
/// The same for what it sends of one body: a million small chunks take a while.
const BYTES_PER_TURN: usize = 256 * 1024;

/// What follows an exchange.
enum After {
    /// The connection is ready for the next request.
    Next,
    /// Close at once: the client is gone, or nothing may follow.
    Close,
    /// Close once the client had a chance to read the answer.
    Linger,
}

/// One client connection.
pub(crate) struct Connection<'c, S> {
    stream: &'c mut S,
    guard: &'c Guard<Deadline>,
    shard: Rc<Shard>,
    head: Head,
    buffer: Vec<u8>,
    /// Bytes read since others had their turn.
    turn_bytes: usize,
    /// The answer to the request under way is known.
    answered: bool,
}

impl<'c, S: AsyncReadRent + AsyncWriteRent + SendNow> Connection<'c, S> {
    pub(crate) fn new(stream: &'c mut S, shard: Rc<Shard>, guard: &'c Guard<Deadline>) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Connection {
            stream,
            guard,
            shard,
            head: Head::new(),
            buffer,
            turn_bytes: 0,
            answered: false,
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn serve(&mut self) {
        for count in (1..=EXCHANGES_PER_TURN).cycle() {
            match self.exchange().await {
                After::Next if count == EXCHANGES_PER_TURN => yield_now().await,
                After::Next => {}
                After::Close => return,
                After::Linger => return Box::pin(self.linger()).await,
            }
        }
    }

    async fn exchange(&mut self) -> After {
        let start = match self.read_head().await {
            Ok(start) => start,
            Err(after) => return after,
        };
        let shard = self.shard.clone();
        let _exchange = shard.begin_exchange();
        shard.metrics.received.inc();
        self.answered = false;
        let keep = self.head.keep_alive() && shard.keeps_connections();
        let after = match decide(&shard, &self.head, &self.buffer) {
            Decision::Answer(verdict) => {
                Box::pin(self.answer_without_body(verdict, None, start, keep)).await
            }
            Decision::Probe(hash) => {
                let hash = hash.as_deref();
                Box::pin(self.answer_without_body(Verdict::Healthy, hash, start, keep)).await
            }
            Decision::Event(route) => self.event(&shard, &route, start, keep).await,
        };
        if !self.answered {
            shard.metrics.unanswered.inc();
        }
        after
    }

    /// Takes the event of a routed request.
    async fn event(
        &mut self,
        shard: &Rc<Shard>,
        route: &Rc<Route>,
        start: usize,
        keep: bool,
    ) -> After {
        let started = Instant::now();
        // Room first: what waits in memory is bounded before it is read.
        let announced = match self.head.framing() {
            BodyFraming::Empty => 0,
            BodyFraming::Length(length) if length > shard.common.limits.body_max => {
                return self.refuse(Refusal::BodyTooLarge).await;
            }
            BodyFraming::Length(length) => length,
            BodyFraming::Chunked => CHUNKED_BYTES,
        };
        let Ok(mut room) = shard.reserve(route, announced).await else {
            route.latency.record_unread(started);
            let verdict = Verdict::Unavailable;
            return Box::pin(self.answer_without_body(verdict, None, start, keep)).await;
        };
        let (body, next) = match self.read_body(shard, route, &mut room, start).await {
            Ok(read) => read,
            Err(after) => return after,
        };
        let request = Request { route, head: &self.head, body, started };
        let ingested = ingest::ingest(shard, request, &mut self.buffer).await;
        let after = self.answer(ingested.verdict, None, keep && ingested.buffer_is_back).await;
        self.forget(next);
        after
    }

    /// Reads until the head is complete; gives where the body starts.
    async fn read_head(&mut self) -> Result<usize, After> {
        let mut begun = false;
        loop {
            if !self.buffer.is_empty() {
                match self.head.parse(&self.buffer, &self.shard.common.limits) {
                    Ok(Some(start)) => {
                        self.guard.clear();
                        return Ok(start);
                    }
                    Ok(None) => {}
                    Err(refusal) => return Err(self.refuse_head(refusal).await),
                }
            }
            if !begun {
                begun = !self.buffer.is_empty();
                if begun {
                    self.read_within(Deadline::Head, self.shard.common.times.head_ms);
                } else if self.shard.is_closing() {
                    return Err(After::Close);
                } else {
                    self.read_within(Deadline::Idle, self.shard.common.times.idle_ms);
                }
            }
            match self.read(ROOM_BYTES).await {
                Some(_) => {}
                None if self.guard.expired() == Some(Deadline::Head) => {
                    return Err(self.refuse_head(Refusal::HeadTimeout).await);
                }
                None => return Err(After::Close),
            }
        }
    }

    /// Reads until the body is complete; gives where it is and where the next request starts.
    async fn read_body(
        &mut self,
        shard: &Rc<Shard>,
        route: &Rc<Route>,
        room: &mut Room,
        start: usize,
    ) -> Result<(Range<usize>, usize), After> {
        let mut body = match BodyReader::new(self.head.framing(), &self.shard.common.limits) {
            Ok(body) => body,
            Err(refusal) => return Err(self.refuse(refusal).await),
        };
        let mut continued = !self.head.expects_continue();
        let mut pace: Option<Pace> = None;
        let mut chunked = self.head.framing() == BodyFraming::Chunked;
        loop {
            match body.feed(&mut self.buffer, start) {
                Ok(Progress::Done { body, next }) => {
                    self.guard.clear();
                    return Ok((body, next));
                }
                Ok(Progress::NeedMore) => {}
                Err(refusal) => return Err(self.refuse(refusal).await),
            }
            if !continued {
                continued = true;
                if !self.write(CONTINUE).await {
                    return Err(After::Close);
                }
            }
            if chunked && self.buffer.len().saturating_sub(start) as u64 > CHUNKED_BYTES {
                // It may become as large as any: from here on that much is set aside.
                chunked = false;
                let Ok(more) = shard.reserve(route, shard.common.limits.body_max).await else {
                    return Err(self.answer(Verdict::Unavailable, None, false).await);
                };
                *room = more;
            }
            let pace = pace.get_or_insert_with(|| Pace::new(&self.shard));
            self.guard.set(Deadline::Body, pace.deadline_ms(), Cut::Read);
            let missing = usize::try_from(body.missing()).unwrap_or(usize::MAX);
            match self.read(missing.min(BODY_STEP_BYTES)).await {
                Some(read) => pace.advance(read, self.shard.now_ms()),
                None if self.guard.expired() == Some(Deadline::Body) => {
                    return Err(self.refuse(Refusal::BodyTimeout).await);
                }
                None => return Err(After::Close),
            }
        }
    }

    /// Answers a request whose body is not wanted, then reads past that body if it is short.
    async fn answer_without_body(
        &mut self,
        verdict: Verdict,
        hash: Option<&[u8]>,
        start: usize,
        keep: bool,
    ) -> After {
        let mut drain = Drain::new(&self.head, false, DRAIN_BYTES_MAX, &self.shard.common.limits);
        if !keep {
            drain = None;
        }
        let after = self.answer(verdict, hash, drain.is_some()).await;
        let (After::Next, Some(mut drain)) = (after, drain) else { return After::Linger };
        loop {
            match drain.feed(&mut self.buffer, start) {
                Drained::Done { next } => {
                    self.forget(next);
                    return After::Next;
                }
                Drained::NeedMore => {}
                Drained::GiveUp => return After::Linger,
            }
            self.read_within(Deadline::Linger, self.shard.common.times.body_ms);
            if self.read(ROOM_BYTES).await.is_none() {
                return After::Close;
            }
        }
    }

    /// [`Self::refuse`] for a request that is known by nothing else.
    async fn refuse_head(&mut self, refusal: Refusal) -> After {
        self.shard.metrics.received.inc();
        self.refuse(refusal).await
    }

    /// Answers a request after which nobody can say where the next one starts.
    async fn refuse(&mut self, refusal: Refusal) -> After {
        self.shard.metrics.refused(refusal.reason());
        match self.answer(Verdict::Refused(refusal), None, false).await {
            After::Next | After::Linger => After::Linger,
            After::Close => After::Close,
        }
    }

    async fn answer(&mut self, verdict: Verdict, hash: Option<&[u8]>, keep: bool) -> After {
        let too_large = self.shard.common.too_large_status;
        self.shard.metrics.answered(verdict.status(too_large));
        self.answered = true;
        let ending = if keep { self.head.ending(true) } else { Ending::Close };
        let ready = if hash.is_none() { verdict.ready_made(too_large, ending) } else { None };
        let written = match ready {
            Some(answer) => self.write(answer).await,
            None => self.write(respond::written(verdict, too_large, ending, hash)).await,
        };
        match (written, keep) {
            (true, true) => After::Next,
            (true, false) => After::Linger,
            (false, _) => After::Close,
        }
    }

    /// Reads and throws away what still comes, within bounds: a socket that is closed with unread
    /// bytes resets the connection, and the client may lose the answer (RFC 9112 9.6).
    async fn linger(&mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        self.read_within(Deadline::Linger, LINGER_MS);
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            self.buffer.clear();
            match self.read(ROOM_BYTES).await {
                Some(read) => left = left.saturating_sub(read),
                None => return,
            }
        }
    }

    /// Drops the request that ends before `next`; what a pipelining client has sent behind it stays.
    fn forget(&mut self, next: usize) {
        if next < self.buffer.len() {
            self.buffer.drain(..next);
        } else {
            self.buffer.clear();
        }
        if self.buffer.capacity() > BUFFER_KEPT_BYTES_MAX && self.buffer.len() <= BUFFER_BYTES {
            self.buffer.shrink_to(BUFFER_BYTES);
        }
    }

    fn read_within(&self, deadline: Deadline, ms: u64) {
        self.guard.set(deadline, self.shard.now_ms().saturating_add(ms), Cut::Read);
    }

    /// Appends what the client sends, with room for `room` bytes. None at the end of the stream,
    /// on an error, and when the guard ran out.
    async fn read(&mut self, room: usize) -> Option<usize> {
        let filled = self.buffer.len();
        if self.buffer.capacity().saturating_sub(filled) < room {
            self.buffer.reserve(room.max(BUFFER_BYTES));
        }
        let target = std::mem::take(&mut self.buffer).slice_mut(filled..);
        let (result, target) = self.stream.read(target).await;
        self.buffer = target.into_inner();
        let read = result.ok().filter(|read| *read > 0)?;
        self.turn_bytes = self.turn_bytes.saturating_add(read);
        if self.turn_bytes > BYTES_PER_TURN {
            self.turn_bytes = 0;
            yield_now().await;
        }
        Some(read)
    }

    /// Writes all of it, most often at once. False on an error, and when the client does not read. No deadline
    /// counts any more then.
    async fn write<B: IoBuf + AsRef<[u8]>>(&mut self, bytes: B) -> bool {
        let sent = self.stream.send_now(bytes.as_ref());
        self.guard.clear();
        let sent = match sent {
            Ok(sent) if sent == bytes.as_ref().len() => return true,
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return false,
        };
        Box::pin(self.write_rest(bytes.slice(sent..))).await
    }

    async fn write_rest(&mut self, rest: impl IoBuf) -> bool {
        let write_by = self.shard.now_ms().saturating_add(WRITE_MS);
        self.guard.set(Deadline::Write, write_by, Cut::Both);
        let written = self.stream.write_all(rest).await.0.is_ok();
        self.guard.clear();
        written
    }
}

/// The bounds on how slowly a body may come.
struct Pace {
    ends_ms: u64,
    window_ends_ms: u64,
    window_bytes: usize,
}

impl Pace {
    fn new(shard: &Shard) -> Pace {
        let now = shard.now_ms();
        Pace {
            ends_ms: now.saturating_add(shard.common.times.body_ms),
            window_ends_ms: now.saturating_add(BODY_WINDOW_MS),
            window_bytes: 0,
        }
    }

    fn deadline_ms(&self) -> u64 {
        self.ends_ms.min(self.window_ends_ms)
    }

    fn advance(&mut self, read: usize, now_ms: u64) {
        self.window_bytes = self.window_bytes.saturating_add(read);
        if self.window_bytes >= BODY_WINDOW_BYTES {
            self.window_bytes = 0;
            self.window_ends_ms = now_ms.saturating_add(BODY_WINDOW_MS);
        }
    }
}
