//! One ingress as a shard serves it: its topic, its producer, its dispatch metric.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use millrace_observe::{DispatchLatency, DispatchStatus, EventSeries};

use crate::deliveries::Token;
use crate::lane::{Lane, Outgoing, TopicSeat};
use crate::respond::Verdict;
use crate::routes::Ingress;

/// An ingress with everything that an event of it needs.
pub(crate) struct Route {
    pub(crate) ingress: Arc<Ingress>,
    /// Before the lane, so that it is released while the lane lives.
    pub(crate) topic: Rc<TopicSeat>,
    pub(crate) lane: Rc<Lane>,
    pub(crate) latency: Latency,
}

impl Route {
    /// Gives a record to the producer; its fate comes as the report for `token`.
    pub(crate) fn send(&self, record: Outgoing, token: Token) {
        self.lane.send(&self.topic, record, token);
    }
}

/// `kn_eventing_dispatch_latency_ms` of this ingress (receiver.md 9.2).
pub(crate) struct Latency(pub(crate) DispatchLatency);

impl Latency {
    /// Where the answer to an event of this type will be counted.
    pub(crate) fn series(&self, event_type: &str) -> EventSeries {
        self.0.series(event_type)
    }

    /// Counts the answer to an event.
    pub(crate) fn record(&self, series: &EventSeries, verdict: Verdict, started: Instant) {
        let status = match verdict {
            Verdict::Accepted => DispatchStatus::Accepted,
            _ => DispatchStatus::Unavailable,
        };
        self.0.record_series(series, status, elapsed_ms(started));
    }

    /// Counts a body that is no event.
    pub(crate) fn record_bad(&self, started: Instant) {
        self.0.record_bad(elapsed_ms(started));
    }

    /// Counts an event that was turned away before it was read: its type is not known.
    pub(crate) fn record_unread(&self, started: Instant) {
        self.0.record("unknown", DispatchStatus::Unavailable, elapsed_ms(started));
    }
}

fn elapsed_ms(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
