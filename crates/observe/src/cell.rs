//! Cells: numbers with one writer each, read by the scrape.
//!
//! A writer loads and stores relaxed, without a read-modify-write: it is the only one that writes
//! its cell, which the handles enforce by being neither `Clone` nor `Sync`.

use std::cell::Cell as NotSync;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Steps over which a maximum is remembered (Micrometer: a ring of three).
const MAX_STEPS: u64 = 3;
/// The low bits of a maximum slot hold milliseconds (34 years), the high ones the step.
const MAX_MS_BITS: u32 = 40;

/// A number that only goes up, written by one thread.
#[derive(Debug)]
pub struct Counter {
    cell: Arc<AtomicU64>,
    one_writer: PhantomData<NotSync<()>>,
}

impl Counter {
    pub(crate) fn new() -> (Self, Arc<AtomicU64>) {
        let cell = Arc::new(AtomicU64::new(0));
        (Self { cell: cell.clone(), one_writer: PhantomData }, cell)
    }

    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        bump(&self.cell, count);
    }
}

/// A number that goes up and down, written by one thread; the page shows the sum over threads.
#[derive(Debug)]
pub struct Gauge {
    cell: Arc<AtomicI64>,
    one_writer: PhantomData<NotSync<()>>,
}

impl Gauge {
    pub(crate) fn new() -> (Self, Arc<AtomicI64>) {
        let cell = Arc::new(AtomicI64::new(0));
        (Self { cell: cell.clone(), one_writer: PhantomData }, cell)
    }

    /// Sets this thread's share.
    pub fn set(&self, value: i64) {
        self.cell.store(value, Relaxed);
    }

    /// Changes this thread's share by `change`, which may be negative.
    pub fn add(&self, change: i64) {
        self.cell.store(self.cell.load(Relaxed).wrapping_add(change), Relaxed);
    }
}

/// A counter for places that are not on an event's path: any thread may write it.
#[derive(Clone, Debug)]
pub struct SharedCounter(Arc<AtomicU64>);

impl SharedCounter {
    pub(crate) fn new() -> (Self, Arc<AtomicU64>) {
        let cell = Arc::new(AtomicU64::new(0));
        (Self(cell.clone()), cell)
    }

    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }
}

/// A gauge for places that are not on an event's path: any thread may write it.
#[derive(Clone, Debug)]
pub struct SharedGauge(Arc<AtomicI64>);

impl SharedGauge {
    pub(crate) fn new() -> (Self, Arc<AtomicI64>) {
        let cell = Arc::new(AtomicI64::new(0));
        (Self(cell.clone()), cell)
    }

    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// Changes the value by `change`, which may be negative.
    pub fn add(&self, change: i64) {
        self.0.fetch_add(change, Relaxed);
    }
}

/// Whole milliseconds in buckets, written by one thread.
#[derive(Debug)]
pub struct Histogram {
    cell: Arc<HistogramCell>,
    clock: Arc<Clock>,
    one_writer: PhantomData<NotSync<()>>,
}

impl Histogram {
    pub(crate) fn new(bounds: Arc<[u64]>, clock: Arc<Clock>) -> (Self, Arc<HistogramCell>) {
        let cell = Arc::new(HistogramCell::new(bounds));
        (Self { cell: cell.clone(), clock, one_writer: PhantomData }, cell)
    }

    /// Counts one value of `ms` milliseconds.
    pub fn record(&self, ms: u64) {
        self.cell.record(ms, self.clock.step());
    }
}

/// Which minute it is since the start, told by whoever scrapes: reading a clock for each event
/// would cost more than all the rest of a record.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    pub(crate) fn step(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Never goes back.
    pub(crate) fn advance(&self, step: u64) {
        self.0.fetch_max(step, Relaxed);
    }
}

/// The shared side of a [`Histogram`]. Buckets are not cumulative here; the page adds them up, so
/// that `_count` always equals the `+Inf` bucket.
#[derive(Debug)]
pub(crate) struct HistogramCell {
    bounds: Arc<[u64]>,
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
    /// One slot a minute, reused every third minute: step and maximum in one word.
    maxima: [AtomicU64; MAX_STEPS as usize],
}

impl HistogramCell {
    fn new(bounds: Arc<[u64]>) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0), maxima: Default::default() }
    }

    fn record(&self, ms: u64, step: u64) {
        let index = if self.bounds.len() <= 16 {
            self.bounds.iter().take_while(|bound| ms > **bound).count()
        } else {
            self.bounds.partition_point(|bound| ms > *bound)
        };
        if let Some(bucket) = self.buckets.get(index) {
            bump(bucket, 1);
        }
        bump(&self.sum, ms);
        let packed = pack(step, ms);
        if let Some(slot) = self.maxima.get((step % MAX_STEPS) as usize)
            && packed > slot.load(Relaxed)
        {
            slot.store(packed, Relaxed);
        }
    }

    pub(crate) fn add_to(&self, totals: &mut HistogramTotals) {
        for (total, bucket) in totals.buckets.iter_mut().zip(&self.buckets) {
            *total = total.wrapping_add(bucket.load(Relaxed));
        }
        totals.sum = totals.sum.wrapping_add(self.sum.load(Relaxed));
        for (total, slot) in totals.maxima.iter_mut().zip(&self.maxima) {
            *total = (*total).max(slot.load(Relaxed));
        }
    }

    pub(crate) fn zero(&self) -> HistogramTotals {
        HistogramTotals {
            bounds: self.bounds.clone(),
            buckets: vec![0; self.buckets.len()],
            sum: 0,
            maxima: [0; MAX_STEPS as usize],
        }
    }
}

