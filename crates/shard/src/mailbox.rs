//! Bounded messages from any thread to one shard.
//!
//! A lock-free queue, and a byte to wake the shard. The byte is sent only when the shard has
//! said that it goes to sleep, so one system call serves many messages.
//!
//! No wake-up is lost: the sender pushes and then raises the flag, the receiver lowers the flag
//! and then looks again. Whichever of the two comes second sees the other's work: a push before
//! the lowering is found by the second look, a push after it finds the flag down and sends. For
//! that, both change the flag by a read-modify-write: a lowering that only stored would not have
//! to see what came before a raising that it overwrites.
//!
//! Nothing stays behind in a mailbox whose receiver has gone, in the same way: the receiver says
//! that it goes, touches the flag and empties the queue; a sender that touches the flag later sees
//! it gone, and empties the queue itself.

use std::io;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::sync::{ArrayQueue, AtomicBool, Ordering};
use crate::wake::{PendingReader, WakePair, WakeReader, WakeWriter};

/// Makes a mailbox for at most `capacity` messages (at least 1): the sending side, and the seat
/// that the receiving shard attaches. Needs two file descriptors.
pub fn mailbox<T: Send>(capacity: usize) -> io::Result<(Mailbox<T>, MailboxSeat<T>)> {
    let WakePair { writer, reader } = WakePair::new()?;
    let core = Arc::new(Core {
        queue: ArrayQueue::new(capacity.max(1)),
        raised: CachePadded::new(AtomicBool::new(false)),
        closed: AtomicBool::new(false),
    });
    let mailbox = Mailbox { core: Arc::clone(&core), writer: Arc::new(writer) };
    Ok((mailbox, MailboxSeat { core, reader }))
}

struct Core<T> {
    queue: ArrayQueue<T>,
    /// A wake-up is on its way, or the receiver is awake and will look at the queue.
    raised: CachePadded<AtomicBool>,
    closed: AtomicBool,
}

impl<T> Core<T> {
    fn empty(&self) {
        while self.queue.pop().is_some() {}
    }
}

/// Why a message was not taken; it comes back.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError<T> {
    /// As many messages as the mailbox holds are waiting.
    #[error("the mailbox is full")]
    Full(T),
    /// The receiving shard has gone.
    #[error("the receiving shard has gone")]
    Closed(T),
}

impl<T> TrySendError<T> {
    /// The message.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }
}

/// The sending side. When the last clone is dropped, the receiver sees the end.
pub struct Mailbox<T> {
    core: Arc<Core<T>>,
    writer: Arc<WakeWriter>,
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), writer: Arc::clone(&self.writer) }
    }
}

impl<T: Send> Mailbox<T> {
    /// Sends without waiting. A message that was taken is received, or dropped with the receiver.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        if self.core.closed.load(Ordering::Acquire) {
            return Err(TrySendError::Closed(message));
        }
        self.core.queue.push(message).map_err(TrySendError::Full)?;
        if !self.core.raised.swap(true, Ordering::AcqRel) {
            self.writer.wake();
        }
        if self.core.closed.load(Ordering::Relaxed) {
            self.core.empty();
        }
        Ok(())
    }

    /// Messages waiting now.
    pub fn len(&self) -> usize {
        self.core.queue.len()
    }

    /// Whether no message waits now.
    pub fn is_empty(&self) -> bool {
        self.core.queue.is_empty()
    }
}

/// The receiving side on its way to its shard.
pub struct MailboxSeat<T> {
    core: Arc<Core<T>>,
    reader: PendingReader,
}

impl<T: Send> MailboxSeat<T> {
    /// Binds the mailbox to the shard that calls this.
    pub fn attach(self) -> io::Result<Inbox<T>> {
        Ok(Inbox { core: self.core, reader: self.reader.attach()? })
    }
}

/// The receiving side, on its shard. Messages of one sender come in the order they were sent.
pub struct Inbox<T> {
    core: Arc<Core<T>>,
    reader: WakeReader,
}

