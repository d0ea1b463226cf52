//! Commits: at each tick, one request for all partitions of an egress that made progress.
//!
//! What is committed is the first offset that is not settled (dispatcher.md 12.1). A commit that
//! fails is repeated with the next tick; one that carries less than the coordinator has is never sent.

use std::time::{Duration, Instant};

use millrace_kafka::{Committed, TopicPartition};

use super::Groups;
use super::member::after;
use crate::kafka_numbers::Commits;

/// A commit whose answer is not heard within this is counted as failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A commit that failed is not repeated sooner than this: the answer to the next one would be the same.
const REPEAT_AFTER: Duration = Duration::from_millis(100);
/// A partition from which no record was taken for so long gives its prefetched records back.
const STALLED: Duration = Duration::from_secs(1);

impl Groups {
    /// Java's, where the properties file cannot be used.
    pub(super) fn commit_interval(&self) -> Duration {
        let consumer = self.settings.consumer.as_ref();
        consumer.map_or(Duration::from_secs(5), |consumer| consumer.auto_commit_interval)
    }

    pub(super) fn commit_if_due(&mut self, id: u64, now: Instant) {
        let interval = self.commit_interval();
        let Some(member) = self.members.get_mut(&id) else { return };
        if let Some(since) = member.committing
            && now.saturating_duration_since(since) > ANSWER_WITHIN
        {
            member.committing = None;
        }
        if now >= member.next_commit {
            member.next_commit = after(now, interval);
            self.commit(id, now);
        }
    }

    /// Commits what has come forward since the last commit; true while a commit is under way.
    pub(super) fn commit(&mut self, id: u64, now: Instant) -> bool {
        let Some(member) = self.members.get_mut(&id) else { return false };
        if member.committing.is_some() {
            return true;
        }
        let mut offsets = Vec::new();
        for lane in &mut member.lanes {
            let Some(offset) = lane.link.committable() else { continue };
            if lane.committed.is_none_or(|committed| offset > committed) {
                lane.sent = Some(offset);
                let partition = TopicPartition {
                    topic: lane.link.topic.clone(),
                    partition: lane.link.partition,
                };
                offsets.push((partition, offset));
            }
        }
        if offsets.is_empty() {
            return false;
        }
        match member.consumer.commit(&offsets) {
            Ok(()) => {
                member.committing = Some(now);
                true
            }
            Err(error) => {
                tracing::warn!(consumerGroup = %member.plan.group, error = %error,
                    "Offsets could not be committed; the next tick tries again.");
                self.numbers.commit("failed");
                false
            }
        }
    }

    pub(super) fn commit_done(&mut self, id: u64, results: &[Committed]) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let took = member.committing.take().map_or(Duration::ZERO, |since| since.elapsed());
        member.commits.add(Commits { answered: 1, took });
        let mut failed = None;
        for result in results {
            let found = member.lane(&result.place.topic, result.place.partition);
            let Some(lane) = found.and_then(|at| member.lanes.get_mut(at)) else { continue };
            match &result.outcome {
                Ok(()) => lane.committed = lane.committed.max(lane.sent.take()),
                Err(error) => failed = Some(error.clone()),
            }
        }
        match failed {
            None => self.numbers.commit("ok"),
            Some(error) => {
                self.numbers.commit("failed");
                member.commit_not_before = after(Instant::now(), REPEAT_AFTER);
                tracing::warn!(consumerGroup = %member.plan.group, error = %error,
                    "Offsets could not be committed; the next tick tries again.");
            }
        }
        self.step(id);
    }

    /// Gives back what librdkafka has prefetched for partitions that nobody takes records from: with
    /// hundreds of stalled subscribers it would fill the memory.
    pub(super) fn watch_stalls(&mut self, id: u64, now: Instant) {
        let Some(member) = self.members.get_mut(&id) else { return };
        for lane in &mut member.lanes {
            let polls = lane.link.polls();
            if polls != lane.stall.polls || lane.link.is_waiting() {
                lane.stall.polls = polls;
                lane.stall.since = now;
            } else if !lane.link.is_paused()
                && now.saturating_duration_since(lane.stall.since) >= STALLED
            {
                lane.link.set_paused(true);
                let paused = member.consumer.pause(&TopicPartition {
                    topic: lane.link.topic.clone(),
                    partition: lane.link.partition,
                });
                if let Err(error) = paused {
                    tracing::warn!(consumerGroup = %member.plan.group, error = %error,
                        "A stalled partition could not be paused.");
                }
                // It may wait for records meanwhile, and must say so.
                lane.link.nudge();
            }
        }
    }

    /// Fetches again for partitions whose shards want records.
    pub(super) fn resume(&mut self, id: u64) {
        let now = Instant::now();
        let Some(member) = self.members.get_mut(&id) else { return };
        for lane in &mut member.lanes {
            if lane.link.is_paused() && lane.link.is_waiting() {
                lane.link.set_paused(false);
                lane.stall.since = now;
                let resumed = member.consumer.resume(&TopicPartition {
                    topic: lane.link.topic.clone(),
                    partition: lane.link.partition,
                });
                if let Err(error) = resumed {
                    tracing::error!(consumerGroup = %member.plan.group, error = %error,
                        "A partition could not be resumed.");
                }
            }
        }
    }
}
