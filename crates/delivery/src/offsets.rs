//! Which offset of a partition may be committed: what came, what is settled; gaps cost nothing.

use std::collections::VecDeque;

/// Offsets of one partition since its assignment (12.1).
///
/// The committed offset is the *next one to read*: the oldest open record, or one past the last
/// record when none is open. Only words with an open record are kept:
///
/// ```text
/// offsets   0 ........ 63 | 64 ..... 127 | 128 .. (gap) .. 10_000_063 | 10_000_064 ...
/// words     {0, open bits}  all settled:    never received:              {156_251, open bits}
///                           left out soon   costs nothing
/// ```
///
/// So a record that is stuck costs no memory for what is settled behind it, and 1 million open
/// records in a row take 0.5 MiB at most. With at least 64 offsets between any two open records it is
/// 64 bytes a record at most.
///
/// After a revoke make a new one at the next assignment. Do not settle in it what the old one
/// received: it would count as settled while the new owner still delivers it.
#[derive(Clone, Debug, Default)]
pub struct OffsetTracker {
    seen: Option<Seen>,
    /// Ascending by number; the first one has an open record.
    words: VecDeque<Word>,
    /// Records open in all words.
    open: usize,
    /// Words without an open record that are still in between.
    empty: usize,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The first record received.
    first: i64,
    /// Everything up to here, this included, was received or is a gap.
    last: i64,
}

/// 64 offsets, from `number * 64` on.
#[derive(Clone, Copy, Debug)]
struct Word {
    number: i64,
    /// Bit `n` is set while offset `number * 64 + n` is open.
    open: u64,
}

/// What the tracker makes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a record that came before must not be delivered twice"]
pub enum Received {
    /// To be delivered, and open until [`OffsetTracker::settle`].
    New {
        /// Offsets between the record before and this one: transaction markers, aborted or
        /// compacted records (5.6). None before the first record.
        skipped: u64,
    },
    /// Not later than what came before, as after a seek: nothing changes. The record is on its way
    /// or has its fate already.
    Again {
        /// It is on its way.
        open: bool,
    },
}

/// Fewer words than this are not worth tidying.
const TIDY_MIN: usize = 64;

impl OffsetTracker {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A record came. What lies between it and the one before will never come and counts as
    /// settled, in one step however long the gap is.
    pub fn received(&mut self, offset: i64) -> Received {
        let skipped = match &mut self.seen {
            None => {
                self.seen = Some(Seen { first: offset, last: offset });
                0
            }
            Some(seen) if offset <= seen.last => {
                return Received::Again { open: self.is_open(offset) };
            }
            Some(seen) => {
                let skipped = offset.abs_diff(seen.last).saturating_sub(1);
                seen.last = offset;
                skipped
            }
        };
        let (number, bit) = place(offset);
        match self.words.back_mut() {
            Some(word) if word.number == number => {
                self.empty -= usize::from(word.open == 0);
                word.open |= bit;
            }
            _ => self.words.push_back(Word { number, open: bit }),
        }
        self.open += 1;
        Received::New { skipped }
    }

    /// Nothing before `next` will come any more, as at the end of a partition whose last entries
    /// are transaction markers: without this the group would show a lag for ever (O4). Returns the
    /// offsets skipped. Without effect before the first record: nothing is committed before there
    /// was progress (W30).
    pub fn skipped_to(&mut self, next: i64) -> u64 {
        let Some(seen) = &mut self.seen else { return 0 };
        let last = next.saturating_sub(1);
        if last <= seen.last {
            return 0;
        }
        let skipped = last.abs_diff(seen.last);
        seen.last = last;
        skipped
    }

    /// The fate of a record is settled. Whether [`Self::committable`] moved. Without effect for an
    /// offset that is not open.
    pub fn settle(&mut self, offset: i64) -> bool {
        let (number, bit) = place(offset);
        let oldest = self.oldest_open();
        let word = self.position(number).and_then(|at| self.words.get_mut(at));
        let Some(word) = word.filter(|word| word.open & bit != 0) else { return false };
        word.open &= !bit;
        self.open -= 1;
        if word.open == 0 {
            self.empty += 1;
            self.tidy();
        }
        oldest == Some(offset)
    }

    /// What to commit: the next offset to read. `None` before the first progress.
    pub fn committable(&self) -> Option<i64> {
        let seen = self.seen?;
        let next = self.oldest_open().unwrap_or_else(|| seen.last.saturating_add(1));
        (next > seen.first).then_some(next)
    }

    /// Records on their way.
    pub fn open(&self) -> usize {
        self.open
    }

    /// The record that holds the commit back.
    pub fn oldest_open(&self) -> Option<i64> {
        let word = self.words.front()?;
        Some(word.number.saturating_mul(64).saturating_add(i64::from(word.open.trailing_zeros())))
    }

    fn is_open(&self, offset: i64) -> bool {
        let (number, bit) = place(offset);
        let word = self.position(number).and_then(|at| self.words.get(at));
        word.is_some_and(|word| word.open & bit != 0)
    }

    fn position(&self, number: i64) -> Option<usize> {
        // Without gaps the words follow one another, so the first guess is right.
        let guess = usize::try_from(number.checked_sub(self.words.front()?.number)?).ok()?;
        if self.words.get(guess).is_some_and(|word| word.number == number) {
            return Some(guess);
        }
        self.words.binary_search_by_key(&number, |word| word.number).ok()
    }

    /// Drops words without open records: at the front at once, in between when they are the
    /// majority. Each word is moved a constant number of times on average.
    fn tidy(&mut self) {
        while self.words.front().is_some_and(|word| word.open == 0) {
            self.words.pop_front();
            self.empty -= 1;
        }
        if self.words.len() >= TIDY_MIN && self.empty > self.words.len() / 2 {
            self.words.retain(|word| word.open != 0);
            self.empty = 0;
        }
        if self.words.capacity() > 2 * TIDY_MIN && self.words.len() < self.words.capacity() / 8 {
            self.words.shrink_to(self.words.len() * 2);
        }
    }
}

/// Word number and bit of an offset.
fn place(offset: i64) -> (i64, u64) {
    (offset.div_euclid(64), 1 << offset.rem_euclid(64))
}

#[cfg(test)]
mod tests;
