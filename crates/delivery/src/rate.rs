//! A token bucket that shards share: how many records an ordered egress may take per second.

use std::num::NonZeroU32;

use crate::sync::{AtomicU64, Ordering::Relaxed};

/// Capacity and refill per second are both `max.poll.records * max(1, vReplicas)` (8.3). Unlike
/// Java's it consumes what is taken (W2). The clock is passed in: nanoseconds of one monotonic clock
/// of all shards, from any start.
///
/// One number says it all: the time at which the bucket is full again. Each token taken moves it
/// by the time that one token needs; it is never further ahead than a whole bucket needs.
#[derive(Debug)]
pub struct RateLimiter {
    token_ns: u64,
    bucket_ns: u64,
    full_at_ns: AtomicU64,
}

impl RateLimiter {
    /// A full bucket.
    pub fn new(max_poll_records: NonZeroU32, virtual_replicas: NonZeroU32) -> Self {
        let tokens = u64::from(max_poll_records.get()) * u64::from(virtual_replicas.get());
        let token_ns = (1_000_000_000 / tokens).max(1);
        Self { token_ns, bucket_ns: token_ns.saturating_mul(tokens), full_at_ns: AtomicU64::new(0) }
    }

    /// Takes up to `wanted` tokens, and says how many.
    pub fn take(&self, wanted: u32, now_ns: u64) -> u32 {
        let mut taken = 0;
        // Relaxed: the number stands for itself, nothing else is published by it.
        let _ = self.full_at_ns.fetch_update(Relaxed, Relaxed, |full_at_ns| {
            let full_at_ns = full_at_ns.max(now_ns);
            let used_ns = full_at_ns.saturating_sub(now_ns);
            let there = self.bucket_ns.saturating_sub(used_ns) / self.token_ns;
            taken = wanted.min(u32::try_from(there).unwrap_or(u32::MAX));
            let next = full_at_ns.saturating_add(self.token_ns.saturating_mul(u64::from(taken)));
            (taken > 0).then_some(next)
        });
        taken
    }

    /// Returns tokens that were taken for records that did not come.
    pub fn give_back(&self, tokens: u32) {
        let back_ns = self.token_ns.saturating_mul(u64::from(tokens));
        let _ = self
            .full_at_ns
            .fetch_update(Relaxed, Relaxed, |full_at_ns| Some(full_at_ns.saturating_sub(back_ns)));
    }

    /// Nanoseconds until there is a token again; 0 when there is one.
    pub fn wait_ns(&self, now_ns: u64) -> u64 {
        let one_token_at_ns = self
            .full_at_ns
            .load(Relaxed)
            .saturating_add(self.token_ns)
            .saturating_sub(self.bucket_ns);
        one_token_at_ns.saturating_sub(now_ns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn limiter(max_poll_records: u32, virtual_replicas: u32) -> RateLimiter {
        let number = |n| NonZeroU32::new(n).unwrap();
        RateLimiter::new(number(max_poll_records), number(virtual_replicas))
    }

    #[test]
    fn c110_fifty_a_second_after_the_first_burst() {
        let (limiter, start) = (limiter(50, 1), 77 * SECOND);
        assert_eq!(limiter.take(1000, start), 50);
        // Whoever asks each millisecond gets one each 20.
        let mut taken = 0;
        for ms in 1..=10_000 {
            taken += limiter.take(50, start + ms * 1_000_000);
        }
        assert_eq!(taken, 500);
    }

    #[test]
    fn virtual_replicas_multiply() {
        let limiter = limiter(50, 3);
        assert_eq!(limiter.take(1000, SECOND), 150);
        assert_eq!(limiter.take(1000, 2 * SECOND), 150);
    }

    #[test]
    fn it_holds_no_more_than_a_second_of_tokens() {
        let limiter = limiter(50, 1);
        assert_eq!(limiter.take(1000, 0), 50);
        assert_eq!(limiter.take(1000, 3600 * SECOND), 50);
    }

    #[test]
    fn says_when_the_next_token_comes() {
        let limiter = limiter(50, 1);
        assert_eq!(limiter.wait_ns(SECOND), 0);
        assert_eq!(limiter.take(50, SECOND), 50);
        assert_eq!(limiter.wait_ns(SECOND), SECOND / 50);
        assert_eq!(limiter.take(1, SECOND + SECOND / 50 - 1), 0);
        assert_eq!(limiter.take(1, SECOND + SECOND / 50), 1);
    }

    #[test]
    fn tokens_given_back_can_be_taken_again() {
        let limiter = limiter(50, 1);
        assert_eq!(limiter.take(50, SECOND), 50);
        limiter.give_back(20);
        assert_eq!(limiter.take(50, SECOND), 20);
    }

    proptest! {
        #[test]
        fn never_more_than_the_bucket_and_its_refill(
            rate in 1..2000_u32,
            replicas in 1..5_u32,
            steps in prop::collection::vec((0..SECOND, 0..3000_u32), 1..50),
        ) {
            let (limiter, mut now, mut taken) = (limiter(rate, replicas), 5 * SECOND, 0);
            let start = now;
            let capacity = u64::from(rate * replicas);
            for (pass, wanted) in steps {
                now += pass;
                taken += u64::from(limiter.take(wanted, now));
                // A token takes a whole number of nanoseconds, rounded down.
                let refill = (now - start) / (SECOND / capacity);
                prop_assert!(taken <= capacity + refill);
            }
        }

        #[test]
        fn no_numbers_make_it_panic(rate in 1_u32.., replicas in 1_u32.., steps: Vec<(u64, u32, u32)>) {
            let limiter = limiter(rate, replicas);
            for (now, wanted, back) in steps {
                limiter.take(wanted, now);
                limiter.give_back(back);
                limiter.wait_ns(now);
            }
        }
    }
}
