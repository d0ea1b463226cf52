//! Partitions that do not move though they could: counted, and named once when it begins and when it ends.
//!
//! The shards say so themselves; of one that has no turn any more the groups thread does.

use std::time::Duration;

use super::ShardSeat;
use super::member::{LaneEntry, Member};
use crate::steps::Stalled;

/// Looks at all partitions of a member, says what has changed, and gives how many are stalled.
pub(super) fn look(
    member: &mut Member,
    shards: &[ShardSeat],
    after: Duration,
    now_ms: u64,
) -> usize {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    let mut count = 0_usize;
    for lane in &mut member.lanes {
        let silent_since = shards.get(lane.shard).and_then(|shard| shard.beat.last_ms());
        let stalled = stalled(lane, silent_since, after_ms, now_ms);
        count = count.saturating_add(usize::from(stalled.is_some()));
        let link = &lane.link;
        match stalled {
            Some(Stalled { offset, since_ms }) if !lane.told_stalled => {
                lane.told_stalled = true;
                tracing::error!(consumerGroup = %member.plan.group, trigger = %member.plan.name(),
                    topic = %link.topic, partition = link.partition, offset,
                    seconds = now_ms.saturating_sub(since_ms) / 1000,
                    "A partition is stalled: it does not move, and waits for nobody.");
            }
            None if lane.told_stalled => {
                lane.told_stalled = false;
                tracing::info!(consumerGroup = %member.plan.group, trigger = %member.plan.name(),
                    topic = %link.topic, partition = link.partition, offset = link.front(),
                    "A partition that was stalled moves again.");
            }
            Some(_) | None => {}
        }
    }
    count
}

fn stalled(
    lane: &LaneEntry,
    silent_since: Option<u64>,
    after_ms: u64,
    now_ms: u64,
) -> Option<Stalled> {
    match silent_since {
        Some(since_ms) if since_ms.saturating_add(after_ms) <= now_ms => {
            // Without records it has nothing to do anyway.
            let has_records = lane.link.open() > 0 || !lane.link.is_waiting();
            has_records.then(|| Stalled { offset: lane.link.front(), since_ms })
        }
        _ => lane.link.stalled(),
    }
}
