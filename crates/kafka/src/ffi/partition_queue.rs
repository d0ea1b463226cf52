//! One assigned partition's own queue: polled by the shard that has the partition, opened, paused
//! and ended by the thread that has the consumer.
//!
//! Two things in librdkafka 2.12 make the gate below necessary:
//!
//! * It notes how far the application has read only after the messages have left the queue
//!   (`rd_kafka_q_serve_rkmessages`). A pause in between resumes at the old place and repeats; an
//!   end in between leaves the old assignment's place to the next one of the same partition, where
//!   a pause would then skip records. So no poll may run while a partition is paused or ended.
//! * The queue belongs to the partition, not to the assignment. After a new assignment an old
//!   reader would take the new one's records. So an ended queue gives nothing any more.

use std::ptr::{NonNull, addr_of, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use rdkafka_sys as sys;

use super::handle::{Handle, WakingQueue};
use super::message::Message;
use super::partitions::{PartitionList, rows};
use super::{raw, text};
use crate::consumer::{GroupTrouble, TopicPartition};

/// Messages that one call into librdkafka takes: enough to share its cost, few enough for the stack.
pub(super) const CHUNK: usize = 64;

type RawMessage = *mut sys::rd_kafka_message_t;

/// What the reader, the consumer and the messages of one assignment of a partition share.
pub(crate) struct Core {
    /// Dropped before the client that it belongs to.
    queue: WakingQueue,
    place: TopicPartition,
    gate: Mutex<Gate>,
    released: AtomicBool,
    handle: Arc<Handle>,
}

#[derive(Default)]
struct Gate {
    paused: bool,
    /// Errors that turned up while a pause emptied the queue.
    set_aside: Vec<GroupTrouble>,
}

impl Core {
    /// # Safety
    /// `queue` is a fresh reference to the partition's queue, of the client of `handle`.
    pub(super) unsafe fn open(
        queue: WakingQueue,
        place: TopicPartition,
        handle: Arc<Handle>,
    ) -> Self {
        // SAFETY: the queue is alive. Without a destination its messages stay in it, and librdkafka
        // does not forward it to the consumer's own queue when fetching starts.
        unsafe { sys::rd_kafka_queue_forward(queue.as_ptr(), null_mut()) };
        let core =
            Self { queue, place, gate: Mutex::default(), released: AtomicBool::new(false), handle };
        // What an earlier assignment has left would keep the queue from becoming non-empty.
        core.empty(&mut core.lock());
        core.queue.enable();
        core
    }

    pub(crate) fn place(&self) -> &TopicPartition {
        &self.place
    }

    /// Runs `pause`, which must return when the client has paused the partition, while nobody polls,
    /// then frees what was fetched: librdkafka leaves it in the queue until somebody polls.
    pub(super) fn pause(&self, pause: impl FnOnce()) {
        let mut gate = self.lock();
        gate.paused = true;
        pause();
        self.empty(&mut gate);
        drop(gate);
        // A poll that found the gate taken has gone away empty-handed.
        self.queue.wake();
    }

    /// Whether it was paused.
    pub(crate) fn unpause(&self) -> bool {
        std::mem::take(&mut self.lock().paused)
    }

    /// Ends the queue for its reader. No poll is running when this returns and none will give
    /// anything. Returns whether the partition was paused.
    pub(crate) fn release(&self) -> bool {
        let gate = self.lock();
        if self.released.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.queue.disable();
        let paused = gate.paused;
        drop(gate);
        self.queue.wake();
        paused
    }

    /// Frees what is left in the queue of a partition that is not assigned any more.
    pub(crate) fn discard(&self) {
        let mut gate = self.lock();
        self.empty(&mut gate);
        gate.set_aside.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The offset behind the last that was taken out of the queue, markers of transactions included,
    /// which librdkafka takes out silently. The caller holds the gate of a partition that is not
    /// released: so it is of this assignment.
    fn read_to(&self) -> Option<i64> {
        let list = PartitionList::of(std::iter::once(&self.place)).ok()?;
        // SAFETY: the client and the list are alive; only the offset and the code of the row change.
        let code = unsafe { sys::rd_kafka_position(self.handle.as_ptr(), list.as_ptr()) } as i32;
        // SAFETY: alive and not shared.
        let row = unsafe { rows(list.as_ptr()) }.pop()?;
        // Before the first record it is one of librdkafka's negative words.
        (code == 0 && row.code == 0 && row.offset >= 0).then_some(row.offset)
    }

    /// Takes everything out. Records of a paused or ended partition are outdated and never show
    /// here; they would be fetched again if they did.
    fn empty(&self, gate: &mut Gate) {
        loop {
            let mut chunk = Chunk::take(self, CHUNK);
            let full = chunk.len == CHUNK;
            while let Some(message) = chunk.next() {
                // SAFETY: taken from our queue just now.
                if let Some(trouble) = unsafe { trouble(message, &self.place) } {
                    gate.set_aside.push(trouble);
                }
                // SAFETY: ours, destroyed once.
                unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) };
            }
            if !full {
                return;
            }
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // After a release the queue may have the function of a newer assignment.
        if !self.released.load(Ordering::Acquire) {
            self.queue.disable();
        }
        // Named so that nobody removes a field that is only kept alive.
        let _ = &self.handle;
    }
}

/// What one poll gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Messages and errors handed out.
    pub count: usize,
    /// The bound ended it: there may be more, and no wake-up will tell, so poll again soon.
    pub more: bool,
    /// The partition was taken away; nothing will come any more. Drop the queue.
    pub released: bool,
    /// When there was nothing: up to here the partition was read, so that all that is before and was
    /// not handed out never comes. Behind the last record that is a transaction's marker.
    pub read_to: Option<i64>,
}

