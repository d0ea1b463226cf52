//! Events handed to Kafka whose delivery report is still owed, and the tasks that wait for them.
//!
//! One table per shard. A slot is freed only by its report, whatever became of the task that waits:
//! a client that went away or a wait that was given up must not shorten the life of a record.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

/// What became of one record: its report, or the end of our patience.
#[derive(Debug)]
pub(crate) struct Settled<O> {
    /// The outcome.
    pub(crate) outcome: O,
    /// The lent payload, back from Kafka. None when nothing was lent, or when the wait was given up
    /// before the report.
    pub(crate) payload: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Slot<O> {
    Waiting(Option<Waker>),
    /// Reported; the waiting task has not looked yet.
    Reported(Settled<O>),
    /// Given up with this outcome; the report is still owed.
    GivenUp(Option<O>),
    /// Nobody waits any more; the report is still owed.
    Orphaned,
}

/// A slot and the record it stands for now.
#[derive(Debug)]
struct Entry<O> {
    /// Tells a record from an earlier one in the same place, whose timer may still run.
    generation: u32,
    slot: Slot<O>,
}

/// The table of one shard.
#[derive(Debug)]
pub(crate) struct Deliveries<O> {
    slots: RefCell<Slab<Entry<O>>>,
    generation: Cell<u32>,
}

/// Identifies one record on its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(u64);

impl Token {
    /// As an opaque number that travels with the record.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// From the number that came back.
    pub(crate) fn from_number(number: u64) -> Token {
        Token(number)
    }

    fn new(place: usize, generation: u32) -> Token {
        // A table with 2^32 slots does not fit into memory.
        Token(place as u64 | u64::from(generation) << 32)
    }