impl<T: Send> Inbox<T> {
    /// Waits for a message; `None` once all senders are gone and all messages were received.
    /// May be dropped while it waits: no message is lost.
    ///
    /// Returns at once, without giving way, while messages are there: a loop that does much
    /// for each message should call [`yield_now`](crate::yield_now) now and then.
    pub async fn recv(&mut self) -> Option<T> {
        loop {
            if let Some(message) = self.try_recv() {
                return Some(message);
            }
            self.core.raised.swap(false, Ordering::AcqRel);
            if let Some(message) = self.try_recv() {
                return Some(message);
            }
            match self.reader.wait().await {
                Ok(bytes) if bytes > 0 => {}
                // The last sender may have sent just before it went.
                _ => return self.try_recv(),
            }
        }
    }

    /// A message, if one is there.
    pub fn try_recv(&mut self) -> Option<T> {
        self.core.queue.pop()
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.core.closed.store(true, Ordering::Release);
        self.core.raised.swap(true, Ordering::AcqRel);
        self.core.empty();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::on_each_driver;

    #[test]
    fn each_message_arrives_once_and_in_order_of_its_sender() {
        const SENDERS: usize = 3;
        const EACH: usize = 20_000;
        on_each_driver(|| async {
            let (sender, seat) = mailbox::<(usize, usize)>(64).unwrap();
            let mut inbox = seat.attach().unwrap();
            let threads: Vec<_> = (0..SENDERS)
                .map(|who| {
                    let sender = sender.clone();
                    std::thread::spawn(move || (0..EACH).for_each(|n| send(&sender, (who, n))))
                })
                .collect();
            drop(sender);
            let mut next = [0_usize; SENDERS];
            while let Some((who, n)) = inbox.recv().await {
                assert_eq!(next[who], n);
                next[who] += 1;
            }
            assert_eq!(next, [EACH; SENDERS]);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }

    /// Sends to a receiver that goes to sleep after each message, so that a lost wake-up would
    /// leave both sides waiting.
    #[test]
    fn no_wake_up_is_lost_in_ping_pong() {
        on_each_driver(|| async {
            let (sender, seat) = mailbox::<u32>(1).unwrap();
            let mut inbox = seat.attach().unwrap();
            let (answer, answers) = std::sync::mpsc::channel();
            let thread = std::thread::spawn(move || {
                for n in 0..20_000_u32 {
                    send(&sender, n);
                    assert_eq!(answers.recv_timeout(Duration::from_secs(20)), Ok(n));
                }
            });
            while let Some(n) = inbox.recv().await {
                answer.send(n).unwrap();
            }
            thread.join().unwrap();
        });
    }

    #[test]
    fn full_and_closed_give_the_message_back() {
        on_each_driver(|| async {
            let (sender, seat) = mailbox::<u8>(2).unwrap();
            sender.try_send(1).unwrap();
            sender.try_send(2).unwrap();
            assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
            assert_eq!(sender.len(), 2);
            let mut inbox = seat.attach().unwrap();
            assert_eq!(inbox.recv().await, Some(1));
            drop(inbox);
            assert_eq!(sender.try_send(4), Err(TrySendError::Closed(4)));
            assert!(sender.is_empty());
        });
    }

    #[test]
    fn many_messages_cost_few_wake_ups() {
        on_each_driver(|| async {
            let (sender, seat) = mailbox::<u32>(1_000).unwrap();
            let mut inbox = seat.attach().unwrap();
            (0..1_000).for_each(|n| sender.try_send(n).unwrap());
            assert_eq!(inbox.reader.wait().await.unwrap(), 1);
            for n in 0..1_000 {
                assert_eq!(inbox.try_recv(), Some(n));
            }
        });
    }

    fn send<T: Send>(sender: &Mailbox<T>, mut message: T) {
        while let Err(TrySendError::Full(back)) = sender.try_send(message) {
            message = back;
            std::thread::yield_now();
        }
    }
}
