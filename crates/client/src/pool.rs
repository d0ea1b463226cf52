//! The connections to one target: kept, waited for, made, and given up.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use millrace_shard::{LocalNotify, clock, timeout};

use crate::client::Shared;
use crate::connection::{Connection, OpenSet};
use crate::error::{AttemptError, Failure, Stage};
use crate::exchange::{Answer, Outcome, Pieces, Times, exchange};
use crate::names::Name;
use crate::queue::{NoPermit, Queue};
use crate::request::{HeadEnd, Keep, Request, prefix};
use crate::response::Response;
use crate::target::{Host, Target};

/// A server's word on how long it keeps a connection is believed up to here.
const SERVER_KEEP_ALIVE_S_MAX: u64 = 3_600;

/// No attempt lasts longer, whatever is asked for: timers count no further than some years.
const TIMEOUT_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How old a name may be whose addresses all refused.
const REFUSED_LIFETIME_MS: u64 = 1_000;

/// A pool of connections to one target; cheap to clone, stays on its shard.
///
/// A request that finds all connections in use waits its turn, first come, first served. Kept
/// connections are used again last in, first out, so that those not needed grow old and are
/// closed.
#[derive(Clone)]
pub struct Pool {
    inner: Rc<Inner>,
}

pub(crate) struct Inner {
    shared: Rc<Shared>,
    url: Arc<str>,
    /// Request line and the headers that never change.
    prefix: Box<[u8]>,
    host: Address,
    port: u16,
    queue: Rc<Queue>,
    open: Rc<OpenSet>,
    idle: RefCell<Vec<Idle>>,
    in_flight: Cell<usize>,
    rotation: Cell<usize>,
    closing: LocalNotify,
}

enum Address {
    Fixed(IpAddr),
    Named(Rc<Name>),
}

struct Idle {
    connection: Box<Connection>,
    until_ms: u64,
}

impl Pool {
    pub(crate) fn new(shared: &Rc<Shared>, target: &Target, headers: &[u8]) -> Self {
        let host = match target.host() {
            Host::Address(address) => Address::Fixed(*address),
            Host::Name(name) => Address::Named(shared.names.name(name)),
        };
        let inner = Inner {
            shared: Rc::clone(shared),
            url: target.shared_url(),
            prefix: prefix(&shared.options, target, headers).into(),
            host,
            port: target.port(),
            queue: Queue::new(shared.options.pool_size_max),
            open: Rc::default(),
            idle: RefCell::default(),
            in_flight: Cell::new(0),
            rotation: Cell::new(0),
            closing: LocalNotify::new(),
        };
        Self { inner: Rc::new(inner) }
    }

    /// Makes one attempt: sends the request and reads the answer, whatever its status.
    ///
    /// A kept connection that the server closed meanwhile, seen by a disconnect before any byte of
    /// an answer, is replaced once by a new one without the caller noticing; the server may then
    /// see the request twice. On a new connection nothing is ever sent twice.
    ///
    /// May be dropped: the connection is then closed.
    ///
    /// # Errors
    /// No answer, see [`Failure`].
    pub async fn post(&self, request: Request<'_>) -> Result<Response, AttemptError> {
        let _in_flight = InFlight::new(&self.inner);
        self.inner
            .attempt(request)
            .await
            .map_err(|failure| AttemptError::new(Arc::clone(&self.inner.url), failure))
    }

    /// The URL without user-info.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// Attempts under way, those that wait for a connection included.
    pub fn in_flight(&self) -> usize {
        self.inner.in_flight.get()
    }

    /// Connections open or being made, idle ones included.
    pub fn open_connections(&self) -> usize {
        self.inner.open_connections()
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.inner.open.is_closed()
    }

    /// Ends all attempts with [`Failure::Closed`], later ones too, and closes all connections.
    /// Dropping the pool does not: attempts hold it.
    pub fn close(&self) {
        self.inner.open.close();
        self.inner.queue.close();
        self.inner.closing.notify_all();
        drop(self.inner.idle.take());
    }

    pub(crate) fn inner(&self) -> &Rc<Inner> {
        &self.inner
    }
}

