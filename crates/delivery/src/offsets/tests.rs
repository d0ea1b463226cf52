//! The tracker against a naive set, and the cases of dispatcher.md 18.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// The same rules, one offset at a time.
#[derive(Default)]
struct Naive {
    first: Option<i64>,
    last: i64,
    open: BTreeSet<i64>,
}

impl Naive {
    fn received(&mut self, offset: i64) -> Received {
        if self.first.is_none() {
            self.first = Some(offset);
            self.last = offset - 1;
        }
        if offset <= self.last {
            return Received::Again { open: self.open.contains(&offset) };
        }
        let skipped = (self.last + 1..offset).count() as u64;
        self.last = offset;
        self.open.insert(offset);
        Received::New { skipped }
    }

    fn skipped_to(&mut self, next: i64) -> u64 {
        if self.first.is_none() {
            return 0;
        }
        let skipped = (self.last + 1..next).count() as u64;
        self.last = self.last.max(next - 1);
        skipped
    }

    fn settle(&mut self, offset: i64) -> bool {
        let before = self.committable();
        self.open.remove(&offset);
        self.committable() != before
    }

    fn committable(&self) -> Option<i64> {
        let next = self.open.first().copied().unwrap_or(self.last + 1);
        self.first.filter(|first| next > *first).map(|_| next)
    }
}

#[derive(Clone, Debug)]
enum Operation {
    /// So far behind the last one; 1 follows it, 0 and less repeat.
    Receive(i64),
    SkipTo(i64),
    /// The open record at this part of all open ones.
    SettleOpen(usize),
    /// Any offset, as far from the last one.
    SettleAny(i64),
    Revoke(i64),
}

#[derive(Default)]
struct Pair {
    ours: OffsetTracker,
    naive: Naive,
    committed: i64,
}

