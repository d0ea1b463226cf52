//! A small set of seat numbers, one bit each, changed by many threads at once.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Numbers below the size given at the start; others are never in it. Each operation is
/// sequentially consistent; those over all numbers look at 64 of them at a time.
pub(super) struct SeatSet {
    words: Box<[AtomicU64]>,
}

impl SeatSet {
    pub(super) fn new(size: usize) -> Self {
        Self { words: (0..size.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(super) fn insert(&self, seat: usize) {
        if let Some(word) = self.words.get(seat / 64) {
            word.fetch_or(1 << (seat % 64), SeqCst);
        }
    }

    pub(super) fn remove(&self, seat: usize) {
        if let Some(word) = self.words.get(seat / 64) {
            word.fetch_and(!(1 << (seat % 64)), SeqCst);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| word.load(SeqCst) == 0)
    }

    /// The first one that is not below `from`, else the first of all.
    pub(super) fn first_from(&self, from: usize) -> Option<usize> {
        let (word_from, low) = (from / 64, !(u64::MAX << (from % 64)));
        let mut before = None;
        for (number, word) in self.words.iter().enumerate() {
            let bits = word.load(SeqCst);
            let later = match number {
                number if number < word_from => 0,
                number if number == word_from => bits & !low,
                _ => bits,
            };
            let seat = |bits: u64| number * 64 + bits.trailing_zeros() as usize;
            if later != 0 {
                return Some(seat(later));
            }
            if bits != 0 && before.is_none() {
                before = Some(seat(bits));
            }
        }
        before
    }

    /// Empties it and names what was in it, from `from` on, going round.
    pub(super) fn take_all(&self, from: usize, mut each: impl FnMut(usize)) {
        let mut before: u64 = 0;
        let word_from = (from / 64).min(self.words.len());
        let (early, late) = self.words.split_at(word_from);
        let numbered = (word_from..).zip(late).chain((0..).zip(early));
        for (number, word) in numbered {
            let mut bits = word.swap(0, SeqCst);
            if number == from / 64 {
                before = bits & !(u64::MAX << (from % 64));
                bits &= !before;
            }
            name(number, bits, &mut each);
        }
        name(from / 64, before, &mut each);
    }
}

fn name(word: usize, mut bits: u64, each: &mut impl FnMut(usize)) {
    while bits != 0 {
        each(word * 64 + bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_naive_set(
            size in 1..200_usize,
            operations in prop::collection::vec((any::<bool>(), 0..200_usize), 0..60),
            from in 0..260_usize,
        ) {
            let (ours, mut naive) = (SeatSet::new(size), BTreeSet::new());
            for (insert, seat) in operations {
                let seat = seat % size;
                if insert {
                    ours.insert(seat);
                    naive.insert(seat);
                } else {
                    ours.remove(seat);
                    naive.remove(&seat);
                }
                prop_assert_eq!(ours.is_empty(), naive.is_empty());
            }
            let round: Vec<_> = naive.range(from..).chain(naive.range(..from)).copied().collect();
            prop_assert_eq!(ours.first_from(from), round.first().copied());
            let mut taken = Vec::new();
            ours.take_all(from, |seat| taken.push(seat));
            prop_assert_eq!(taken, round);
            prop_assert!(ours.is_empty());
        }
    }
}
