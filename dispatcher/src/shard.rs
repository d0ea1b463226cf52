//! What one shard of the dispatcher runs: its lanes, their editions, its producers for replies.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use millrace_client::{Client, ClientOptions, Names, Resolver};
use millrace_event::Scratch;
use millrace_kafka::PartitionQueue;
use millrace_observe::{DispatchOptions, Registry};
use millrace_shard::{DrainSeat, Inbox, MailboxSeat, Phase, clock, sleep, spawn};

use crate::edition::Edition;
use crate::lane::Lane;
use crate::link::{Link, Nudged, NudgesInbox, NudgesSeat};
use crate::plan::Plan;
use crate::replies::{NewReplyProducer, ReplyProducer};
use crate::seat::{EgressSeat, ShardCredits};

/// How often a shard looks for lanes that do not move.
const WATCH: Duration = Duration::from_secs(1);

/// Told to a shard by the groups thread.
pub(crate) enum Command {
    /// Own this partition.
    Open(Box<LaneSeat>),
    /// Deliver what this egress gets from now on in another way.
    Update { member: u64, plan: Arc<Plan> },
    /// End what runs for this egress.
    Cancel { member: u64 },
    /// The egress is gone.
    Forget { member: u64 },
    /// Use this producer for replies to topics of its cluster.
    Replies(Box<NewReplyProducer>),
    /// No egress needs the producer of this cluster any more.
    DropReplies { bootstrap: Arc<str> },
}

/// A partition on its way to its shard.
pub(crate) struct LaneSeat {
    pub(crate) egress: Arc<EgressSeat>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) link: Arc<Link>,
    pub(crate) queue: PartitionQueue,
}

/// What is the same on all shards and never changes.
pub(crate) struct Common {
    pub(crate) registry: Registry,
    pub(crate) client: ClientOptions,
    pub(crate) resolver: Resolver,
    pub(crate) meters: DispatchOptions,
    /// Longest answer that may be a reply, in bytes.
    pub(crate) reply_bytes_max: usize,
    /// For a reply to be written to its topic (`delivery.timeout.ms`).
    pub(crate) reply_timeout: Duration,
    /// A lane that does not move for so long is stalled.
    pub(crate) stall_after: Duration,
}

/// All that a shard takes along to its thread.
pub(crate) struct ShardStart {
    pub(crate) common: Arc<Common>,
    pub(crate) drain: DrainSeat,
    pub(crate) commands: MailboxSeat<Command>,
    pub(crate) nudges: NudgesSeat,
    pub(crate) beat: Arc<Beat>,
}

/// When a shard last had a turn: one that hangs cannot say so itself.
#[derive(Default)]
pub(crate) struct Beat(AtomicU64);

impl Beat {
    /// By the coarse clock; `None` before the first.
    pub(crate) fn last_ms(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|last| *last > 0)
    }

    fn now(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}

/// One shard.
pub(crate) struct Shard {
    pub(crate) common: Arc<Common>,
    pub(crate) scratch: RefCell<Scratch>,
    pub(crate) client: Client,
    lanes: RefCell<HashMap<u64, Rc<Lane>>>,
    editions: RefCell<HashMap<u64, Rc<Edition>>>,
    /// This shard's places in the bounds of egresses; one each, whatever the edition.
    credits: RefCell<HashMap<u64, Rc<ShardCredits>>>,
    /// By bootstrap servers.
    replies: RefCell<HashMap<Arc<str>, Rc<ReplyProducer>>>,
    random: Cell<u64>,
}

/// Works until the process has drained.
pub(crate) async fn run(start: ShardStart) -> io::Result<()> {
    let drain = start.drain.attach()?;
    let client = Client::new(start.common.client.clone(), Names::new(&start.common.resolver)?);
    let shard = Rc::new(Shard {
        common: start.common,
        scratch: RefCell::new(Scratch::new()),
        client,
        lanes: RefCell::default(),
        editions: RefCell::default(),
        credits: RefCell::default(),
        replies: RefCell::default(),
        random: Cell::new(seed()),
    });
    spawn(take_commands(start.commands.attach()?, shard.clone()));
    spawn(take_nudges(start.nudges.attach()?, shard.clone()));
    spawn(watch(start.beat, shard.clone()));
    drain.reached(Phase::Closing).await;
    shard.close();
    Ok(())
}

async fn take_commands(mut inbox: Inbox<Command>, shard: Rc<Shard>) {
    while let Some(command) = inbox.recv().await {
        shard.take(command);
    }
}

