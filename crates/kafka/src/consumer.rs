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
//! No call blocks on the network. `subscribe`, `accept`, `release`, `pause` and `resume` wait for the
//! client's own main thread, which is microseconds while there is a free CPU.
//!
//! Offsets are committed by [`Consumer::commit`] only (dispatcher.md 12.1); librdkafka's own storing
//! and committing is off whatever the settings say.

pub(crate) mod reaper;
mod trouble;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::CreateError;
use crate::ffi::code;
use crate::ffi::conf::Config;
use crate::ffi::group::{Group, News};
use crate::ffi::partition_queue::{Core, PartitionQueue};
use crate::ffi::partitions::Row;
use crate::properties::ConsumerSettings;

pub use trouble::{GroupTrouble, TroubleKind};

/// librdkafka's greatest `max.poll.interval.ms` (dispatcher.md 4.3).
pub const MAX_POLL_INTERVAL_MS_MAX: u64 = 86_400_000;
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

/// What a consumer is made from.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// librdkafka's names and values, already translated from the Java names (platform.md 4.3).
    /// What follows, and what this crate relies on, is set over them.
    pub pairs: Vec<(String, String)>,
    /// `host:port`, separated by commas.
    pub bootstrap: String,
    /// `group.id`.
    pub group_id: String,
    /// Name for logs, metrics and the brokers.
    pub client_id: String,
    /// How long the member may go without a poll, and may take for a rebalance, in milliseconds
    /// (dispatcher.md 4.1). Held between the session timeout and librdkafka's
    /// [`MAX_POLL_INTERVAL_MS_MAX`].
    pub max_poll_interval_ms: u64,
}

impl ConsumerOptions {
    /// From a translated properties file.
    #[must_use]
    pub fn new(settings: &ConsumerSettings, bootstrap: &str, group_id: &str) -> Self {
        let client_id = settings.client_id.clone();
        Self {
            pairs: settings.librdkafka.clone(),
            bootstrap: bootstrap.to_owned(),
            group_id: group_id.to_owned(),
            // As Java names them.
            client_id: client_id.unwrap_or_else(|| format!("consumer-{group_id}-1")),
            max_poll_interval_ms: settings.max_poll_interval_ms,
        }
    }

    fn config(&self) -> Result<Config, CreateError> {
        let mut conf = Config::new();
        for (key, value) in &self.pairs {
            conf.set(key, value)?;
        }
        let value = |key: &str| self.pairs.iter().rev().find(|(found, _)| found == key);
        let session_ms = value("session.timeout.ms").and_then(|(_, ms)| ms.parse::<u64>().ok());
        let session_ms = session_ms.unwrap_or(45_000).min(MAX_POLL_INTERVAL_MS_MAX);
        let poll_ms = self.max_poll_interval_ms.clamp(session_ms, MAX_POLL_INTERVAL_MS_MAX);
        for (key, value) in [
            ("bootstrap.servers", self.bootstrap.as_str()),
            ("group.id", &self.group_id),
            ("client.id", &self.client_id),
            ("max.poll.interval.ms", &poll_ms.to_string()),
            // Offsets are the dispatcher's business.
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "false"),
        ] {
            conf.set(key, value)?;
        }
        Ok(conf)
    }
}

/// What [`Consumer::poll`] tells.
#[derive(Debug)]
pub enum GroupEvent {
    /// The group gives us these partitions, possibly none. To be answered by [`Consumer::accept`];
    /// until then nothing is fetched and no other rebalance comes.
    Assign(Vec<TopicPartition>),
    /// The group takes these partitions. To be answered by [`Consumer::release`], at the latest
    /// within `max.poll.interval.ms`; until then they stay ours unless they are `lost`. Commits sent
    /// before the answer count.
    Revoke {
        /// All of ours, or some of them with the cooperative protocol.
        partitions: Vec<TopicPartition>,
        /// Others may have them already, so commits will fail.
        lost: bool,
    },
    /// A commit has been answered, each of them once, unless the consumer was closed meanwhile.
    CommitDone(Vec<Committed>),
    /// Something is wrong. Some come again and again while it lasts: the caller limits its logging.
    Trouble(GroupTrouble),
    /// librdkafka's statistics; see [`crate::statistics::ConsumerStatistics`].
    Statistics(String),
    /// The group was left after [`Consumer::close`]. The last event.
    Closed,
}

/// The outcome of a commit for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub place: TopicPartition,
    /// The offset that was to be committed: that of the next record to read.
    pub offset: i64,
    /// Whether the coordinator has it. A failed one is tried again by committing again.
    pub outcome: Result<(), GroupTrouble>,
}

/// What [`Consumer::poll`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Events handed out.
    pub events: usize,
    /// The budget ended it. There may be more and no wake-up will tell, so poll again soon.
    pub more: bool,
}

/// First and next offset of a partition, as of the last fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The oldest offset kept, `None` when not known.
    pub low: Option<i64>,
    /// The offset that the next record will get, `None` when not known. The lag is this less the
    /// committed offset.
    pub high: Option<i64>,
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
                let rows = rows.into_iter().map(|row| committed(code, row));
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

fn committed(code: i32, row: Row) -> Committed {
    let code = if row.code == code::NO_ERROR { code } else { row.code };
    let Row { place, offset, .. } = row;
    let outcome = if code == code::NO_ERROR {
        Ok(())
    } else {
        let text = crate::ffi::error_text(code);
        Err(GroupTrouble::new(code, text, false).at(place.clone(), offset))
    };
    Committed { place, offset, outcome }
}
