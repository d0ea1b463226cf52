//! What is owed and what has come: ids are sent, owed from the moment somebody vouched for them, and delivered, to
//! which the oracle then holds the program under test (reliability.md 4).
//!
//! It knows nothing of how ids travel. A test of the dispatcher owes what Kafka has acknowledged, one of the receiver
//! what was answered 202; both tell each attempt that arrives and each that is answered well.

mod verdict;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use verdict::Verdict;

use crate::wait::within;

/// An event: its place in the order of a key. The key is what order is kept within, such as a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub key: u32,
    /// From 0, without gaps, in the order in which the events are sent.
    pub number: u64,
}

/// Written `KEY-NUMBER`, as the event's own id.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.key, self.number)
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = text.split_once('-').and_then(|(key, number)| {
            Some(Self { key: key.parse().ok()?, number: number.parse().ok()? })
        });
        id.ok_or_else(|| format!("{text:?} is no id of the oracle"))
    }
}

/// One attempt at a delivery, as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub id: Id,
    /// Which of several programs made it.
    pub by: u32,
    pub at: Instant,
}

/// See the head of this file. Clones share their books.
#[derive(Clone, Default)]
pub struct Oracle(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    entries: BTreeMap<Id, Entry>,
    attempts: Vec<Attempt>,
    /// The highest number of each key of which an attempt came.
    foremost: BTreeMap<u32, u64>,
    /// Attempts that came before the one that had to be settled first.
    out_of_order: Vec<Attempt>,
    done: Vec<(Id, Instant)>,
    /// When anything was told last.
    moved: Option<Instant>,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    sent: bool,
    owed: bool,
    attempts: u32,
    done: u32,
}

impl Oracle {
    /// It may arrive from now on.
    pub fn sent(&self, id: Id) {
        self.books().entry(id).sent = true;
    }

    /// It has to arrive.
    pub fn owe(&self, id: Id) {
        let mut books = self.books();
        books.entry(id).sent = true;
        books.entry(id).owed = true;
    }

    /// An attempt arrived; returns how many had come before it.
    ///
    /// The first attempt of an id is out of order when one of a higher number of its key came before, or when the one
    /// with the next lower number that came has not been done.
    pub fn attempted(&self, id: Id, by: u32, at: Instant) -> u32 {
        let mut books = self.books();
        let attempt = Attempt { id, by, at };
        books.attempts.push(attempt);
        let before = books.entry(id).attempts;
        books.entry(id).attempts += 1;
        if before > 0 {
            return before;
        }
        if let Some(number) = books.foremost.get(&id.key).copied() {
            let foremost = books.entry(Id { number, ..id });
            if number > id.number || foremost.done == 0 {
                books.out_of_order.push(attempt);
            }
        }
        let foremost = books.foremost.entry(id.key).or_insert(id.number);
        *foremost = id.number.max(*foremost);
        0
    }

    /// It was taken for good: the attempt is answered well, or its dead letter is.
    pub fn done(&self, id: Id) {
        let mut books = self.books();
        books.entry(id).done += 1;
        books.done.push((id, Instant::now()));
    }

    /// All attempts so far, in the order in which they came.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.books().attempts.clone()
    }

    /// How many different ids have been done.
    pub fn delivered(&self) -> usize {
        self.books().entries.values().filter(|entry| entry.done > 0).count()
    }

    /// All ids that have to arrive.
    pub fn owed(&self) -> Vec<Id> {
        self.books().entries.iter().filter(|(_, entry)| entry.owed).map(|(id, _)| *id).collect()
    }

    /// Owed ids that have not been done yet.
    pub fn open(&self) -> usize {
        self.books().entries.values().filter(|entry| entry.owed && entry.done == 0).count()
    }

    /// Waits until nothing is open and nothing has moved for `still`, or the limit is over: the quiet before a verdict,
    /// in which duplicates and strangers may still turn up.
    pub fn settle(&self, still: Duration, limit: Duration) {
        within(limit, || {
            let resting = self.books().moved.is_none_or(|moved| moved.elapsed() >= still);
            (resting && self.open() == 0).then_some(())
        });
    }

    /// Judges what has come so far.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.books())
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().expect("the oracle does not panic")
    }
}

impl Books {
    fn entry(&mut self, id: Id) -> &mut Entry {
        self.moved = Some(Instant::now());
        self.entries.entry(id).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [Id; 3] =
        [Id { key: 0, number: 0 }, Id { key: 0, number: 1 }, Id { key: 0, number: 2 }];
    const B: Id = Id { key: 1, number: 0 };

    fn oracle() -> Oracle {
        let oracle = Oracle::default();
        A.into_iter().chain([B]).for_each(|id| oracle.owe(id));
        oracle
    }

    fn deliver(oracle: &Oracle, id: Id) {
        oracle.attempted(id, 0, Instant::now());
        oracle.done(id);
    }

    #[test]
    fn ids_are_read_as_written() {
        assert_eq!(B.to_string().parse(), Ok(B));
        assert!("1".parse::<Id>().is_err());
        assert!("a-1".parse::<Id>().is_err());
    }

    #[test]
    fn all_is_well() {
        let oracle = oracle();
        for id in [A[0], B, A[1], A[2]] {
            assert_eq!(oracle.attempted(id, 0, Instant::now()), 0);
            assert_eq!(oracle.attempted(id, 0, Instant::now()), 1, "a retry");
            oracle.done(id);
        }
        oracle.settle(Duration::ZERO, Duration::ZERO);
        let verdict = oracle.verdict();
        assert_eq!((verdict.owed, verdict.delivered, oracle.open()), (4, 4, 0));
        assert_eq!((verdict.lost, verdict.strange, verdict.duplicates), (vec![], vec![], 0));
        assert_eq!(verdict.out_of_order, vec![]);
    }

    #[test]
    fn tells_lost_strange_and_double() {
        let oracle = oracle();
        for id in [A[0], A[0], A[1], Id { key: 7, number: 0 }] {
            deliver(&oracle, id);
        }
        oracle.sent(Id { key: 8, number: 0 });
        let verdict = oracle.verdict();
        assert_eq!((verdict.sent, verdict.owed, verdict.delivered), (5, 4, 2));
        assert_eq!(verdict.lost, [A[2], B]);
        assert_eq!(verdict.strange, [Id { key: 7, number: 0 }]);
        assert_eq!((verdict.duplicates, oracle.open()), (1, 2));
        assert_eq!(verdict.out_of_order, vec![], "a replay is none");
    }

    #[test]
    fn order_is_broken_by_a_swap_and_by_haste() {
        let swapped = oracle();
        [A[1], A[0], A[2], B].into_iter().for_each(|id| deliver(&swapped, id));
        assert_eq!(
            swapped.verdict().out_of_order.iter().map(|it| it.id).collect::<Vec<_>>(),
            [A[0]]
        );
        let hasty = oracle();
        hasty.attempted(A[0], 0, Instant::now());
        [A[1], B].into_iter().for_each(|id| deliver(&hasty, id));
        assert_eq!(hasty.verdict().out_of_order.iter().map(|it| it.id).collect::<Vec<_>>(), [A[1]]);
    }
}
