//! The subscriber's event loop: one thread, epoll, answers when they are due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use millrace_http1::Limits;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use serde::Serialize;

use super::behaviour::{Actor, Behaviour, Reaction};
use super::check::Check;
use super::connection::Connection;
use crate::clock::{self, MILLISECOND};
use crate::load::tally::Tally;
use crate::usage;

const LISTENER: u64 = u64::MAX;
const CONNECTIONS_MAX: usize = 20_000;
const BODY_MAX: u64 = 64 << 20;
/// The end is looked for at least so often.
const TURN_NS: u64 = 20 * MILLISECOND;
const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";

/// What a sink is made from.
#[derive(Clone, Debug, Default)]
pub struct SinkPlan {
    pub behaviour: Behaviour,
    /// The type of the events that it replies with.
    pub reply_type: String,
    /// CPUs to run on; none means any.
    pub cpus: Vec<usize>,
}

/// Requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SinkCounts {
    pub accepted: u64,
    pub refused: u64,
    pub replied: u64,
    /// Requests that were no HTTP.
    pub malformed: u64,
}

/// A running subscriber; ends when dropped.
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    accepted: AtomicU64,
    last_ns: AtomicU64,
    state: Mutex<State>,
}

/// What the loop writes and others look at now and then.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) check: Check,
    pub(crate) counts: SinkCounts,
    /// Only the course is used.
    pub(crate) tally: Tally,
}

impl Sink {
    /// Listens and serves from now on.
    ///
    /// # Errors
    /// When the address is taken or the system refuses something.
    pub fn start(address: SocketAddr, plan: SinkPlan) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        let thread = thread::Builder::new().name("sink".to_owned());
        let thread = thread.spawn(move || Server::new(listener, plan, serving)?.run())?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepted requests so far; cheap.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// When the last request came, on [`clock`]; 0 before any.
    pub fn last_ns(&self) -> u64 {
        self.shared.last_ns.load(Ordering::Relaxed)
    }

    /// Why it has ended by itself, if it has.
    pub fn failure(&mut self) -> Option<io::Error> {
        if !self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            return None;
        }
        let ended = self.thread.take()?.join();
        Some(match ended {
            Ok(Err(error)) => error,
            Ok(Ok(())) => io::Error::other("the sink has ended"),
            Err(_) => io::Error::other("the sink panicked"),
        })
    }

    /// A look at what came. Requests wait meanwhile.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// A look at what came. Requests wait meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&Check, &SinkCounts) -> T) -> T {
        let state = self.state();
        look(&state.check, &state.counts)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Server {
    listener: TcpListener,
    epoll: OwnedFd,
    shared: Arc<Shared>,
    connections: HashMap<u64, Connection>,
    next: u64,
    /// When an answer is due, and on which connection.
    due: BinaryHeap<Reverse<(u64, u64)>>,
    actor: Actor,
    began_ns: u64,
    limits: Limits,
    scratch: Vec<u8>,
    refusal: Vec<u8>,
    reply: Vec<u8>,
}

