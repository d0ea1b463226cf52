//! What all shards know of one egress: bounds that they share, and whose its numbers are.

mod share;

use std::num::{NonZeroU32, NonZeroUsize};

use millrace_delivery::{Credits, RateLimiter};
use millrace_observe::Owner;
use millrace_shard::clock;

use crate::plan::Plan;

pub(crate) use share::ShardCredits;

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

#[cfg(test)]
mod tests;
