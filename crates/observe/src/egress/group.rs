//! What the groups thread shows: an egress's place in its consumer group, and how far behind it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hashbrown::HashMap;

use super::EgressName;
use crate::cell::{SharedCounter, SharedGauge};
use crate::names::{
    COMMITS, CONSUMER_ERRORS, EGRESSES, LAG, OLDEST_RECORD, PARTITIONS, PARTITIONS_STALLED,
    REBALANCES,
};
use crate::owner::Owner;
use crate::registry::Registry;

/// Partitions shown by number, over all egresses; further ones are summed as `other`.
const LAGS_MAX: usize = 2_000;
const OTHER: &str = "other";

/// The groups thread's numbers over all egresses.
#[derive(Debug)]
pub struct GroupMeters {
    registry: Registry,
    lags: Arc<AtomicUsize>,
    states: HashMap<&'static str, SharedGauge>,
    commits: HashMap<&'static str, SharedCounter>,
    rebalances: HashMap<&'static str, SharedCounter>,
    errors: SharedCounter,
}

/// One egress's place in its group. Its series vanish when this is dropped, or with its owner.
#[derive(Debug)]
pub struct PartitionMeters {
    registry: Registry,
    owner: Owner,
    group: String,
    shown: Arc<AtomicUsize>,
    lags: HashMap<(Arc<str>, i32), Lag>,
    assigned: SharedGauge,
    stalled: SharedGauge,
    oldest: SharedGauge,
}

#[derive(Debug)]
struct Lag {
    gauge: SharedGauge,
    _place: Option<Place>,
}

/// One of the partitions that are shown by number.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl GroupMeters {
    /// For the thread that owns the consumer groups.
    pub fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            lags: Arc::default(),
            states: HashMap::new(),
            commits: HashMap::new(),
            rebalances: HashMap::new(),
            errors: registry.shared_counter(&CONSUMER_ERRORS, &[]),
        }
    }

    /// So many egresses are in this state: one of a fixed set of words.
    pub fn egresses(&mut self, state: &'static str, count: usize) {
        let made = || self.registry.shared_gauge(&EGRESSES, &[("state", state)]);
        self.states.entry(state).or_insert_with(made).set(whole(count as u64));
    }

    /// A commit has ended: `ok` or `failed`.
    pub fn commit(&mut self, outcome: &'static str) {
        let made = || self.registry.shared_counter(&COMMITS, &[("outcome", outcome)]);
        self.commits.entry(outcome).or_insert_with(made).inc();
    }

    /// The assignment has changed: `assign`, `revoke` or `lost`.
    pub fn rebalance(&mut self, event: &'static str) {
        let made = || self.registry.shared_counter(&REBALANCES, &[("event", event)]);
        self.rebalances.entry(event).or_insert_with(made).inc();
    }

    /// A consumer has reported an error.
    pub fn error(&self) {
        self.errors.inc();
    }

    /// The meters of one egress.
    pub fn egress(&self, owner: &Owner, name: &EgressName) -> PartitionMeters {
        let gauge = |family| self.registry.shared_gauge_of(owner, family, &name.ours());
        PartitionMeters {
            registry: self.registry.clone(),
            owner: owner.clone(),
            group: name.consumer_group.clone(),
            shown: self.lags.clone(),
            lags: HashMap::new(),
            assigned: gauge(&PARTITIONS),
            stalled: gauge(&PARTITIONS_STALLED),
            oldest: gauge(&OLDEST_RECORD),
        }
    }
}

impl PartitionMeters {
    /// Partitions assigned, those of them that make no progress, and the age of the oldest record
    /// that is not settled, in seconds (0 without any).
    pub fn set(&self, assigned: usize, stalled: usize, oldest_seconds: u64) {
        self.assigned.set(whole(assigned as u64));
        self.stalled.set(whole(stalled as u64));
        self.oldest.set(whole(oldest_seconds));
    }

    /// So many records are behind the end of a partition.
    pub fn lag(&mut self, topic: &Arc<str>, partition: i32, records: u64) {
        let Self { registry, owner, group, shown, lags, .. } = self;
        let made = || {
            let place = Place::take(shown);
            let number = partition.to_string();
            let labels = [
                ("consumer_group", group.as_str()),
                ("partition", if place.is_some() { &number } else { OTHER }),
                ("topic", topic),
            ];
            Lag { gauge: registry.shared_gauge_of(owner, &LAG, &labels), _place: place }
        };
        lags.entry((topic.clone(), partition)).or_insert_with(made).gauge.set(whole(records));
    }

    /// A partition is no longer assigned.
    pub fn forget(&mut self, topic: &Arc<str>, partition: i32) {
        self.lags.remove(&(topic.clone(), partition));
    }
}

impl Place {
    fn take(shown: &Arc<AtomicUsize>) -> Option<Place> {
        let one_more = |used: usize| (used < LAGS_MAX).then_some(used + 1);
        shown.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| Place(shown.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
