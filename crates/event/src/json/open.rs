//! Which containers stand around a place of the text.

use super::NESTING_MAX;

/// A bit for each open container, set for an object; the lowest is the innermost's.
#[derive(Default)]
pub(super) struct Open {
    inner: u64,
    /// The `inner` of each depth that is a multiple of its bits.
    outer: [u64; NESTING_MAX.div_ceil(64) + 1],
    depth: usize,
}

impl Open {
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    #[inline(always)]
    pub(super) fn in_object(&self) -> bool {
        self.inner & 1 == 1
    }

    #[inline(always)]
    pub(super) fn push(&mut self, is_object: bool) {
        if self.depth.is_multiple_of(64)
            && let Some(outer) = self.outer.get_mut(self.depth / 64)
        {
            *outer = self.inner;
        }
        self.inner = self.inner << 1 | u64::from(is_object);
        self.depth += 1;
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.inner >>= 1;
        if self.depth.is_multiple_of(64) {
            self.inner = self.outer.get(self.depth / 64).copied().unwrap_or_default();
        }
    }
}
