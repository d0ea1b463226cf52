//! One sending thread: an event loop over its connections, as few system calls as possible.

mod account;
mod upkeep;

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use super::answer::{Progress as Answered, Reader};
use super::connection::{self, Connection, Request, State};
use super::schedule::Schedule;
use super::tally::{Fault, Tally};
use super::wire::Wire;
use super::{LoadError, Plan, nanos};
use crate::clock::{self, MILLISECOND};
use crate::usage;

/// Bytes read at once; an answer is far shorter as a rule.
const READ_BYTES: usize = 64 * 1024;
const EVENTS_PER_TURN: usize = 512;
/// How often timeouts and lost connections are looked at.
const CHORES_NS: u64 = 20 * MILLISECOND;
/// A connection that was refused is tried again after this time.
const RECONNECT_NS: u64 = 50 * MILLISECOND;

/// What one thread needs to know.
pub(crate) struct WorkerPlan {
    pub(crate) plan: Plan,
    pub(crate) run: u32,
    pub(crate) index: usize,
    pub(crate) threads: usize,
    pub(crate) progress: Arc<Progress>,
}

/// What the watching thread sees of all senders.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    accepted: AtomicU64,
    /// Senders that could not start.
    pub(crate) failed: AtomicU64,
}

impl Progress {
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

pub(crate) struct Worker {
    plan: Plan,
    index: usize,
    threads: usize,
    progress: Arc<Progress>,
    told: u64,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    free: VecDeque<usize>,
    busy: usize,
    schedule: Option<Schedule>,
    wire: Wire,
    reader: Reader,
    scratch: Vec<u8>,
    tally: Tally,
    last_status: (u16, u64),
    measured_from: u64,
    end_ns: u64,
    /// After the end, what was due before it is looked for once more.
    last_look: LastLook,
}

/// Whether the last look has been taken. A sender that was not given its CPU shortly before the end would else leave
/// requests unsent for which there were connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastLook {
    ToCome,
    Now,
    Over,
}

impl Worker {
    /// Binds the thread and connects all of its share.
    pub(crate) fn connect(seat: WorkerPlan) -> Result<Self, LoadError> {
        let progress = seat.progress.clone();
        let made = Self::make(seat);
        if made.is_err() {
            progress.failed.fetch_add(1, Ordering::SeqCst);
        }
        made
    }

