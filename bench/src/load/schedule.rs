//! When each request of a thread is due: fixed before the first is sent, whatever the target does.

use crate::clock::SECOND;

/// The due times of one thread among several that share a rate.
///
/// Request `i` of the whole run is due at `begin + i / rate`; thread `t` of `n` sends those with
/// `i % n == t`. Each time is computed from its number, so errors do not add up.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    begin_ns: u64,
    /// Nanoseconds between two requests of the run, times 2^32.
    gap: u128,
    next: u64,
    step: u64,
}

impl Schedule {
    /// `rate` in requests a second over all threads, at least one in an hour.
    pub fn new(begin_ns: u64, rate: f64, thread: usize, threads: usize) -> Self {
        let rate = rate.max(1.0 / 3_600.0);
        // Rounded up, so that a request due at the very end is not taken for one before it.
        let gap = (SECOND as f64 / rate * 4_294_967_296.0).ceil() as u128;
        Self { begin_ns, gap, next: thread as u64, step: threads.max(1) as u64 }
    }

    /// When the next one is due.
    pub fn next_ns(&self) -> u64 {
        let since = (u128::from(self.next).saturating_mul(self.gap)) >> 32;
        self.begin_ns.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// Takes the next one if it is due by now and before the end.
    pub fn take_due(&mut self, now_ns: u64, end_ns: u64) -> Option<u64> {
        let due = self.next_ns();
        if due > now_ns || due >= end_ns {
            return None;
        }
        self.next = self.next.saturating_add(self.step);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(rate: f64, threads: usize, seconds: u64) -> Vec<u64> {
        let mut times = Vec::new();
        for thread in 0..threads {
            let mut schedule = Schedule::new(500, rate, thread, threads);
            while let Some(due) = schedule.take_due(u64::MAX - 1, 500 + seconds * SECOND) {
                times.push(due);
            }
        }
        times.sort_unstable();
        times
    }

    #[test]
    fn a_day_at_an_uneven_rate_drifts_by_less_than_a_microsecond() {
        let rate = 33_333.3;
        let mut schedule = Schedule::new(0, rate, 0, 1);
        let day = (rate * 86_400.0) as u64;
        schedule.next = day;
        let exact = day as f64 / rate * 1e9;
        assert!((schedule.next_ns() as f64 - exact).abs() < 1_000.0, "{}", schedule.next_ns());
    }

    #[test]
    fn threads_share_the_rate_evenly() {
        for threads in [1, 2, 3, 7] {
            let times = all(12_345.0, threads, 2);
            assert_eq!(times.len(), 24_690, "{threads} threads");
            let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            // 81,004.45 ns
            assert!(gaps.iter().all(|gap| (81_004..=81_005).contains(gap)), "{threads} threads");
        }
    }

    #[test]
    fn one_that_is_late_keeps_its_planned_time() {
        let mut schedule = Schedule::new(1_000, 1_000.0, 0, 1);
        assert_eq!(schedule.take_due(999, u64::MAX), None);
        assert_eq!(schedule.take_due(1_000, u64::MAX), Some(1_000));
        // The target stood still for 3.5 ms.
        let late: Vec<u64> =
            std::iter::from_fn(|| schedule.take_due(4_500_000, u64::MAX)).collect();
        assert_eq!(late, [1_001_000, 2_001_000, 3_001_000, 4_001_000]);
        assert_eq!(schedule.next_ns(), 5_001_000);
    }

    #[test]
    fn nothing_is_due_from_the_end_on() {
        assert_eq!(all(10.0, 2, 1).len(), 10);
        assert_eq!(all(0.5, 1, 3), [500, 2 * SECOND + 500]);
    }
}
