//! The offset tracker: a record comes, its fate is settled, the commit asks how far it is.

use std::hint::black_box;

use millrace_delivery::OffsetTracker;

use crate::case::Case;

/// Records in flight at once, and in one call of the work.
const BATCH: i64 = 256;
/// Coprime to the batch, so that every offset is settled once, far from its neighbours.
const STRIDE: i64 = 97;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        one_at_a_time("offset, one at a time"),
        batch("offset, 256 in flight, in order", |n| n),
        batch("offset, 256 in flight, shuffled", |n| n * STRIDE % BATCH),
        batch("offset, 256 in flight, backwards", |n| BATCH - 1 - n),
        behind_a_stuck_one("offset, behind a stuck one"),
    ]
}

fn one_at_a_time(name: &'static str) -> Case {
    let (mut tracker, mut offset) = (OffsetTracker::new(), 0);
    Case::new(name, move || {
        offset += 1;
        let _ = black_box(tracker.received(black_box(offset)));
        black_box(tracker.settle(offset));
        black_box(tracker.committable());
    })
}

/// Settles in the given order of numbers below the batch's size.
fn batch(name: &'static str, order: fn(i64) -> i64) -> Case {
    let (mut tracker, mut next) = (OffsetTracker::new(), 0);
    Case::batch(name, 256, move || {
        for n in 0..BATCH {
            let _ = black_box(tracker.received(black_box(next + n)));
        }
        for n in 0..BATCH {
            black_box(tracker.settle(next + order(n)));
        }
        next += BATCH;
        assert_eq!(tracker.committable(), Some(next));
    })
}

/// One record waits for its subscriber while others pass.
fn behind_a_stuck_one(name: &'static str) -> Case {
    let (mut tracker, mut next) = (OffsetTracker::new(), 1);
    let _ = tracker.received(0);
    Case::batch(name, 256, move || {
        for n in 0..BATCH {
            let _ = black_box(tracker.received(black_box(next + n)));
        }
        for n in 0..BATCH {
            black_box(tracker.settle(next + n * STRIDE % BATCH));
        }
        next += BATCH;
        assert_eq!(tracker.oldest_open(), Some(0));
    })
}