    fn make(seat: WorkerPlan) -> Result<Self, LoadError> {
        let WorkerPlan { plan, run, index, threads, progress } = seat;
        if let Some(Some(cpu)) = plan.threads.get(index) {
            usage::bind_to(&[*cpu]).map_err(|error| LoadError::Bind(*cpu, error))?;
        }
        // Wake-ups when they are due, not up to 50 µs later.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZero::new(1));
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io::Error::from)?;
        let mut worker = Self {
            wire: Wire::new(&plan.shape, &plan.url, run),
            index,
            threads,
            progress,
            told: 0,
            epoll,
            connections: Vec::new(),
            free: VecDeque::new(),
            busy: 0,
            schedule: None,
            reader: Reader::default(),
            scratch: vec![0; READ_BYTES],
            tally: Tally::default(),
            last_status: (0, 0),
            measured_from: 0,
            end_ns: 0,
            last_look: LastLook::ToCome,
            plan,
        };
        worker.tally.owed.begin(run);
        for id in (index..worker.plan.connections).step_by(threads) {
            let id = u16::try_from(id).map_err(|_| LoadError::Connections(id))?;
            let stream = connection::connect(worker.plan.url.address, worker.plan.timeout)
                .map_err(|error| LoadError::Connect(worker.plan.url.to_string(), error))?;
            let at = worker.connections.len();
            let interest = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
            epoll::add(&worker.epoll, &stream, epoll::EventData::new_u64(at as u64), interest)
                .map_err(io::Error::from)?;
            let mut connection = Connection::new(id);
            connection.stream = Some(stream);
            connection.state = State::Free;
            worker.connections.push(connection);
            worker.list(at);
        }
        Ok(worker)
    }

    /// Sends from `begin_ns` until the end of the plan, then waits for what is on its way.
    pub(crate) fn run(mut self, begin_ns: u64) -> Result<Tally, LoadError> {
        self.measured_from = begin_ns.saturating_add(nanos(self.plan.warm_up));
        self.end_ns = self.measured_from.saturating_add(nanos(self.plan.duration));
        let schedule = |rate| Schedule::new(begin_ns, rate, self.index, self.threads);
        self.schedule = self.plan.rate.map(schedule);
        let give_up = self.end_ns.saturating_add(nanos(self.plan.timeout));
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS_PER_TURN);
        let mut chores_at = begin_ns;
        loop {
            let now = clock::now_ns();
            if now >= self.end_ns && self.last_look == LastLook::ToCome {
                self.last_look = LastLook::Now;
                self.send_due(now)?;
                self.last_look = LastLook::Over;
            }
            if now >= give_up || (now >= self.end_ns && self.busy == 0) {
                break;
            }
            if now >= chores_at {
                chores_at = now.saturating_add(CHORES_NS);
                self.chores(now)?;
            }
            if now >= begin_ns {
                self.send_due(now)?;
            }
            let wait = self.wait_ns(now, begin_ns, chores_at);
            let timeout = clock::timespec(wait);
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            for event in events.drain(..) {
                let at = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                self.ready(at, event.flags)?;
            }
        }
        self.account_for_the_rest(give_up);
        Ok(self.tally)
    }

    /// How long nothing needs to be done unless a socket is ready.
    fn wait_ns(&self, now: u64, begin_ns: u64, chores_at: u64) -> u64 {
        if self.plan.spin && now < self.end_ns {
            return 0;
        }
        let mut next = chores_at;
        if now < begin_ns {
            next = next.min(begin_ns);
        } else if !self.free.is_empty()
            && let Some(schedule) = &self.schedule
            && now < self.end_ns
        {
            next = next.min(schedule.next_ns());
        }
        next.saturating_sub(now)
    }

    /// Sends all that is due as far as there are free connections.
    fn send_due(&mut self, now: u64) -> Result<(), LoadError> {
        while let Some(at) = self.next_free() {
            let Some(planned) = self.take_due(now) else {
                if let Some(connection) = self.connections.get_mut(at) {
                    connection.listed = true;
                    self.free.push_front(at);
                }
                return Ok(());
            };
            let lateness = clock::now_ns().saturating_sub(planned);
            if self.schedule.is_some() && self.is_measured(planned) {
                self.tally.lateness.record(lateness);
            }
            self.send(at, planned, now)?;
        }
        Ok(())
    }

    /// The planned time of the next request, if one is due. What waits for a connection at the end is accounted for as
    /// never sent.
    fn take_due(&mut self, now: u64) -> Option<u64> {
        let over = now >= self.end_ns;
        match &mut self.schedule {
            Some(schedule) if !over || self.last_look == LastLook::Now => {
                schedule.take_due(now, self.end_ns)
            }
            None if !over => Some(now),
            _ => None,
        }
    }

    fn send(&mut self, at: usize, planned_ns: u64, now: u64) -> Result<(), LoadError> {
        if self.is_measured(planned_ns) {
            self.tally.planned += 1;
        }
        let Some(connection) = self.connections.get_mut(at) else { return Ok(()) };
        let first = connection.next;
        connection.next = first.wrapping_add(self.wire.events());
        connection.state = State::Busy(Request { planned_ns, sent_ns: now, first });
        connection.since_ns = now;
        self.busy += 1;
        let bytes = self.wire.fill(connection.id, first, planned_ns);
        match connection.send(bytes) {
            Ok(true) => {}
            Ok(false) => self.watch(at, true)?,
            Err(_) => self.lose(at, Fault::Closed, now),
        }
        Ok(())
    }

    fn ready(&mut self, at: usize, flags: epoll::EventFlags) -> Result<(), LoadError> {
        let Some(connection) = self.connections.get_mut(at) else { return Ok(()) };
        if flags.contains(epoll::EventFlags::OUT) {
            if connection.state == State::Connecting {
                return self.connected(at);
            }
            match connection.send_rest() {
                Ok(true) => self.watch(at, false)?,
                Ok(false) => {}
                Err(_) => {
                    self.lose(at, Fault::Closed, clock::now_ns());
                    return Ok(());
                }
            }
        }
        let Some(connection) = self.connections.get_mut(at) else { return Ok(()) };
        let Some(stream) = &mut connection.stream else { return Ok(()) };
        match stream.read(&mut self.scratch) {
            Ok(0) => self.ended(at),
            Ok(count) => {
                let bytes = self.scratch.get(..count).unwrap_or_default();
                let progress = self.reader.take(&mut connection.partial, bytes);
                return self.answered(at, progress);
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => self.lose(at, Fault::Closed, clock::now_ns()),
        }
        Ok(())
    }

    fn answered(&mut self, at: usize, progress: Answered) -> Result<(), LoadError> {
        let now = clock::now_ns();
        match progress {
            Answered::NeedMore => {}
            Answered::Malformed => self.lose(at, Fault::Malformed, now),
            Answered::Done { status, reusable } => {
                let Some(connection) = self.connections.get_mut(at) else { return Ok(()) };
                let State::Busy(request) = connection.state else {
                    // An answer that nobody asked for.
                    self.lose(at, Fault::Malformed, now);
                    return Ok(());
                };
                if !connection.unsent.is_empty() || !reusable {
                    // The rest of a request that was refused early is of no use.
                    self.settle(at, request, status, now);
                    self.drop_connection(at, now);
                    return Ok(());
                }
                self.settle(at, request, status, now);
                self.go_on(at, now)?;
            }
        }
        Ok(())
    }

    /// The next request on a connection that has just become free.
    fn go_on(&mut self, at: usize, now: u64) -> Result<(), LoadError> {
        match self.take_due(now) {
            Some(planned) => self.send(at, planned, now),
            None => {
                self.list(at);
                Ok(())
            }
        }
    }

    /// Whether the socket's room for sending matters, beside what it brings.
    fn watch(&mut self, at: usize, sending: bool) -> Result<(), LoadError> {
        let Some(stream) = self.connections.get(at).and_then(|one| one.stream.as_ref()) else {
            return Ok(());
        };
        let mut interest = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        interest.set(epoll::EventFlags::OUT, sending);
        epoll::modify(&self.epoll, stream, epoll::EventData::new_u64(at as u64), interest)
            .map_err(io::Error::from)?;
        Ok(())
    }

    fn list(&mut self, at: usize) {
        if let Some(connection) = self.connections.get_mut(at)
            && !connection.listed
        {
            connection.listed = true;
            self.free.push_back(at);
        }
    }

    fn next_free(&mut self) -> Option<usize> {
        while let Some(at) = self.free.pop_front() {
            let Some(connection) = self.connections.get_mut(at) else { continue };
            connection.listed = false;
            // It may have ended while it waited.
            if connection.state == State::Free {
                return Some(at);
            }
        }
        None
    }
}
