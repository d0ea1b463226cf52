//! A TCP proxy that breaks the network between two parties as a test tells it: connections are cut or reset at a byte,
//! everything stands still for a time, or comes late. It counts what it did.
//!
//! A thread of its own moves the bytes; without a fault it changes nothing but the ports.

mod fault;
mod link;
mod post;

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

pub use fault::{Ending, Fault, Flow, Which};

use post::{Order, Post};

/// See the head of this file. It ends, and what runs through it is reset, when it is dropped.
pub struct Proxy {
    port: u16,
    orders: Sender<Order>,
    bell: UnixStream,
    counts: Arc<Counts>,
    mover: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Takes connections on a free port of loopback and passes them on to another one, on which nobody need listen yet.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
        let own = listener.local_addr().expect("it is bound").port();
        let (orders, incoming) = channel();
        let (bell, rung) = UnixStream::pair().expect("a pair of sockets");
        let counts = Arc::<Counts>::default();
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let post = Post::new(listener, to, incoming, rung, Arc::clone(&counts));
        let mover = Some(thread::spawn(move || post.run()));
        Self { port: own, orders, bell, counts, mover }
    }

    /// Where clients find it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Lets a fault happen: a break as soon as its byte comes, the others at once.
    pub fn inflict(&self, fault: Fault) {
        self.order(Order::Inflict(fault));
    }

    /// Ends every fault that is under way or still to come.
    pub fn heal(&self) {
        self.order(Order::Heal);
    }

    /// What it did so far.
    pub fn counts(&self) -> Counted {
        let Counts { connections, unreachable, cuts, resets, black_holes, delays, .. } =
            &*self.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            connections: of(connections),
            unreachable: of(unreachable),
            cuts: of(cuts),
            resets: of(resets),
            black_holes: of(black_holes),
            delays: of(delays),
            up: of(&self.counts.up),
            down: of(&self.counts.down),
        }
    }

    /// Connections that run through it now.
    pub fn open(&self) -> usize {
        usize::try_from(self.counts.open.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    fn order(&self, order: Order) {
        // It only ends before us by a panic of its own, which the join at the end would show.
        let _ = self.orders.send(order);
        let _ = (&self.bell).write(&[0]);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.order(Order::End);
        if let Some(mover) = self.mover.take() {
            let ended = mover.join();
            assert!(ended.is_ok() || thread::panicking(), "the proxy's thread panicked");
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    unreachable: AtomicU64,
    cuts: AtomicU64,
    resets: AtomicU64,
    black_holes: AtomicU64,
    delays: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    open: AtomicU64,
}

/// What a proxy did. Connections are counted, except for bytes (`up`, `down`), black holes and delays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub connections: u64,
    /// Taken, but the other end was not there: reset.
    pub unreachable: u64,
    pub cuts: u64,
    pub resets: u64,
    pub black_holes: u64,
    pub delays: u64,
    /// Bytes from clients.
    pub up: u64,
    /// Bytes to clients.
    pub down: u64,
}

impl Counted {
    /// How many times it broke something.
    pub fn faults(&self) -> u64 {
        self.cuts + self.resets + self.black_holes + self.delays
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, cuts, resets, black_holes, delays, .. } = self;
        write!(
            f,
            "{connections} connections, {cuts} cut, {resets} reset, {black_holes} black holes, {delays} delays"
        )
    }
}

#[cfg(test)]
mod tests;
