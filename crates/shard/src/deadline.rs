//! Deadlines for many connections without a timer for each read.
//!
//! One task a shard looks every 100 ms, and only while something is watched, whether a deadline
//! has passed. If so it shuts the connection's socket down, so that the read or write in flight
//! completes in the ordinary way, on either driver: nothing is cancelled, no byte is lost, no
//! buffer is left behind. Setting a deadline writes two cells.

use std::cell::{Cell, RefCell};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::{Rc, Weak};
use std::time::Duration;

use monoio::net::TcpStream;
use slab::Slab;

use crate::{clock, sys};

const TICK: Duration = Duration::from_millis(100);
const NEVER: u64 = u64::MAX;

/// What to shut down when a deadline passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Reading: a read in flight ends with what has arrived or 0 bytes; writing still works,
    /// for example to say why.
    Read,
    /// Both directions: a write in flight fails too.
    Both,
}

/// Watches the connections of one shard. `K` names the deadlines in the words of the caller,
/// for example head, body, idle.
///
/// A deadline is noticed up to about 110 ms late, never early.
pub struct Sweeper<K> {
    inner: Rc<Inner<K>>,
}

impl<K> Clone for Sweeper<K> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

struct Inner<K> {
    entries: RefCell<Slab<Rc<Entry<K>>>>,
    /// No deadline is earlier; lets most ticks pass without a look at the entries.
    earliest_ms: Cell<u64>,
    sweeping: Cell<bool>,
}

struct Entry<K> {
    /// None once the watch has ended: the number may then belong to another socket.
    socket: Cell<Option<RawFd>>,
    deadline_ms: Cell<u64>,
    next: Cell<Option<(K, Cut)>>,
    expired: Cell<Option<K>>,
}

