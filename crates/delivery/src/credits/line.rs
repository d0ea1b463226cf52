//! Who waits for credits, first come first served. Only the first is ever woken.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Wake;

/// The line. As long as there are partitions of the egress in the process.
#[derive(Default)]
pub(super) struct Line {
    places: VecDeque<Place>,
    numbers: u64,
}

struct Place {
    id: u64,
    wake: Wake,
    /// Woken, and has not asked since.
    woken: bool,
}

impl Line {
    /// A number that nobody else has.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers = self.numbers.wrapping_add(1);
        self.numbers
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
