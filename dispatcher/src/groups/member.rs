//! One egress as a member of its consumer group: its consumer, its partitions, where it stands.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_contract::diff::Wanted;
use millrace_kafka::{Consumer, GroupEvent, TopicPartition};
use millrace_observe::limit::KeyedLimit;
use millrace_observe::{PartitionMeters, limited};

use super::Groups;
use crate::housekeeping::Chore;
use crate::kafka_numbers::{Commits, Document};
use crate::link::Link;
use crate::plan::Plan;
use crate::seat::EgressSeat;

/// Events taken from a consumer in one go.
const EVENTS_MAX: usize = 64;

static TROUBLES: KeyedLimit = KeyedLimit::new();

/// See the head of this file.
pub(super) struct Member {
    /// What the contract said when this was started or last updated.
    pub(super) wanted: Wanted,
    pub(super) plan: Arc<Plan>,
    pub(super) seat: Arc<EgressSeat>,
    pub(super) consumer: Consumer,
    pub(super) lanes: Vec<LaneEntry>,
    /// Partitions being taken away; at most one such event is open at a time.
    pub(super) revoking: Option<Revoking>,
    pub(super) closing: Option<Closing>,
    /// A commit is under way since then.
    pub(super) committing: Option<Instant>,
    pub(super) next_commit: Instant,
    /// After a commit that failed, none is sent before then.
    pub(super) commit_not_before: Instant,
    /// What the consumer told while a revocation was open.
    pub(super) later: VecDeque<GroupEvent>,
    pub(super) meters: PartitionMeters,
    pub(super) client_id: Box<str>,
    pub(super) commits: Commits,
}

/// A partition of a member.
pub(super) struct LaneEntry {
    pub(super) link: Arc<Link>,
    pub(super) shard: usize,
    /// What the group's coordinator has acknowledged.
    pub(super) committed: Option<i64>,
    /// What the commit under way carries.
    pub(super) sent: Option<i64>,
    pub(super) stall: Stall,
    /// Said in the log to be stalled.
    pub(super) told_stalled: bool,
}

/// When the shard last took records, for a partition that nobody polls.
pub(super) struct Stall {
    pub(super) polls: u64,
    pub(super) since: Instant,
}

/// Partitions that are leaving: the shards finish, then one commit, then they are given up.
pub(super) struct Revoking {
    pub(super) partitions: Vec<TopicPartition>,
    pub(super) lost: bool,
    pub(super) deadline: Instant,
    /// Commits are waited for until then, once the shards have finished.
    pub(super) committed_by: Option<Instant>,
    /// The last commit was sent. One of a tick that was under way before carries less.
    pub(super) sent_last: bool,
}

/// The way out of an egress.
pub(super) struct Closing {
    /// What is in flight is given up then.
    pub(super) deadline: Instant,
    pub(super) stage: Stage,
    /// What to start in its place.
    pub(super) next: Option<Box<Wanted>>,
}

/// Where a closing egress stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The shards finish what is in flight.
    Finishing,
    /// The last commit is under way, at most until then.
    Committing(Instant),
    /// The group is being left, at most until then.
    Leaving(Instant),
}

impl Member {
    /// Whether it waits for something that may not announce itself: a deadline, the end of its membership.
    pub(super) fn is_in_motion(&self) -> bool {
        self.revoking.is_some() || self.closing.is_some()
    }

    /// The partition's place in `lanes`.
    pub(super) fn lane(&self, topic: &str, partition: i32) -> Option<usize> {
        self.lanes
            .iter()
            .position(|lane| lane.link.partition == partition && *lane.link.topic == *topic)
    }

    pub(super) fn lanes_of<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
    ) -> impl Iterator<Item = &'a LaneEntry> {
        self.lanes.iter().filter(move |lane| {
            partitions.iter().any(|leaving| {
                leaving.partition == lane.link.partition && *leaving.topic == *lane.link.topic
            })
        })
    }
}

impl Stall {
    pub(super) fn new(now: Instant) -> Stall {
        Stall { polls: 0, since: now }
    }
}

impl Groups {
    /// Takes what a consumer has to say.
    pub(super) fn serve(&mut self, id: u64) {
        loop {
            let Some(member) = self.members.get_mut(&id) else { return };
            let mut events = Vec::new();
            let polled = member.consumer.poll(EVENTS_MAX, |event| events.push(event));
            for event in events {
                self.event(id, event);
            }
            if !polled.more {
                return;
            }
        }
    }

    fn event(&mut self, id: u64, event: GroupEvent) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if member.revoking.is_some() && is_rebalance(&event) {
            member.later.push_back(event);
            return;
        }
        match event {
            GroupEvent::Assign(partitions) => {
                self.starts.end(id);
                self.assigned(id, &partitions);
            }
            GroupEvent::Revoke { partitions, lost } => self.revoked(id, partitions, lost),
            GroupEvent::CommitDone(results) => self.commit_done(id, &results),
            GroupEvent::Trouble(trouble) => {
                self.starts.trouble(id, trouble.kind);
                limited!(by TROUBLES, &member.plan.uid; warn,
                    consumerGroup = %member.plan.group, trigger = %member.plan.name(), error = %trouble,
                    "A consumer has trouble; it goes on.");
                self.numbers.error();
            }
            GroupEvent::Statistics(json) => {
                let (client_id, commits) = (member.client_id.clone(), member.commits);
                let document = Document { client_id, member: id, json, commits };
                // Without the housekeeping thread the process is ending.
                let _ = self.chores.send(Chore::Statistics(document));
            }
            GroupEvent::Closed => self.closed(id),
        }
    }

    /// Looks whether a member can go on with what it is about.
    pub(super) fn step(&mut self, id: u64) {
        self.step_revocation(id);
        self.step_closing(id);
        while let Some(member) = self.members.get_mut(&id) {
            if member.revoking.is_some() {
                return;
            }
            let Some(event) = member.later.pop_front() else { return };
            self.event(id, event);
        }
    }
}

fn is_rebalance(event: &GroupEvent) -> bool {
    matches!(event, GroupEvent::Assign(_) | GroupEvent::Revoke { .. } | GroupEvent::Closed)
}

/// The end of a wait, however long the wait.
pub(super) fn after(now: Instant, wait: Duration) -> Instant {
    const LONG: Duration = Duration::from_secs(365 * 24 * 3600);
    now.checked_add(wait.min(LONG)).unwrap_or(now)
}
