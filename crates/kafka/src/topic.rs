//! A topic as the shard sees it, and the choice of the partition for records without a key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::properties::Partitioner;
use crate::sync::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};

/// How partitions are chosen (receiver.md 4.1, platform.md 4.2 `partitioner.class`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Partitioning {
    /// Treats every record as if it had no key (`partitioner.ignore.keys`, or a class that ignores
    /// keys).
    pub ignore_keys: bool,
    /// For records without a key.
    pub unkeyed: Unkeyed,
}

impl From<Partitioner> for Partitioning {
    fn from(class: Partitioner) -> Self {
        match class {
            Partitioner::Default => Self { ignore_keys: false, unkeyed: Unkeyed::Sticky },
            Partitioner::RoundRobin => Self { ignore_keys: true, unkeyed: Unkeyed::RoundRobin },
            Partitioner::Random => Self { ignore_keys: true, unkeyed: Unkeyed::Sticky },
        }
    }
}

/// How the partition of a record without a key is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unkeyed {
    /// The same partition until [`Topic::rotate`], then the next one that has a leader.
    #[default]
    Sticky,
    /// The next partition that has a leader, for each record.
    RoundRobin,
    /// Any partition, for each record.
    Random,
}

/// A topic of one producer; cheap to clone.
#[derive(Debug, Clone)]
pub struct Topic {
    pub(crate) state: Arc<TopicState>,
    /// Which client, and which of its topics: never a pointer, so that a handle used with another
    /// producer or after its release is refused, not dangling.
    pub(crate) client: u64,
    pub(crate) slot: usize,
}

impl Topic {
    /// The topic's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Whether the client has seen the topic's partitions. Until then records wait inside the
    /// client, at most `max.block.ms`.
    #[must_use]
    pub fn known(&self) -> bool {
        self.partitions().is_some()
    }

    /// The number of partitions seen last.
    #[must_use]
    pub fn partitions(&self) -> Option<i32> {
        match self.state.partitions.load(Relaxed) {
            0 => None,
            count => Some(count),
        }
    }

    /// Moves records without a key to the next partition. To be called once for each burst handed
    /// to the client, so that a burst makes one large request and not many small ones. Changes
    /// nothing unless the choice is [`Unkeyed::Sticky`].
    pub fn rotate(&self) {
        self.state.rotate();
    }
}

/// What the partitioner needs; shared between the shard and librdkafka's threads.
///
/// Relaxed orderings suffice: every value stands for itself, and a choice made on a slightly old one
/// is still a valid partition.
#[derive(Debug)]
pub(crate) struct TopicState {
    name: String,
    partitioning: Partitioning,
    born: Instant,
    max_block_ms: u32,
    partitions: AtomicI32,
    /// Counts rotations; its low bits pick the partition.
    epoch: AtomicU32,
    /// The epoch of the last choice (high half) and the partition chosen (low half).
    chosen: AtomicU64,
}

/// What the partitioner shall do.
pub(crate) enum Choice {
    Partition(i32),
    KeyHash,
    Random,
}

impl TopicState {
    /// `seed` spreads the first choice, so that shards do not all begin at partition 0.
    pub(crate) fn new(
        name: &str,
        partitioning: Partitioning,
        born: Instant,
        max_block: Duration,
        seed: u32,
    ) -> Self {
        Self {
            name: name.to_owned(),
            partitioning,
            born,
            max_block_ms: u32::try_from(max_block.as_millis()).unwrap_or(u32::MAX / 2),
            partitions: AtomicI32::new(0),
            epoch: AtomicU32::new(seed),
            chosen: AtomicU64::new(u64::from(seed.wrapping_sub(1)) << 32),
        }
    }

    pub(crate) fn learn(&self, partitions: i32) {
        // Loaded first: a store for every record would take the cache line from the other thread.
        if self.partitions.load(Relaxed) != partitions {
            self.partitions.store(partitions, Relaxed);
        }
    }

    /// Whether a record stamped then has waited longer for metadata than `max.block.ms`; its request
    /// has been answered by now, and a later write would only be a duplicate.
    pub(crate) fn is_late(&self, stamp_ms: u32) -> bool {
        now_ms(self.born).wrapping_sub(stamp_ms) > self.max_block_ms
    }

    fn rotate(&self) {
        // In turn, every record counts by itself; counting bursts too would skip partitions.
        if self.partitioning.unkeyed == Unkeyed::Sticky {
            self.epoch.fetch_add(1, Relaxed);
        }
    }

