//! One connection: made within a time, counted while it is open, closed from outside if need be.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use millrace_shard::outgoing::{finish_connect, start_connect};
use millrace_shard::{Cut, Cutter, Guard, TcpStream, Watched, clock};
use slab::Slab;

use crate::client::Shared;
use crate::error::{Failure, Stage};

/// The deadlines of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// To be connected.
    Connect,
    /// Of the whole attempt.
    Attempt,
    /// For the next bytes (`idleTimeout`).
    Silence,
    /// For the rest of a body that nobody wants.
    Drain,
    /// The pool was closed.
    Closed,
}

/// The open connections of one pool, idle ones included.
#[derive(Default)]
pub(crate) struct OpenSet {
    cutters: RefCell<Slab<Cutter<Deadline>>>,
    closed: Cell<bool>,
}

impl OpenSet {
    pub(crate) fn len(&self) -> usize {
        self.cutters.borrow().len()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Shuts all connections down, those being made too. Whatever waits on one ends.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        for (_, cutter) in self.cutters.borrow().iter() {
            cutter.cut(Deadline::Closed, Cut::Both);
        }
    }
}

/// A place in the [`OpenSet`].
struct Place {
    open: Rc<OpenSet>,
    key: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.cutters.borrow_mut().try_remove(self.key);
    }
}

pub(crate) struct Connection {
    watched: Watched<Deadline>,
    peer: SocketAddr,
    _place: Place,
}

impl Connection {
    /// Connects to an address by `by_ms` of the [`clock`].
    pub(crate) async fn open(
        shared: &Shared,
        open: &Rc<OpenSet>,
        peer: SocketAddr,
        by_ms: u64,
    ) -> Result<Self, Failure> {
        let refused = |error| Failure::Connect { address: peer, error };
        let started_ms = clock::coarse_ms();
        let stream = start_connect(peer, &shared.options.socket).map_err(refused)?;
        let mut watched = shared.sweeper.watch(stream);
        let key = open.cutters.borrow_mut().insert(watched.guard().cutter());
        let _place = Place { open: Rc::clone(open), key };
        let (stream, guard) = watched.split();
        guard.set(Deadline::Connect, by_ms, Cut::Both);
        let connected = finish_connect(stream).await;
        guard.clear();
        match (guard.expired(), connected) {
            (None, Ok(())) => Ok(Self { watched, peer, _place }),
            (None, Err(error)) => Err(refused(error)),
            (Some(Deadline::Closed), _) => Err(Failure::Closed),
            (Some(_), _) => {
                let limit = Duration::from_millis(by_ms.saturating_sub(started_ms));
                Err(Failure::Timeout { stage: Stage::Connecting, limit })
            }
        }
    }

    pub(crate) fn split(&mut self) -> (&mut TcpStream, &Guard<Deadline>) {
        self.watched.split()
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether it can take a request: not shut down by us, and nothing has come from the server,
    /// neither its end nor bytes that would be taken for the next answer.
    pub(crate) fn is_fresh(&mut self) -> bool {
        self.watched.guard().expired().is_none()
            && millrace_shard::outgoing::is_quiet(self.watched.stream())
    }
}