impl Taken {
    fn of(count: usize) -> Self {
        Self { count, more: false, released: false, read_to: None }
    }
}

/// The messages of one assigned partition. `Send`: it goes to the shard that has the partition.
///
/// Poll it once before the first wait; afterwards the wake-up given to [`Consumer::accept`] is
/// called each time it stops being empty. Not polling is how to hold messages back: librdkafka then
/// stops fetching at its bounds (see [`crate::properties`]).
///
/// It gives nothing any more once [`Consumer::release`] was called for its partition, which also
/// wakes it.
///
/// [`Consumer::accept`]: crate::Consumer::accept
/// [`Consumer::release`]: crate::Consumer::release
pub struct PartitionQueue {
    core: Arc<Core>,
    recent: Recent,
}

impl PartitionQueue {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, recent: Recent::default() }
    }

    /// The partition.
    #[must_use]
    pub fn place(&self) -> &TopicPartition {
        &self.core.place
    }

    /// Hands out at most `max` messages in offset order, and the partition's troubles. Does not
    /// block and takes no part in the consumer's group, but counts as a sign of life for
    /// `max.poll.interval.ms`.
    ///
    /// Offsets grow, with gaps where records were compacted away or are control records. They go
    /// back only when the partition was reset (`auto.offset.reset`) or made anew.
    pub fn poll(
        &mut self,
        max: usize,
        mut each: impl FnMut(Result<Message, GroupTrouble>),
    ) -> Taken {
        let mut count = 0;
        loop {
            let wanted = (max - count).min(CHUNK);
            if wanted == 0 {
                return Taken { more: true, ..Taken::of(count) };
            }
            let mut gate = match self.core.gate.try_lock() {
                Ok(gate) => gate,
                Err(TryLockError::Poisoned(error)) => error.into_inner(),
                // Being paused or ended, which wakes us afterwards.
                Err(TryLockError::WouldBlock) => {
                    return Taken::of(count);
                }
            };
            if self.core.released.load(Ordering::Acquire) {
                return Taken { released: true, ..Taken::of(count) };
            }
            let set_aside = std::mem::take(&mut gate.set_aside);
            let mut chunk = Chunk::take(&self.core, wanted);
            let nothing = count == 0 && chunk.len == 0 && set_aside.is_empty();
            let read_to = if nothing { self.core.read_to() } else { None };
            drop(gate);
            let full = chunk.len == wanted;
            for trouble in set_aside {
                count += 1;
                each(Err(trouble));
            }
            while let Some(message) = chunk.next() {
                // SAFETY: taken from our queue just now.
                if let Some(trouble) = unsafe { trouble(message, &self.core.place) } {
                    // SAFETY: ours, destroyed once; what is kept was copied.
                    unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) };
                    count += 1;
                    each(Err(trouble));
                    continue;
                }
                // SAFETY: from the queue of `core`, without a code, and ours.
                let message = unsafe { Message::own(message, Arc::clone(&self.core)) };
                if !self.recent.knows(message.offset(), message.timestamp_ms()) {
                    count += 1;
                    each(Ok(message));
                }
            }
            self.recent.turn();
            if !full {
                return Taken { read_to, ..Taken::of(count) };
            }
        }
    }

    /// Records that librdkafka handed out twice around a rebalance and that were kept back.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.recent.repeats
    }
}

impl std::fmt::Debug for PartitionQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartitionQueue({})", self.core.place)
    }
}