async fn take_nudges(mut inbox: NudgesInbox, shard: Rc<Shard>) {
    while let Some(nudged) = inbox.next().await {
        match nudged {
            Nudged::One(link) => {
                let lane = shard.lanes.borrow().get(&link.id).cloned();
                if let Some(lane) = lane {
                    lane.look();
                }
            }
            Nudged::All => {
                let lanes: Vec<_> = shard.lanes.borrow().values().cloned().collect();
                for lane in lanes {
                    lane.link.lower();
                    lane.look();
                }
            }
        }
    }
}

/// Looks for lanes that do not move, until the shard ends.
async fn watch(beat: Arc<Beat>, shard: Rc<Shard>) {
    let after_ms = u64::try_from(shard.common.stall_after.as_millis()).unwrap_or(u64::MAX);
    loop {
        let now_ms = clock::coarse_ms();
        beat.now(now_ms);
        for lane in shard.lanes.borrow().values() {
            lane.link.set_stalled(lane.stalled(now_ms, after_ms));
        }
        sleep(WATCH).await;
    }
}

impl Shard {
    fn take(self: &Rc<Self>, command: Command) {
        match command {
            Command::Open(seat) => {
                let edition = self.edition(&seat.egress, &seat.plan);
                let link = seat.link.clone();
                let lane = Lane::open(*seat, edition, self);
                self.lanes.borrow_mut().insert(link.id, lane.clone());
                // A nudge may have come before the lane.
                lane.link.lower();
                lane.look();
            }
            Command::Update { member, plan } => {
                let old = self.editions.borrow().get(&member).cloned();
                let Some(old) = old else { return };
                let edition = Rc::new(Edition::new(plan, old.seat.clone(), self));
                self.editions.borrow_mut().insert(member, edition.clone());
                for lane in self.lanes_of(member) {
                    lane.update(edition.clone());
                }
            }
            Command::Cancel { member } => {
                if let Some(edition) = self.editions.borrow().get(&member) {
                    edition.close();
                }
                for lane in self.lanes_of(member) {
                    lane.look();
                }
            }
            Command::Forget { member } => {
                if let Some(edition) = self.editions.borrow_mut().remove(&member) {
                    edition.close();
                }
                self.credits.borrow_mut().remove(&member);
            }
            Command::DropReplies { bootstrap } => {
                self.replies.borrow_mut().remove(&bootstrap);
            }
            Command::Replies(new) => {
                let bootstrap = new.bootstrap.clone();
                match ReplyProducer::start(*new) {
                    Ok(producer) => drop(self.replies.borrow_mut().insert(bootstrap, producer)),
                    Err(error) => tracing::error!(bootstrap = %bootstrap, error = %error,
                        "A producer for replies cannot be used on this shard."),
                }
            }
        }
    }

    /// The edition of this plan, which all partitions of an egress share.
    fn edition(self: &Rc<Self>, seat: &Arc<EgressSeat>, plan: &Arc<Plan>) -> Rc<Edition> {
        let mut editions = self.editions.borrow_mut();
        if let Some(edition) = editions.get(&seat.member)
            && Arc::ptr_eq(&edition.plan, plan)
        {
            return edition.clone();
        }
        let edition = Rc::new(Edition::new(plan.clone(), seat.clone(), self));
        editions.insert(seat.member, edition.clone());
        edition
    }

    /// This shard's place in the bound in flight of an egress.
    pub(crate) fn credits(&self, seat: &EgressSeat) -> Option<Rc<ShardCredits>> {
        let mut credits = self.credits.borrow_mut();
        if let Some(known) = credits.get(&seat.member) {
            return Some(known.clone());
        }
        let joined = Rc::new(ShardCredits::join(&seat.credits)?);
        credits.insert(seat.member, joined.clone());
        Some(joined)
    }

    fn lanes_of(&self, member: u64) -> Vec<Rc<Lane>> {
        let lanes = self.lanes.borrow();
        lanes.values().filter(|lane| lane.link.member == member).cloned().collect()
    }

    pub(crate) fn close_lane(&self, link: &Link) {
        self.lanes.borrow_mut().remove(&link.id);
    }

    /// The producer for replies to topics of a cluster.
    pub(crate) fn reply_producer(&self, bootstrap: &str) -> Option<Rc<ReplyProducer>> {
        self.replies.borrow().get(bootstrap).cloned()
    }

    /// Any 64 bits, not for secrets: xorshift.
    pub(crate) fn random(&self) -> u64 {
        let mut bits = self.random.get();
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        self.random.set(bits);
        bits
    }

    fn close(&self) {
        for edition in self.editions.borrow_mut().drain().map(|(_, edition)| edition) {
            edition.close();
        }
        self.replies.borrow_mut().clear();
    }
}

pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::thread::current().id()) | 1
}