/// The sum of several histogram cells.
#[derive(Clone, Debug)]
pub(crate) struct HistogramTotals {
    pub(crate) bounds: Arc<[u64]>,
    /// One more than bounds: the last is what exceeds them all.
    pub(crate) buckets: Vec<u64>,
    pub(crate) sum: u64,
    maxima: [u64; MAX_STEPS as usize],
}

impl HistogramTotals {
    pub(crate) fn add_to(&self, totals: &mut Self) {
        for (total, bucket) in totals.buckets.iter_mut().zip(&self.buckets) {
            *total = total.wrapping_add(*bucket);
        }
        totals.sum = totals.sum.wrapping_add(self.sum);
        for (total, slot) in totals.maxima.iter_mut().zip(self.maxima) {
            *total = (*total).max(slot);
        }
    }

    /// The largest value of the last three steps, the running one included.
    pub(crate) fn max(&self, step: u64) -> u64 {
        let recent =
            self.maxima.iter().filter(|packed| (*packed >> MAX_MS_BITS) + MAX_STEPS > step);
        recent.map(|packed| packed & ((1 << MAX_MS_BITS) - 1)).max().unwrap_or(0)
    }
}

/// Ordered as (step, maximum), so that the larger word is the one to keep.
fn pack(step: u64, ms: u64) -> u64 {
    (step << MAX_MS_BITS) | ms.min((1 << MAX_MS_BITS) - 1)
}

fn bump(cell: &AtomicU64, count: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(count), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(cell: &HistogramCell) -> HistogramTotals {
        let mut totals = cell.zero();
        cell.add_to(&mut totals);
        totals
    }

    #[test]
    fn value_on_a_bound_is_inside_it() {
        for bounds in [vec![50, 100], (1..=40).map(|n| n * 50).collect()] {
            let last = bounds.len();
            let cell = HistogramCell::new(bounds.into());
            for ms in [0, 50, 51, 100, u64::from(u32::MAX)] {
                cell.record(ms, 0);
            }
            let totals = totals(&cell);
            assert_eq!(totals.buckets[..2], [2, 2]);
            assert_eq!(totals.buckets[last], 1);
            assert_eq!(totals.sum, 201 + u64::from(u32::MAX));
        }
    }

    #[test]
    fn maximum_lives_three_steps() {
        let cell = HistogramCell::new(vec![50].into());
        cell.record(70, 10);
        cell.record(30, 11);
        let seen: Vec<u64> = (10..=15).map(|step| totals(&cell).max(step)).collect();
        assert_eq!(seen, [70, 70, 70, 30, 0, 0]);
        cell.record(5, 13);
        assert_eq!(totals(&cell).max(13), 30, "slot of step 10 reused by step 13");
    }

    #[test]
    fn maximum_before_the_first_minute_ends() {
        let cell = HistogramCell::new(vec![50].into());
        cell.record(9, 0);
        assert_eq!(totals(&cell).max(0), 9);
        assert_eq!(totals(&cell).max(3), 0);
    }

    #[test]
    fn huge_value_neither_overflows_nor_ages() {
        let cell = HistogramCell::new(vec![50].into());
        cell.record(u64::MAX, 2);
        assert_eq!(totals(&cell).max(2), (1 << MAX_MS_BITS) - 1);
        assert_eq!(totals(&cell).max(5), 0);
    }

    /// One writer, one reader: what is read never goes back, and all arrives in the end.
    #[test]
    fn reader_sees_a_writer_only_go_forward() {
        const ROUNDS: u64 = 200_000;
        let (counter, counted) = Counter::new();
        let clock = Arc::new(Clock::default());
        let (histogram, cell) = Histogram::new(vec![50, 100].into(), clock.clone());
        let writer = std::thread::spawn(move || {
            for round in 0..ROUNDS {
                counter.inc();
                histogram.record(round % 150);
                if round % 1_000 == 0 {
                    clock.advance(round / 1_000);
                }
            }
        });
        let (mut last_count, mut last_events) = (0, 0);
        while !writer.is_finished() {
            let count = counted.load(Relaxed);
            let events = totals(&cell).buckets.iter().sum::<u64>();
            assert!(count >= last_count && events >= last_events);
            (last_count, last_events) = (count, events);
        }
        writer.join().unwrap();
        assert_eq!(counted.load(Relaxed), ROUNDS);
        let end = totals(&cell);
        assert_eq!(end.buckets.iter().sum::<u64>(), ROUNDS);
        assert_eq!(end.sum, (0..ROUNDS).map(|round| round % 150).sum::<u64>());
    }
}
