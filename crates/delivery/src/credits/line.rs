//! Who waits for credits, first come first served. Only the first is ever woken.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Wake;

/// The line, never longer than there are seats taken.
#[derive(Default)]
pub(super) struct Line {
    places: VecDeque<Place>,
    /// How many sit.
    seated: usize,
    numbers: u64,
}

struct Place {
    id: u64,
    wake: Wake,
    /// Woken, and has not asked since.
    woken: bool,
}

impl Line {
    /// A seat, as a number that nobody else has; `None` when all are taken.
    pub(super) fn sit(&mut self, seats: usize) -> Option<u64> {
        if self.seated >= seats {
            return None;
        }
        self.seated += 1;
        self.numbers = self.numbers.wrapping_add(1);
        Some(self.numbers)
    }

    /// A seat is free again.
    pub(super) fn rise(&mut self) {
        self.seated = self.seated.saturating_sub(1);
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn join(&mut self, id: u64, wake: Wake) {
        self.places.push_back(Place { id, wake, woken: false });
    }

    pub(super) fn leave(&mut self, id: u64) {
        if let Some(at) = self.places.iter().position(|place| place.id == id) {
            self.places.remove(at);
        }
    }

    pub(super) fn is_first(&self, id: u64) -> bool {
        self.places.front().is_some_and(|place| place.id == id)
    }

    /// The first has asked, in vain.
    pub(super) fn first_sleeps(&mut self) {
        if let Some(first) = self.places.front_mut() {
            first.woken = false;
        }
    }

    /// How to wake the first, unless it was woken and has not asked since.
    pub(super) fn wake_first(&mut self) -> Option<Wake> {
        let first = self.places.front_mut().filter(|first| !first.woken)?;
        first.woken = true;
        Some(Arc::clone(&first.wake))
    }
}