impl Pair {
    fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::Receive(step) => {
                let offset = self.naive.last + step;
                assert_eq!(self.ours.received(offset), self.naive.received(offset));
            }
            Operation::SkipTo(step) => {
                let next = self.naive.last + step;
                assert_eq!(self.ours.skipped_to(next), self.naive.skipped_to(next));
            }
            Operation::SettleOpen(part) => {
                let count = self.naive.open.len().max(1);
                if let Some(offset) = self.naive.open.iter().nth(part % count).copied() {
                    assert_eq!(self.ours.settle(offset), self.naive.settle(offset));
                }
            }
            Operation::SettleAny(step) => {
                let offset = self.naive.last + step;
                assert_eq!(self.ours.settle(offset), self.naive.settle(offset));
            }
            Operation::Revoke(start) => {
                *self = Self::default();
                self.naive.last = start;
                self.committed = i64::MIN;
            }
        }
        self.check();
    }

    fn check(&mut self) {
        let (ours, naive) = (&self.ours, &self.naive);
        assert_eq!(ours.committable(), naive.committable());
        assert_eq!(ours.open(), naive.open.len());
        assert_eq!(ours.oldest_open(), naive.open.first().copied());
        if let Some(next) = ours.committable() {
            assert!(next >= self.committed, "the commit went back");
            assert!(naive.open.first().is_none_or(|open| next <= *open), "passed an open record");
            self.committed = next;
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => Just(Operation::Receive(1)),
        3 => (2..300_i64).prop_map(Operation::Receive),
        1 => (-200..=0_i64).prop_map(Operation::Receive),
        1 => (-100..200_i64).prop_map(Operation::SkipTo),
        8 => any::<usize>().prop_map(Operation::SettleOpen),
        1 => (-200..200_i64).prop_map(Operation::SettleAny),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_naive_set(
        start in prop_oneof![Just(0_i64), -500..500_i64, 1_i64 << 40..1 << 41],
        operations in prop::collection::vec(operation(), 1..400),
    ) {
        let mut pair = Pair::default();
        pair.apply(&Operation::Revoke(start));
        for operation in &operations {
            pair.apply(operation);
        }
    }
}

/// A run of `steps` with windows that grow to thousands of records and shrink again (O3).
fn long_run(steps: u64) {
    let mut pair = Pair::default();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for step in 0..steps {
        let value = random();
        // In one phase more comes than is settled, in the next it is the other way round.
        let coming = if step & 0x2000 == 0 { 60 } else { 40 };
        let operation = match value % 100 {
            98 => Operation::Receive(-((value >> 8) as i64 & 0xFF)),
            97 => Operation::SettleAny((value >> 8) as i64 & 0xFFF),
            96 => Operation::SkipTo((value >> 8) as i64 & 0x7F),
            95 => Operation::Receive((value >> 8) as i64 & 0x3FF),
            99 if value >> 8 & 0xFFF == 0 => Operation::Revoke((value >> 20) as i64 & 0xFFFF),
            dice if dice < coming => Operation::Receive(1),
            // The first of all, mostly; the naive side walks to the others.
            _ => Operation::SettleOpen((value >> 8) as usize & 0x3F),
        };
        pair.apply(&operation);
    }
}

#[test]
fn agrees_with_a_naive_set_for_long() {
    long_run(200_000);
}

#[test]
#[ignore = "10 million steps take half a minute; run with --ignored"]
fn agrees_with_a_naive_set_for_ten_million_steps() {
    long_run(10_000_000);
}

fn tracker(offsets: impl IntoIterator<Item = i64>) -> OffsetTracker {
    let mut tracker = OffsetTracker::new();
    for offset in offsets {
        assert!(matches!(tracker.received(offset), Received::New { .. }));
    }
    tracker
}

#[test]
fn c105_out_of_order_commits_up_to_the_first_open() {
    let mut tracker = tracker(0..8);
    for offset in [5, 2, 0, 7, 1, 3, 4] {
        tracker.settle(offset);
    }
    assert_eq!(tracker.committable(), Some(6));
    assert!(tracker.settle(6));
    assert_eq!(tracker.committable(), Some(8));
}

#[test]
fn c111_a_transaction_marker_is_one_skipped_offset() {
    let mut tracker = tracker([0, 1]);
    assert_eq!(tracker.received(3), Received::New { skipped: 1 });
    for offset in [0, 1, 3] {
        tracker.settle(offset);
    }
    assert_eq!(tracker.committable(), Some(4));
    assert_eq!(tracker.skipped_to(5), 1);
    assert_eq!(tracker.committable(), Some(5), "a marker at the end of the partition");
}

#[test]
fn c112_a_gap_of_any_size_takes_one_step_and_no_memory() {
    // One step an offset would never end.
    let far = i64::MAX - 1;
    let mut tracker = tracker([10]);
    assert_eq!(tracker.received(far), Received::New { skipped: far as u64 - 11 });
    assert_eq!(tracker.words.len(), 2);
    tracker.settle(10);
    assert_eq!(tracker.committable(), Some(far));
    assert!(tracker.settle(far));
    assert_eq!(tracker.committable(), Some(i64::MAX));
    assert_eq!(tracker.received(i64::MAX), Received::New { skipped: 0 });
    assert_eq!(tracker.received(i64::MAX), Received::Again { open: true });
}

#[test]
fn c114_nothing_is_committed_before_progress() {
    let mut tracker = OffsetTracker::new();
    assert_eq!((tracker.skipped_to(50), tracker.committable()), (0, None));
    assert_eq!(tracker.received(100), Received::New { skipped: 0 });
    assert_eq!(tracker.received(101), Received::New { skipped: 0 });
    assert!(!tracker.settle(101));
    assert_eq!(tracker.committable(), None);
    assert!(tracker.settle(100));
    assert_eq!(tracker.committable(), Some(102));
}

#[test]
fn a_record_that_comes_again_is_told_from_a_new_one() {
    let mut tracker = tracker([3, 4]);
    tracker.settle(4);
    assert_eq!(tracker.received(3), Received::Again { open: true });
    assert_eq!(tracker.received(4), Received::Again { open: false });
    assert_eq!(tracker.received(2), Received::Again { open: false });
    assert_eq!((tracker.open(), tracker.oldest_open()), (1, Some(3)));
}

#[test]
fn settling_twice_or_what_never_came_changes_nothing() {
    let mut tracker = tracker([0, 1, 200]);
    assert!(tracker.settle(0));
    for offset in [0, -1, 100, 201, i64::MIN, i64::MAX] {
        assert!(!tracker.settle(offset), "{offset}");
    }
    assert_eq!((tracker.open(), tracker.committable()), (2, Some(1)));
}

#[test]
fn a_million_open_records_take_less_than_a_mebibyte() {
    let bytes = |it: &OffsetTracker| it.words.capacity() * size_of::<Word>();
    let dense = tracker(0..1_000_000);
    assert_eq!(dense.open(), 1_000_000);
    assert!(bytes(&dense) <= 1 << 20, "{}", bytes(&dense));
    // A marker after each record, as of transactions of one.
    let every_other = tracker((0..1_000_000).map(|n| n * 2));
    assert!(bytes(&every_other) <= 1 << 20, "{}", bytes(&every_other));
}

#[test]
fn what_is_settled_behind_a_stuck_record_takes_no_memory() {
    let mut tracker = tracker([0]);
    for offset in 1..3_000_000 {
        let _ = tracker.received(offset);
        tracker.settle(offset);
    }
    assert_eq!((tracker.open(), tracker.committable()), (1, None));
    assert!(tracker.words.capacity() <= 4 * TIDY_MIN, "{}", tracker.words.capacity());
    tracker.settle(0);
    assert_eq!(tracker.committable(), Some(3_000_000));
}

#[test]
fn memory_comes_back_after_a_burst() {
    let mut tracker = tracker(0..1_000_000);
    for offset in 0..1_000_000 {
        tracker.settle(offset);
    }
    assert!(tracker.words.capacity() <= 2 * TIDY_MIN, "{}", tracker.words.capacity());
}
