//! A token bucket that shards share: how many records an ordered egress may take per second.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

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
    /// A full bucket. `max_poll_records` is the effective one; 0 counts as 1.
    pub fn new(max_poll_records: usize, virtual_replicas: NonZeroU32) -> Self {
        let records = u64::try_from(max_poll_records.max(1)).unwrap_or(u64::MAX);
        let tokens = records.saturating_mul(u64::from(virtual_replicas.get()));
        let token_ns = (1_000_000_000 / tokens).max(1);
        Self { token_ns, bucket_ns: token_ns.saturating_mul(tokens), full_at_ns: AtomicU64::new(0) }
    }

    /// Takes up to `wanted` tokens and says how many, at least one (or 0 if none is wanted).
    ///
    /// # Errors
    /// When there is none: the time until there is one.
    pub fn take(&self, wanted: usize, now_ns: u64) -> Result<usize, Duration> {
        // Relaxed: the number stands for itself, nothing else is published by it.
        let mut full_at_ns = self.full_at_ns.load(Relaxed);
        loop {
            let from_ns = full_at_ns.max(now_ns);
            let free_ns = self.bucket_ns.saturating_sub(from_ns - now_ns);
            let there = usize::try_from(free_ns / self.token_ns).unwrap_or(usize::MAX);
            let taken = wanted.min(there);
            if taken == 0 && wanted > 0 {
                return Err(Duration::from_nanos(self.token_ns - free_ns));
            }
            let next = from_ns.saturating_add(self.nanos_of(taken));
            match self.full_at_ns.compare_exchange_weak(full_at_ns, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(taken),
                Err(now) => full_at_ns = now,
            }
        }
    }

    /// Returns tokens that were taken for records that did not come.
    pub fn give_back(&self, tokens: usize) {
        let back_ns = self.nanos_of(tokens);
        let _ = self
            .full_at_ns
            .fetch_update(Relaxed, Relaxed, |full_at_ns| Some(full_at_ns.saturating_sub(back_ns)));
    }

    fn nanos_of(&self, tokens: usize) -> u64 {
        self.token_ns.saturating_mul(u64::try_from(tokens).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn limiter(max_poll_records: usize, virtual_replicas: u32) -> RateLimiter {
        RateLimiter::new(max_poll_records, NonZeroU32::new(virtual_replicas).unwrap())
    }

    #[test]
    fn c110_fifty_a_second_after_the_first_burst() {
        let (limiter, start) = (limiter(50, 1), 77 * SECOND);
        assert_eq!(limiter.take(1000, start), Ok(50));
        // Whoever asks each millisecond gets one each 20.
        let mut taken = 0;
        for ms in 1..=10_000 {
            taken += limiter.take(50, start + ms * 1_000_000).unwrap_or(0);
        }
        assert_eq!(taken, 500);
    }

    #[test]
    fn virtual_replicas_multiply() {
        let limiter = limiter(50, 3);
        assert_eq!(limiter.take(1000, SECOND), Ok(150));
        assert_eq!(limiter.take(1000, 2 * SECOND), Ok(150));
    }

    #[test]
    fn it_holds_no_more_than_a_second_of_tokens() {
        let limiter = limiter(50, 1);
        assert_eq!(limiter.take(1000, 0), Ok(50));
        assert_eq!(limiter.take(1000, 3600 * SECOND), Ok(50));
    }

    #[test]
    fn says_when_the_next_token_comes() {
        let limiter = limiter(50, 1);
        assert_eq!(limiter.take(50, SECOND), Ok(50));
        assert_eq!(limiter.take(1, SECOND), Err(Duration::from_millis(20)));
        assert_eq!(limiter.take(1, SECOND + SECOND / 50 - 1), Err(Duration::from_nanos(1)));
        assert_eq!(limiter.take(1, SECOND + SECOND / 50), Ok(1));
        assert_eq!(limiter.take(0, SECOND), Ok(0));
    }

    #[test]
    fn tokens_given_back_can_be_taken_again() {
        let limiter = limiter(50, 1);
        assert_eq!(limiter.take(50, SECOND), Ok(50));
        limiter.give_back(20);
        assert_eq!(limiter.take(50, SECOND), Ok(20));
    }

    proptest! {
        #[test]
        fn never_more_than_the_bucket_and_its_refill(
            rate in 1..2000_usize,
            replicas in 1..5_u32,
            steps in prop::collection::vec((0..SECOND, 0..3000_usize), 1..50),
        ) {
            let (limiter, mut now, mut taken) = (limiter(rate, replicas), 5 * SECOND, 0);
            let start = now;
            let capacity = rate as u64 * u64::from(replicas);
            for (pass, wanted) in steps {
                now += pass;
                taken += limiter.take(wanted, now).unwrap_or(0) as u64;
                // A token takes a whole number of nanoseconds, rounded down.
                let refill = (now - start) / (SECOND / capacity);
                prop_assert!(taken <= capacity + refill);
            }
        }

        #[test]
        fn no_numbers_make_it_panic(
            rate: usize,
            replicas in 1_u32..,
            steps: Vec<(u64, usize, usize)>,
        ) {
            let limiter = limiter(rate, replicas);
            for (now, wanted, back) in steps {
                let _ = limiter.take(wanted, now);
                limiter.give_back(back);
            }
        }
    }
}
