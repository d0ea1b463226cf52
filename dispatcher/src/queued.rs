//! What an ordered lane has taken and not begun, as numbers for `enableOrderedExecutorMetrics`
//! (dispatcher.md 8.4).

use std::cell::Cell;

use millrace_observe::QueueMeters;
use millrace_shard::clock;

use crate::edition::Edition;
use crate::link::Link;

/// See the head of this file. Without effect unless asked for.
pub(crate) struct Queued {
    meters: Option<QueueMeters>,
    length: Cell<i64>,
    /// Records are taken only when all of the last time are done, so they share one time.
    since_us: Cell<u64>,
}

impl Queued {
    pub(crate) fn new(edition: &Edition, link: &Link) -> Queued {
        let meters =
            edition.plan.queue_meters.then(|| edition.meters.queue(&link.topic, link.partition));
        Queued { meters, length: Cell::new(0), since_us: Cell::new(0) }
    }

    /// So many records were taken from the partition.
    pub(crate) fn taken(&self, records: usize) {
        if records > 0 && self.meters.is_some() {
            self.since_us.set(clock::now_us());
            self.show(i64::try_from(records).unwrap_or(i64::MAX));
        }
    }

    /// The delivery of one begins.
    pub(crate) fn begun(&self) {
        self.show(self.length.get().saturating_sub(1));
    }

    /// The fate of one is known.
    pub(crate) fn done(&self) {
        if let Some(meters) = &self.meters {
            meters.done(clock::now_us().saturating_sub(self.since_us.get()) / 1000);
        }
    }

    fn show(&self, length: i64) {
        if let Some(meters) = &self.meters {
            self.length.set(length);
            meters.length(length);
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.show(0);
    }
}
