//! One shard's place among those that share an egress' bound in flight, and its lanes that wait for room.

use std::sync::{Arc, PoisonError};

use millrace_delivery::{Credits, Seat};

use crate::link::Link;
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};

/// One shard's place among those that share an egress' bound in flight, for all its lanes there.
pub(crate) struct ShardCredits {
    seat: Seat,
    refused: Arc<Refused>,
}

/// Lanes of one shard that were refused; looked at when there may be room again.
#[derive(Default)]
struct Refused {
    lanes: Mutex<Vec<Arc<Link>>>,
    /// Set while there are some, so that nobody locks to learn that there are none.
    any: AtomicBool,
}

impl ShardCredits {
    /// `None` when every shard has its place already.
    pub(crate) fn join(credits: &Credits) -> Option<ShardCredits> {
        let refused = Arc::<Refused>::default();
        let wake = {
            let refused = refused.clone();
            Arc::new(move || refused.nudge_all())
        };
        Some(ShardCredits { seat: credits.join(wake).ok()?, refused })
    }

    /// Up to `wanted` credits for a lane; after 0 it is nudged when there may be some.
    pub(crate) fn take(&self, lane: &Arc<Link>, wanted: usize) -> usize {
        let mut taken = self.seat.try_take(wanted);
        if taken == 0 {
            self.refused.push(lane);
            // Credits may have come back before the lane was in the list.
            taken = self.seat.try_take(wanted);
        }
        if taken > 0 {
            // With that the shard has left the line, so nobody would wake it for those in the list:
            // they ask again, and stand in line again if there is nothing left.
            self.refused.nudge_all();
        }
        taken
    }

    pub(crate) fn give_back(&self, credits: usize) {
        if credits > 0 {
            self.seat.give_back(credits);
        }
    }

    /// The lane takes no more. Whoever waits beside it asks again, as the turn may have been its.
    pub(crate) fn leave(&self, lane: &Arc<Link>) {
        self.refused.lanes().retain(|known| !Arc::ptr_eq(known, lane));
        self.seat.decline();
        self.refused.nudge_all();
    }
}

impl Refused {
    fn lanes(&self) -> MutexGuard<'_, Vec<Arc<Link>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lane: &Arc<Link>) {
        let mut lanes = self.lanes();
        if !lanes.iter().any(|known| Arc::ptr_eq(known, lane)) {
            lanes.push(lane.clone());
        }
        self.any.store(true, Ordering::SeqCst);
    }

    fn nudge_all(&self) {
        if !self.any.load(Ordering::SeqCst) {
            return;
        }
        let lanes = {
            let mut lanes = self.lanes();
            self.any.store(false, Ordering::SeqCst);
            std::mem::take(&mut *lanes)
        };
        for lane in lanes {
            lane.nudge();
        }
    }
}
