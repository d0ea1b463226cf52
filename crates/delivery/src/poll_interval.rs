//! How long a consumer may go without polling, from what delivery of its records may take.

use crate::retry::RetryPolicy;

/// The largest value that Kafka's protocol can carry, in milliseconds.
pub const POLL_INTERVAL_MS_MAX: u64 = i32::MAX as u64;

/// `max.poll.interval.ms` of an egress (4.1): twice the time that a batch of records takes if each
/// attempt of each record runs into its timeout. `timeout_ms` is that of one attempt (0 means
/// 600,000), `max_poll_records` the configured one (500 when it is not configured). At most
/// [`POLL_INTERVAL_MS_MAX`]; librdkafka takes no more than 86,400,000, which is its caller's bound.
pub fn max_poll_interval_ms(timeout_ms: u64, retry: &RetryPolicy, max_poll_records: u32) -> u64 {
    let timeout_ms = if timeout_ms == 0 { 600_000 } else { timeout_ms };
    let records = u64::from(max_poll_records.max(1)) * 2;
    let mut single = timeout_ms;
    for n in 1..=retry.retries {
        let attempt = timeout_ms.saturating_add(retry.wait_ms_max(n)).saturating_add(1000);
        single = single.saturating_add(attempt);
        // Each round adds more than a second, so this ends long before 2^32 retries.
        if single >= POLL_INTERVAL_MS_MAX {
            break;
        }
    }
    single.saturating_mul(records).min(POLL_INTERVAL_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Backoff;

    #[test]
    fn examples_of_the_specification() {
        assert_eq!(max_poll_interval_ms(0, &RetryPolicy::NONE, 50), 60_000_000);
        let source = RetryPolicy::new(10, Backoff::Exponential, 300);
        assert_eq!(max_poll_interval_ms(600_000, &source, 50), 722_380_000);
    }

    #[test]
    fn linear_by_hand() {
        // 2 * 3 * (100 + (100 + 10) + (100 + 20) + 2 * 1000)
        let policy = RetryPolicy::new(2, Backoff::Linear, 10);
        assert_eq!(max_poll_interval_ms(100, &policy, 3), 6 * 2330);
    }

    #[test]
    fn a_wait_that_the_subscriber_may_ask_for_counts() {
        let policy = RetryPolicy {
            retry_after_cap_ms: Some(5000),
            ..RetryPolicy::new(1, Backoff::Linear, 10)
        };
        assert_eq!(max_poll_interval_ms(100, &policy, 1), 2 * (100 + 100 + 5000 + 1000));
    }

    #[test]
    fn huge_values_saturate_and_end_soon() {
        for backoff in [Backoff::Linear, Backoff::Exponential] {
            for (timeout_ms, delay_ms) in [(1, 0), (1, 1), (u64::MAX, u64::MAX)] {
                let policy = RetryPolicy::new(u32::MAX, backoff, delay_ms);
                let value = max_poll_interval_ms(timeout_ms, &policy, u32::MAX);
                assert_eq!(value, POLL_INTERVAL_MS_MAX);
            }
        }
    }
}
