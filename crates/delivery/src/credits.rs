//! How many events of one egress may be on their way, shared by its shards without a lock.

mod seats;

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use thiserror::Error;

use seats::SeatSet;

/// Called, from any thread, when it makes sense to ask for credits again. It must not block, and
/// must not ask itself: it may be called while its own seat gives back.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The bound of an unordered egress (8.1): a batch of up to `limit` events is granted whenever
/// fewer than `limit` are on their way, so that there are never more than `2 * limit - 1`.
///
/// Shards take turns: while one that was refused waits for its turn, the others leave at least one
/// credit of the limit free, so that it finds room when it comes. Without this the shard that
/// gives back would always be the first to take again.
#[derive(Clone)]
pub struct Credits {
    shared: Arc<Shared>,
}

/// The place of one shard. Dropping it gives up its turn, but nothing that it has taken: that has to
/// be given back, through any seat or the [`Credits`].
pub struct Seat {
    shared: Arc<Shared>,
    index: usize,
    /// Refused the last time it asked; its bits in the sets may be set.
    refused: Cell<bool>,
}

/// All seats are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("all {seats} seats of these credits have been handed out: one is needed for each shard")]
pub struct NoSeat {
    /// How many there are.
    pub seats: usize,
}

struct Shared {
    limit: usize,
    in_flight: AtomicUsize,
    wakes: Box<[OnceLock<Wake>]>,
    joined: AtomicUsize,
    /// Seats that were refused and did not get any since.
    waiting: SeatSet,
    /// Those of them that were not woken since.
    asleep: SeatSet,
    /// The first waiting seat from here on, going round, is the one whose turn it is: one behind
    /// the seat that was served last, so that each is reached within a round.
    turn: AtomicUsize,
}

impl Credits {
    /// `limit` is the effective `max.poll.records`; `seats` bounds the shards that can join.
    pub fn new(limit: NonZeroUsize, seats: usize) -> Self {
        let shared = Shared {
            limit: limit.get(),
            in_flight: AtomicUsize::new(0),
            wakes: (0..seats).map(|_| OnceLock::new()).collect(),
            joined: AtomicUsize::new(0),
            waiting: SeatSet::new(seats),
            asleep: SeatSet::new(seats),
            turn: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A seat for one shard. Seats are not used again after a drop.
    ///
    /// # Errors
    /// When all seats have been handed out.
    pub fn join(&self, wake: Wake) -> Result<Seat, NoSeat> {
        let index = self.shared.joined.fetch_add(1, SeqCst);
        let seats = self.shared.wakes.len();
        let place = self.shared.wakes.get(index).ok_or(NoSeat { seats })?;
        // Nobody else was given this index, so it is empty.
        let _ = place.set(wake);
        Ok(Seat { shared: Arc::clone(&self.shared), index, refused: Cell::new(false) })
    }

    /// Events on their way.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(SeqCst)
    }

    /// Gives back what was taken by any seat.
    ///
    /// # Panics
    /// When more comes back than was taken: the bound would be gone.
    pub fn give_back(&self, credits: usize) {
        self.shared.give_back(credits);
    }
}

impl Seat {
    /// Takes up to `wanted` credits, at most the limit. After 0 the seat is in line: its wake is
    /// called when there may be some. Once woken, ask again or [`Seat::decline`]: until then the
    /// others leave room for this one.
    pub fn try_take(&self, wanted: usize) -> usize {
        if wanted == 0 {
            return 0;
        }
        let mut taken = self.shared.claim(self.index, wanted);
        if taken == 0 {
            self.refused.set(true);
            self.shared.waiting.insert(self.index);
            self.shared.asleep.insert(self.index);
            // What came back before the lines above woke nobody, so look once more. See
            // `Shared::give_back` for why nothing can slip through.
            taken = self.shared.claim(self.index, wanted);
        }
        if taken > 0 && self.refused.replace(false) {
            self.shared.waiting.remove(self.index);
            self.shared.asleep.remove(self.index);
        }
        taken
    }

    /// Gives back what was taken by this seat or another.
    ///
    /// # Panics
    /// When more comes back than was taken.
    pub fn give_back(&self, credits: usize) {
        self.shared.give_back(credits);
    }

    /// Nothing is wanted any more: out of the line.
    pub fn decline(&self) {
        if self.refused.replace(false) {
            self.shared.waiting.remove(self.index);
            self.shared.asleep.remove(self.index);
            // Those who left room for this one need not any more.
            self.shared.wake_if_below(self.shared.in_flight.load(SeqCst));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.decline();
    }
}

impl Shared {
    fn claim(&self, seat: usize, wanted: usize) -> usize {
        let mut in_flight = self.in_flight.load(SeqCst);
        loop {
            let turn = self.turn.load(SeqCst);
            let first = self.waiting.first_from(turn);
            let early = first.is_some_and(|first| first != seat);
            let room = if early {
                self.limit.saturating_sub(1).saturating_sub(in_flight)
            } else if in_flight < self.limit {
                self.limit
            } else {
                0
            };
            let taken = wanted.min(room);
            if taken == 0 {
                return 0;
            }
            // `in_flight < limit` and `taken <= limit`: at most 2 * limit - 1 together.
            let next = in_flight + taken;
            match self.in_flight.compare_exchange_weak(in_flight, next, SeqCst, SeqCst) {
                Ok(_) => {
                    if !early && turn != seat + 1 {
                        self.turn.store(seat + 1, SeqCst);
                    }
                    return taken;
                }
                Err(now) => in_flight = now,
            }
        }
    }

    /// No wake-up is lost. All operations on `in_flight` and `asleep` are sequentially consistent,
    /// so there is one order of all of them, and a load sees what stands before it in that order.
    ///
    /// ```text
    /// seat:   A1 insert into asleep    A2 load in_flight (in the second claim)
    /// giver:  B1 subtract in_flight    B2 load asleep
    /// ```
    ///
    /// If A2 does not see B1, then A1 < A2 < B1 < B2 and B2 sees A1: the giver wakes the seat. If
    /// A2 sees B1 and the claim still fails, too many are in flight or it is another's turn. Then
    /// somebody has credits to give back, or the one whose turn it is was woken and will take,
    /// decline or drop; each of these comes to B2, or to the same load in `decline`, after A1.
    fn give_back(&self, credits: usize) {
        let before = self.in_flight.fetch_sub(credits, SeqCst);
        assert!(before >= credits, "{credits} credits came back, but only {before} were out");
        self.wake_if_below(before - credits);
    }

    fn wake_if_below(&self, in_flight: usize) {
        if in_flight < self.limit && !self.asleep.is_empty() {
            self.asleep.take_all(self.turn.load(SeqCst), |seat| {
                if let Some(wake) = self.wakes.get(seat).and_then(OnceLock::get) {
                    wake();
                }
            });
        }
    }
}

#[cfg(test)]
mod tests;