impl Server {
    fn new(listener: TcpListener, plan: SinkPlan, shared: Arc<Shared>) -> io::Result<Self> {
        usage::bind_to(&plan.cpus)?;
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZero::new(1));
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let interest = epoll::EventFlags::IN;
        epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), interest)?;
        let status = plan.behaviour.error_status;
        let began_ns = clock::now_ns();
        Ok(Self {
            listener,
            epoll,
            shared,
            connections: HashMap::new(),
            next: 0,
            due: BinaryHeap::new(),
            actor: Actor::new(plan.behaviour, began_ns),
            began_ns,
            limits: Limits { body_max: BODY_MAX, headers_bytes_max: 64 * 1024, ..Limits::default() },
            scratch: vec![0; 64 * 1024],
            refusal: format!("HTTP/1.1 {status} Refused\r\ncontent-length: 0\r\n\r\n").into_bytes(),
            reply: format!(
                "HTTP/1.1 200 OK\r\nce-specversion: 1.0\r\nce-id: reply\r\nce-source: /benchmark/sink\r\n\
                 ce-type: {}\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nreply",
                plan.reply_type
            )
            .into_bytes(),
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(512);
        while !self.shared.over.load(Ordering::Relaxed) {
            let now = clock::now_ns();
            self.answer_due(now);
            let next = self.due.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let timeout = clock::timespec(next.saturating_sub(now).min(TURN_NS));
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    token => self.ready(token, event.flags),
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.connections.len() >= CONNECTIONS_MAX {
                continue;
            }
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let token = self.next;
            self.next += 1;
            let interest = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
            epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(token), interest)?;
            self.connections.insert(token, Connection::new(stream));
        }
        Ok(())
    }

    fn ready(&mut self, token: u64, flags: epoll::EventFlags) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        if flags.contains(epoll::EventFlags::OUT) && !connection.send_rest(&self.epoll, token) {
            self.connections.remove(&token);
            return;
        }
        let Some(connection) = self.connections.get_mut(&token) else { return };
        match connection.stream.read(&mut self.scratch) {
            Ok(0) => {
                self.connections.remove(&token);
            }
            Ok(count) => {
                let bytes = self.scratch.get(..count).unwrap_or_default();
                connection.buffer.extend_from_slice(bytes);
                if connection.buffer.len() as u64 > BODY_MAX.saturating_mul(2) {
                    self.connections.remove(&token);
                    return;
                }
                self.go_on(token);
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => {
                self.connections.remove(&token);
            }
        }
    }

    /// Reads requests from the buffer until one has to wait for its answer.
    fn go_on(&mut self, token: u64) {
        loop {
            let Some(connection) = self.connections.get_mut(&token) else { return };
            if connection.waiting.is_some() {
                return;
            }
            let (body, next) = match connection.request(&self.limits) {
                Ok(Some(found)) => found,
                Ok(None) => return,
                Err(()) => {
                    self.shared.state().counts.malformed += 1;
                    self.connections.remove(&token);
                    return;
                }
            };
            let now = clock::now_ns();
            let reaction = self.actor.react(now);
            connection.keep = connection.head.keep_alive();
            {
                let mut state = self.shared.state();
                let state = &mut *state;
                if reaction.accept {
                    let bytes = connection.buffer.get(body).unwrap_or_default();
                    state.check.note(&connection.head, &connection.buffer, bytes, now);
                    state.counts.accepted += 1;
                    state.counts.replied += u64::from(reaction.reply);
                } else {
                    state.counts.refused += 1;
                }
                state.tally.step(now.saturating_sub(self.began_ns), |step| {
                    step.events += u64::from(reaction.accept);
                    step.failed += u64::from(!reaction.accept);
                });
            }
            self.shared.accepted.fetch_add(u64::from(reaction.accept), Ordering::Relaxed);
            self.shared.last_ns.store(now, Ordering::Relaxed);
            connection.buffer.drain(..next);
            connection.waiting = Some(reaction);
            if reaction.at_ns > now {
                self.due.push(Reverse((reaction.at_ns, token)));
                return;
            }
            self.answer(token);
        }
    }

    fn answer_due(&mut self, now: u64) {
        while let Some(Reverse((at, token))) = self.due.peek().copied() {
            if at > now {
                return;
            }
            self.due.pop();
            self.answer(token);
            self.go_on(token);
        }
    }

    fn answer(&mut self, token: u64) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        let Some(reaction) = connection.waiting.take() else { return };
        let answer = match reaction {
            Reaction { accept: false, .. } => &self.refusal,
            Reaction { reply: true, .. } => &self.reply,
            _ => ACCEPTED,
        };
        let sent = connection.send(answer, &self.epoll, token);
        let goes_on = sent && (connection.keep || connection.watched);
        if !goes_on {
            self.connections.remove(&token);
        }
    }
}
