//! Permits to use a connection, handed on first come, first served.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::Duration;

use millrace_shard::{Slot, timeout};

/// So many permits at most. A permit that is given back goes to whoever has waited longest,
/// directly, so that nobody can come in between.
pub(crate) struct Queue {
    permits_max: usize,
    lent: Cell<usize>,
    // None tells a waiting task that the queue was closed.
    waiting: RefCell<VecDeque<Weak<Slot<Option<Permit>>>>>,
    closed: Cell<bool>,
}

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPermit {
    TimedOut,
    Closed,
}

/// Goes back when it is dropped, also out of a wait that was given up.
pub(crate) struct Permit {
    queue: Rc<Queue>,
}

impl Queue {
    pub(crate) fn new(permits_max: usize) -> Rc<Self> {
        Rc::new(Self {
            permits_max: permits_max.max(1),
            lent: Cell::new(0),
            waiting: RefCell::default(),
            closed: Cell::new(false),
        })
    }

    /// Waits for a permit. May be dropped.
    pub(crate) async fn permit(self: &Rc<Self>, within: Duration) -> Result<Permit, NoPermit> {
        if self.closed.get() {
            return Err(NoPermit::Closed);
        }
        if self.lent.get() < self.permits_max {
            self.lent.set(self.lent.get().saturating_add(1));
            return Ok(Permit { queue: Rc::clone(self) });
        }
        let slot = Rc::new(Slot::new());
        self.enqueue(&slot);
        // Boxed, as few wait, and a timer is larger than all else.
        match Box::pin(timeout(within, slot.take())).await {
            Ok(Some(permit)) => Ok(permit),
            Ok(None) => Err(NoPermit::Closed),
            Err(_) => Err(NoPermit::TimedOut),
        }
    }

    /// Those who gave up leave their place when it is at the front, where with equal deadlines it
    /// is, or when most places are such.
    fn enqueue(&self, slot: &Rc<Slot<Option<Permit>>>) {
        let mut waiting = self.waiting.borrow_mut();
        while waiting.front().is_some_and(|first| first.strong_count() == 0) {
            waiting.pop_front();
        }
        if waiting.len() == waiting.capacity() {
            waiting.retain(|place| place.strong_count() > 0);
        }
        waiting.push_back(Rc::downgrade(slot));
    }

    /// Ends all waits, now and later. Permits that are out stay good.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        for slot in waiting.iter().filter_map(Weak::upgrade) {
            drop(slot.put(None));
        }
    }

    fn first(&self) -> Option<Rc<Slot<Option<Permit>>>> {
        let mut waiting = self.waiting.borrow_mut();
        loop {
            if let Some(slot) = waiting.pop_front()?.upgrade() {
                return Some(slot);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        match self.queue.first() {
            Some(slot) => drop(slot.put(Some(Self { queue: Rc::clone(&self.queue) }))),
            None => self.queue.lent.set(self.queue.lent.get().saturating_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_shard::testing::on_each_driver;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn first_come_first_served() {
        on_each_driver(|| async {
            let queue = Queue::new(2);
            let first = queue.permit(LONG).await.unwrap();
            let second = queue.permit(LONG).await.unwrap();
            let order = Rc::new(RefCell::new(Vec::new()));
            let tasks: Vec<_> = (0..10)
                .map(|number| {
                    let (queue, order) = (Rc::clone(&queue), Rc::clone(&order));
                    millrace_shard::spawn(async move {
                        let _permit = queue.permit(LONG).await.unwrap();
                        order.borrow_mut().push(number);
                        millrace_shard::yield_now().await;
                    })
                })
                .collect();
            millrace_shard::yield_now().await;
            assert!(order.borrow().is_empty());
            drop(first);
            drop(second);
            for task in tasks {
                task.await;
            }
            assert_eq!(*order.borrow(), (0..10).collect::<Vec<_>>());
            assert_eq!(queue.lent.get(), 0);
        });
    }

    #[test]
    fn a_wait_given_up_loses_no_permit_and_no_room() {
        on_each_driver(|| async {
            let queue = Queue::new(1);
            let held = queue.permit(LONG).await.unwrap();
            for _ in 0..500 {
                let refused = queue.permit(Duration::ZERO).await.err();
                assert_eq!(refused, Some(NoPermit::TimedOut));
            }
            assert!(queue.waiting.borrow().capacity() < 32);
            // Given a permit, but dropped before it could take it.
            let mut waiting = Box::pin(queue.permit(LONG));
            let polled = std::future::Future::poll(
                waiting.as_mut(),
                &mut std::task::Context::from_waker(std::task::Waker::noop()),
            );
            assert!(polled.is_pending());
            drop(held);
            drop(waiting);
            assert_eq!(queue.lent.get(), 0);
        });
    }

    #[test]
    fn closing_ends_waits() {
        on_each_driver(|| async {
            let queue = Queue::new(1);
            let held = queue.permit(LONG).await.unwrap();
            let task = millrace_shard::spawn({
                let queue = Rc::clone(&queue);
                async move { queue.permit(LONG).await.err() }
            });
            millrace_shard::yield_now().await;
            queue.close();
            assert_eq!(task.await, Some(NoPermit::Closed));
            assert_eq!(queue.permit(LONG).await.err(), Some(NoPermit::Closed));
            drop(held);
            assert_eq!(queue.lent.get(), 0);
        });
    }
}
