//! What the pools of one shard share: settings, deadlines, names, read buffers, the sweep.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use millrace_http1::Limits;
use millrace_shard::{Sweeper, clock, sleep};

use crate::connection::Deadline;
use crate::names::Names;
use crate::options::ClientOptions;
use crate::pool::{self, Pool};
use crate::response::Spare;
use crate::target::Target;

/// How often idle connections and names are looked after.
const SWEEP: Duration = Duration::from_secs(1);
/// Read buffers kept for reuse, and the largest that is.
const SPARES_MAX: usize = 256;
const SPARE_BYTES_MAX: usize = 64 * 1024;

/// The client of one shard; cheap to clone, stays there.
#[derive(Clone)]
pub struct Client {
    shared: Rc<Shared>,
}

/// What the pools of a shard have done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// Connections made.
    pub connected: u64,
    /// Attempts to connect to one address that failed.
    pub connect_failed: u64,
    /// Requests sent on a connection that had served one before.
    pub reused: u64,
    /// Requests sent again because a kept connection turned out to be closed.
    pub resent: u64,
    /// Connections closed after an answer that was broken, too long, too early or not wanted to
    /// its end, or after an attempt without an answer.
    pub spoiled: u64,
    /// Kept connections closed unused: too old, closed by the server, to an address that is gone.
    pub retired: u64,
}

pub(crate) struct Shared {
    pub(crate) options: ClientOptions,
    pub(crate) limits: Limits,
    pub(crate) names: Names,
    pub(crate) sweeper: Sweeper<Deadline>,
    pub(crate) stats: Cell<ClientStats>,
    spares: RefCell<Vec<Spare>>,
    pools: RefCell<Vec<Weak<pool::Inner>>>,
    sweeping: Cell<bool>,
}

impl Client {
    /// A client without pools.
    pub fn new(options: ClientOptions, names: Names) -> Self {
        let shared = Shared {
            limits: options.limits(),
            options,
            names,
            sweeper: Sweeper::new(),
            stats: Cell::default(),
            spares: RefCell::default(),
            pools: RefCell::default(),
            sweeping: Cell::new(false),
        };
        Self { shared: Rc::new(shared) }
    }

    /// A pool of connections to a target. `headers` go with each request: lines that end in CRLF,
    /// for example `prefer: reply\r\n`. The request line, `host` and `user-agent` are written
    /// here, the length of the body with each request.
    pub fn pool(&self, target: &Target, headers: &[u8]) -> Pool {
        let pool = Pool::new(&self.shared, target, headers);
        let mut pools = self.shared.pools.borrow_mut();
        if pools.len() == pools.capacity() {
            pools.retain(|pool| pool.strong_count() > 0);
        }
        pools.push(Rc::downgrade(pool.inner()));
        drop(pools);
        pool
    }

    /// What was done so far.
    pub fn stats(&self) -> ClientStats {
        self.shared.stats.get()
    }
}

impl Shared {
    pub(crate) fn note(&self, change: impl FnOnce(&mut ClientStats)) {
        let mut stats = self.stats.get();
        change(&mut stats);
        self.stats.set(stats);
    }

    pub(crate) fn spare(&self) -> Spare {
        self.spares.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&self, mut spare: Spare) {
        let mut spares = self.spares.borrow_mut();
        let capacity = spare.buffer.capacity();
        if (1..=SPARE_BYTES_MAX).contains(&capacity) && spares.len() < SPARES_MAX {
            spare.buffer.clear();
            spare.head.reset();
            spares.push(spare);
        }
    }

    /// Sees to it that the sweep runs. It ends by itself when no connection is open.
    pub(crate) fn sweep_from_now_on(self: &Rc<Self>) {
        if !self.sweeping.replace(true) {
            millrace_shard::spawn(sweep(Rc::downgrade(self)));
        }
    }
}

async fn sweep(shared: Weak<Shared>) {
    loop {
        sleep(SWEEP).await;
        let Some(shared) = shared.upgrade() else { return };
        let pools: Vec<_> = shared.pools.borrow().iter().filter_map(Weak::upgrade).collect();
        let now_ms = clock::coarse_ms();
        let mut open = 0_usize;
        for pool in pools {
            pool.sweep(now_ms);
            open = open.saturating_add(pool.open_connections());
        }
        if open == 0 {
            shared.sweeping.set(false);
            return;
        }
    }
}
