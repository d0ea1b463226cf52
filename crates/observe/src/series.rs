//! One series: the cells of all writers under one name and one set of labels, summed when read.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::cell::{HistogramCell, HistogramTotals};
use crate::owner::Owner;

/// Where a number comes from.
pub(crate) enum Source {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicI64>),
    Histogram(Arc<HistogramCell>),
    /// Asked at each scrape.
    Read(Box<dyn Fn() -> f64 + Send + Sync>),
    /// What writers that are gone had counted: a counter must not go down when a shard drops its
    /// handle.
    CounterGone(u64),
    HistogramGone(HistogramTotals),
}

struct Entry {
    owner: Owner,
    source: Source,
}

/// What a series shows.
pub(crate) enum Value {
    Number(f64),
    Histogram(HistogramTotals),
}

#[derive(Default)]
pub(crate) struct Series {
    entries: Vec<Entry>,
}

impl Series {
    /// Adds a writer; those that are gone are folded first, so that a series has as many entries
    /// as live writers, and one more.
    pub(crate) fn add(&mut self, owner: Owner, source: Source) {
        self.fold();
        self.entries.push(Entry { owner, source });
    }

    /// Forgets the cells of removed owners; true when none is left.
    pub(crate) fn forget_removed(&mut self) -> bool {
        self.entries.retain(|entry| entry.owner.is_alive());
        self.entries.is_empty()
    }

    /// Folds the cells whose writers are gone; true when nothing is left to show.
    pub(crate) fn fold(&mut self) -> bool {
        if self.entries.iter_mut().any(|entry| entry.source.is_orphan()) {
            for Entry { owner, source } in std::mem::take(&mut self.entries) {
                self.fold_one(owner, source);
            }
        }
        self.entries.is_empty()
    }

    fn fold_one(&mut self, owner: Owner, mut source: Source) {
        if source.is_orphan() {
            source = match source {
                // Its writer is gone, and with it what it measured.
                Source::Gauge(_) => return,
                Source::Counter(cell) => Source::CounterGone(cell.load(Relaxed)),
                Source::Histogram(cell) => {
                    let mut totals = cell.zero();
                    cell.add_to(&mut totals);
                    Source::HistogramGone(totals)
                }
                other => other,
            };
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.owner.is(&owner)) {
            match (&mut entry.source, &source) {
                (Source::CounterGone(sum), Source::CounterGone(more)) => {
                    *sum = sum.wrapping_add(*more);
                    return;
                }
                (Source::HistogramGone(sum), Source::HistogramGone(more)) => {
                    more.add_to(sum);
                    return;
                }
                _ => {}
            }
        }
        self.entries.push(Entry { owner, source });
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn value(&self) -> Value {
        let mut number = 0.0;
        let mut histogram: Option<HistogramTotals> = None;
        for entry in &self.entries {
            match &entry.source {
                Source::Counter(cell) => number += cell.load(Relaxed) as f64,
                Source::CounterGone(count) => number += *count as f64,
                Source::Gauge(cell) => number += cell.load(Relaxed) as f64,
                Source::Read(read) => number += read(),
                Source::Histogram(cell) => {
                    cell.add_to(histogram.get_or_insert_with(|| cell.zero()));
                }
                Source::HistogramGone(gone) => match &mut histogram {
                    Some(sum) => gone.add_to(sum),
                    None => histogram = Some(gone.clone()),
                },
            }
        }
        histogram.map_or(Value::Number(number), Value::Histogram)
    }
}

impl Source {
    /// `get_mut` rather than the count, because it also orders our reads after the writer's last
    /// store.
    fn is_orphan(&mut self) -> bool {
        match self {
            Self::Counter(cell) => Arc::get_mut(cell).is_some(),
            Self::Gauge(cell) => Arc::get_mut(cell).is_some(),
            Self::Histogram(cell) => Arc::get_mut(cell).is_some(),
            Self::Read(_) | Self::CounterGone(_) | Self::HistogramGone(_) => false,
        }
    }
}
