//! The consumer: one member of a consumer group, whose partitions are read on other threads.
//!
//! One thread owns the [`Consumer`] (and may own hundreds): it answers rebalances and commits. Each
//! assigned partition is a [`PartitionQueue`] of its own, given to the shard that has the partition:
//!
//! ```text
//!  owner thread                                     shard
//!  poll -> Assign(partitions)
//!  accept(partitions) -> PartitionQueue ---------->  poll -> Message
//!  commit(offsets)                                   (not polling holds back)
//!  poll -> CommitDone
//!  poll -> Revoke(partitions)   ------------------>  stop, finish what is in flight
//!  commit(last offsets), release(partitions)         poll -> released, drop
//! ```
//!
//! No call blocks on the network. `subscribe`, `accept`, `release`, `pause`, `resume` and `has_joined` wait for the
//! client's own main thread, which is microseconds while there is a free CPU.
//!
//! Offsets are committed by [`Consumer::commit`] only (dispatcher.md 12.1); librdkafka's own storing
//! and committing is off whatever the settings say.

mod event;
mod options;
pub(crate) mod reaper;
mod trouble;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::CreateError;
use crate::ffi::group::{Group, News};
use crate::ffi::partition_queue::{Core, PartitionQueue};

pub use event::{Committed, GroupEvent, Served, Watermarks};
pub use options::{ConsumerOptions, MAX_POLL_INTERVAL_MS_MAX};
pub use trouble::{GroupTrouble, TroubleKind};

/// How long a consumer that is dropped without a close may take to leave its group.
const LEAVING_WITHIN: Duration = Duration::from_secs(5);
const LEAVING_STEP: Duration = Duration::from_millis(5);

/// Called when something stops being empty: from librdkafka's threads, under a lock of its. It must
/// be quick, must not call into this crate and must not panic, which would end the process.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Name of the topic.
    pub topic: Arc<str>,
    /// Number of the partition, from 0.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// How far a close has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closing {
    Open,
    /// Unsubscribed: no new rebalance begins, those that wait are being answered.
    Unsubscribed,
    /// Librdkafka ends the group membership.
    Leaving,
    /// Nothing to wait for, since the client is broken.
    Broken,
    Told,
}

/// A rebalance that waits for our answer.
struct Asked {
    revoked: bool,
    partitions: Vec<TopicPartition>,
}

/// A member of a consumer group; `Send`, not `Sync`.
///
/// Dropping it is safe while its queues and messages live on: the queues give nothing any more, the
/// messages stay readable. Dropping it without having seen [`GroupEvent::Closed`] leaves the group
/// first, which blocks for some seconds at worst.
pub struct Consumer {
    group: Group,
    open: RefCell<HashMap<TopicPartition, Arc<Core>>>,
    asked: RefCell<Option<Asked>>,
    closing: Cell<Closing>,
}

impl Consumer {
    /// Makes a client and its threads, which inherit the caller's CPU affinity. Reads certificate
    /// files; does not wait for a connection. Takes about a millisecond.
    ///
    /// `wake` is called when there are events after [`Consumer::poll`] has found none; so poll once
    /// before the first wait.
    ///
    /// # Errors
    /// When librdkafka refuses a setting, or there is no broker address or group.
    pub fn create(options: &ConsumerOptions, wake: Wake) -> Result<Self, CreateError> {
        if options.bootstrap.split(',').all(|broker| broker.trim().is_empty()) {
            return Err(CreateError::NoBootstrap);
        }
        if options.group_id.is_empty() {
            return Err(CreateError::NoGroup);
        }
        crate::log::start();
        Ok(Self {
            group: Group::new(options.config()?, wake)?,
            open: RefCell::default(),
            asked: RefCell::default(),
            closing: Cell::new(Closing::Open),
        })
    }

