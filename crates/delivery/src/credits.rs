//! How many events of one egress may be on their way, shared by all who take records for it.

mod line;

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError};

use thiserror::Error;

use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering::SeqCst};
use line::Line;

/// Called, from any thread, when it makes sense to ask for credits again. It must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The bound of an unordered egress (8.1): a batch of up to `limit` events is granted whenever
/// fewer than `limit` are on their way, so that there are never more than `2 * limit - 1`.
///
/// Who is refused stands in line and is woken in turn. While somebody stands there, others take
/// only so much that the first in line finds room when it comes: without this, who gives back
/// would always be the first to take again. Nobody in line, which is the usual case, means no lock.
///
/// The first in line may be slow to come, its thread waiting for a CPU. Those behind it do not stand
/// still meanwhile: as soon as less than half of the limit is on its way, one who gives back is woken
/// to take what is left (half, so that it is a batch and not one at a time).
#[derive(Clone)]
pub struct Credits {
    shared: Arc<Shared>,
}

/// One who takes credits: a shard, or a partition on it. Dropping it leaves the line, but gives
/// nothing back: what it took comes back through any seat or the [`Credits`] as its events end.
pub struct Seat {
    shared: Arc<Shared>,
    wake: Wake,
    id: u64,
    in_line: Cell<bool>,
    /// Woken out of turn, and has not asked since.
    roused: Cell<bool>,
}

/// All seats are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("all {seats} seats of these credits are taken: one is needed for each who takes some")]
pub struct NoSeat {
    /// How many there are.
    pub seats: usize,
}

struct Shared {
    limit: usize,
    /// How many may sit at once, which bounds the line.
    seats: usize,
    in_flight: AtomicUsize,
    /// The length of the line, written under its lock.
    waiting: AtomicUsize,
    line: Mutex<Line>,
}

impl Credits {
    /// `limit` is the effective `max.poll.records`; `seats` bounds those who take credits at a time.
    pub fn new(limit: NonZeroUsize, seats: usize) -> Self {
        let shared = Shared {
            limit: limit.get(),
            seats,
            in_flight: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            line: Mutex::new(Line::default()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Somebody new who will ask for credits, until it is dropped. `wake` is called when it was
    /// refused and there may be some now.
    ///
    /// # Errors
    /// When all seats are taken.
    pub fn join(&self, wake: Wake) -> Result<Seat, NoSeat> {
        let seats = self.shared.seats;
        let id = self.shared.line().sit(seats).ok_or(NoSeat { seats })?;
        Ok(Seat {
            shared: Arc::clone(&self.shared),
            wake,
            id,
            in_line: Cell::new(false),
            roused: Cell::new(false),
        })
    }

    /// Events on their way, from 0 to `2 * limit - 1`.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(SeqCst)
    }

    /// Gives back what was taken by any seat.
    ///
    /// # Panics
    /// When more comes back than was taken: the bound would be gone.
    pub fn give_back(&self, credits: usize) {
        let _ = self.shared.give_back(credits);
    }
}

impl Seat {
    /// Takes up to `wanted` credits, at most the limit. After 0 (of more than 0 wanted) it stands in
    /// line. Once woken it must take, [`Seat::decline`] or be dropped: the others leave room for it
    /// until then.
    pub fn try_take(&self, wanted: usize) -> usize {
        self.roused.set(false);
        if wanted == 0 {
            return 0;
        }
        if self.shared.waiting.load(SeqCst) == 0 {
            let taken = self.shared.claim(wanted, self.shared.limit);
            if taken > 0 {
                return taken;
            }
        }
        self.take_in_line(wanted)
    }

    fn take_in_line(&self, wanted: usize) -> usize {
        let mut line = self.shared.line();
        if !self.in_line.replace(true) {
            line.join(self.id, Arc::clone(&self.wake));
            self.shared.waiting.store(line.len(), SeqCst);
        }
        let first = line.is_first(self.id);
        // Fewer than `ceiling` may be on their way for this one to take any: the others leave one
        // of the limit for the first, who then may take a whole batch.
        let taken = if first {
            self.shared.claim(wanted, self.shared.limit)
        } else {
            self.shared.claim_below(wanted, self.shared.limit.saturating_sub(1))
        };
        if taken > 0 {
            self.leave(line);
        } else if first {
            line.first_sleeps();
        }
        taken
    }

    /// Gives back what was taken by this seat or another.
    ///
    /// # Panics
    /// When more comes back than was taken.
    pub fn give_back(&self, credits: usize) {
        let left = self.shared.give_back(credits);
        if left < self.shared.limit / 2 && self.in_line.get() && !self.roused.replace(true) {
            (self.wake)();
        }
    }

    /// Nothing is wanted any more: out of the line.
    pub fn decline(&self) {
        if self.in_line.get() {
            self.leave(self.shared.line());
        }
    }

    fn leave(&self, mut line: MutexGuard<'_, Line>) {
        self.in_line.set(false);
        line.leave(self.id);
        self.shared.waiting.store(line.len(), SeqCst);
        self.shared.wake_first(line);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.decline();
        self.shared.line().rise();
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        // What is done under the lock cannot panic half-way.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a batch if fewer than `ceiling` are on their way.
    fn claim(&self, wanted: usize, ceiling: usize) -> usize {
        self.claim_if(|in_flight| if in_flight < ceiling { wanted.min(self.limit) } else { 0 })
    }

    /// Takes so many that at most `ceiling` are on their way.
    fn claim_below(&self, wanted: usize, ceiling: usize) -> usize {
        self.claim_if(|in_flight| wanted.min(ceiling.saturating_sub(in_flight)))
    }

    fn claim_if(&self, grant: impl Fn(usize) -> usize) -> usize {
        let mut in_flight = self.in_flight.load(SeqCst);
        loop {
            let taken = grant(in_flight);
            if taken == 0 {
                return 0;
            }
            // Below the limit, and at most the limit is added: no overflow, at most 2 * limit - 1.
            let next = in_flight + taken;
            match self.in_flight.compare_exchange_weak(in_flight, next, SeqCst, SeqCst) {
                Ok(_) => return taken,
                Err(now) => in_flight = now,
            }
        }
    }

    /// No wake-up is lost. Whenever the lock is free and the line is not empty, either
    ///
    /// 1. its first was woken and has not asked since (it will take, decline or be dropped), or
    /// 2. at least `limit` were on their way when `in_flight` was read for the last time under the
    ///    lock, *after* `waiting` was stored: whoever asks does both in this order, whoever leaves
    ///    too, and 1 follows if it read less.
    ///
    /// In case 2 some later call of this brings `in_flight` below the limit (A1), then reads
    /// `waiting` (A2). All of these are sequentially consistent, so there is one order of them, and
    /// the store of `waiting` is before the read of `in_flight` that did not see A1, so it is before
    /// A1, and A2 sees it. So this call takes the lock, and case 1 follows.
    ///
    /// Returns how many are on their way now.
    fn give_back(&self, credits: usize) -> usize {
        let before = self.in_flight.fetch_sub(credits, SeqCst);
        assert!(before >= credits, "{credits} credits came back, but only {before} were out");
        let left = before - credits;
        if left < self.limit && self.waiting.load(SeqCst) > 0 {
            self.wake_first(self.line());
        }
        left
    }

    fn wake_first(&self, mut line: MutexGuard<'_, Line>) {
        if self.in_flight.load(SeqCst) < self.limit
            && let Some(wake) = line.wake_first()
        {
            // Outside the lock, as it is not our code.
            drop(line);
            wake();
        }
    }
}

#[cfg(test)]
mod tests;
