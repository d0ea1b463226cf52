//! Rebalances: partitions come, each to one shard; partitions go, once what is in flight is settled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use millrace_kafka::TopicPartition;

use super::Groups;
use super::member::{LaneEntry, Revoking, Stall, after};
use crate::link::{Link, Order};
use crate::shard::{Command, LaneSeat};

/// For the commit before partitions are given up; Java's `default.api.timeout.ms` as shipped.
pub(super) const LAST_COMMIT: Duration = Duration::from_secs(2);
/// Waiting for room in a shard's mailbox.
const MAILBOX_RETRY: Duration = Duration::from_millis(1);

impl Groups {
    /// New partitions: each goes to the shard that owns the fewest.
    pub(super) fn assigned(&mut self, id: u64, partitions: &[TopicPartition]) {
        let now = Instant::now();
        let Some(member) = self.members.get_mut(&id) else { return };
        self.numbers.rebalance("assign");
        if member.closing.is_some() {
            // The answer is owed all the same; the partitions are taken away again at once.
            if let Err(error) = member.consumer.accept(&[], |_| Arc::new(|| {})) {
                tracing::warn!(consumerGroup = %member.plan.group, error = %error, "An assignment could not be refused.");
            }
            return;
        }
        let mut links = HashMap::new();
        for partition in partitions {
            let least = (0..self.shards.len()).min_by_key(|shard| self.shards[*shard].load);
            let Some(shard) = least else { return };
            self.shards[shard].load = self.shards[shard].load.saturating_add(1);
            self.next_id = self.next_id.wrapping_add(1);
            let link = Link::new(
                id,
                self.next_id,
                partition.topic.clone(),
                partition.partition,
                self.shards[shard].nudges.clone(),
                self.words.clone(),
            );
            links.insert((partition.topic.to_string(), partition.partition), (shard, link));
        }
        let find = |topic: &str, partition: i32| links.get(&(topic.to_owned(), partition));
        let accepted = member.consumer.accept(partitions, |partition| {
            match find(&partition.topic, partition.partition) {
                Some((_, link)) => {
                    let link = link.clone();
                    Arc::new(move || link.nudge())
                }
                None => Arc::new(|| {}),
            }
        });
        let queues = match accepted {
            Ok(queues) => queues,
            Err(error) => {
                tracing::error!(consumerGroup = %member.plan.group, error = %error,
                    "Partitions cannot be taken over; the consumer is started anew.");
                for (shard, _) in links.values() {
                    self.shards[*shard].load = self.shards[*shard].load.saturating_sub(1);
                }
                let again = Box::new(member.wanted.clone());
                let drain = self.settings.drain;
                return self.close(id, drain, Some(again));
            }
        };
        tracing::info!(consumerGroup = %member.plan.group, trigger = %member.plan.name(),
            partitions = queues.len(), "Partitions are assigned.");
        let mut opened = Vec::with_capacity(queues.len());
        for queue in queues {
            let Some((shard, link)) = find(&queue.place().topic, queue.place().partition).cloned()
            else {
                continue;
            };
            member.lanes.push(LaneEntry {
                link: link.clone(),
                shard,
                committed: None,
                sent: None,
                stall: Stall::new(now),
                told_stalled: false,
            });
            let (egress, plan) = (member.seat.clone(), member.plan.clone());
            opened.push((shard, LaneSeat { egress, plan, link, queue }));
        }
        for (shard, seat) in opened {
            self.ensure_replies(shard, &seat.plan);
            tell(&self.shards[shard].commands, Command::Open(Box::new(seat)));
        }
    }

    /// Partitions go: the shards stop taking records of them and finish what is in flight.
    pub(super) fn revoked(&mut self, id: u64, partitions: Vec<TopicPartition>, lost: bool) {
        let Some(member) = self.members.get_mut(&id) else { return };
        self.numbers.rebalance(if lost { "lost" } else { "revoke" });
        tracing::info!(consumerGroup = %member.plan.group, trigger = %member.plan.name(),
            partitions = partitions.len(), lost, "Partitions are taken away.");
        // What is lost belongs to somebody else already: nothing to finish, nothing to commit.
        let order = if lost { Order::Abandon } else { Order::Finish };
        for lane in member.lanes_of(&partitions) {
            lane.link.command(order);
        }
        let deadline = after(Instant::now(), self.settings.revoke_drain);
        member.revoking =
            Some(Revoking { partitions, lost, deadline, committed_by: None, sent_last: false });
        self.step(id);
    }

    pub(super) fn step_revocation(&mut self, id: u64) {
        let now = Instant::now();
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(revoking) = &member.revoking else { return };
        let waiting = member.lanes_of(&revoking.partitions).any(|lane| !lane.link.is_finished());
        if waiting {
            if now >= revoking.deadline {
                for lane in member.lanes_of(&revoking.partitions) {
                    lane.link.command(Order::Abandon);
                }
            }
            return;
        }
        if !revoking.lost && self.last_commit_pending(id, now) {
            return;
        }
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(revoking) = member.revoking.take() else { return };
        if let Err(error) = member.consumer.release(&revoking.partitions) {
            tracing::warn!(consumerGroup = %member.plan.group, error = %error, "Partitions could not be given up in order.");
        }
        let leaving = |lane: &LaneEntry| {
            revoking.partitions.iter().any(|gone| {
                gone.partition == lane.link.partition && *gone.topic == *lane.link.topic
            })
        };
        for lane in member.lanes.iter().filter(|lane| leaving(lane)) {
            let shard = &mut self.shards[lane.shard];
            shard.load = shard.load.saturating_sub(1);
            member.meters.forget(&lane.link.topic, lane.link.partition);
        }
        member.lanes.retain(|lane| !leaving(lane));
    }

    /// Commits what was settled last before partitions go; true while that is worth waiting for.
    fn last_commit_pending(&mut self, id: u64, now: Instant) -> bool {
        let Some(member) = self.members.get_mut(&id) else { return false };
        let under_way = member.committing.is_some();
        let Some(revoking) = &mut member.revoking else { return false };
        let by = *revoking.committed_by.get_or_insert(after(now, LAST_COMMIT));
        if now >= by {
            return false;
        }
        if under_way || revoking.sent_last {
            return under_way;
        }
        revoking.sent_last = true;
        self.commit(id, now)
    }
}

/// Shards take commands within a turn, so a full mailbox is waited for.
pub(super) fn tell(shard: &millrace_shard::Mailbox<Command>, mut command: Command) {
    while let Err(back) = shard.try_send(command) {
        if matches!(back, millrace_shard::TrySendError::Closed(_)) {
            return;
        }
        command = back.into_inner();
        std::thread::sleep(MAILBOX_RETRY);
    }
}
