//! Accepts connections on a shard and hands some to other shards, until it is told to stop.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use monoio::net::{TcpListener, TcpStream};
use socket2::SockRef;

use crate::balance::{Balance, HandedOver, OpenConnection, Seat};
use crate::driver::{self, Driver};
use crate::listen::{self, ShardListener};
use crate::local::LocalNotify;
use crate::mailbox::{Inbox, Mailbox};
use crate::spawn::ShardId;
use crate::{clock, sys, yielding};

/// Connections accepted in one go before other tasks have their turn.
const BATCH: usize = 64;
/// Waiting after a failure that will not pass at once, doubled up to the maximum.
const BACKOFF: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// How often failures are logged.
const LOG_EVERY_MS: u64 = 10_000;

/// A connection for this shard to serve.
pub struct Accepted {
    /// The socket, in the state that this shard's driver wants it.
    pub stream: TcpStream,
    /// The client; an IPv4 client of a socket of both families shows as IPv4.
    pub peer: SocketAddr,
    /// Keep it as long as the connection is open: it counts for the balance and the bound.
    pub open: OpenConnection,
}

/// The listener of one shard, bound to it.
pub struct Acceptor {
    listener: TcpListener,
    address: SocketAddr,
    quick_ack: bool,
    shard: ShardId,
    balance: Balance,
    others: Arc<[Mailbox<HandedOver>]>,
    incoming: Inbox<HandedOver>,
    closing: Closer,
}

/// Ends the [`Acceptor::run`] it came from.
#[derive(Clone)]
pub struct Closer {
    state: Rc<(Cell<bool>, LocalNotify)>,
}

impl Closer {
    /// Stops listening: connections that the kernel has already made are still accepted, new
    /// ones are refused, open ones go on.
    pub fn close(&self) {
        self.state.0.set(true);
        self.state.1.notify_all();
    }

    fn is_closed(&self) -> bool {
        self.state.0.get()
    }
}

