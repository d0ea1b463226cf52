//! Who series belong to: a resource, whose series vanish with it (receiver.md 9.2, R154).

use std::sync::{Arc, OnceLock, PoisonError};

use hashbrown::HashSet;

use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering::Relaxed};

/// Longer event types are counted as `unknown`: a label is kept for as long as the resource lives.
const EVENT_TYPE_BYTES_MAX: usize = 512;

/// A handle on a resource's place in the [`Registry`](crate::Registry); cheap to clone and to send to shards.
///
/// Once removed it stays dead: what a shard still records under it is shown nowhere. A resource
/// that comes back with the same uid is a new owner.
#[derive(Clone)]
pub struct Owner(Arc<State>);

struct State {
    budget: Arc<EventTypeBudget>,
    alive: AtomicBool,
    /// Event types shown for this owner, on whichever shard they came.
    types: Mutex<HashSet<Arc<str>>>,
    /// The same, once a bound was met: from then on the set does not change, and shards ask it
    /// without a lock.
    types_closed: OnceLock<HashSet<Arc<str>>>,
}

/// Whether an event type gets series of its own.
pub(crate) enum Admission {
    Admitted(Arc<str>),
    Overflow,
    /// The resource is gone: nothing is to be counted.
    Removed,
}

impl Owner {
    pub(crate) fn new(budget: Arc<EventTypeBudget>) -> Self {
        Self(Arc::new(State {
            budget,
            alive: AtomicBool::new(true),
            types: Mutex::default(),
            types_closed: OnceLock::new(),
        }))
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.0.alive.load(Relaxed)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Asked when a shard meets a type for the first time, and for each event of a type beyond
    /// the bounds.
    pub(crate) fn admit(&self, event_type: &str, types_max: usize) -> Admission {
        let found = |name: Option<&Arc<str>>| name.cloned().map(Admission::Admitted);
        if let Some(closed) = self.0.types_closed.get() {
            return found(closed.get(event_type)).unwrap_or(Admission::Overflow);
        }
        if event_type.len() > EVENT_TYPE_BYTES_MAX {
            return Admission::Overflow;
        }
        let mut types = self.0.types.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_alive() {
            return Admission::Removed;
        }
        // Another shard may have closed the set while this one waited for the lock.
        if let Some(closed) = self.0.types_closed.get() {
            return found(closed.get(event_type)).unwrap_or(Admission::Overflow);
        }
        if let Some(admitted) = found(types.get(event_type)) {
            return admitted;
        }
        if types.len() >= types_max || !self.0.budget.reserve() {
            let _ = self.0.types_closed.set(std::mem::take(&mut types));
            return Admission::Overflow;
        }
        let name: Arc<str> = event_type.into();
        types.insert(name.clone());
        Admission::Admitted(name)
    }

    /// Marks the owner dead and gives its event types back to the process; the registry then drops
    /// its series.
    pub(crate) fn retire(&self) {
        let types = self.0.types.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.alive.swap(false, Relaxed) {
            let count = self.0.types_closed.get().map_or(types.len(), HashSet::len);
            self.0.budget.release(count);
        }
    }
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").field("alive", &self.is_alive()).finish_non_exhaustive()
    }
}

/// How many distinct event types the process may still show, over all owners.
#[derive(Debug)]
pub(crate) struct EventTypeBudget {
    used: AtomicUsize,
    max: usize,
}

impl EventTypeBudget {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    fn reserve(&self) -> bool {
        let one_more = |used: usize| (used < self.max).then_some(used + 1);
        self.used.fetch_update(Relaxed, Relaxed, one_more).is_ok()
    }

    fn release(&self, count: usize) {
        self.used.fetch_sub(count, Relaxed);
    }
}