    /// Subscribes to exactly these topics, by name, and joins the group. Topics that do not exist
    /// come as [`GroupEvent::Trouble`] and are read when they appear.
    ///
    /// # Errors
    /// When there is no topic or one stands twice, or the consumer is closing or broken.
    pub fn subscribe<'t>(&self, topics: impl Iterator<Item = &'t str>) -> Result<(), GroupTrouble> {
        if self.is_closing() {
            return Err(GroupTrouble::ours("the consumer is closing".to_owned()));
        }
        // A leading ^ would make it a pattern to librdkafka; Kafka allows none in a name.
        let topics: Vec<&str> = topics.collect();
        if let Some(topic) = topics.iter().find(|topic| topic.starts_with('^')) {
            return Err(GroupTrouble::ours(format!("{topic} is no name of a topic")));
        }
        self.group.subscribe(topics.into_iter())
    }

    /// Hands out at most `budget` events. Does not block. Counts as a sign of life for
    /// `max.poll.interval.ms`: poll now and then also when nothing woke. The callback may call
    /// every other method.
    pub fn poll(&self, budget: usize, mut each: impl FnMut(GroupEvent)) -> Served {
        let mut events = 0;
        while events < budget {
            let Some(news) = self.group.next() else {
                // The op that tells the end makes one poll come back empty-handed.
                if self.group.waiting() > 0 {
                    continue;
                }
                if self.advance_closing() {
                    each(GroupEvent::Closed);
                    return Served { events: events + 1, more: false };
                }
                return Served { events, more: false };
            };
            if let Some(event) = self.event(news) {
                events += 1;
                each(event);
            }
        }
        Served { events, more: true }
    }

    /// Answers [`GroupEvent::Assign`] with its partitions. Their queues begin at the committed
    /// offset, or where `auto.offset.reset` says. `wake_for` gives the wake-up of each partition's
    /// reader.
    ///
    /// While the consumer is closing, nothing is taken and no queue comes back.
    ///
    /// # Errors
    /// When no assignment waits for an answer or librdkafka refuses it. The member then has no
    /// partitions: close it and make a new one.
    pub fn accept(
        &self,
        partitions: &[TopicPartition],
        mut wake_for: impl FnMut(&TopicPartition) -> Wake,
    ) -> Result<Vec<PartitionQueue>, GroupTrouble> {
        if self.asked.borrow().as_ref().is_none_or(|asked| asked.revoked) {
            return Err(GroupTrouble::ours("no assignment waits for an answer".to_owned()));
        }
        self.asked.replace(None);
        let cooperative = self.group.cooperative();
        if self.is_closing() {
            return self.decline(cooperative).map(|()| Vec::new());
        }
        let mut cores = Vec::with_capacity(partitions.len());
        let mut queues = Vec::with_capacity(partitions.len());
        let mut refused = None;
        for place in partitions {
            match self.group.open(place, wake_for(place)) {
                Ok((core, queue)) => {
                    cores.push(core);
                    queues.push(queue);
                }
                Err(trouble) => refused = Some(trouble),
            }
        }
        // Answered in any case: the group would wait for us for ever.
        let taken = if refused.is_none() { partitions } else { &[] };
        let answered = if cooperative {
            self.group.assign_more(taken)
        } else {
            self.group.assign(Some(taken))
        };
        if let Some(trouble) = refused.or(answered.err()) {
            cores.iter().for_each(|core| {
                core.release();
            });
            return Err(trouble);
        }
        let mut open = self.open.borrow_mut();
        if !cooperative {
            // An assignment replaces what was there, which is nothing after a revocation.
            open.drain().for_each(|(_, core)| {
                core.release();
            });
        }
        open.extend(cores.into_iter().map(|core| (core.place().clone(), core)));
        Ok(queues)
    }

    /// Answers [`GroupEvent::Revoke`] with its partitions; may come seconds after the event. From
    /// now on their queues give nothing, and commits for them fail.
    ///
    /// # Errors
    /// When librdkafka refuses it; it has then told why in the log, and rejoins.
    pub fn release(&self, partitions: &[TopicPartition]) -> Result<(), GroupTrouble> {
        let Some(asked) = self.asked.take() else { return Ok(()) };
        let cooperative = self.group.cooperative();
        if !asked.revoked {
            return self.decline(cooperative);
        }
        let mut open = self.open.borrow_mut();
        let gone: Vec<Arc<Core>> = if cooperative {
            partitions.iter().filter_map(|place| open.remove(place)).collect()
        } else {
            open.drain().map(|(_, core)| core).collect()
        };
        drop(open);
        // Ended for their readers first; see the notes on the gate in `ffi/partition_queue.rs`.
        let paused: Vec<bool> = gone.iter().map(|core| core.release()).collect();
        let answered = if cooperative {
            // Only what we have: librdkafka refuses the whole list for one that we have not.
            let places: Vec<TopicPartition> =
                gone.iter().map(|core| core.place().clone()).collect();
            self.group.assign_less(&places)
        } else {
            self.group.assign(None)
        };
        for (core, paused) in gone.iter().zip(paused) {
            core.discard();
            if paused {
                // librdkafka keeps the pause for the next assignment of the same partition.
                self.group.resume(core.place())?;
            }
        }
        self.go_on_closing();
        answered
    }

    /// Asks to commit these offsets, each that of the next record to read, in one request. The
    /// answer is [`GroupEvent::CommitDone`].
    ///
    /// # Errors
    /// When the request cannot be made; nothing is committed then.
    pub fn commit(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), GroupTrouble> {
        if offsets.is_empty() {
            return Ok(());
        }
        self.group.commit(offsets)
    }

    /// Stops fetching a partition that is not being polled, and frees what was fetched for it.
    /// Without it, a partition that stands still keeps its prefetched records and looks at its
    /// queue's length again all the time (`fetch.queue.backoff.ms`).
    ///
    /// # Errors
    /// Never for a partition of an event.
    pub fn pause(&self, place: &TopicPartition) -> Result<(), GroupTrouble> {
        let core = self.open.borrow().get(place).cloned();
        match core {
            Some(core) => self.group.pause(&core),
            None => Ok(()),
        }
    }

    /// Fetches the partition again, from the record after the last one that its queue gave.
    ///
    /// # Errors
    /// Never for a partition of an event.
    pub fn resume(&self, place: &TopicPartition) -> Result<(), GroupTrouble> {
        let core = self.open.borrow().get(place).cloned();
        match core {
            Some(core) if core.unpause() => self.group.resume(place),
            _ => Ok(()),
        }
    }

    /// Starts to leave the group. A [`GroupEvent::Revoke`] comes first, if there are partitions, and
    /// must be answered; [`GroupEvent::Closed`] is the end. Does not wait.
    pub fn close(&self) {
        if self.is_closing() {
            return;
        }
        // Not ended at once: librdkafka would then drop a rebalance that waits for an answer, and
        // an answer given later can get lost with the caller waiting for it (see `ffi/group.rs`).
        self.group.unsubscribe();
        self.closing.set(Closing::Unsubscribed);
        self.group.wake();
    }

    /// Whether the group was left, so that dropping is quick.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closing.get() == Closing::Told
    }

    /// Whether the partitions already belong to others although [`Consumer::release`] was not
    /// called yet: commits will fail.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.group.lost()
    }

    /// Whether the group's coordinator has made us a member, with or without partitions. A group that
    /// is new has its assignment some seconds later (`group.initial.rebalance.delay.ms`).
    ///
    /// Waits for the client's own main thread, like [`Consumer::pause`].
    #[must_use]
    pub fn has_joined(&self) -> bool {
        // What is asked of a membership that ends may never be answered.
        !self.is_closing() && self.group.has_member_id()
    }

    /// The oldest and the next offset of a partition as librdkafka last saw them.
    #[must_use]
    pub fn watermarks(&self, place: &TopicPartition) -> Watermarks {
        let (low, high) = self.group.watermarks(place).unwrap_or((-1, -1));
        let known = |offset: i64| (offset >= 0).then_some(offset);
        Watermarks { low: known(low), high: known(high) }
    }

    /// librdkafka's name of the client, as its log lines have it.
    #[must_use]
    pub fn name(&self) -> String {
        self.group.name()
    }

    fn event(&self, news: News) -> Option<GroupEvent> {
        match news {
            News::Rebalance { revoked: false, partitions } => {
                self.ask(false, &partitions);
                Some(GroupEvent::Assign(partitions))
            }
            News::Rebalance { revoked: true, partitions } => {
                self.ask(true, &partitions);
                Some(GroupEvent::Revoke { partitions, lost: self.group.lost() })
            }
            News::Committed { code, rows } => {
                let rows = rows.into_iter().map(|row| Committed::new(code, row));
                Some(GroupEvent::CommitDone(rows.collect()))
            }
            News::Trouble(trouble) => Some(GroupEvent::Trouble(trouble)),
            News::Statistics(json) => Some(GroupEvent::Statistics(json)),
            News::Other => None,
        }
    }

    fn ask(&self, revoked: bool, partitions: &[TopicPartition]) {
        self.asked.replace(Some(Asked { revoked, partitions: partitions.to_vec() }));
    }

    fn is_closing(&self) -> bool {
        self.closing.get() != Closing::Open
    }

    /// Takes nothing of an assignment. An eager member needs an empty one to go on.
    fn decline(&self, cooperative: bool) -> Result<(), GroupTrouble> {
        self.go_on_closing();
        if cooperative { self.group.assign_more(&[]) } else { self.group.assign(Some(&[])) }
    }

    /// The next step of a close is taken by a poll.
    fn go_on_closing(&self) {
        if self.is_closing() {
            self.group.wake();
        }
    }

    /// With no event waiting: takes the next step of a close. True once, at the end.
    fn advance_closing(&self) -> bool {
        if self.closing.get() == Closing::Unsubscribed && self.asked.borrow().is_none() {
            self.closing.set(match self.group.close() {
                Ok(()) => Closing::Leaving,
                Err(trouble) => {
                    let client = self.group.name();
                    tracing::debug!(client, error = %trouble, "There is no Kafka group to leave.");
                    Closing::Broken
                }
            });
        }
        let ended = match self.closing.get() {
            Closing::Open | Closing::Unsubscribed | Closing::Told => false,
            // Events may have come before the end and after the last look.
            Closing::Leaving => self.group.closed() && self.group.waiting() == 0,
            Closing::Broken => true,
        };
        if ended {
            self.closing.set(Closing::Told);
            for (_, core) in self.open.borrow_mut().drain() {
                core.release();
            }
        }
        ended
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.close();
        let deadline = Instant::now() + LEAVING_WITHIN;
        while !self.is_closed() && Instant::now() < deadline {
            let asked = self.asked.borrow().as_ref().map(|asked| asked.partitions.clone());
            if let Some(partitions) = asked {
                // An error here is in librdkafka's log, and changes nothing.
                let _ = self.release(&partitions);
            }
            if self.poll(64, |_| {}).events == 0 {
                thread::sleep(LEAVING_STEP);
            }
        }
        for (_, core) in self.open.get_mut().drain() {
            core.release();
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("client", &self.group.name())
            .field("partitions", &self.open.borrow().len())
            .finish_non_exhaustive()
    }
}
