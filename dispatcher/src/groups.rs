//! The groups thread: one plain thread that owns every consumer group membership.
//!
//! It answers rebalances, hands partitions to shards, commits what the shards have settled, and
//! starts, updates and ends egresses as the contract says. It never waits for one egress: each is a
//! state machine ([`member`]) that is looked at when its consumer or one of its partitions has news,
//! about once a second all the same, and more often while it comes or goes. With nothing of that it sleeps.

mod assign;
mod close;
mod commit;
mod files;
mod member;
mod reconcile;
mod stalls;
mod starts;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};
use millrace_contract::Contract;
use millrace_kafka::TopicPartition;
use millrace_kafka::properties::ConsumerSettings;
use millrace_kafka::properties::ProducerSettings;
use millrace_observe::{GroupMeters, Registry};
use millrace_shard::{Mailbox, clock};

use crate::housekeeping::Chore;
use crate::link::Nudges;
use crate::plan::PlanOptions;
use crate::shard::{Beat, Command};

use member::Member;
use starts::Starts;

/// How often an egress is looked at that is on its way into its group or out of it, or gives partitions up.
const TICK: Duration = Duration::from_millis(50);
/// How often all are looked at, for commits and stalls: with each commit interval so many times, and about once a
/// second, as one that nothing happens to must be polled within `max.poll.interval.ms` or leaves its group.
const LOOKS_EACH_COMMIT: u32 = 5;
const LOOK_MAX: Duration = Duration::from_secs(1);
/// How often numbers are brought up to date.
const SHOW: Duration = Duration::from_secs(1);
/// An egress that could not be started is tried again after this (dispatcher.md 2.2).
const RETRY: Duration = Duration::from_secs(5);

/// News for the groups thread.
pub(crate) enum Word {
    /// A contract to bring about.
    Apply(Arc<Contract>),
    /// End all egresses within this time.
    Drain(Duration),
    /// A consumer has events.
    Consumer { member: u64 },
    /// A partition has been let go of by its shard.
    Finished { member: u64 },
    /// A paused partition wants records.
    Hungry { member: u64 },
}

/// How the rest of the program talks to the groups thread.
#[derive(Clone)]
pub(crate) struct GroupsHandle {
    words: Sender<Word>,
    drained: Arc<(Mutex<bool>, Condvar)>,
}

impl GroupsHandle {
    /// Brings the egresses in line with a contract, soon.
    pub(crate) fn apply(&self, contract: Arc<Contract>) {
        let _ = self.words.send(Word::Apply(contract));
    }

    /// Starts to end all egresses: no more records, what is in flight gets `within` to finish, what
    /// is done is committed, the groups are left.
    pub(crate) fn drain(&self, within: Duration) {
        let _ = self.words.send(Word::Drain(within));
    }

