//! What all shards know of one egress: bounds that they share, and whose its numbers are.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_delivery::{Credits, RateLimiter, Seat};
use millrace_observe::Owner;
use millrace_shard::clock;

use crate::link::Link;
use crate::plan::Plan;

/// See the head of this file.
pub(crate) struct EgressSeat {
    /// As numbered by the groups thread.
    pub(crate) member: u64,
    /// Whose series its numbers are.
    pub(crate) owner: Owner,
    /// `max.poll.records`: records taken from Kafka in one go, and the bound in flight.
    pub(crate) batch: usize,
    /// Bounds what is in flight on all shards when order does not matter.
    pub(crate) credits: Credits,
    rate: Option<RateLimiter>,
}

impl EgressSeat {
    pub(crate) fn new(
        member: u64,
        owner: Owner,
        batch: u32,
        shards: usize,
        plan: &Plan,
    ) -> EgressSeat {
        let batch = NonZeroU32::new(batch).unwrap_or(NonZeroU32::MIN);
        let limit = usize::try_from(batch.get()).unwrap_or(usize::MAX);
        EgressSeat {
            member,
            owner,
            batch: limit,
            credits: Credits::new(NonZeroUsize::new(limit).unwrap_or(NonZeroUsize::MIN), shards),
            rate: plan.rate_limiter.then(|| RateLimiter::new(batch, plan.virtual_replicas)),
        }
    }

    /// How many of `wanted` records the rate limiter lets be taken now; if none, after how many
    /// milliseconds to ask again. Without a limiter all of them.
    pub(crate) fn permits(&self, wanted: usize) -> Result<usize, u64> {
        let Some(rate) = &self.rate else { return Ok(wanted) };
        let now = clock::now_us().saturating_mul(1000);
        match rate.take(u32::try_from(wanted).unwrap_or(u32::MAX), now) {
            0 => Err(rate.wait_ns(now).div_ceil(1_000_000).max(1)),
            taken => Ok(usize::try_from(taken).unwrap_or(wanted)),
        }
    }

    /// Permits for records that were not there.
    pub(crate) fn give_permits_back(&self, permits: usize) {
        if let Some(rate) = &self.rate {
            rate.give_back(u32::try_from(permits).unwrap_or(0));
        }
    }
}

/// One shard's place among those that share an egress' bound in flight, for all its lanes there.
pub(crate) struct ShardCredits {
    seat: Seat,
    refused: Arc<Refused>,
}

/// Lanes of one shard that were refused; looked at when there may be room again.
#[derive(Default)]
struct Refused {
    lanes: Mutex<Vec<Arc<Link>>>,
    /// Set while there are some, so that nobody locks to learn that there are none.
    any: AtomicBool,
}

impl ShardCredits {
    /// `None` when every shard has its place already.
    pub(crate) fn join(credits: &Credits) -> Option<ShardCredits> {
        let refused = Arc::<Refused>::default();
        let wake = {
            let refused = refused.clone();
            Arc::new(move || refused.nudge_all())
        };
        Some(ShardCredits { seat: credits.join(wake).ok()?, refused })
    }

    /// Up to `wanted` credits for a lane; after 0 it is nudged when there may be some.
    pub(crate) fn take(&self, lane: &Arc<Link>, wanted: usize) -> usize {
        let mut taken = self.seat.try_take(wanted);
        if taken == 0 {
            self.refused.push(lane);
            // Credits may have come back before the lane was in the list.
            taken = self.seat.try_take(wanted);
        }
        if taken > 0 {
            // With that the shard has left the line, so nobody would wake it for those in the list:
            // they ask again, and stand in line again if there is nothing left.
            self.refused.nudge_all();
        }
        taken
    }

    pub(crate) fn give_back(&self, credits: usize) {
        if credits > 0 {
            self.seat.give_back(credits);
        }
    }

    /// The lane takes no more. Whoever waits beside it asks again, as the turn may have been its.
    pub(crate) fn leave(&self, lane: &Arc<Link>) {
        self.refused.lanes().retain(|known| !Arc::ptr_eq(known, lane));
        self.seat.decline();
        self.refused.nudge_all();
    }
}

impl Refused {
    fn lanes(&self) -> MutexGuard<'_, Vec<Arc<Link>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lane: &Arc<Link>) {
        let mut lanes = self.lanes();
        if !lanes.iter().any(|known| Arc::ptr_eq(known, lane)) {
            lanes.push(lane.clone());
        }
        self.any.store(true, Ordering::SeqCst);
    }

    fn nudge_all(&self) {
        if !self.any.load(Ordering::SeqCst) {
            return;
        }
        let lanes = {
            let mut lanes = self.lanes();
            self.any.store(false, Ordering::SeqCst);
            std::mem::take(&mut *lanes)
        };
        for lane in lanes {
            lane.nudge();
        }
    }
}

#[cfg(test)]
mod tests;
