//! The receiver's meter of the Java data plane: milliseconds from request to produce result
//! (receiver.md 9.2, platform.md 8.2).

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::cell::{Counter, Histogram};
use crate::names::{DISPATCH_LATENCY, EVENT_TYPES_OVERFLOW};
use crate::owner::{Admission, Owner};
use crate::registry::Registry;

/// Label of events whose type is not shown: bad events, types beyond the bounds, all of them with
/// METRICS_DISABLE_EVENT_TYPE_TAG.
const UNKNOWN: &str = "unknown";

/// The answers that are counted; 401, 403, 404, 405 and 500 are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DispatchStatus {
    /// 202: the brokers have it.
    Accepted,
    /// 400: no event, or a bad one; always under type `unknown`.
    BadRequest,
    /// 503: Kafka did not take it.
    Unavailable,
}

impl DispatchStatus {
    fn label(self) -> &'static str {
        match self {
            Self::Accepted => "202",
            Self::BadRequest => "400",
            Self::Unavailable => "503",
        }
    }
}

/// How an ingress shows event types.
#[derive(Clone, Copy, Debug)]
pub struct DispatchOptions {
    /// METRICS_DISABLE_EVENT_TYPE_TAG: all events under `unknown`.
    pub disable_type: bool,
    /// Distinct event types of one ingress, over all shards; further ones count as `unknown`.
    pub types_max: usize,
}

impl Default for DispatchOptions {
    fn default() -> Self {
        Self { disable_type: false, types_max: 1_000 }
    }
}

/// `kn_eventing_dispatch_latency_ms` of one ingress on one shard.
#[derive(Debug)]
pub struct DispatchLatency {
    registry: Registry,
    owner: Owner,
    names: LabelNames,
    name: String,
    namespace: String,
    options: DispatchOptions,
    types: RefCell<HashMap<Arc<str>, Rc<Typed>>>,
    unknown: Rc<Typed>,
    overflow: Counter,
}

#[derive(Debug)]
struct LabelNames {
    name: String,
    namespace: String,
}

/// The series of one event type of one ingress on one shard: looked up while the event is at hand,
/// used when its answer is known.
#[derive(Clone, Debug)]
pub struct EventSeries(Option<Rc<Typed>>);

#[derive(Debug)]
struct Typed {
    event_type: Arc<str>,
    cells: ByStatus,
}

impl Typed {
    fn new(event_type: Arc<str>) -> Rc<Self> {
        Rc::new(Self { event_type, cells: ByStatus::default() })
    }
}

/// Made when first needed: few types see both answers.
#[derive(Debug, Default)]
struct ByStatus {
    accepted: OnceCell<Histogram>,
    bad_request: OnceCell<Histogram>,
    unavailable: OnceCell<Histogram>,
}

impl DispatchLatency {
    /// `kind`, `name` and `namespace` are those of the resource's reference; without a kind the
    /// labels are `kn__name` and `kn__namespace`, as in Java.
    pub fn new(
        registry: &Registry,
        owner: &Owner,
        kind: &str,
        name: &str,
        namespace: &str,
        options: DispatchOptions,
    ) -> Self {
        Self {
            registry: registry.clone(),
            owner: owner.clone(),
            names: LabelNames::new(kind),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            options,
            types: RefCell::default(),
            unknown: Typed::new(UNKNOWN.into()),
            overflow: registry.counter(&EVENT_TYPES_OVERFLOW, &[]),
        }
    }

    /// Counts one answer after `ms` milliseconds. Neither locks nor allocates for a type seen
    /// before.
    pub fn record(&self, event_type: &str, status: DispatchStatus, ms: u64) {
        if status == DispatchStatus::BadRequest {
            return self.record_bad(ms);
        }
        self.record_series(&self.series(event_type), status, ms);
    }

    /// Counts a bad event: its type, if it has one, is not shown.
    pub fn record_bad(&self, ms: u64) {
        if self.registry.is_enabled() {
            self.histogram(&self.unknown, DispatchStatus::BadRequest).record(ms);
        }
    }

    /// Where events of this type are counted; the first half of [`DispatchLatency::record`].
    pub fn series(&self, event_type: &str) -> EventSeries {
        if !self.registry.is_enabled() {
            return EventSeries(None);
        }
        if self.options.disable_type {
            return EventSeries(Some(self.unknown.clone()));
        }
        if let Some(typed) = self.types.borrow().get(event_type) {
            return EventSeries(Some(typed.clone()));
        }
        EventSeries(match self.owner.admit(event_type, self.options.types_max) {
            Admission::Admitted(name) => {
                let typed = Typed::new(name.clone());
                self.types.borrow_mut().insert(name, typed.clone());
                Some(typed)
            }
            Admission::Overflow => {
                self.overflow.inc();
                Some(self.unknown.clone())
            }
            Admission::Removed => None,
        })
    }

    /// The second half of [`DispatchLatency::record`]. Neither locks nor allocates for a series
    /// used before.
    pub fn record_series(&self, series: &EventSeries, status: DispatchStatus, ms: u64) {
        if let EventSeries(Some(typed)) = series {
            self.histogram(typed, status).record(ms);
        }
    }

    fn histogram<'a>(&self, typed: &'a Typed, status: DispatchStatus) -> &'a Histogram {
        typed.cells.of(status).get_or_init(|| {
            let labels = [
                ("cloudevents_type", &*typed.event_type),
                ("http_response_status_code", status.label()),
                (self.names.name.as_str(), self.name.as_str()),
                (self.names.namespace.as_str(), self.namespace.as_str()),
            ];
            self.registry.histogram(&self.owner, &DISPATCH_LATENCY, &labels)
        })
    }
}

impl ByStatus {
    fn of(&self, status: DispatchStatus) -> &OnceCell<Histogram> {
        match status {
            DispatchStatus::Accepted => &self.accepted,
            DispatchStatus::BadRequest => &self.bad_request,
            DispatchStatus::Unavailable => &self.unavailable,
        }
    }
}

impl LabelNames {
    /// The kind comes from a file: what a label name cannot hold becomes `_`, as in Micrometer.
    fn new(kind: &str) -> Self {
        let allowed =
            |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let kind: String = kind.chars().map(allowed).collect();
        Self { name: format!("kn_{kind}_name"), namespace: format!("kn_{kind}_namespace") }
    }
}

#[cfg(test)]
mod tests;