impl Acceptor {
    /// Binds a listener and its seat to the shard that calls this.
    pub fn new(listener: ShardListener, seat: Seat) -> io::Result<Self> {
        let (address, quick_ack) = (listener.address(), listener.quick_ack);
        Ok(Self {
            listener: TcpListener::from_std(listener.listener)?,
            address,
            quick_ack,
            shard: seat.shard,
            balance: seat.balance,
            others: seat.others,
            incoming: seat.incoming.attach()?,
            closing: Closer { state: Rc::default() },
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What ends [`run`](Self::run).
    pub fn closer(&self) -> Closer {
        self.closing.clone()
    }

    /// Calls `serve`, which must not block and usually spawns a task, with each connection,
    /// those from other shards' listeners included. Returns when the [`Closer`] was used and
    /// nobody can connect to this socket any more. Connections from other shards may come a
    /// little longer, until those have closed too.
    pub async fn run(self, serve: impl Fn(Accepted) + 'static) {
        let serve = Rc::new(serve);
        monoio::spawn(receive(self.incoming, Rc::clone(&serve)));
        let accepting = Accepting {
            listener: self.listener,
            quick_ack: self.quick_ack,
            shard: self.shard,
            balance: self.balance,
            others: self.others,
            closing: self.closing,
            serve,
        };
        accepting.run().await;
    }
}

async fn receive<S: Fn(Accepted)>(mut incoming: Inbox<HandedOver>, serve: Rc<S>) {
    while let Some(HandedOver { stream, peer, open }) = incoming.recv().await {
        match adopt(stream) {
            Ok(stream) => serve(Accepted { stream, peer, open }),
            Err(error) => {
                tracing::warn!(error = %error, "A connection from another shard is lost.")
            }
        }
    }
}

/// io_uring fails at once on a non-blocking socket instead of waiting; epoll needs one.
fn adopt(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(driver::current() == Some(Driver::Epoll))?;
    TcpStream::from_std(stream)
}

struct Accepting<S> {
    listener: TcpListener,
    quick_ack: bool,
    shard: ShardId,
    balance: Balance,
    others: Arc<[Mailbox<HandedOver>]>,
    closing: Closer,
    serve: Rc<S>,
}

enum Batch {
    /// Nobody waits to be accepted.
    Empty,
    /// There may be more.
    Full,
    Failed(io::Error),
}

impl<S: Fn(Accepted)> Accepting<S> {
    async fn run(self) {
        let mut trouble = Trouble::default();
        while !self.closing.is_closed() {
            self.readable_or_closing().await;
            match self.accept_batch() {
                Batch::Empty => trouble.over(),
                Batch::Full => yielding::yield_now().await,
                Batch::Failed(error) => {
                    self.balance.note_failed(self.shard);
                    let pause = trouble.pause(&error);
                    self.closed_within(pause).await;
                }
            }
        }
        while matches!(self.accept_batch(), Batch::Full) {}
        // Refuses new connections now, not when the driver gets round to closing the socket.
        let listener = sys::borrow(&self.listener);
        if let Err(error) = SockRef::from(&listener).shutdown(std::net::Shutdown::Read) {
            tracing::warn!(error = %error, "A listener can't be shut down and is just closed.");
        }
    }

    async fn readable_or_closing(&self) {
        let mut readable = pin!(self.listener.readable(false));
        let mut closed = pin!(self.closing.state.1.notified());
        std::future::poll_fn(|cx| {
            if self.closing.is_closed() || closed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            // An error shows again, and is handled, when accepting.
            readable.as_mut().poll(cx).map(drop)
        })
        .await;
    }

    async fn closed_within(&self, pause: Duration) {
        if !self.closing.is_closed() {
            drop(monoio::time::timeout(pause, self.closing.state.1.notified()).await);
        }
    }

    fn accept_batch(&self) -> Batch {
        for _ in 0..BATCH {
            match self.accept_one() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Batch::Empty,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => return Batch::Failed(error),
            }
        }
        Batch::Full
    }

    fn accept_one(&self) -> io::Result<()> {
        let epoll = driver::current() == Some(Driver::Epoll);
        let flags = libc::SOCK_CLOEXEC | if epoll { libc::SOCK_NONBLOCK } else { 0 };
        let listener = sys::borrow(&self.listener);
        let (socket, peer) = SockRef::from(&listener).accept4(flags)?;
        self.balance.note_accepted(self.shard);
        listen::finish_accepted(&SockRef::from(&socket), self.quick_ack)?;
        let peer = peer.as_socket().ok_or(io::ErrorKind::InvalidData)?;
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        match self.balance.place(self.shard) {
            // Dropping the socket closes the connection.
            None => self.balance.note_refused(self.shard),
            Some((shard, open)) if shard == self.shard => self.keep(socket.into(), peer, open)?,
            Some((shard, open)) => {
                self.hand_over(shard, HandedOver { stream: socket.into(), peer, open })?;
            }
        }
        Ok(())
    }

    fn keep(
        &self,
        stream: std::net::TcpStream,
        peer: SocketAddr,
        open: OpenConnection,
    ) -> io::Result<()> {
        let stream = TcpStream::from_std(stream)?;
        (self.serve)(Accepted { stream, peer, open });
        Ok(())
    }

    /// To the other shard, or kept after all if that one is too busy to take it.
    fn hand_over(&self, shard: ShardId, connection: HandedOver) -> io::Result<()> {
        let back = match self.others.get(shard.0) {
            Some(other) => other.try_send(connection).map_err(|error| error.into_inner()),
            None => Err(connection),
        };
        match back {
            Ok(()) => {
                self.balance.note_handed_over(self.shard);
                Ok(())
            }
            Err(HandedOver { stream, peer, open }) => {
                drop(open);
                self.keep(stream, peer, self.balance.count(self.shard))
            }
        }
    }
}

/// Errors that accept(2) passes on from a connection that is already broken; the next is fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::ENONET
                | libc::EOPNOTSUPP
                | libc::EINVAL
                | libc::ECONNRESET
        )
    )
}

/// Failures in a row: how long to wait, and when to log.
#[derive(Default)]
struct Trouble {
    pause: Option<Duration>,
    logged_ms: Option<u64>,
    silent: u64,
}

impl Trouble {
    fn over(&mut self) {
        self.pause = None;
    }

    fn pause(&mut self, error: &io::Error) -> Duration {
        let now_ms = clock::now_ms();
        if self.logged_ms.is_some_and(|at| now_ms.saturating_sub(at) < LOG_EVERY_MS) {
            self.silent = self.silent.saturating_add(1);
        } else {
            let more = std::mem::take(&mut self.silent);
            tracing::warn!(
                error = %error,
                more,
                "Connections can't be accepted; see the limit of open files (ulimit -n)."
            );
            self.logged_ms = Some(now_ms);
        }
        let pause = self.pause.map_or(BACKOFF, |last| last.saturating_mul(2).min(BACKOFF_MAX));
        self.pause = Some(pause);
        pause
    }
}

#[cfg(test)]
#[path = "accept/tests.rs"]
mod tests;
