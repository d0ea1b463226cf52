//! One connection through the proxy: two sockets, and what has been read from one and not yet written to the other.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use socket2::{Domain, SockRef, Socket, Type};

use super::fault::{Ending, Flow};

/// What one direction holds at most; beyond it the sender feels back pressure.
const HELD_BYTES_MAX: usize = 256 * 1024;
/// How long a cut connection waits for the end of both parties, so that its FIN does not become a RST.
const LINGER: Duration = Duration::from_secs(1);

/// Which party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// What became of a link in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Open,
    /// A break has come to its byte.
    Broken(Ending),
    /// Both parties are done, or one has reset.
    Over,
    /// Nobody listens at the other end.
    Unreachable,
}

/// See the head of this file.
pub(super) struct Link {
    client: TcpStream,
    server: TcpStream,
    connecting: bool,
    up: Pipe,
    down: Pipe,
    /// Cut: what still comes is thrown away until both parties have ended, or until then.
    cut_until: Option<Instant>,
}

impl Link {
    /// Begins to connect to the other end.
    pub(super) fn begin(client: TcpStream, to: SocketAddr) -> io::Result<Self> {
        let server = Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), None)?;
        match server.connect(&to.into()) {
            Ok(()) => {}
            // EINPROGRESS has no kind of its own yet.
            Err(error)
                if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            // A refusal on loopback may be told at once.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error),
        }
        let server = TcpStream::from(server);
        client.set_nonblocking(true)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (up, down) = (Pipe::default(), Pipe::default());
        Ok(Self { client, server, connecting: true, up, down, cut_until: None })
    }

    pub(super) fn socket(&self, side: Side) -> &TcpStream {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// What to wait for on a socket.
    pub(super) fn wants(&self, side: Side, now: Instant) -> PollFlags {
        let (into, out_of) = match side {
            Side::Client => (&self.up, &self.down),
            Side::Server => (&self.down, &self.up),
        };
        let mut wants = PollFlags::empty();
        if self.connecting {
            return if side == Side::Server { PollFlags::OUT } else { wants };
        }
        wants.set(PollFlags::IN, !into.ended && into.held < HELD_BYTES_MAX);
        wants.set(PollFlags::OUT, out_of.next_due().is_some_and(|due| due <= now));
        wants
    }

    /// When there is something to do although no socket says so.
    pub(super) fn due(&self) -> Option<Instant> {
        let chunks = [self.up.next_due(), self.down.next_due()].into_iter().flatten();
        chunks.chain(self.cut_until).min()
    }

    /// Ends it once so many more bytes have gone that way, unless it ends before.
    pub(super) fn arm(&mut self, flow: Flow, after: u64, how: Ending) {
        let pipe = match flow {
            Flow::Up => &mut self.up,
            Flow::Down => &mut self.down,
        };
        let at = pipe.passed + after;
        if pipe.trip.is_none_or(|(before, _)| at < before) {
            pipe.trip = Some((at, how));
        }
    }

    /// Forgets breaks that have not come yet.
    pub(super) fn disarm(&mut self) {
        (self.up.trip, self.down.trip) = (None, None);
    }

    /// Moves what can be moved. `delay` is put on what is read now.
    pub(super) fn work(&mut self, ready: [PollFlags; 2], now: Instant, delay: Duration) -> Fate {
        match self.try_work(ready, now, delay) {
            Ok(fate) => fate,
            Err(_) => Fate::Over,
        }
    }

    fn try_work(
        &mut self,
        ready: [PollFlags; 2],
        now: Instant,
        delay: Duration,
    ) -> io::Result<Fate> {
        let [client, server] = ready;
        if self.connecting {
            if server.is_empty() {
                return Ok(Fate::Open);
            }
            if self.server.take_error()?.is_some() || self.server.peer_addr().is_err() {
                return Ok(Fate::Unreachable);
            }
            self.connecting = false;
        }
        // A hang-up is told without being asked for; reading finds out what it is.
        let readable = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        if client.intersects(readable) {
            self.up.fill(&self.client, now + delay)?;
        }
        if server.intersects(readable) {
            self.down.fill(&self.server, now + delay)?;
        }
        if let Some(until) = self.cut_until {
            self.up.discard();
            self.down.discard();
            let over = self.up.ended && self.down.ended || now >= until;
            return Ok(if over { Fate::Over } else { Fate::Open });
        }
        let tripped = [self.up.drain(&self.server, now)?, self.down.drain(&self.client, now)?];
        if let Some(how) = tripped.into_iter().flatten().next() {
            return Ok(Fate::Broken(how));
        }
        Ok(if self.up.shut && self.down.shut { Fate::Over } else { Fate::Open })
    }

    /// Ends both sides in good order; it is to be worked on until it is over.
    pub(super) fn cut(&mut self, now: Instant) {
        let _ = self.client.shutdown(Shutdown::Write);
        let _ = self.server.shutdown(Shutdown::Write);
        self.cut_until = Some(now + LINGER);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut_until.is_some()
    }

    /// Whether both parties have ended it in good order.
    pub(super) fn is_at_rest(&self) -> bool {
        self.up.ended && self.down.ended
    }

    /// Ends both sides at once.
    pub(super) fn reset(self) {
        for side in [&self.client, &self.server] {
            let _ = SockRef::from(side).set_linger(Some(Duration::ZERO));
        }
    }

    /// Bytes that have gone through, up and down, since this was asked last.
    pub(super) fn take_counts(&mut self) -> [u64; 2] {
        [&mut self.up, &mut self.down].map(|pipe| {
            let new = pipe.passed - pipe.counted;
            pipe.counted = pipe.passed;
            new
        })
    }
}