    /// Waits until all egresses have ended; false when the time is over first. Blocks.
    pub(crate) fn wait_drained(&self, deadline: Instant) -> bool {
        let (drained, changed) = &*self.drained;
        let mut guard = drained.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if *guard || left.is_zero() {
                return *guard;
            }
            let waited = changed.wait_timeout(guard, left);
            guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What the groups thread works with and never changes.
pub(crate) struct Settings {
    pub(crate) consumer: Result<ConsumerSettings, String>,
    pub(crate) producer: Result<ProducerSettings, String>,
    pub(crate) plan: PlanOptions,
    /// Whether anybody looks at the clients' statistics.
    pub(crate) statistics: bool,
    /// For what is in flight when an egress ends.
    pub(crate) drain: Duration,
    /// For what is in flight when a partition is taken away.
    pub(crate) revoke_drain: Duration,
    /// A partition that does not move for so long is stalled.
    pub(crate) stall_after: Duration,
}

/// A shard as the groups thread sees it.
pub(crate) struct ShardSeat {
    pub(crate) commands: Mailbox<Command>,
    pub(crate) nudges: Arc<Nudges>,
    pub(crate) beat: Arc<Beat>,
    /// Partitions that it owns now.
    pub(crate) load: usize,
}

/// All that the thread owns.
pub(crate) struct Groups {
    settings: Settings,
    registry: Registry,
    numbers: GroupMeters,
    shards: Vec<ShardSeat>,
    members: HashMap<u64, Member>,
    by_uid: HashMap<Arc<str>, u64>,
    contract: Option<Arc<Contract>>,
    /// Egresses that do not run, and why.
    refused: HashMap<Arc<str>, String>,
    /// What the log has said of them since this contract came.
    told: HashMap<Arc<str>, String>,
    starts: Starts,
    retry_at: Option<Instant>,
    next_id: u64,
    words: Sender<Word>,
    draining: bool,
    next_tick: Instant,
    next_look: Instant,
    next_show: Instant,
    /// Shards that have a producer for replies to topics of these bootstrap servers.
    reply_producers: HashSet<(usize, Arc<str>)>,
    /// Where producers go to be closed, and statistics to be read.
    chores: Sender<Chore>,
}

/// Starts the thread. It ends with the process.
pub(crate) fn start(
    settings: Settings,
    registry: Registry,
    shards: Vec<ShardSeat>,
    words: (Sender<Word>, Receiver<Word>),
    chores: Sender<Chore>,
) -> std::io::Result<GroupsHandle> {
    let drained = Arc::new((Mutex::new(false), Condvar::new()));
    let handle = GroupsHandle { words: words.0.clone(), drained: drained.clone() };
    let groups = Groups {
        numbers: GroupMeters::new(&registry),
        settings,
        registry,
        shards,
        members: HashMap::new(),
        by_uid: HashMap::new(),
        contract: None,
        refused: HashMap::new(),
        told: HashMap::new(),
        starts: Starts::default(),
        retry_at: None,
        next_id: 0,
        words: words.0,
        draining: false,
        next_tick: Instant::now(),
        next_look: Instant::now(),
        next_show: Instant::now(),
        reply_producers: HashSet::new(),
        chores,
    };
    std::thread::Builder::new().name("groups".to_owned()).spawn(move || {
        let mut groups = groups;
        groups.run(&words.1, &drained);
    })?;
    Ok(handle)
}

/// The channel to the groups thread; shards need its sending side before the thread runs.
pub(crate) fn words() -> (Sender<Word>, Receiver<Word>) {
    channel()
}

impl Groups {
    fn run(&mut self, words: &Receiver<Word>, drained: &(Mutex<bool>, Condvar)) {
        loop {
            let wait = self.next_tick.saturating_duration_since(Instant::now());
            match words.recv_timeout(wait) {
                Ok(word) => self.hear(word),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Ok(word) = words.try_recv() {
                self.hear(word);
            }
            if Instant::now() >= self.next_tick {
                self.tick();
            }
            self.start_waiting();
            if self.draining && self.members.is_empty() {
                let (done, changed) = drained;
                *done.lock().unwrap_or_else(PoisonError::into_inner) = true;
                changed.notify_all();
            }
        }
    }

    fn hear(&mut self, word: Word) {
        match word {
            Word::Apply(contract) => {
                if !self.draining {
                    self.contract = Some(contract);
                    self.told.clear();
                    self.reconcile();
                }
            }
            Word::Drain(within) => {
                self.draining = true;
                self.contract = None;
                self.retry_at = None;
                self.starts.forget_waiting();
                let members: Vec<u64> = self.members.keys().copied().collect();
                for member in members {
                    self.close(member, within, None);
                }
            }
            Word::Consumer { member } => self.serve(member),
            Word::Finished { member } => self.step(member),
            Word::Hungry { member } => self.resume(member),
        }
        // Words of other threads shall not wait for a tick that comes late.
        if self.next_tick > Instant::now() + TICK {
            self.next_tick = Instant::now() + TICK;
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let look = now >= self.next_look;
        if look {
            self.next_look = now + self.look_every();
        }
        let due = self.members.iter().filter(|(_, member)| look || member.is_in_motion());
        let due: Vec<u64> = due.map(|(id, _)| *id).collect();
        for member in due {
            if look {
                self.serve(member);
            }
            self.step(member);
            if look {
                self.commit_if_due(member, now);
                self.watch_stalls(member, now);
            }
        }
        self.sweep_starts(now);
        if self.retry_at.is_some_and(|at| now >= at) {
            self.retry_at = None;
            self.reconcile();
        }
        self.show(now);
        let moves =
            self.starts.on_their_way() > 0 || self.members.values().any(Member::is_in_motion);
        self.next_tick = if moves { now + TICK } else { self.next_look };
        if let Some(at) = self.retry_at {
            self.next_tick = self.next_tick.min(at);
        }
    }

    fn look_every(&self) -> Duration {
        (self.commit_interval() / LOOKS_EACH_COMMIT).clamp(TICK, LOOK_MAX)
    }

    /// Brings the numbers of all egresses up to date, about once a second.
    fn show(&mut self, now: Instant) {
        if now < self.next_show {
            return;
        }
        self.next_show = now + SHOW;
        let closing = self.members.values().filter(|member| member.closing.is_some()).count();
        self.numbers.egresses("running", self.members.len().saturating_sub(closing));
        self.numbers.egresses("ending", closing);
        self.numbers.egresses("refused", self.refused.len());
        self.numbers.egresses("waiting", self.starts.waiting());
        let now_ms = clock::coarse_ms();
        for member in self.members.values_mut() {
            let ages = member.lanes.iter().filter_map(|lane| lane.link.oldest_ms());
            let ages: Vec<u64> = ages.map(|since| now_ms.saturating_sub(since) / 1000).collect();
            let oldest = ages.iter().copied().max().unwrap_or(0);
            let stalled = stalls::look(member, &self.shards, self.settings.stall_after, now_ms);
            member.meters.set(member.lanes.len(), stalled, oldest);
            for lane in &member.lanes {
                let place = TopicPartition {
                    topic: lane.link.topic.clone(),
                    partition: lane.link.partition,
                };
                let high = member.consumer.watermarks(&place).high;
                let next = lane.link.committable().or(lane.committed);
                if let (Some(high), Some(next)) = (high, next) {
                    let behind = u64::try_from(high.saturating_sub(next)).unwrap_or(0);
                    member.meters.lag(&lane.link.topic, lane.link.partition, behind);
                }
            }
        }
    }
}
