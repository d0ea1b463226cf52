//! Adaptive batching on a lane: records wait a moment for company when, and only when, Kafka is busy.
//!
//! The decision is [`Batcher`]'s; here are the records, the end of the shard's turn, and the timer.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use millrace_kafka::batcher::{Batcher, BatcherSettings, Decision};
use millrace_kafka::{Headers, Payload};
use millrace_shard::{LocalNotify, sleep, spawn};

use super::{Lane, TopicSeat};
use crate::deliveries::Token;

/// Records kept back for a moment so that they go out together.
pub(super) struct Batching {
    pub(super) batcher: RefCell<Batcher>,
    pub(super) pending: RefCell<Vec<Pending>>,
    /// Wakes the task that runs when the shard's turn is over.
    pub(super) turn: Rc<LocalNotify>,
    pub(super) turn_is_watched: Cell<bool>,
    /// A timer runs that will look at the pending records, should nothing else.
    timer_is_set: Cell<bool>,
    /// Counts bursts.
    burst: Cell<u64>,
}

pub(super) struct Pending {
    pub(super) seat: Rc<TopicSeat>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) headers: Headers,
    pub(super) payload: Payload,
    pub(super) token: Token,
}

impl Lane {
    /// The shard has nothing more to do now: what is pending goes out, or waits a little longer.
    pub(super) fn turn_ended(self: &Rc<Self>, batching: &Batching) {
        batching.turn_is_watched.set(false);
        let decision = batching.batcher.borrow_mut().turn_ended(Instant::now());
        if decision == Decision::Flush {
            return self.flush(batching);
        }
        let deadline = batching.batcher.borrow().deadline();
        let Some(deadline) = deadline else { return };
        // Reports end the wait as a rule. When Kafka is slow, or stuck with other records, this does.
        if !batching.timer_is_set.replace(true) {
            let lane = Rc::downgrade(self);
            spawn(async move {
                sleep(deadline.saturating_duration_since(Instant::now())).await;
                let Some(lane) = lane.upgrade() else { return };
                let Some(batching) = &lane.batching else { return };
                batching.timer_is_set.set(false);
                lane.turn_ended(batching);
            });
        }
    }

    /// Hands all pending records to the client in one go.
    pub(super) fn flush(self: &Rc<Self>, batching: &Batching) {
        let mut burst = std::mem::take(&mut *batching.pending.borrow_mut());
        batching.burst.set(batching.burst.get().wrapping_add(1));
        let mut refused = 0_usize;
        for record in burst.drain(..) {
            record.seat.rotate_for(batching.burst.get());
            refused = refused.saturating_add(usize::from(!self.produce(record)));
        }
        let mut pending = batching.pending.borrow_mut();
        if pending.is_empty() {
            // The storage serves the next burst.
            *pending = burst;
        }
        batching.batcher.borrow_mut().refused(refused);
    }
}

impl Batching {
    pub(super) fn new(delay: Duration) -> Batching {
        let settings = BatcherSettings { delay, ..BatcherSettings::default() };
        Batching {
            batcher: RefCell::new(Batcher::new(settings)),
            pending: RefCell::default(),
            turn: Rc::default(),
            turn_is_watched: Cell::new(false),
            timer_is_set: Cell::new(false),
            burst: Cell::new(0),
        }
    }
}

/// Runs behind all tasks that were ready when the first record of a turn came.
pub(super) async fn turn_task(lane: Weak<Lane>, turn: Rc<LocalNotify>) {
    loop {
        turn.notified().await;
        let Some(lane) = lane.upgrade() else { return };
        let Some(batching) = &lane.batching else { return };
        lane.turn_ended(batching);
    }
}