/// Messages taken out of a queue, destroyed unless somebody takes them over.
struct Chunk<'c> {
    messages: [RawMessage; CHUNK],
    next: usize,
    len: usize,
    /// The client lives at least as long.
    _core: &'c Core,
}

impl<'c> Chunk<'c> {
    fn none(core: &'c Core) -> Self {
        Self { messages: [null_mut(); CHUNK], next: 0, len: 0, _core: core }
    }

    /// The caller holds the gate.
    fn take(core: &'c Core, wanted: usize) -> Self {
        let mut chunk = Self::none(core);
        // SAFETY: the queue is alive; the array has room for `wanted` pointers; a timeout of 0
        // does not wait.
        let taken = unsafe {
            sys::rd_kafka_consume_batch_queue(
                core.queue.as_ptr(),
                0,
                chunk.messages.as_mut_ptr(),
                wanted.min(CHUNK),
            )
        };
        chunk.len = usize::try_from(taken).unwrap_or(0).min(CHUNK);
        chunk
    }

    fn next(&mut self) -> Option<NonNull<sys::rd_kafka_message_t>> {
        while self.next < self.len {
            let message = self.messages[self.next];
            self.next += 1;
            if let Some(message) = NonNull::new(message) {
                return Some(message);
            }
        }
        None
    }
}

impl Drop for Chunk<'_> {
    fn drop(&mut self) {
        while let Some(message) = self.next() {
            // SAFETY: ours, destroyed once.
            unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) };
        }
    }
}

/// Knows the messages of the last non-empty chunk again.
///
/// librdkafka itself pauses all partitions of a consumer during a rebalance, on its own thread and
/// past the gate; partitions that stay with the consumer (cooperative protocol) may then repeat the
/// chunk that was being taken. A record is the same when offset and time stamp are: after a topic
/// was made anew, offsets come again with other times.
#[derive(Default)]
struct Recent {
    last: Vec<(i64, i64)>,
    current: Vec<(i64, i64)>,
    repeats: u64,
}

impl Recent {
    /// Notes the record as one of the current chunk. True when the last one had it too.
    fn knows(&mut self, offset: i64, timestamp_ms: Option<i64>) -> bool {
        let Some(timestamp_ms) = timestamp_ms else { return false };
        self.current.push((offset, timestamp_ms));
        if self.last.last().is_none_or(|last| offset > last.0) {
            return false;
        }
        let known = self.last.binary_search(&(offset, timestamp_ms)).is_ok();
        self.repeats += u64::from(known);
        known
    }

    /// Ends the current chunk.
    fn turn(&mut self) {
        if !self.current.is_empty() {
            std::mem::swap(&mut self.last, &mut self.current);
            self.current.clear();
        }
    }
}

/// What a message with an error code tells; `None` for a record.
///
/// # Safety
/// `message` is alive and not being changed.
unsafe fn trouble(
    message: NonNull<sys::rd_kafka_message_t>,
    place: &TopicPartition,
) -> Option<GroupTrouble> {
    let ptr = message.as_ptr();
    // SAFETY: alive; the field has the size of an i32 and is read as one.
    let code = unsafe { addr_of!((*ptr).err).cast::<i32>().read() };
    if code == 0 {
        return None;
    }
    // SAFETY: alive, a plain integer.
    let offset = unsafe { (*ptr).offset };
    // SAFETY: alive; the string belongs to the message and is copied.
    let words = unsafe { text(raw::rd_kafka_message_errstr(ptr)) };
    Some(GroupTrouble::new(code, words, false).at(place.clone(), offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_of_the_last_chunk_are_known_and_nothing_else() {
        let mut recent = Recent::default();
        let mut chunk = |records: &[(i64, i64)]| {
            let fresh: Vec<i64> = records
                .iter()
                .filter(|(offset, time)| !recent.knows(*offset, Some(*time)))
                .map(|(offset, _)| *offset)
                .collect();
            recent.turn();
            fresh
        };
        assert_eq!(chunk(&[(5, 1), (6, 1), (9, 2)]), [5, 6, 9]);
        assert_eq!(chunk(&[]), [0; 0]);
        assert_eq!(chunk(&[(6, 1), (9, 2), (10, 3)]), [10], "the end of a chunk comes again");
        assert_eq!(chunk(&[(6, 1), (9, 2), (10, 3)]), [0; 0], "and again");
        assert_eq!(chunk(&[(6, 1), (9, 7)]), [9], "the topic was made anew");
        assert_eq!(chunk(&[(0, 8), (1, 8)]), [0, 1], "the partition was reset");
        assert_eq!(recent.repeats, 6);
        assert!(!recent.knows(0, None), "without a time nothing is certain");
    }
}
