//! The bytes that may wait for Kafka in the whole process (`buffer.memory`, platform.md 4.2).
//!
//! Java gives every producer its own buffer, so its memory grows with CPUs and configurations
//! (receiver.md W1). Here all share one. So that a dead cluster, whose records stay until their
//! timeout, cannot take it all: half of the budget is split evenly between the clusters as a
//! guarantee that no other can use, the other half is common, first come first served.
//!
//! There is no waiting here: whoever gets [`OverBudget::Full`] tries again after a report, or after
//! a few milliseconds, since the room may be given back by another shard.

use std::sync::{Arc, PoisonError};

use crate::sync::{AtomicU64, Mutex, Ordering::Relaxed};

/// The budget of a process. Cheap to clone; reserving takes no lock.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Shared>);

// Relaxed orderings: the counters bound an amount and publish no data.
#[derive(Debug)]
struct Shared {
    total: u64,
    common: Pool,
    /// The sum of what clusters use of their guarantees. It has a bound of its own because a
    /// cluster may still hold more than its share when the shares have just shrunk.
    guaranteed: Pool,
    /// The present share of each cluster.
    share: AtomicU64,
    clusters: Mutex<u64>,
}

/// One client configuration's part of the budget; clones for all shards that use it.
///
/// The share goes back to the others when the last clone is dropped. Release every reservation
/// before: common bytes would stay taken.
#[derive(Debug, Clone)]
pub struct ClusterBudget(Arc<Cluster>);

#[derive(Debug)]
struct Cluster {
    shared: Arc<Shared>,
    /// Bytes of the guarantee in use.
    used: AtomicU64,
}

/// Bytes set aside, to be given back with [`ClusterBudget::release`].
#[must_use = "bytes that are not released are lost to the budget"]
#[derive(Debug, PartialEq, Eq)]
pub struct Reservation {
    bytes: u64,
    from_common: u64,
}

/// Why nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverBudget {
    /// Room comes when other records are settled; wait for it, at most `max.block.ms`.
    #[error("buffer.memory is used up; raise it, or see why the brokers are slow")]
    Full,
    /// More than this cluster can ever have at once.
    #[error("the record is larger than what buffer.memory allows one cluster; raise it")]
    TooLarge,
}

impl ByteBudget {
    /// A budget of that many bytes.
    #[must_use]
    pub fn new(total: u64) -> Self {
        let guaranteed = total / 2;
        Self(Arc::new(Shared {
            total,
            common: Pool::new(total - guaranteed),
            guaranteed: Pool::new(guaranteed),
            share: AtomicU64::new(guaranteed),
            clusters: Mutex::new(0),
        }))
    }

    /// Adds a client configuration; every share shrinks. Who holds more than the new share gets
    /// nothing more of it until enough is released; until then the newcomer may find its guarantee
    /// taken and has the common half only.
    #[must_use]
    pub fn cluster(&self) -> ClusterBudget {
        self.0.change_clusters(|count| count.saturating_add(1));
        ClusterBudget(Arc::new(Cluster { shared: Arc::clone(&self.0), used: AtomicU64::new(0) }))
    }

    /// Bytes in all (`kafka_producer_buffer_total_bytes`).
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.total
    }

    /// Bytes reserved now (the rest is `kafka_producer_buffer_available_bytes`).
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.common.used.load(Relaxed).saturating_add(self.0.guaranteed.used.load(Relaxed))
    }
}

impl ClusterBudget {
    /// Sets bytes aside, from the guarantee as far as it goes, the rest from the common half. All or
    /// nothing.
    ///
    /// # Errors
    /// When there is no room now, or never.
    pub fn try_reserve(&self, bytes: u64) -> Result<Reservation, OverBudget> {
        let Cluster { shared, used } = &*self.0;
        let share = shared.share.load(Relaxed);
        if bytes > shared.common.limit.saturating_add(share) {
            return Err(OverBudget::TooLarge);
        }
        let own = take_up_to(used, share, bytes);
        let granted = take_up_to(&shared.guaranteed.used, shared.guaranteed.limit, own);
        if granted < own {
            used.fetch_sub(own - granted, Relaxed);
        }
        let from_common = bytes - granted;
        if shared.common.take(from_common) {
            return Ok(Reservation { bytes, from_common });
        }
        shared.guaranteed.used.fetch_sub(granted, Relaxed);
        used.fetch_sub(granted, Relaxed);
        Err(OverBudget::Full)
    }

    /// Gives bytes back to where they came from.
    pub fn release(&self, reservation: Reservation) {
        let Reservation { bytes, from_common } = reservation;
        let granted = bytes - from_common;
        // Most often there is nothing, and all shards share the cache line.
        if from_common > 0 {
            self.0.shared.common.used.fetch_sub(from_common, Relaxed);
        }
        self.0.shared.guaranteed.used.fetch_sub(granted, Relaxed);
        self.0.used.fetch_sub(granted, Relaxed);
    }

    /// The largest record that this cluster could ever send, as shares are now.
    #[must_use]
    pub fn largest(&self) -> u64 {
        let shared = &self.0.shared;
        shared.common.limit.saturating_add(shared.share.load(Relaxed))
    }
}

impl Reservation {
    /// How many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Shared {
    fn change_clusters(&self, change: impl FnOnce(u64) -> u64) {
        // A poisoned count is still a count: nothing in here can panic halfway.
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        *clusters = change(*clusters);
        self.share.store(self.guaranteed.limit / (*clusters).max(1), Relaxed);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shared.guaranteed.used.fetch_sub(self.used.load(Relaxed), Relaxed);
        self.shared.change_clusters(|count| count.saturating_sub(1));
    }
}

#[derive(Debug)]
struct Pool {
    limit: u64,
    used: AtomicU64,
}

impl Pool {
    fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    fn take(&self, bytes: u64) -> bool {
        let within = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        bytes == 0 || self.used.fetch_update(Relaxed, Relaxed, within).is_ok()
    }
}

/// Raises `used` by as much of `wanted` as `limit` allows, and tells by how much.
fn take_up_to(used: &AtomicU64, limit: u64, wanted: u64) -> u64 {
    let mut now = used.load(Relaxed);
    loop {
        let take = wanted.min(limit.saturating_sub(now));
        if take == 0 {
            return 0;
        }
        match used.compare_exchange_weak(now, now + take, Relaxed, Relaxed) {
            Ok(_) => return take,
            Err(seen) => now = seen,
        }
    }
}

#[cfg(test)]
mod tests;
