//! When to hand pending records to librdkafka, so that `linger.ms=0` is cheap under load.
//!
//! Taken literally, the shipped `linger.ms=0` makes a request of every few records and nearly doubles
//! the cost of an event (architecture.md 6). Java gets its batches at linger 0 from its sender thread
//! being busy: what arrives meanwhile goes out together. The same idea here, as a pure decision:
//!
//! * while little is in flight at Kafka, pending records go out at the end of the shard's turn, so an
//!   idle client adds nothing;
//! * otherwise they wait until they are at least as many as what is still in flight, so that under
//!   load about half of all records are on their way and half gather behind them: few, large
//!   requests. Flushing with every report instead keeps many small requests going for ever;
//! * but for at most [`BatcherSettings::delay`], looked at when the shard's turn is over;
//! * and they go out at once when there are enough of them to fill a request.
//!
//! The caller keeps the records (in order), tells the batcher what happens and hands all of them to
//! the producer when told [`Decision::Flush`], then rotates its topics
//! ([`crate::Topic::rotate`]) so that a burst without keys makes one large request.

use std::time::{Duration, Instant};

/// Bounds of the adaptive batching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatcherSettings {
    /// The most that batching may add to a record's way, whatever the load.
    pub delay: Duration,
    /// As many pending records are enough for a good request.
    pub records_max: usize,
    /// As many pending bytes are enough; Java's `batch.size` is the natural choice.
    pub bytes_max: usize,
    /// Records in flight up to which the client counts as idle.
    pub idle_in_flight: usize,
}

impl Default for BatcherSettings {
    fn default() -> Self {
        Self {
            delay: Duration::from_micros(500),
            records_max: 256,
            bytes_max: 256 * 1024,
            idle_in_flight: 4,
        }
    }
}

/// What to do with the pending records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Hand all of them to the producer now.
    Flush,
    /// Keep them; ask again at the end of the turn, with reports, or at [`Batcher::deadline`].
    Keep,
}

/// Decides for one producer of one shard. Holds no records and reads no clock.
#[derive(Debug)]
pub struct Batcher {
    settings: BatcherSettings,
    pending_records: usize,
    pending_bytes: usize,
    /// When the oldest pending record came.
    oldest: Option<Instant>,
    in_flight: usize,
}

impl Batcher {
    /// Nothing pending, nothing in flight.
    #[must_use]
    pub fn new(settings: BatcherSettings) -> Self {
        Self { settings, pending_records: 0, pending_bytes: 0, oldest: None, in_flight: 0 }
    }

    /// A record was added to the pending ones. Flush only when they fill a request: the turn may
    /// bring more. The clock is read for the first of them only.
    pub fn push(&mut self, now: impl FnOnce() -> Instant, bytes: usize) -> Decision {
        self.pending_records = self.pending_records.saturating_add(1);
        self.pending_bytes = self.pending_bytes.saturating_add(bytes);
        self.oldest.get_or_insert_with(now);
        let full = self.pending_records >= self.settings.records_max
            || self.pending_bytes >= self.settings.bytes_max;
        self.flush_if(full)
    }

    /// The shard's turn is over: no more records will come before it waits for input.
    pub fn turn_ended(&mut self, now: Instant) -> Decision {
        let due = self.deadline().is_some_and(|deadline| now >= deadline);
        self.flush_if(due || self.is_quiet())
    }

    /// That many reports came. Call it once for each drained batch of reports.
    pub fn reported(&mut self, reports: usize) -> Decision {
        self.in_flight = self.in_flight.saturating_sub(reports);
        self.flush_if(self.is_quiet())
    }

