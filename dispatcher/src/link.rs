//! What the groups thread and the shard that owns a partition know in common of it.
//!
//! Only atomics: the groups thread reads how far a partition is at each commit, and says when it is
//! to stop; neither waits for the other. A nudge makes the shard look at the partition again; it
//! comes from librdkafka's threads (records are there), from the groups thread (an order), and from
//! other shards (room for more records in flight).

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use millrace_shard::{Inbox, Mailbox, MailboxSeat, TrySendError, mailbox};

use crate::groups::Word;
use crate::steps::Stalled;
use crate::sync::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// Nothing to commit yet.
const NOTHING: i64 = -1;
/// Nudges that may wait for a shard; beyond, it looks at all its partitions.
const NUDGES: usize = 4096;

/// What a partition's shard is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Take records and deliver them.
    Run,
    /// Take no more; finish what is in flight.
    Finish,
    /// What is still in flight belongs to another owner now: neither wait for it nor retry it.
    Abandon,
}

/// See the head of this file.
pub(crate) struct Link {
    /// The egress, as numbered by the groups thread.
    pub(crate) member: u64,
    /// Unique in the process.
    pub(crate) id: u64,
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    /// The next offset to read, once there was progress.
    committable: AtomicI64,
    /// Records taken and not settled.
    open: AtomicUsize,
    /// The first of them.
    oldest: AtomicI64,
    /// Since when that is the first, by the coarse clock.
    oldest_ms: AtomicU64,
    /// Counts polls that the shard made, so that a partition nobody polls shows.
    polls: AtomicU64,
    /// The record that does not move, if there is one.
    stalled: AtomicI64,
    /// Since when, by the coarse clock.
    stalled_ms: AtomicU64,
    order: AtomicU8,
    finished: AtomicBool,
    /// The shard has found no record and waits for some.
    waiting: AtomicBool,
    /// The groups thread has paused fetching; the shard says when it waits for more.
    paused: AtomicBool,
    nudged: AtomicBool,
    nudges: Arc<Nudges>,
    words: Sender<Word>,
}

/// The way to wake the partitions of one shard.
pub(crate) struct Nudges {
    list: Mailbox<Arc<Link>>,
    /// A nudge found the list full: look at all.
    overflow: AtomicBool,
}

/// The receiving side of [`Nudges`].
pub(crate) struct NudgesSeat {
    seat: MailboxSeat<Arc<Link>>,
    nudges: Arc<Nudges>,
}

/// The receiving side on its shard.
pub(crate) struct NudgesInbox {
    inbox: Inbox<Arc<Link>>,
    nudges: Arc<Nudges>,
}

/// Whom to look at.
pub(crate) enum Nudged {
    One(Arc<Link>),
    All,
}

impl Nudges {
    pub(crate) fn new() -> io::Result<(Arc<Nudges>, NudgesSeat)> {
        Self::of(NUDGES)
    }

    /// With room for so many.
    pub(crate) fn of(room: usize) -> io::Result<(Arc<Nudges>, NudgesSeat)> {
        let (list, seat) = mailbox(room)?;
        let nudges = Arc::new(Nudges { list, overflow: AtomicBool::new(false) });
        Ok((nudges.clone(), NudgesSeat { seat, nudges }))
    }

    fn push(&self, link: Arc<Link>) {
        if let Err(TrySendError::Full(link)) = self.list.try_send(link) {
            self.overflow.swap(true, Ordering::AcqRel);
            // The shard may have emptied the list before the flag was up, and would sleep over it.
            // If the list is still full, what stands there makes it look at the flag.
            let _ = self.list.try_send(link);
        }
    }
}

impl NudgesSeat {
    pub(crate) fn attach(self) -> io::Result<NudgesInbox> {
        Ok(NudgesInbox { inbox: self.seat.attach()?, nudges: self.nudges })
    }
}

impl NudgesInbox {
    pub(crate) async fn next(&mut self) -> Option<Nudged> {
        let link = self.inbox.recv().await?;
        // Lowered before the shard looks: what comes from now on nudges again.
        link.lower();
        if self.nudges.overflow.swap(false, Ordering::AcqRel) {
            return Some(Nudged::All);
        }
        Some(Nudged::One(link))
    }
}

