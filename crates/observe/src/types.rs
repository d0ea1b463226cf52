//! Event types as labels: one set of cells for each type met on a shard, up to the owner's and the
//! process's bounds; what is beyond counts as `unknown`.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::cell::Counter;
use crate::names::EVENT_TYPES_OVERFLOW;
use crate::owner::{Admission, Owner};
use crate::registry::Registry;

/// Label of events whose type is not shown: bad events, types beyond the bounds, all of them with
/// METRICS_DISABLE_EVENT_TYPE_TAG.
const UNKNOWN: &str = "unknown";

/// How a resource shows event types.
#[derive(Clone, Copy, Debug)]
pub struct DispatchOptions {
    /// METRICS_DISABLE_EVENT_TYPE_TAG: all events under `unknown`.
    pub disable_type: bool,
    /// Distinct event types of one resource, over all shards; further ones count as `unknown`.
    pub types_max: usize,
}

impl Default for DispatchOptions {
    fn default() -> Self {
        Self { disable_type: false, types_max: 1_000 }
    }
}

/// The cells of one resource on one shard, by event type.
#[derive(Debug)]
pub(crate) struct Types<C> {
    enabled: bool,
    owner: Owner,
    options: DispatchOptions,
    known: RefCell<HashMap<Arc<str>, Rc<Typed<C>>>>,
    unknown: Rc<Typed<C>>,
    overflow: Counter,
}

/// The cells of one event type.
#[derive(Debug)]
pub(crate) struct Typed<C> {
    pub(crate) event_type: Arc<str>,
    pub(crate) cells: C,
}

impl<C: Default> Types<C> {
    pub(crate) fn new(registry: &Registry, owner: &Owner, options: DispatchOptions) -> Self {
        Self {
            enabled: registry.is_enabled(),
            owner: owner.clone(),
            options,
            known: RefCell::default(),
            unknown: Typed::new(UNKNOWN.into()),
            overflow: registry.counter(&EVENT_TYPES_OVERFLOW, &[]),
        }
    }

    /// Where events of this type are counted, if anywhere. Neither locks nor allocates for a type
    /// seen before.
    pub(crate) fn of(&self, event_type: &str) -> Option<Rc<Typed<C>>> {
        if !self.enabled {
            return None;
        }
        if self.options.disable_type {
            return Some(self.unknown.clone());
        }
        if let Some(typed) = self.known.borrow().get(event_type) {
            return Some(typed.clone());
        }
        match self.owner.admit(event_type, self.options.types_max) {
            Admission::Admitted(name) => {
                let typed = Typed::new(name.clone());
                self.known.borrow_mut().insert(name, typed.clone());
                Some(typed)
            }
            Admission::Overflow => {
                self.overflow.inc();
                Some(self.unknown.clone())
            }
            Admission::Removed => None,
        }
    }

    /// Where events without a type of their own are counted, if anything is.
    pub(crate) fn unknown(&self) -> Option<&Rc<Typed<C>>> {
        self.enabled.then_some(&self.unknown)
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.known.borrow().is_empty()
    }
}

impl<C: Default> Typed<C> {
    fn new(event_type: Arc<str>) -> Rc<Self> {
        Rc::new(Self { event_type, cells: C::default() })
    }
}
