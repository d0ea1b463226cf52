//! The receiver's own numbers, one set a shard: answers by status, refusals by reason, in flight.
//!
//! Two books must balance at any time: requests received against answered, and records that Kafka has
//! acknowledged against events answered 202.

use std::cell::RefCell;

use hashbrown::HashMap;
use millrace_observe::names::{
    BYTES_IN_FLIGHT, EVENTS_ACCEPTED, PRODUCER_QUEUE_RECORDS, PRODUCERS, RECORDS,
    RECORDS_UNCLAIMED, REFUSED, REQUESTS, REQUESTS_RECEIVED, REQUESTS_UNANSWERED,
};
use millrace_observe::{Counter, Gauge, Registry};

/// Cells of one shard; reading and writing them locks nothing.
pub(crate) struct ShardMetrics {
    registry: Registry,
    /// A head was read, or refused.
    pub(crate) received: Counter,
    /// The sender went away before its answer was known.
    pub(crate) unanswered: Counter,
    accepted: Counter,
    /// Events of requests answered 202, alone and in batches.
    pub(crate) events_single: Counter,
    pub(crate) events_batch: Counter,
    /// Delivery reports.
    pub(crate) acknowledged: Counter,
    pub(crate) failed: Counter,
    /// Acknowledged, but their request was not answered 202.
    pub(crate) unclaimed: Counter,
    answered: RefCell<HashMap<u16, Counter>>,
    refused: RefCell<HashMap<&'static str, Counter>>,
    pub(crate) bytes_in_flight: Gauge,
    pub(crate) producers: Gauge,
    pub(crate) queue_records: Gauge,
}

impl ShardMetrics {
    pub(crate) fn new(registry: &Registry) -> ShardMetrics {
        ShardMetrics {
            registry: registry.clone(),
            received: registry.counter(&REQUESTS_RECEIVED, &[]),
            unanswered: registry.counter(&REQUESTS_UNANSWERED, &[]),
            events_single: registry.counter(&EVENTS_ACCEPTED, &[("mode", "single")]),
            events_batch: registry.counter(&EVENTS_ACCEPTED, &[("mode", "batch")]),
            acknowledged: registry.counter(&RECORDS, &[("outcome", "acknowledged")]),
            failed: registry.counter(&RECORDS, &[("outcome", "failed")]),
            unclaimed: registry.counter(&RECORDS_UNCLAIMED, &[]),
            accepted: registry.counter(&REQUESTS, &[("status", "202")]),
            answered: RefCell::default(),
            refused: RefCell::default(),
            bytes_in_flight: registry.gauge(&BYTES_IN_FLIGHT, &[]),
            producers: registry.gauge(&PRODUCERS, &[]),
            queue_records: registry.gauge(&PRODUCER_QUEUE_RECORDS, &[]),
        }
    }

    /// A request was answered.
    pub(crate) fn answered(&self, status: u16) {
        if status == 202 {
            return self.accepted.inc();
        }
        let mut answered = self.answered.borrow_mut();
        let cell = answered.entry(status).or_insert_with(|| {
            self.registry.counter(&REQUESTS, &[("status", &status.to_string())])
        });
        cell.inc();
    }

    /// A request was refused before Kafka was asked. Reasons come from fixed sets.
    pub(crate) fn refused(&self, reason: &'static str) {
        let mut refused = self.refused.borrow_mut();
        let cell = refused
            .entry(reason)
            .or_insert_with(|| self.registry.counter(&REFUSED, &[("reason", reason)]));
        cell.inc();
    }
}