    fn place(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl<O> Deliveries<O> {
    pub(crate) fn new() -> Deliveries<O> {
        Deliveries { slots: RefCell::new(Slab::new()), generation: Cell::new(0) }
    }

    /// How many reports are owed or not yet looked at.
    pub(crate) fn len(&self) -> usize {
        self.slots.borrow().len()
    }

    /// Opens a slot: its token travels with the record, its future waits for the report.
    pub(crate) fn open(self: &Rc<Self>) -> Delivery<O> {
        let generation = self.generation.get().wrapping_add(1);
        self.generation.set(generation);
        let entry = Entry { generation, slot: Slot::Waiting(None) };
        let place = self.slots.borrow_mut().insert(entry);
        Delivery { token: Token::new(place, generation), deliveries: Some(self.clone()) }
    }

    /// The report for `token` has come (or the record was refused at once). Whether somebody hears its
    /// outcome.
    pub(crate) fn report(&self, token: Token, settled: Settled<O>) -> bool {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = current(&mut slots, token) else { return false };
        match slot {
            Slot::Waiting(waker) => {
                let waker = waker.take();
                *slot = Slot::Reported(settled);
                drop(slots);
                if let Some(waker) = waker {
                    waker.wake();
                }
                return true;
            }
            // A second report for one token would be a bug of ours; the first one stands.
            Slot::Reported(_) => debug_assert!(false, "two reports for one record"),
            Slot::Orphaned => drop(slots.remove(token.place())),
            // The task has been woken but has not run: keep its outcome, the record is settled now.
            Slot::GivenUp(outcome) => {
                let outcome = outcome.take();
                if let Some(outcome) = outcome {
                    *slot = Slot::Reported(Settled { outcome, payload: settled.payload });
                }
            }
        }
        false
    }

    /// Ends the wait for `token` with `outcome` unless its report is there.
    pub(crate) fn give_up(&self, token: Token, outcome: O) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = current(&mut slots, token) else { return };
        if let Slot::Waiting(waker) = slot {
            let waker = waker.take();
            *slot = Slot::GivenUp(Some(outcome));
            drop(slots);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Ends every wait whose report is not there: nobody has the time for it any more.
    pub(crate) fn give_up_all(&self, mut outcome: impl FnMut() -> O) {
        let mut woken = Vec::new();
        for (_, entry) in self.slots.borrow_mut().iter_mut() {
            if let Slot::Waiting(waker) = &mut entry.slot {
                woken.extend(waker.take());
                entry.slot = Slot::GivenUp(Some(outcome()));
            }
        }
        woken.into_iter().for_each(Waker::wake);
    }
}

/// The slot of `token`, unless it is another record's by now.
fn current<O>(slots: &mut Slab<Entry<O>>, token: Token) -> Option<&mut Slot<O>> {
    let entry = slots.get_mut(token.place())?;
    (entry.generation == token.generation()).then_some(&mut entry.slot)
}

/// Resolves when the record is reported or given up.
#[derive(Debug)]
pub(crate) struct Delivery<O> {
    token: Token,
    /// None once resolved.
    deliveries: Option<Rc<Deliveries<O>>>,
}

impl<O> Delivery<O> {
    /// Identifies the record in its report.
    pub(crate) fn token(&self) -> Token {
        self.token
    }
}

impl<O> Future for Delivery<O> {
    type Output = Settled<O>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settled<O>> {
        let token = self.token;
        let Some(deliveries) = &self.deliveries else { return Poll::Pending };
        let mut slots = deliveries.slots.borrow_mut();
        match current(&mut slots, token) {
            Some(Slot::Waiting(waker)) => {
                match waker {
                    Some(known) if known.will_wake(context.waker()) => {}
                    _ => *waker = Some(context.waker().clone()),
                }
                return Poll::Pending;
            }
            Some(slot @ Slot::GivenUp(_)) => {
                let Slot::GivenUp(Some(outcome)) = std::mem::replace(slot, Slot::Orphaned) else {
                    return Poll::Pending;
                };
                drop(slots);
                self.deliveries = None;
                return Poll::Ready(Settled { outcome, payload: None });
            }
            Some(Slot::Reported(_)) => {}
            Some(Slot::Orphaned) | None => return Poll::Pending,
        }
        let entry = slots.remove(token.place());
        drop(slots);
        self.deliveries = None;
        match entry.slot {
            Slot::Reported(settled) => Poll::Ready(settled),
            _ => Poll::Pending,
        }
    }
}

impl<O> Drop for Delivery<O> {
    fn drop(&mut self) {
        let Some(deliveries) = self.deliveries.take() else { return };
        let mut slots = deliveries.slots.borrow_mut();
        match current(&mut slots, self.token) {
            Some(Slot::Reported(_)) => drop(slots.remove(self.token.place())),
            Some(slot) => *slot = Slot::Orphaned,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    use super::*;

    type Table = Rc<Deliveries<u16>>;

    fn table() -> Table {
        Rc::new(Deliveries::new())
    }

    fn poll(delivery: &mut Delivery<u16>) -> Option<(u16, Option<Vec<u8>>)> {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(delivery).poll(&mut context) {
            Poll::Ready(settled) => Some((settled.outcome, settled.payload)),
            Poll::Pending => None,
        }
    }

    fn settled(outcome: u16) -> Settled<u16> {
        Settled { outcome, payload: Some(vec![7]) }
    }

    #[test]
    fn a_report_ends_the_wait_and_brings_the_payload_back() {
        let table = table();
        let mut delivery = table.open();
        assert_eq!(poll(&mut delivery), None);
        assert!(table.report(delivery.token(), settled(202)), "somebody hears it");
        assert_eq!(poll(&mut delivery), Some((202, Some(vec![7]))));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_report_before_the_first_poll_is_kept() {
        let table = table();
        let mut delivery = table.open();
        table.report(delivery.token(), settled(202));
        assert_eq!(poll(&mut delivery), Some((202, Some(vec![7]))));
    }

    #[test]
    fn a_slot_outlives_its_task_until_the_report() {
        let table = table();
        let delivery = table.open();
        let token = delivery.token();
        drop(delivery);
        assert_eq!(table.len(), 1, "the report is still owed");
        let other = table.open();
        assert_ne!(other.token(), token, "the token is not used again before the report");
        assert!(!table.report(token, settled(202)), "nobody hears it");
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn giving_up_answers_at_once_and_frees_the_slot_with_the_report() {
        let table = table();
        let mut delivery = table.open();
        let token = delivery.token();
        table.give_up(token, 503);
        assert_eq!(poll(&mut delivery), Some((503, None)));
        assert_eq!(table.len(), 1);
        table.report(token, settled(202));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_report_between_giving_up_and_the_poll_keeps_the_outcome_and_the_payload() {
        let table = table();
        let mut delivery = table.open();
        table.give_up(delivery.token(), 503);
        assert!(!table.report(delivery.token(), settled(202)), "503 is what is heard");
        assert_eq!(poll(&mut delivery), Some((503, Some(vec![7]))));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn giving_up_after_the_report_changes_nothing() {
        let table = table();
        let mut delivery = table.open();
        table.report(delivery.token(), settled(202));
        table.give_up(delivery.token(), 503);
        assert_eq!(poll(&mut delivery), Some((202, Some(vec![7]))));
    }

    #[test]
    fn giving_all_up_wakes_who_waits_and_leaves_reports_alone() {
        let table = table();
        let (mut waiting, mut reported, mut unpolled) = (table.open(), table.open(), table.open());
        let waker = Arc::new(Woken(AtomicBool::new(false)));
        let polled = Pin::new(&mut waiting).poll(&mut Context::from_waker(&waker.clone().into()));
        assert!(polled.is_pending());
        table.report(reported.token(), settled(202));
        table.give_up_all(|| 503);
        assert!(waker.0.load(Ordering::Relaxed), "nobody woke the task");
        assert_eq!(poll(&mut waiting), Some((503, None)));
        assert_eq!(poll(&mut reported), Some((202, Some(vec![7]))));
        assert_eq!(poll(&mut unpolled), Some((503, None)));
    }

    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_late_timer_does_not_touch_the_next_record_in_the_same_place() {
        let table = table();
        let first = table.open();
        let stale = first.token();
        table.report(stale, settled(202));
        drop(first);
        let mut second = table.open();
        assert_eq!(second.token().place(), stale.place());
        table.give_up(stale, 503);
        assert_eq!(poll(&mut second), None);
        assert_eq!(Token::from_number(stale.number()), stale);
    }

    #[test]
    fn a_resolved_delivery_that_is_dropped_frees_its_slot() {
        let table = table();
        let delivery = table.open();
        table.report(delivery.token(), settled(202));
        drop(delivery);
        assert_eq!(table.len(), 0);
    }
}