    /// `count` must be positive, as it is whenever librdkafka calls its partitioner.
    pub(crate) fn choose(
        &self,
        has_key: bool,
        count: i32,
        available: impl Fn(i32) -> bool,
    ) -> Choice {
        if has_key && !self.partitioning.ignore_keys {
            return Choice::KeyHash;
        }
        match self.partitioning.unkeyed {
            Unkeyed::Random => Choice::Random,
            Unkeyed::RoundRobin => {
                let epoch = self.epoch.fetch_add(1, Relaxed);
                Choice::Partition(first_available(epoch, count, available))
            }
            Unkeyed::Sticky => Choice::Partition(self.stick(count, available)),
        }
    }

    /// Asks for the partitions' leaders only when the epoch has changed: the question takes locks.
    fn stick(&self, count: i32, available: impl Fn(i32) -> bool) -> i32 {
        let epoch = self.epoch.load(Relaxed);
        let chosen = self.chosen.load(Relaxed);
        let partition = (chosen & u64::from(u32::MAX)) as i32;
        if chosen >> 32 == u64::from(epoch) && partition < count {
            return partition;
        }
        let partition = first_available(epoch, count, available);
        self.chosen.store(u64::from(epoch) << 32 | u64::from(partition.cast_unsigned()), Relaxed);
        partition
    }
}

/// Milliseconds since `born`; wraps after 49 days, so only differences mean something.
pub(crate) fn now_ms(born: Instant) -> u32 {
    (born.elapsed().as_millis() & u128::from(u32::MAX)) as u32
}

/// The first partition with a leader from the epoch's on; the epoch's own when none has one.
///
/// None has one for the first milliseconds after the topic's first metadata, until the broker threads
/// have taken their partitions over. Records that waited for this metadata are then placed blindly,
/// and one that meets a partition really without a leader waits for it, at most the delivery timeout.
fn first_available(epoch: u32, count: i32, available: impl Fn(i32) -> bool) -> i32 {
    let count = count.max(1).cast_unsigned();
    let start = epoch % count;
    (0..count)
        .map(|step| ((start + step) % count).cast_signed())
        .find(|&partition| available(partition))
        .unwrap_or(start.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(unkeyed: Unkeyed) -> TopicState {
        let partitioning = Partitioning { ignore_keys: false, unkeyed };
        TopicState::new("t", partitioning, Instant::now(), Duration::from_secs(60), 0)
    }

    fn pick(state: &TopicState, count: i32, available: impl Fn(i32) -> bool) -> i32 {
        match state.choose(false, count, available) {
            Choice::Partition(partition) => partition,
            Choice::KeyHash | Choice::Random => panic!("no partition was chosen"),
        }
    }

    #[test]
    fn sticky_stays_until_rotated_and_skips_leaderless() {
        let state = state(Unkeyed::Sticky);
        assert_eq!((pick(&state, 3, |_| true), pick(&state, 3, |_| true)), (0, 0));
        state.rotate();
        assert_eq!(pick(&state, 3, |p| p != 1), 2);
        // Asked again without a rotation, the leaders are not looked at.
        assert_eq!(pick(&state, 3, |_| panic!("asked")), 2);
        state.rotate();
        assert_eq!(pick(&state, 3, |_| false), 2, "without any leader: the epoch's own");
    }

    #[test]
    fn sticky_choice_is_dropped_when_the_topic_shrinks() {
        let state = state(Unkeyed::Sticky);
        state.epoch.store(4, Relaxed);
        assert_eq!(pick(&state, 5, |_| true), 4);
        assert_eq!(pick(&state, 3, |_| true), 1);
    }

    #[test]
    fn round_robin_goes_round_even_over_the_wrap() {
        let state = state(Unkeyed::RoundRobin);
        state.epoch.store(u32::MAX - 1, Relaxed);
        let got: Vec<i32> = (0..4)
            .map(|_| {
                state.rotate();
                pick(&state, 2, |_| true)
            })
            .collect();
        assert_eq!(got, [0, 1, 0, 1], "whatever the bursts");
    }

    #[test]
    fn keys_are_hashed_unless_ignored() {
        let mut state = state(Unkeyed::Sticky);
        assert!(matches!(state.choose(true, 3, |_| true), Choice::KeyHash));
        state.partitioning.ignore_keys = true;
        assert!(matches!(state.choose(true, 3, |_| true), Choice::Partition(0)));
    }

    #[test]
    fn lateness_survives_the_wrap_of_the_clock() {
        let state = state(Unkeyed::Sticky);
        let now = now_ms(state.born);
        assert!(!state.is_late(now));
        assert!(!state.is_late(now.wrapping_sub(59_000)));
        assert!(state.is_late(now.wrapping_sub(61_000)));
    }
}
