//! The receiver's meter of the Java data plane: milliseconds from request to produce result
//! (receiver.md 9.2, platform.md 8.2).

use std::cell::OnceCell;
use std::rc::Rc;

use crate::cell::Histogram;
use crate::names::DISPATCH_LATENCY;
use crate::owner::Owner;
use crate::registry::Registry;
use crate::types::{DispatchOptions, Typed, Types};

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

/// `kn_eventing_dispatch_latency_ms` of one ingress on one shard.
#[derive(Debug)]
pub struct DispatchLatency {
    registry: Registry,
    owner: Owner,
    names: LabelNames,
    name: String,
    namespace: String,
    types: Types<ByStatus>,
}

/// Label names that hold the lower-cased kind of a resource.
#[derive(Clone, Debug)]
pub(crate) struct LabelNames {
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// The series of one event type of one ingress on one shard: looked up while the event is at hand,
/// used when its answer is known.
#[derive(Clone, Debug)]
pub struct EventSeries(Option<Rc<Typed<ByStatus>>>);

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
            types: Types::new(registry, owner, options),
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
        if let Some(unknown) = self.types.unknown() {
            self.histogram(unknown, DispatchStatus::BadRequest).record(ms);
        }
    }

    /// Where events of this type are counted; the first half of [`DispatchLatency::record`].
    pub fn series(&self, event_type: &str) -> EventSeries {
        EventSeries(self.types.of(event_type))
    }

    /// The second half of [`DispatchLatency::record`]. Neither locks nor allocates for a series
    /// used before.
    pub fn record_series(&self, series: &EventSeries, status: DispatchStatus, ms: u64) {
        if let EventSeries(Some(typed)) = series {
            self.histogram(typed, status).record(ms);
        }
    }

    fn histogram<'a>(&self, typed: &'a Typed<ByStatus>, status: DispatchStatus) -> &'a Histogram {
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
    pub(crate) fn new(kind: &str) -> Self {
        let allowed =
            |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let kind: String = kind.chars().map(allowed).collect();
        Self { name: format!("kn_{kind}_name"), namespace: format!("kn_{kind}_namespace") }
    }
}

#[cfg(test)]
mod tests;
