//! Masks of a bit for each byte that go on from block to block.

/// Each bit says whether an odd number of bits is set up to it.
#[inline(always)]
pub(super) fn prefix_xor(mut mask: u64) -> u64 {
    for by in [1, 2, 4, 8, 16, 32] {
        mask ^= mask << by;
    }
    mask
}

/// The bytes after those of a mask.
#[derive(Default, Clone, Copy, PartialEq)]
pub(super) struct Shift(u64);

impl Shift {
    #[inline(always)]
    pub(super) fn up(&mut self, mask: u64) -> u64 {
        let shifted = mask << 1 | self.0;
        self.0 = mask >> 63;
        shifted
    }
}

/// Where runs of bytes end.
#[derive(Default)]
pub(super) struct Run(bool);

impl Run {
    /// Whether a run goes on in the next block.
    pub(super) fn pending(&self) -> bool {
        self.0
    }

    /// The first byte that is not in `run`, from each of `starts` on, which are in it.
    #[inline(always)]
    pub(super) fn past(&mut self, starts: u64, run: u64) -> u64 {
        // The carry of an addition passes through a row of ones.
        let (sum, carry) = run.carrying_add(starts, self.0);
        self.0 = carry;
        sum & !run
    }
}

/// The first byte that is not blank after those of a mask.
#[derive(Default)]
pub(super) struct Next(bool);

impl Next {
    /// As if the byte before the first were in the mask.
    pub(super) fn at_once() -> Self {
        Self(true)
    }

    /// `blank` has no byte of `mask`.
    #[inline(always)]
    pub(super) fn of(&mut self, mask: u64, blank: u64) -> u64 {
        // The last byte of a block is in the mask or ends a row of blanks after such a byte, never both.
        let (sum, carry) = blank.carrying_add(mask << 1, self.0);
        self.0 = carry | (mask >> 63 == 1);
        sum & !blank
    }
}