impl Inner {
    async fn attempt(&self, request: Request<'_>) -> Result<Response, Failure> {
        let timeout = request.timeout.min(TIMEOUT_MAX);
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let times = Times {
            due_ms: clock::coarse_ms().saturating_add(timeout_ms),
            timeout,
            silence: self.shared.options.idle_timeout,
        };
        let _permit = self.queue.permit(timeout).await.map_err(|refused| match refused {
            NoPermit::Closed => Failure::Closed,
            NoPermit::TimedOut => Failure::Timeout { stage: Stage::Waiting, limit: timeout },
        })?;
        let mut end = HeadEnd::default();
        let pieces =
            [&self.prefix, request.headers, end.write(request.body), request.body.unwrap_or(b"")];
        if let Some(kept) = self.take_idle() {
            self.shared.note(|stats| stats.reused = stats.reused.saturating_add(1));
            let outcome = self.exchange(kept, &pieces, request.keep, &times).await;
            match outcome {
                Err((failure, begun)) if !begun && failure.is_disconnect() => {
                    self.shared.note(|stats| stats.resent = stats.resent.saturating_add(1));
                }
                outcome => return outcome.map_err(|(failure, _)| failure),
            }
        }
        // Boxed, as it is rare.
        let fresh = Box::pin(self.connect(&times)).await?;
        self.exchange(fresh, &pieces, request.keep, &times).await.map_err(|(failure, _)| failure)
    }

    /// The exchange on this connection, which is kept afterwards if it is still good. With a
    /// failure comes whether any byte of an answer had arrived.
    async fn exchange(
        &self,
        mut connection: Box<Connection>,
        pieces: &Pieces<'_>,
        keep: Keep,
        times: &Times,
    ) -> Result<Response, (Failure, bool)> {
        let mut spare = self.shared.spare();
        let limits = &self.shared.limits;
        let Outcome { result, begun } =
            exchange(&mut connection, &mut spare, pieces, keep, limits, times).await;
        match result {
            Ok(Answer { body, truncated, reusable }) => {
                let server_keeps_s = spare.head.keep_alive_timeout_s();
                if reusable {
                    self.keep(connection, server_keeps_s);
                } else {
                    self.spoil(connection);
                }
                Ok(Response::new(spare, body, truncated, Rc::clone(&self.shared)))
            }
            Err(failure) => {
                self.spoil(connection);
                self.shared.give_back(spare);
                Err((failure, begun))
            }
        }
    }

    fn spoil(&self, connection: Box<Connection>) {
        drop(connection);
        self.shared.note(|stats| stats.spoiled = stats.spoiled.saturating_add(1));
    }

    fn keep(&self, connection: Box<Connection>, server_keeps_s: Option<u64>) {
        let own_ms = self.shared.options.keep_alive_timeout.as_millis();
        let ms = match server_keeps_s {
            Some(seconds) => seconds.min(SERVER_KEEP_ALIVE_S_MAX).saturating_mul(1_000),
            None => u64::try_from(own_ms).unwrap_or(u64::MAX),
        };
        let kept = self.shared.options.keep_alive && !self.open.is_closed() && ms > 0;
        if kept && self.is_current(connection.peer()) {
            let until_ms = clock::coarse_ms().saturating_add(ms);
            self.idle.borrow_mut().push(Idle { connection, until_ms });
        }
    }

    /// The connection used last that is still good.
    fn take_idle(&self) -> Option<Box<Connection>> {
        let now_ms = clock::coarse_ms();
        loop {
            let idle = self.idle.borrow_mut().pop()?;
            if let Some(connection) = self.check(idle, now_ms) {
                return Some(connection.connection);
            }
        }
    }

    fn check(&self, mut idle: Idle, now_ms: u64) -> Option<Idle> {
        let good = now_ms < idle.until_ms
            && idle.connection.is_fresh()
            && self.is_current(idle.connection.peer());
        if !good {
            self.shared.note(|stats| stats.retired = stats.retired.saturating_add(1));
        }
        good.then_some(idle)
    }

    /// Whether the target still has this address.
    fn is_current(&self, peer: SocketAddr) -> bool {
        match &self.host {
            Address::Fixed(_) => true,
            Address::Named(name) => {
                name.current().is_some_and(|addresses| addresses.contains(&peer.ip()))
            }
        }
    }

    /// Closes idle connections that are not good any more, and keeps the name fresh.
    pub(crate) fn sweep(&self, now_ms: u64) {
        if let Address::Named(name) = &self.host
            && self.open.len() > 0
        {
            name.refresh(self.name_lifetime_ms());
        }
        let idle = self.idle.take();
        let good = idle.into_iter().filter_map(|idle| self.check(idle, now_ms)).collect();
        self.idle.replace(good);
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.open.len()
    }

