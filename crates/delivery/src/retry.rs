//! How often a failed attempt is repeated, and after which wait.

/// Longest wait in milliseconds: a year. What the arithmetic of the contract gives beyond it is
/// out of reach anyway, and would overflow timers.
pub const WAIT_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1000;

/// Retries of one event towards one target (10). The first four fields come from the contract;
/// the others are extras that are off by default, as the contract has no field for them (W14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first one.
    pub retries: u32,
    /// How waits grow.
    pub backoff: Backoff,
    /// First wait, in milliseconds; 0 retries at once (W15).
    pub delay_ms: u64,
    /// No backoff is longer, in milliseconds.
    pub cap_ms: Option<u64>,
    /// Each wait is shortened by a random part of up to this many percent (at most 100), so that
    /// events that failed together do not come back together. Shortened and not lengthened: the
    /// poll interval is computed from the waits and must stay an upper bound.
    pub jitter_percent: u8,
    /// Honour `Retry-After` of 429 and 503, but no longer than this many milliseconds.
    pub retry_after_cap_ms: Option<u64>,
}

/// How the wait between attempts grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// `delay * 2^n`: the first retry waits for twice the delay.
    Exponential,
    /// `delay * n`.
    Linear,
}

impl RetryPolicy {
    /// One attempt, no retry.
    pub const NONE: Self = Self::new(0, Backoff::Exponential, 0);

    /// What the contract says, without extras.
    pub const fn new(retries: u32, backoff: Backoff, delay_ms: u64) -> Self {
        Self {
            retries,
            backoff,
            delay_ms,
            cap_ms: None,
            jitter_percent: 0,
            retry_after_cap_ms: None,
        }
    }

    /// The wait before retry `n` in milliseconds, counted from 1, without jitter; at most
    /// [`WAIT_MS_MAX`].
    pub fn backoff_ms(&self, n: u32) -> u64 {
        let factor = match self.backoff {
            Backoff::Linear => u64::from(n),
            Backoff::Exponential => 2_u64.saturating_pow(n),
        };
        let wait = self.delay_ms.saturating_mul(factor);
        wait.min(self.cap_ms.unwrap_or(u64::MAX)).min(WAIT_MS_MAX)
    }

    /// The wait before retry `n` in milliseconds: with jitter taken from `random` (any 64 bits),
    /// and not shorter than what the answer asked for (`asked_ms`, of `Retry-After`).
    pub fn wait_ms(&self, n: u32, asked_ms: Option<u64>, random: u64) -> u64 {
        let backoff = self.backoff_ms(n);
        let percent = u128::from(self.jitter_percent.min(100));
        // At most 2^35 * 100 * 2^64: no overflow.
        let shorter = (u128::from(backoff) * percent * u128::from(random)) / (100 << 64);
        let wait = backoff.saturating_sub(u64::try_from(shorter).unwrap_or(backoff));
        wait.max(self.honoured_ms(asked_ms))
    }

    /// The longest that [`Self::wait_ms`] can be for retry `n`.
    pub fn wait_ms_max(&self, n: u32) -> u64 {
        self.backoff_ms(n).max(self.honoured_ms(Some(u64::MAX)))
    }

    fn honoured_ms(&self, asked_ms: Option<u64>) -> u64 {
        match (asked_ms, self.retry_after_cap_ms) {
            (Some(asked), Some(cap)) => asked.min(cap).min(WAIT_MS_MAX),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waits(policy: RetryPolicy) -> Vec<u64> {
        (1..=policy.retries).map(|n| policy.wait_ms(n, None, u64::MAX)).collect()
    }

    #[test]
    fn c070_linear_grows_by_the_delay() {
        assert_eq!(waits(RetryPolicy::new(4, Backoff::Linear, 100)), [100, 200, 300, 400]);
    }

    #[test]
    fn c072_exponential_starts_at_twice_the_delay() {
        assert_eq!(waits(RetryPolicy::new(3, Backoff::Exponential, 100)), [200, 400, 800]);
    }

    #[test]
    fn c077_without_delay_it_retries_at_once() {
        assert_eq!(waits(RetryPolicy::new(2, Backoff::Exponential, 0)), [0, 0]);
        assert_eq!(waits(RetryPolicy::new(2, Backoff::Linear, 0)), [0, 0]);
    }

    #[test]
    fn c078_retry_after_is_ignored_unless_asked_for() {
        let mut policy = RetryPolicy::new(1, Backoff::Linear, 100);
        assert_eq!(policy.wait_ms(1, Some(30_000), 0), 100);
        policy.retry_after_cap_ms = Some(10_000);
        assert_eq!(policy.wait_ms(1, Some(30_000), 0), 10_000);
        assert_eq!(policy.wait_ms(1, Some(2_000), 0), 2_000);
        assert_eq!(policy.wait_ms(1, Some(5), 0), 100, "not sooner than the policy says");
        assert_eq!(policy.wait_ms(1, None, 0), 100);
    }

    #[test]
    fn huge_values_saturate() {
        for backoff in [Backoff::Linear, Backoff::Exponential] {
            let policy = RetryPolicy::new(u32::MAX, backoff, u64::MAX);
            assert_eq!(policy.backoff_ms(u32::MAX), WAIT_MS_MAX);
            assert_eq!(RetryPolicy { delay_ms: 0, ..policy }.backoff_ms(u32::MAX), 0);
            assert_eq!(RetryPolicy { cap_ms: Some(7), ..policy }.backoff_ms(u32::MAX), 7);
        }
    }

    #[test]
    fn jitter_reaches_from_the_whole_wait_down_to_its_share() {
        let policy =
            RetryPolicy { jitter_percent: 25, ..RetryPolicy::new(1, Backoff::Linear, 1000) };
        assert_eq!(policy.wait_ms(1, None, 0), 1000);
        assert_eq!(policy.wait_ms(1, None, u64::MAX / 2), 876);
        assert_eq!(policy.wait_ms(1, None, u64::MAX), 751);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_its_bound(
            (n, delay_ms, linear, cap_ms) in (1_u32.., any::<u64>(), any::<bool>(), any::<Option<u64>>()),
            (jitter_percent, retry_after_cap_ms) in (any::<u8>(), any::<Option<u64>>()),
            (asked_ms, random) in (any::<Option<u64>>(), any::<u64>()),
        ) {
            let backoff = if linear { Backoff::Linear } else { Backoff::Exponential };
            let policy = RetryPolicy {
                cap_ms, jitter_percent, retry_after_cap_ms, ..RetryPolicy::new(n, backoff, delay_ms)
            };
            let wait = policy.wait_ms(n, asked_ms, random);
            prop_assert!(wait <= policy.wait_ms_max(n));
            prop_assert!(policy.backoff_ms(n) <= cap_ms.unwrap_or(u64::MAX).min(WAIT_MS_MAX));
            if retry_after_cap_ms.is_none() || asked_ms.is_none() {
                let least = u128::from(100 - jitter_percent.min(100)) * u128::from(policy.backoff_ms(n)) / 100;
                prop_assert!(u128::from(wait) >= least);
            }
        }
    }
}