/// One direction.
#[derive(Default)]
struct Pipe {
    waiting: VecDeque<Chunk>,
    /// Bytes in `waiting`.
    held: usize,
    /// Bytes written so far.
    passed: u64,
    counted: u64,
    /// How it ends at that many bytes passed.
    trip: Option<(u64, Ending)>,
    /// Nothing more is read.
    ended: bool,
    /// The end was passed on.
    shut: bool,
}

struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
    written: usize,
}

impl Pipe {
    fn next_due(&self) -> Option<Instant> {
        self.waiting.front().map(|chunk| chunk.due)
    }

    fn fill(&mut self, mut from: &TcpStream, due: Instant) -> io::Result<()> {
        let mut bytes = vec![0; 64 * 1024];
        match from.read(&mut bytes) {
            Ok(0) => self.ended = true,
            Ok(count) => {
                bytes.truncate(count);
                self.held += count;
                self.waiting.push_back(Chunk { due, bytes, written: 0 });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Writes what is due, and no byte beyond a trip; whether it has come to that.
    fn drain(&mut self, mut to: &TcpStream, now: Instant) -> io::Result<Option<Ending>> {
        loop {
            let left = match self.trip {
                Some((at, how)) if self.passed >= at => return Ok(Some(how)),
                Some((at, _)) => usize::try_from(at - self.passed).unwrap_or(usize::MAX),
                None => usize::MAX,
            };
            let Some(chunk) = self.waiting.front_mut().filter(|chunk| chunk.due <= now) else {
                break;
            };
            let rest = chunk.bytes.get(chunk.written..).unwrap_or_default();
            match to.write(rest.get(..left).unwrap_or(rest)) {
                Ok(count) => {
                    chunk.written += count;
                    self.held -= count;
                    self.passed += count as u64;
                    if chunk.written == chunk.bytes.len() {
                        self.waiting.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.ended && self.waiting.is_empty() && !self.shut {
            self.shut = true;
            // The other one may have gone already.
            let _ = to.shutdown(Shutdown::Write);
        }
        Ok(None)
    }

    fn discard(&mut self) {
        self.waiting.clear();
        self.held = 0;
    }
}
