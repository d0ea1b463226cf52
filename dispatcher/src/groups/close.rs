//! The way out of an egress: finish, commit, leave the group, make place for what comes after it.

use std::time::{Duration, Instant};

use millrace_contract::diff::Wanted;

use super::Groups;
use super::assign::{LAST_COMMIT, tell};
use super::member::{Closing, Stage, after};
use crate::housekeeping::Chore;
use crate::link::Order;
use crate::shard::Command;

/// For leaving the group; the coordinator may be gone.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

impl Groups {
    /// Starts to end an egress; `next` is started in its place. Said again, the shorter time holds and
    /// the later `next`.
    pub(super) fn close(&mut self, id: u64, within: Duration, next: Option<Box<Wanted>>) {
        let deadline = after(Instant::now(), within);
        let Some(member) = self.members.get_mut(&id) else { return };
        match &mut member.closing {
            Some(closing) => {
                closing.deadline = closing.deadline.min(deadline);
                closing.next = next;
            }
            None => {
                member.closing = Some(Closing { deadline, stage: Stage::Finishing, next });
                for lane in &member.lanes {
                    lane.link.command(Order::Finish);
                }
            }
        }
        self.step(id);
    }

    pub(super) fn step_closing(&mut self, id: u64) {
        let now = Instant::now();
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(closing) = &member.closing else { return };
        let (stage, deadline) = (closing.stage, closing.deadline);
        match stage {
            Stage::Finishing => {
                if member.lanes.iter().any(|lane| !lane.link.is_finished()) {
                    if now >= deadline {
                        for shard in &self.shards {
                            tell(&shard.commands, Command::Cancel { member: id });
                        }
                        for lane in &member.lanes {
                            lane.link.command(Order::Abandon);
                        }
                    }
                    return;
                }
                let pending = self.commit(id, now);
                let until = if pending { after(now, LAST_COMMIT) } else { now };
                self.set_stage(id, Stage::Committing(until));
                self.step_closing(id);
            }
            Stage::Committing(until) => {
                let waits = member.committing.is_some() || now < member.commit_not_before;
                if waits && now < until {
                    return;
                }
                // One commit may have been under way when the last records were settled.
                if member.committing.is_none() && now < until && self.commit(id, now) {
                    return;
                }
                self.set_stage(id, Stage::Leaving(after(now, LEAVE_WITHIN)));
                let Some(member) = self.members.get_mut(&id) else { return };
                member.consumer.close();
                self.serve(id);
            }
            Stage::Leaving(until) => {
                if now >= until {
                    tracing::warn!(consumerGroup = %member.plan.group,
                        "The group was not left in time; the coordinator will notice by itself.");
                    self.closed(id);
                } else {
                    self.serve(id);
                }
            }
        }
    }

    fn set_stage(&mut self, id: u64, stage: Stage) {
        if let Some(closing) = self.members.get_mut(&id).and_then(|it| it.closing.as_mut()) {
            closing.stage = stage;
        }
    }

    /// The group is left, or given up.
    pub(super) fn closed(&mut self, id: u64) {
        let Some(member) = self.members.remove(&id) else { return };
        self.starts.end(id);
        for lane in &member.lanes {
            lane.link.command(Order::Abandon);
            let shard = &mut self.shards[lane.shard];
            shard.load = shard.load.saturating_sub(1);
        }
        if self.by_uid.get(&member.plan.uid) == Some(&id) {
            self.by_uid.remove(&member.plan.uid);
        }
        for shard in &self.shards {
            tell(&shard.commands, Command::Forget { member: id });
        }
        self.registry.remove_owner(&member.plan.uid);
        let _ = self.chores.send(Chore::Forget { client_id: member.client_id, member: id });
        self.drop_unused_replies();
        tracing::info!(consumerGroup = %member.plan.group, trigger = %member.plan.name(), "An egress has ended.");
        let next = member.closing.and_then(|closing| closing.next);
        // May wait for librdkafka's threads.
        let consumer = member.consumer;
        let reaper = std::thread::Builder::new().name("reaper".to_owned());
        if let Err(error) = reaper.spawn(move || drop(consumer)) {
            tracing::warn!(error = %error, "A consumer is closed on the groups thread.");
        }
        if let Some(next) = next {
            self.start(&next);
        }
        // A contract may wait for this uid to be free.
        if self.retry_at.is_none() && !self.draining && self.contract.is_some() {
            self.retry_at = Some(Instant::now());
        }
    }
}