    fn name_lifetime_ms(&self) -> u64 {
        u64::try_from(self.shared.options.name_lifetime.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Inner {
    /// A new connection to the first of the target's addresses that takes it.
    async fn connect(&self, times: &Times) -> Result<Box<Connection>, Failure> {
        let addresses = self.addresses(times).await?;
        let connect_ms =
            u64::try_from(self.shared.options.connect_timeout.as_millis()).unwrap_or(u64::MAX);
        let mut left = addresses.len();
        let mut last = Failure::Closed;
        for address in in_turn(&addresses, self.next_rotation()) {
            if self.open.is_closed() {
                return Err(Failure::Closed);
            }
            // Each gets its share, so that one that swallows packets leaves time for the others.
            let now_ms = clock::coarse_ms();
            let share_ms =
                times.due_ms.saturating_sub(now_ms) / u64::try_from(left.max(1)).unwrap_or(1);
            left = left.saturating_sub(1);
            let by_ms = now_ms.saturating_add(share_ms.min(connect_ms));
            let peer = SocketAddr::new(address, self.port);
            match Connection::open(&self.shared, &self.open, peer, by_ms).await {
                Ok(connection) => {
                    self.shared.note(|stats| stats.connected = stats.connected.saturating_add(1));
                    self.shared.sweep_from_now_on();
                    return Ok(Box::new(connection));
                }
                Err(Failure::Closed) => return Err(Failure::Closed),
                Err(failure) => last = failure,
            }
            self.shared.note(|stats| stats.connect_failed = stats.connect_failed.saturating_add(1));
        }
        if let Address::Named(name) = &self.host {
            // It may have moved: look before the next attempt, not when the name is due.
            name.refresh(REFUSED_LIFETIME_MS);
        }
        Err(last)
    }

    async fn addresses(&self, times: &Times) -> Result<Rc<[IpAddr]>, Failure> {
        let name = match &self.host {
            Address::Fixed(address) => return Ok(Rc::from([*address])),
            Address::Named(name) => name,
        };
        let left = Duration::from_millis(times.due_ms.saturating_sub(clock::coarse_ms()));
        let resolved = self.unless_closed(name.addresses(self.name_lifetime_ms()));
        match timeout(left, resolved).await {
            Ok(resolved) => resolved?,
            Err(_) => Err(Failure::Timeout { stage: Stage::Resolving, limit: times.timeout }),
        }
    }

    async fn unless_closed<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let mut closing = pin!(self.closing.notified());
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            if self.open.is_closed() || closing.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Failure::Closed));
            }
            work.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    fn next_rotation(&self) -> usize {
        let next = self.rotation.get();
        self.rotation.set(next.wrapping_add(1));
        next
    }
}

/// All addresses, those of the preferred family first, which is that of the first one; among
/// these the start moves on with each connection, so that all pods behind a headless service
/// get their share.
fn in_turn(addresses: &[IpAddr], rotation: usize) -> impl Iterator<Item = IpAddr> + '_ {
    let preferred_is_v4 = addresses.first().is_some_and(IpAddr::is_ipv4);
    let is_preferred = move |address: &&IpAddr| address.is_ipv4() == preferred_is_v4;
    let preferred = addresses.iter().filter(is_preferred).count();
    let skipped = rotation.checked_rem(preferred).unwrap_or(0);
    let first = addresses.iter().filter(is_preferred).cycle().skip(skipped).take(preferred);
    let then = addresses.iter().filter(move |address| !is_preferred(address));
    first.chain(then).copied()
}

/// Counts an attempt for as long as it lasts.
struct InFlight<'p> {
    inner: &'p Inner,
}

impl<'p> InFlight<'p> {
    fn new(inner: &'p Inner) -> Self {
        inner.in_flight.set(inner.in_flight.get().saturating_add(1));
        Self { inner }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.inner.in_flight.set(self.inner.in_flight.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns_within_the_preferred_family() {
        let all: Vec<IpAddr> = ["10.0.0.1", "fd00::1", "10.0.0.2", "10.0.0.3"]
            .map(|text| text.parse().unwrap())
            .into();
        let turn = |rotation| {
            in_turn(&all, rotation).map(|address| address.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(turn(0), "10.0.0.1 10.0.0.2 10.0.0.3 fd00::1");
        assert_eq!(turn(1), "10.0.0.2 10.0.0.3 10.0.0.1 fd00::1");
        assert_eq!(turn(3), turn(0));
        assert_eq!(in_turn(&[], 5).count(), 0);
    }
}
