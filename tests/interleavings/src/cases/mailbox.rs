//! Senders and a shard that sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use loom::thread;

use super::{explore, now};
use crate::{TrySendError, mailbox};

/// A lost wake-up leaves the shard asleep for ever, which the checker calls a deadlock.
pub fn no_wake_up_is_lost() {
    explore(|| {
        let (sender, seat) = mailbox::<u8>(2).unwrap();
        let threads = [1, 2].map(|message| {
            let sender = sender.clone();
            thread::spawn(move || sender.try_send(message).unwrap())
        });
        let mut inbox = seat.attach().unwrap();
        let sum = now(inbox.recv()).unwrap() + now(inbox.recv()).unwrap();
        assert_eq!(sum, 3);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop(sender);
    });
}

/// The shard falls asleep between two messages of one sender.
pub fn messages_come_in_order_and_then_the_end() {
    explore(|| {
        let (sender, seat) = mailbox::<u8>(2).unwrap();
        let thread = thread::spawn(move || {
            sender.try_send(1).unwrap();
            sender.try_send(2).unwrap();
        });
        let mut inbox = seat.attach().unwrap();
        assert_eq!(now(inbox.recv()), Some(1));
        assert_eq!(now(inbox.recv()), Some(2));
        assert_eq!(now(inbox.recv()), None);
        thread.join().unwrap();
    });
}

struct Counted(Arc<Count>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A sender meets a receiver that goes: the message comes back, or is dropped with the receiver, or by
/// the sender. It must not lie in the mailbox for as long as there are senders.
pub fn nothing_stays_behind_a_receiver_that_goes() {
    explore(|| {
        let dropped = Arc::new(Count::new(0));
        let (sender, seat) = mailbox::<Counted>(2).unwrap();
        let inbox = seat.attach().unwrap();
        let thread = thread::spawn(move || drop(inbox));
        match sender.try_send(Counted(dropped.clone())) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => panic!("there was room"),
        }
        thread.join().unwrap();
        assert_eq!(dropped.load(Relaxed), 1);
        assert!(sender.is_empty());
    });
}