    /// When the caller has to ask again by [`Batcher::turn_ended`], if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.oldest.and_then(|oldest| oldest.checked_add(self.settings.delay))
    }

    /// Records kept back now.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending_records
    }

    /// That many of the flushed records were refused by the producer, so no report will come.
    pub fn refused(&mut self, records: usize) {
        self.in_flight = self.in_flight.saturating_sub(records);
    }

    /// Little is in flight, or no more than would go out now.
    fn is_quiet(&self) -> bool {
        self.in_flight <= self.settings.idle_in_flight.max(self.pending_records)
    }

    fn flush_if(&mut self, wanted: bool) -> Decision {
        if !wanted || self.pending_records == 0 {
            return Decision::Keep;
        }
        self.in_flight = self.in_flight.saturating_add(self.pending_records);
        self.pending_records = 0;
        self.pending_bytes = 0;
        self.oldest = None;
        Decision::Flush
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DELAY: Duration = Duration::from_micros(500);

    fn batcher() -> Batcher {
        Batcher::new(BatcherSettings { records_max: 10, bytes_max: 1_000, ..Default::default() })
    }

    fn after(start: Instant, micros: u64) -> Instant {
        start + Duration::from_micros(micros)
    }

    #[test]
    fn idle_client_sends_at_the_end_of_the_turn() {
        let (mut batcher, start) = (batcher(), Instant::now());
        assert_eq!(batcher.push(|| start, 100), Decision::Keep);
        assert_eq!(batcher.turn_ended(start), Decision::Flush);
        assert_eq!(batcher.turn_ended(start), Decision::Keep, "nothing is left");
        assert_eq!(batcher.deadline(), None);
    }

    #[test]
    fn busy_client_gathers_as_much_as_is_in_flight() {
        let (mut batcher, start) = (batcher(), Instant::now());
        for _ in 0..6 {
            assert_eq!(batcher.push(|| start, 1), Decision::Keep);
        }
        assert_eq!(batcher.turn_ended(start), Decision::Flush);
        assert_eq!(batcher.push(|| after(start, 10), 1), Decision::Keep);
        assert_eq!(batcher.turn_ended(after(start, 20)), Decision::Keep);
        assert_eq!(batcher.deadline(), Some(after(start, 10) + DELAY));
        assert_eq!(batcher.reported(0), Decision::Keep);
        assert_eq!(batcher.reported(1), Decision::Keep, "5 are in flight, 1 waits");
        (0..4).for_each(|_| assert_eq!(batcher.push(|| after(start, 30), 1), Decision::Keep));
        assert_eq!(batcher.turn_ended(after(start, 40)), Decision::Flush, "5 and 5");
        assert_eq!(batcher.push(|| after(start, 50), 1), Decision::Keep);
        assert_eq!(batcher.turn_ended(after(start, 60)), Decision::Keep);
        assert_eq!(batcher.reported(6), Decision::Flush, "no more than 4 are in flight");
    }

    #[test]
    fn busy_client_waits_no_longer_than_the_delay() {
        let (mut batcher, start) = (batcher(), Instant::now());
        (0..6).for_each(|_| assert_eq!(batcher.push(|| start, 1), Decision::Keep));
        assert_eq!(batcher.turn_ended(start), Decision::Flush);
        assert_eq!(batcher.push(|| start, 1), Decision::Keep);
        assert_eq!(batcher.turn_ended(after(start, 499)), Decision::Keep);
        assert_eq!(batcher.turn_ended(after(start, 500)), Decision::Flush);
    }

    #[test]
    fn full_batches_go_at_once() {
        let (mut batcher, start) = (batcher(), Instant::now());
        for _ in 0..9 {
            assert_eq!(batcher.push(|| start, 1), Decision::Keep);
        }
        assert_eq!(batcher.push(|| start, 1), Decision::Flush);
        assert_eq!(batcher.push(|| start, 1_000), Decision::Flush);
    }

    #[test]
    fn refused_records_do_not_count_as_in_flight() {
        let (mut batcher, start) = (batcher(), Instant::now());
        (0..9).for_each(|_| assert_eq!(batcher.push(|| start, 1), Decision::Keep));
        assert_eq!(batcher.turn_ended(start), Decision::Flush);
        batcher.refused(9);
        assert_eq!(batcher.push(|| start, 1), Decision::Keep);
        assert_eq!(batcher.turn_ended(start), Decision::Flush);
    }

    proptest! {
        /// Whatever happens, a caller that asks at the deadline never keeps a record longer than the
        /// delay, never has more pending than the bound, and everything is flushed once.
        #[test]
        fn no_record_waits_longer_than_the_delay(steps in prop::collection::vec((0_u64..300, 0_u8..4), 0..300)) {
            let mut batcher = batcher();
            let mut now = Instant::now();
            let mut pending: Vec<Instant> = Vec::new();
            let mut in_flight = 0_usize;
            for (micros, step) in steps {
                let mut next = now + Duration::from_micros(micros);
                if let Some(deadline) = batcher.deadline()
                    && deadline <= next
                {
                    next = deadline;
                    now = next;
                    prop_assert_eq!(batcher.turn_ended(now), Decision::Flush);
                    in_flight += pending.len();
                    pending.clear();
                }
                now = next;
                let decision = match step {
                    0 | 1 => {
                        pending.push(now);
                        batcher.push(|| now, 50)
                    }
                    2 => batcher.turn_ended(now),
                    _ => {
                        let reports = in_flight / 2;
                        in_flight -= reports;
                        batcher.reported(reports)
                    }
                };
                if decision == Decision::Flush {
                    prop_assert!(!pending.is_empty());
                    in_flight += pending.len();
                    pending.clear();
                }
                prop_assert_eq!(batcher.pending(), pending.len());
                prop_assert_eq!(batcher.in_flight, in_flight);
                prop_assert!(pending.len() < 10);
                prop_assert!(pending.iter().all(|&came| now < came + DELAY));
            }
        }
    }
}
