//! Waiting between tasks of one shard: a notification, a reusable slot, a one-use channel.
//!
//! Nothing here is `Send`: no atomics, no locks. Values and wake-ups stay on the shard.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

thread_local! {
    // The executor panics when a task of a runtime that is gone is woken, which destructors do
    // while the runtime's own tasks are dropped. So wake-ups are let through only while it runs.
    static AWAKE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body` with wake-ups let through on this thread.
pub(crate) fn while_awake<R>(body: impl FnOnce() -> R) -> R {
    struct Asleep;
    impl Drop for Asleep {
        fn drop(&mut self) {
            AWAKE.set(false);
        }
    }
    AWAKE.set(true);
    let _asleep_again = Asleep;
    body()
}

fn wake(waker: Waker) {
    if AWAKE.get() {
        waker.wake();
    }
}

/// Tells waiting tasks of this shard that something changed.
///
/// [`notify_one`](Self::notify_one) leaves one permit behind if nobody waits;
/// [`notify_all`](Self::notify_all) ends every [`notified`](Self::notified) made before it.
#[derive(Default)]
pub struct LocalNotify {
    permit: Cell<bool>,
    generation: Cell<u64>,
    // One entry for each future that was polled; the future removes it. None: already woken.
    waiters: RefCell<Slab<Option<Waker>>>,
}

impl LocalNotify {
    /// A notification that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the wait of one task, of the next one to wait if there is none now.
    pub fn notify_one(&self) {
        self.permit.set(true);
        let first = self.waiters.borrow_mut().iter_mut().find_map(|(_, waker)| waker.take());
        if let Some(waker) = first {
            wake(waker);
        }
    }

    /// Ends the wait of all tasks that wait now.
    pub fn notify_all(&self) {
        self.generation.set(self.generation.get().wrapping_add(1));
        let woken: Vec<Waker> =
            self.waiters.borrow_mut().iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        woken.into_iter().for_each(wake);
    }

    /// Waits for a notification given after this call, or for a permit left before it.
    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, generation: self.generation.get(), key: None }
    }
}

/// The wait of one task, see [`LocalNotify::notified`]. May be dropped at any time.
pub struct Notified<'a> {
    notify: &'a LocalNotify,
    generation: u64,
    key: Option<usize>,
}

impl Notified<'_> {
    fn leave(&mut self) {
        if let Some(key) = self.key.take() {
            self.notify.waiters.borrow_mut().try_remove(key);
        }
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let notify = self.notify;
        if notify.generation.get() != self.generation || notify.permit.replace(false) {
            self.leave();
            return Poll::Ready(());
        }
        let mut waiters = notify.waiters.borrow_mut();
        match self.key.and_then(|key| waiters.get_mut(key)) {
            Some(entry) => store(entry, cx.waker()),
            None => self.key = Some(waiters.insert(Some(cx.waker().clone()))),
        }
        Poll::Pending
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        self.leave();
        // The permit that this task was woken for must not be lost with it.
        if self.notify.permit.get() {
            self.notify.notify_one();
        }
    }
}

fn store(entry: &mut Option<Waker>, waker: &Waker) {
    if !entry.as_ref().is_some_and(|known| known.will_wake(waker)) {
        *entry = Some(waker.clone());
    }
}

/// A place for one value that one task puts and one task awaits; used again and again without
/// an allocation, for example inside the entry of a slab.
pub struct Slot<T> {
    value: Cell<Option<T>>,
    waker: Cell<Option<Waker>>,
}

impl<T> Slot<T> {
    /// An empty slot.
    pub const fn new() -> Self {
        Self { value: Cell::new(None), waker: Cell::new(None) }
    }

    /// Puts a value and wakes the waiting task. Gives back a value that nobody had taken.
    pub fn put(&self, value: T) -> Option<T> {
        let old = self.value.replace(Some(value));
        if let Some(waker) = self.waker.take() {
            wake(waker);
        }
        old
    }

    /// The value, if there is one.
    pub fn try_take(&self) -> Option<T> {
        self.value.take()
    }

    /// Waits for a value and takes it. One task at a time: a second one displaces the first.
    pub fn take(&self) -> impl Future<Output = T> + '_ {
        std::future::poll_fn(|cx| self.poll_take(cx))
    }

    /// [`take`](Self::take) for a future written by hand.
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(value) = self.value.take() {
            return Poll::Ready(value);
        }
        self.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A channel for one value between two tasks of a shard. Costs one allocation; where values
/// come again and again, a [`Slot`] costs none.
pub fn oneshot<T>() -> (OneSender<T>, OneReceiver<T>) {
    let slot = Rc::new(Slot::new());
    (OneSender { slot: Rc::clone(&slot), sent: false }, OneReceiver { slot })
}

/// Sends the value of [`oneshot`]. Dropped without sending, it ends the wait with `None`.
pub struct OneSender<T> {
    slot: Rc<Slot<Option<T>>>,
    sent: bool,
}

impl<T> OneSender<T> {
    /// Hands the value over.
    pub fn send(mut self, value: T) {
        self.sent = true;
        self.slot.put(Some(value));
    }
}

impl<T> Drop for OneSender<T> {
    fn drop(&mut self) {
        if !self.sent {
            self.slot.put(None);
        }
    }
}

/// Awaits the value of [`oneshot`]; `None` if the sender went away without one.
pub struct OneReceiver<T> {
    slot: Rc<Slot<Option<T>>>,
}

impl<T> Future for OneReceiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.slot.poll_take(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_each_driver;

    #[test]
    fn permit_is_kept_for_one_waiter() {
        on_each_driver(|| async {
            let notify = Rc::new(LocalNotify::new());
            notify.notify_one();
            notify.notify_one();
            notify.notified().await;
            let waiting = notify.notified();
            let mut waiting = std::pin::pin!(waiting);
            let mut cx = Context::from_waker(Waker::noop());
            assert!(waiting.as_mut().poll(&mut cx).is_pending());
            notify.notify_one();
            assert!(waiting.as_mut().poll(&mut cx).is_ready());
        });
    }

    #[test]
    fn permit_of_a_dropped_waiter_goes_to_the_next() {
        on_each_driver(|| async {
            let notify = Rc::new(LocalNotify::new());
            let mut first = Box::pin(notify.notified());
            assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let second = crate::spawn({
                let notify = Rc::clone(&notify);
                async move { notify.notified().await }
            });
            crate::yield_now().await;
            notify.notify_one();
            drop(first);
            second.await;
            assert!(notify.waiters.borrow().is_empty());
        });
    }

    #[test]
    fn notify_all_ends_all_waits_and_leaves_no_permit() {
        on_each_driver(|| async {
            let notify = Rc::new(LocalNotify::new());
            let early = notify.notified();
            let tasks: Vec<_> = (0..10)
                .map(|_| {
                    let notify = Rc::clone(&notify);
                    crate::spawn(async move { notify.notified().await })
                })
                .collect();
            crate::yield_now().await;
            notify.notify_all();
            for task in tasks {
                task.await;
            }
            early.await;
            let mut late = Box::pin(notify.notified());
            assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        });
    }

    #[test]
    fn slot_is_used_again_and_returns_what_nobody_took() {
        on_each_driver(|| async {
            let slot = Rc::new(Slot::new());
            for round in 0..3 {
                let taker = crate::spawn({
                    let slot = Rc::clone(&slot);
                    async move { slot.take().await }
                });
                crate::yield_now().await;
                assert_eq!(slot.put(round), None);
                assert_eq!(taker.await, round);
            }
            assert_eq!(slot.put(7), None);
            assert_eq!(slot.put(8), Some(7));
            assert_eq!(slot.try_take(), Some(8));
        });
    }

    #[test]
    fn oneshot_gives_the_value_or_none() {
        on_each_driver(|| async {
            let (sender, receiver) = oneshot();
            let task = crate::spawn(receiver);
            crate::yield_now().await;
            sender.send("x");
            assert_eq!(task.await, Some("x"));
            let (sender, receiver) = oneshot::<()>();
            drop(sender);
            assert_eq!(receiver.await, None);
        });
    }

    #[test]
    fn waking_after_the_runtime_ended_does_nothing() {
        let kept = Rc::new(Slot::new());
        for driver in crate::testing::drivers() {
            let mut runtime = crate::Runtime::build(driver).unwrap();
            let slot = Rc::clone(&kept);
            runtime.block_on(async move {
                crate::spawn(async move { slot.take().await });
                crate::yield_now().await;
            });
            drop(runtime);
            kept.put(());
            kept.try_take();
        }
    }
}