impl<K: Copy + 'static> Sweeper<K> {
    /// Watches nothing yet.
    pub fn new() -> Self {
        let inner = Inner {
            entries: RefCell::new(Slab::new()),
            earliest_ms: Cell::new(NEVER),
            sweeping: Cell::new(false),
        };
        Self { inner: Rc::new(inner) }
    }

    /// Takes the connection under watch, with no deadline at first.
    pub fn watch(&self, stream: TcpStream) -> Watched<K> {
        let entry = Rc::new(Entry {
            socket: Cell::new(Some(stream.as_raw_fd())),
            deadline_ms: Cell::new(NEVER),
            next: Cell::new(None),
            expired: Cell::new(None),
        });
        let key = self.inner.entries.borrow_mut().insert(Rc::clone(&entry));
        if !self.inner.sweeping.replace(true) {
            monoio::spawn(sweep(Rc::downgrade(&self.inner)));
        }
        let guard = Guard { entry, key, inner: Rc::clone(&self.inner) };
        Watched { guard, stream }
    }

    /// Lets all deadlines of these kinds pass now, for example the idle ones when draining.
    /// Gives how many did.
    pub fn expire_where(&self, kind: impl Fn(K) -> bool) -> usize {
        let entries = self.inner.entries.borrow();
        let due = |entry: &&Rc<Entry<K>>| entry.next.get().is_some_and(|(next, _)| kind(next));
        entries.iter().map(|(_, entry)| entry).filter(due).map(|entry| entry.expire()).count()
    }

    /// How many connections are watched.
    pub fn len(&self) -> usize {
        self.inner.entries.borrow().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Copy + 'static> Default for Sweeper<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// A connection and its deadline. The watch ends, and then the socket closes, when it is dropped.
pub struct Watched<K> {
    // First, so that the watch ends before the descriptor is closed and perhaps used anew.
    guard: Guard<K>,
    stream: TcpStream,
}

impl<K> Watched<K> {
    /// The socket, to read and write, and its deadline, to set meanwhile. The socket must stay
    /// where it is: swapped for another, the deadline would hit a stranger.
    pub fn split(&mut self) -> (&mut TcpStream, &Guard<K>) {
        (&mut self.stream, &self.guard)
    }

    /// The socket.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The deadline.
    pub fn guard(&self) -> &Guard<K> {
        &self.guard
    }
}

/// The deadline of one connection.
pub struct Guard<K> {
    entry: Rc<Entry<K>>,
    key: usize,
    inner: Rc<Inner<K>>,
}

impl<K: Copy> Guard<K> {
    /// From now on this deadline counts, and no earlier one. `at_ms` is a time of
    /// [`clock`].
    pub fn set(&self, kind: K, at_ms: u64, cut: Cut) {
        self.entry.next.set(Some((kind, cut)));
        self.entry.deadline_ms.set(at_ms);
        if at_ms < self.inner.earliest_ms.get() {
            self.inner.earliest_ms.set(at_ms);
        }
    }

    /// No deadline counts.
    pub fn clear(&self) {
        self.entry.deadline_ms.set(NEVER);
        self.entry.next.set(None);
    }

    /// Which deadline passed last, if one did. Look here when a read ends with 0 bytes or a
    /// read or write fails.
    pub fn expired(&self) -> Option<K> {
        self.entry.expired.get()
    }
}

impl<K: Copy> Guard<K> {
    /// What ends this connection from elsewhere on the shard, now and later.
    pub fn cutter(&self) -> Cutter<K> {
        Cutter { entry: Rc::clone(&self.entry) }
    }
}

impl<K> Drop for Guard<K> {
    fn drop(&mut self) {
        self.entry.socket.set(None);
        self.inner.entries.borrow_mut().try_remove(self.key);
    }
}

/// Ends one watched connection from outside, see [`Guard::cutter`].
pub struct Cutter<K> {
    entry: Rc<Entry<K>>,
}

impl<K: Copy> Cutter<K> {
    /// Shuts the socket down as if a deadline of this kind had passed. Does nothing once the
    /// connection is gone.
    pub fn cut(&self, kind: K, cut: Cut) {
        self.entry.next.set(Some((kind, cut)));
        self.entry.expire();
    }
}

impl<K: Copy> Entry<K> {
    fn expire(&self) {
        self.deadline_ms.set(NEVER);
        if let Some((kind, cut)) = self.next.take() {
            self.expired.set(Some(kind));
            let how = if cut == Cut::Read { Shutdown::Read } else { Shutdown::Both };
            if let Some(socket) = self.socket.get() {
                // ENOTCONN: the client was faster, and the read ends anyway.
                drop(sys::shutdown(socket, how));
            }
        }
    }
}

/// Runs while there are entries; the next `watch` starts it anew.
async fn sweep<K: Copy>(inner: Weak<Inner<K>>) {
    while let Some(inner) = inner.upgrade() {
        if inner.entries.borrow().is_empty() {
            inner.sweeping.set(false);
            return;
        }
        inner.expire_due(clock::coarse_ms());
        drop(inner);
        monoio::time::sleep(TICK).await;
    }
}

impl<K: Copy> Inner<K> {
    fn expire_due(&self, now_ms: u64) {
        if now_ms < self.earliest_ms.get() {
            return;
        }
        let mut earliest_ms = NEVER;
        for (_, entry) in self.entries.borrow().iter() {
            if entry.deadline_ms.get() <= now_ms {
                entry.expire();
            }
            earliest_ms = earliest_ms.min(entry.deadline_ms.get());
        }
        self.earliest_ms.set(earliest_ms);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Instant;

    use monoio::io::{AsyncReadRent, AsyncWriteRentExt};

    use super::*;
    use crate::testing::{on_each_driver, tcp_pair};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Kind {
        Head,
        Write,
    }

    #[test]
    fn read_in_flight_ends_and_an_answer_can_still_be_written() {
        on_each_driver(|| async {
            let (stream, mut client) = tcp_pair();
            let mut watched = Sweeper::new().watch(stream);
            let (stream, guard) = watched.split();
            let started = Instant::now();
            guard.set(Kind::Head, clock::now_ms() + 50, Cut::Read);
            let (result, _) = stream.read(vec![0; 16]).await;
            assert_eq!(result.unwrap(), 0);
            assert_eq!(guard.expired(), Some(Kind::Head));
            assert!(started.elapsed() >= Duration::from_millis(49));
            assert!(started.elapsed() < Duration::from_secs(5));
            stream.write_all(b"408".to_vec()).await.0.unwrap();
            drop(watched);
            // io_uring closes when the driver has its turn.
            crate::yield_now().await;
            let mut said = String::new();
            client.read_to_string(&mut said).unwrap();
            assert_eq!(said, "408");
        });
    }

    #[test]
    fn write_to_a_client_that_does_not_read_ends() {
        on_each_driver(|| async {
            let (stream, _client) = tcp_pair();
            let mut watched = Sweeper::new().watch(stream);
            let (stream, guard) = watched.split();
            guard.set(Kind::Write, clock::now_ms() + 50, Cut::Both);
            let (result, _) = stream.write_all(vec![0_u8; 64 << 20]).await;
            assert!(result.is_err());
            assert_eq!(guard.expired(), Some(Kind::Write));
        });
    }

    #[test]
    fn cleared_and_moved_deadlines_do_not_fire() {
        on_each_driver(|| async {
            let sweeper = Sweeper::new();
            let (stream, _client) = tcp_pair();
            let watched = sweeper.watch(stream);
            let (stream, _other_client) = tcp_pair();
            let cleared = sweeper.watch(stream);
            watched.guard().set(Kind::Head, clock::now_ms(), Cut::Read);
            watched.guard().set(Kind::Head, clock::now_ms() + 60_000, Cut::Read);
            cleared.guard().set(Kind::Head, clock::now_ms(), Cut::Read);
            cleared.guard().clear();
            crate::sleep(TICK * 3).await;
            assert_eq!(watched.guard().expired(), None);
            assert_eq!(cleared.guard().expired(), None);
        });
    }

    #[test]
    fn deadline_of_a_dropped_connection_does_not_hit_its_successor() {
        on_each_driver(|| async {
            let sweeper = Sweeper::new();
            let (stream, _client) = tcp_pair();
            let watched = sweeper.watch(stream);
            watched.guard().set(Kind::Head, clock::now_ms() + 20, Cut::Both);
            drop(watched);
            let (mut stream, client) = tcp_pair();
            crate::sleep(TICK * 3).await;
            std::io::Write::write_all(&mut &client, b"x").unwrap();
            assert_eq!(stream.read(vec![0; 1]).await.0.unwrap(), 1);
            assert!(sweeper.is_empty());
        });
    }

    #[test]
    fn one_kind_is_let_pass_at_once() {
        on_each_driver(|| async {
            let sweeper = Sweeper::new();
            let (idle, _idle_client) = tcp_pair();
            let (busy, _busy_client) = tcp_pair();
            let mut idle = sweeper.watch(idle);
            let busy = sweeper.watch(busy);
            idle.guard().set(Kind::Head, clock::now_ms() + 60_000, Cut::Read);
            busy.guard().set(Kind::Write, clock::now_ms() + 60_000, Cut::Both);
            assert_eq!(sweeper.expire_where(|kind| kind == Kind::Head), 1);
            assert_eq!(idle.stream().read(vec![0; 1]).await.0.unwrap(), 0);
            assert_eq!((idle.guard().expired(), busy.guard().expired()), (Some(Kind::Head), None));
        });
    }

    #[test]
    fn cut_from_outside_ends_the_read_and_later_nothing() {
        on_each_driver(|| async {
            let (stream, _client) = tcp_pair();
            let mut watched = Sweeper::new().watch(stream);
            let cutter = watched.guard().cutter();
            let task = crate::spawn(async move {
                let (stream, guard) = watched.split();
                assert_eq!(stream.read(vec![0; 1]).await.0.unwrap(), 0);
                assert_eq!(guard.expired(), Some(Kind::Write));
            });
            crate::yield_now().await;
            cutter.cut(Kind::Write, Cut::Both);
            task.await;
            // Likely the same descriptor number.
            let (mut stream, client) = tcp_pair();
            cutter.cut(Kind::Write, Cut::Both);
            std::io::Write::write_all(&mut &client, b"x").unwrap();
            assert_eq!(stream.read(vec![0; 1]).await.0.unwrap(), 1);
        });
    }

    #[test]
    fn sweeping_stops_with_the_last_connection_and_starts_again() {
        on_each_driver(|| async {
            let sweeper = Sweeper::<Kind>::new();
            for _ in 0..2 {
                let (stream, _client) = tcp_pair();
                let watched = sweeper.watch(stream);
                assert!(sweeper.inner.sweeping.get());
                drop(watched);
                crate::sleep(TICK * 2).await;
                assert!(!sweeper.inner.sweeping.get());
            }
        });
    }
}