impl Link {
    pub(crate) fn new(
        member: u64,
        id: u64,
        topic: Arc<str>,
        partition: i32,
        nudges: Arc<Nudges>,
        words: Sender<Word>,
    ) -> Arc<Link> {
        Arc::new(Link {
            member,
            id,
            topic,
            partition,
            committable: AtomicI64::new(NOTHING),
            open: AtomicUsize::new(0),
            oldest: AtomicI64::new(NOTHING),
            oldest_ms: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            stalled: AtomicI64::new(NOTHING),
            stalled_ms: AtomicU64::new(0),
            order: AtomicU8::new(Order::Run as u8),
            finished: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            nudged: AtomicBool::new(false),
            nudges,
            words,
        })
    }

    /// Whether a nudge is under way.
    #[cfg(test)]
    pub(crate) fn is_nudged(&self) -> bool {
        self.nudged.load(Ordering::SeqCst)
    }

    /// Makes the owning shard look at this partition. From any thread; never blocks.
    pub(crate) fn nudge(self: &Arc<Self>) {
        if !self.nudged.swap(true, Ordering::AcqRel) {
            self.nudges.push(self.clone());
        }
    }

    /// To be called before the partition is looked at. A read-modify-write, so that the look sees
    /// what came before a nudge that found the flag up.
    pub(crate) fn lower(&self) {
        self.nudged.swap(false, Ordering::AcqRel);
    }

    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::SeqCst) {
            0 => Order::Run,
            1 => Order::Finish,
            _ => Order::Abandon,
        }
    }

    /// Gives an order; one that is less than the one in force changes nothing.
    pub(crate) fn command(self: &Arc<Self>, order: Order) {
        if self.order.fetch_max(order as u8, Ordering::SeqCst) < order as u8 {
            self.nudge();
        }
    }

    /// Told by the shard when a record is taken and when one is settled. `oldest` is the first that
    /// is open.
    pub(crate) fn progress(
        &self,
        committable: Option<i64>,
        open: usize,
        oldest: Option<i64>,
        now_ms: u64,
    ) {
        self.open.store(open, Ordering::Relaxed);
        let oldest = oldest.unwrap_or(NOTHING);
        if self.oldest.load(Ordering::Relaxed) != oldest {
            self.oldest.store(oldest, Ordering::Relaxed);
            self.oldest_ms.store(now_ms, Ordering::Relaxed);
        }
        if let Some(offset) = committable {
            self.committable.store(offset, Ordering::Release);
        }
    }

    /// The next offset to read; `None` before the first progress.
    pub(crate) fn committable(&self) -> Option<i64> {
        let offset = self.committable.load(Ordering::Acquire);
        (offset != NOTHING).then_some(offset)
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Since when the first open record is the first, if one is open.
    pub(crate) fn oldest_ms(&self) -> Option<u64> {
        (self.open() > 0).then(|| self.oldest_ms.load(Ordering::Relaxed))
    }

    /// Told by the shard about once a second.
    pub(crate) fn set_stalled(&self, stalled: Option<Stalled>) {
        if let Some(Stalled { since_ms, .. }) = stalled {
            self.stalled_ms.store(since_ms, Ordering::Relaxed);
        }
        let offset = stalled.map_or(NOTHING, |stalled| stalled.offset.max(0));
        self.stalled.store(offset, Ordering::Release);
    }

    /// What does not move, as the shard has said last.
    pub(crate) fn stalled(&self) -> Option<Stalled> {
        let offset = self.stalled.load(Ordering::Acquire);
        let since_ms = self.stalled_ms.load(Ordering::Relaxed);
        (offset != NOTHING).then_some(Stalled { offset, since_ms })
    }

    /// The first record that is taken and not settled, or else the next one.
    pub(crate) fn front(&self) -> i64 {
        let oldest = self.oldest.load(Ordering::Relaxed);
        if oldest == NOTHING { self.committable().unwrap_or(0) } else { oldest }
    }

    /// Told by the shard after each poll. A partition that is empty because it is paused is fetched
    /// again.
    pub(crate) fn polled(&self, found: usize) {
        self.polls.store(self.polls().wrapping_add(1), Ordering::Relaxed);
        self.waiting.store(found == 0, Ordering::SeqCst);
        if found == 0 && self.paused.load(Ordering::SeqCst) {
            let _ = self.words.send(Word::Hungry { member: self.member });
        }
    }

    /// Whether the shard waits for records.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(crate) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// The shard takes no more records from this partition and has let go of its queue. What is in
    /// flight is settled, unless the order was to abandon it.
    pub(crate) fn finish(self: &Arc<Self>) {
        self.finished.store(true, Ordering::SeqCst);
        // Without a groups thread the process ends, and nobody needs to know.
        let _ = self.words.send(Word::Finished { member: self.member });
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst)
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::SeqCst);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("order", &self.order())
            .finish_non_exhaustive()
    }
}
