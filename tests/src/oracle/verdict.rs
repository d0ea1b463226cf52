//! The oracle's books summed up.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::{Attempt, Books, Id};

/// What came of all that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub sent: usize,
    pub owed: usize,
    /// Different ids that were sent and have been done.
    pub delivered: usize,
    /// Owed and never done.
    pub lost: Vec<Id>,
    /// Arrived without having been sent.
    pub strange: Vec<Id>,
    /// How often an id was done again.
    pub duplicates: usize,
    /// Where order matters: first attempts before their turn.
    pub out_of_order: Vec<Attempt>,
    /// The longest time between two deliveries.
    pub longest_gap: Duration,
    /// The same within each key.
    pub gaps: BTreeMap<u32, Duration>,
}

impl Verdict {
    pub(super) fn of(books: &Books) -> Self {
        let ids = |fits: fn(&super::Entry) -> bool| {
            books.entries.iter().filter(move |(_, entry)| fits(entry)).map(|(id, _)| *id)
        };
        let again = |entry: &super::Entry| usize::try_from(entry.done.saturating_sub(1));
        Self {
            sent: ids(|entry| entry.sent).count(),
            owed: ids(|entry| entry.owed).count(),
            delivered: ids(|entry| entry.sent && entry.done > 0).count(),
            lost: ids(|entry| entry.owed && entry.done == 0).collect(),
            strange: ids(|entry| !entry.sent && entry.attempts + entry.done > 0).collect(),
            duplicates: books.entries.values().filter_map(|entry| again(entry).ok()).sum(),
            out_of_order: books.out_of_order.clone(),
            longest_gap: longest(books.done.iter().map(|(_, at)| *at)),
            gaps: gaps(&books.done),
        }
    }

    /// The promise of every run.
    ///
    /// # Panics
    /// When an owed id was lost or one came that nobody sent.
    pub fn assert_nothing_lost(&self) {
        assert!(self.lost.is_empty(), "lost: {:?}", short(&self.lost));
        assert!(self.strange.is_empty(), "came without being sent: {:?}", short(&self.strange));
        assert_eq!(self.delivered, self.owed, "delivered of those owed");
    }

    /// # Panics
    /// When a first attempt came before its turn.
    pub fn assert_in_order(&self) {
        assert!(self.out_of_order.is_empty(), "out of order: {:?}", short(&self.out_of_order));
    }
}

/// One line for people.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sent {}, owed {}, delivered distinct {}, lost {}, duplicates {}, out of order {}, longest gap {:.2?}",
            self.sent,
            self.owed,
            self.delivered,
            self.lost.len(),
            self.duplicates,
            self.out_of_order.len(),
            self.longest_gap,
        )
    }
}

fn gaps(done: &[(Id, Instant)]) -> BTreeMap<u32, Duration> {
    let mut times: BTreeMap<u32, Vec<Instant>> = BTreeMap::new();
    for (id, at) in done {
        times.entry(id.key).or_default().push(*at);
    }
    times.into_iter().map(|(key, times)| (key, longest(times.into_iter()))).collect()
}

fn longest(times: impl Iterator<Item = Instant>) -> Duration {
    let mut longest = Duration::ZERO;
    let mut last = None;
    for at in times {
        longest = longest.max(last.map_or(Duration::ZERO, |last| at.duration_since(last)));
        last = Some(at);
    }
    longest
}

/// A message shall stay readable.
fn short<T>(all: &[T]) -> &[T] {
    all.get(..all.len().min(20)).unwrap_or_default()
}
