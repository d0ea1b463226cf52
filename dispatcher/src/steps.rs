//! What each record in flight on a lane waits for, and until when: so a record that waits for nobody shows.
//!
//! A record that is with its subscriber within the attempt's timeout, or between two attempts, waits for
//! somebody else, however long that takes. One that is still there a good while after that is ours to
//! explain: it is stalled (reliability.md R3).

use std::cell::RefCell;

use slab::Slab;

/// The records in flight on one lane.
#[derive(Debug, Default)]
pub(crate) struct Steps(RefCell<Slab<Step>>);

#[derive(Clone, Copy, Debug)]
struct Step {
    offset: i64,
    since_ms: u64,
    /// Whoever it waits for has until then.
    due_ms: u64,
}

/// A record, or a lane, that does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stalled {
    /// The first that does not; of a lane without any in flight the next one.
    pub(crate) offset: i64,
    /// By the coarse clock.
    pub(crate) since_ms: u64,
}

impl Steps {
    /// A record is in flight; gives its place.
    pub(crate) fn begin(&self, offset: i64, now_ms: u64) -> usize {
        self.0.borrow_mut().insert(Step { offset, since_ms: now_ms, due_ms: now_ms })
    }

    /// It waits for somebody else, for so long at most.
    pub(crate) fn wait(&self, place: usize, now_ms: u64, for_ms: u64) {
        if let Some(step) = self.0.borrow_mut().get_mut(place) {
            (step.since_ms, step.due_ms) = (now_ms, now_ms.saturating_add(for_ms));
        }
    }

    /// It is in flight no more.
    pub(crate) fn end(&self, place: usize) {
        self.0.borrow_mut().try_remove(place);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The first record whose wait was over so long ago.
    pub(crate) fn overdue(&self, now_ms: u64, after_ms: u64) -> Option<Stalled> {
        let steps = self.0.borrow();
        let overdue = |step: &&Step| step.due_ms.saturating_add(after_ms) <= now_ms;
        let first =
            steps.iter().map(|(_, step)| step).filter(overdue).min_by_key(|it| it.offset)?;
        Some(Stalled { offset: first.offset, since_ms: first.since_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_somebody_is_not_stalled() {
        let steps = Steps::default();
        assert_eq!(steps.overdue(u64::MAX, 0), None);
        let (seven, nine) = (steps.begin(7, 1_000), steps.begin(9, 1_000));
        // With its subscriber for ten minutes, and between two attempts for five seconds.
        steps.wait(seven, 2_000, 600_000);
        steps.wait(nine, 2_000, 5_000);
        assert_eq!(steps.overdue(66_999, 60_000), None);
        assert_eq!(steps.overdue(67_000, 60_000), Some(Stalled { offset: 9, since_ms: 2_000 }));
        assert_eq!(steps.overdue(662_000, 60_000), Some(Stalled { offset: 7, since_ms: 2_000 }));
        steps.wait(nine, 67_000, 0);
        assert_eq!(steps.overdue(67_001, 60_000), None, "it has moved");
        steps.end(seven);
        steps.end(nine);
        assert!(steps.is_empty());
        assert_eq!(steps.overdue(u64::MAX, 0), None);
    }

    #[test]
    fn a_wait_without_end_does_not_overflow() {
        let steps = Steps::default();
        let place = steps.begin(1, u64::MAX - 1);
        steps.wait(place, u64::MAX - 1, u64::MAX);
        assert_eq!(steps.overdue(u64::MAX - 1, 60_000), None);
    }
}
