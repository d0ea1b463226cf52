//! The dispatcher's meters of one egress (dispatcher.md 13, platform.md 8.2): those of the Java
//! data plane to the letter, and ours.
//!
//! Every series carries its full set of labels, so that none hides another (W19). Egresses with the
//! same reference, as the subscriptions of one channel, share series: their numbers are summed, and
//! one that ends takes only its own along.

mod group;

#[cfg(test)]
mod tests;

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use hashbrown::HashMap;

use crate::cell::{Counter, Gauge, Histogram};
use crate::dispatch::LabelNames;
use crate::names::{
    ATTEMPTS_IN_FLIGHT, DEAD_LETTERED, DISCARDED, EGRESS_LATENCY, EVENT_TYPES_OVERFLOW, Family,
    HELD, LOST, PROCESS_LATENCY, QUEUE_LATENCY, QUEUE_LENGTH, RECORDS_BEGUN, RECORDS_ENDED,
    RECORDS_IN_FLIGHT, RETRIES, SKIPPED, THROWN_AWAY,
};
use crate::owner::Owner;
use crate::registry::Registry;
use crate::types::{DispatchOptions, Typed, Types};

pub use group::{GroupMeters, PartitionMeters};

/// Label of records that are no events.
const INVALID: &str = "InvalidCloudEvent";
/// Label of offsets without a record.
const SKIPPING: &str = "OffsetSkippingCloudEvent";
/// Distinct statuses of one event type on one shard; further ones count under type `unknown`. A
/// subscriber chooses its statuses, but not how many series we keep.
const STATUSES_MAX: usize = 16;
/// No answer came.
const NO_STATUS: u16 = 0;

/// What an egress is called in labels.
#[derive(Clone, Debug)]
pub struct EgressName {
    names: LabelNames,
    name: String,
    namespace: String,
    consumer_group: String,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The egress's destination.
    Subscriber,
    /// Where events go that the subscriber did not take.
    DeadLetterSink,
    /// Where events go that were answered.
    Reply,
}

/// What became of a record that was taken from Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The subscriber took it.
    Delivered,
    /// The filter did not let it pass.
    Filtered,
    /// It is no event.
    Discarded,
    /// The dead letter sink took it.
    DeadLettered,
    /// Committed though nobody took it.
    Lost,
    /// Not settled: whoever owns the partition next delivers it.
    Abandoned,
}

/// The meters of one egress on one shard. None of its methods locks or allocates for an event
/// type and status met before.
#[derive(Debug)]
pub struct EgressMeters {
    registry: Registry,
    owner: Owner,
    name: EgressName,
    types: Types<ByType>,
    invalid: OnceCell<Counter>,
    skipped: OnceCell<Counter>,
    attempts: [OnceCell<Gauge>; 3],
    retries: [OnceCell<Counter>; 3],
    records: Gauge,
    begun: OnceCell<Counter>,
    ended: [OnceCell<Counter>; 6],
    dead_lettered: OnceCell<Counter>,
    held: OnceCell<Counter>,
    lost: RefCell<HashMap<&'static str, Counter>>,
    thrown_away: RefCell<HashMap<&'static str, Counter>>,
    overflow: Counter,
}

/// Where one event is counted: looked up while its type is at hand.
#[derive(Clone, Debug)]
pub struct EventMeters(Option<Rc<Typed<ByType>>>);

/// Made when first needed.
#[derive(Debug, Default)]
struct ByType {
    process: OnceCell<Histogram>,
    dispatch: RefCell<Vec<(u16, Histogram)>>,
    discarded: OnceCell<Counter>,
}

/// The executor meters of one partition of an ordered egress, with
/// `enableOrderedExecutorMetrics` only.
#[derive(Debug)]
pub struct QueueMeters {
    latency: Histogram,
    length: Gauge,
}

impl EgressName {
    /// `kind`, `name` and `namespace` are those of the egress's reference; `consumer_group` is
    /// Kafka's group.id.
    pub fn new(kind: &str, name: &str, namespace: &str, consumer_group: &str) -> Self {
        Self {
            names: LabelNames::new(kind),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            consumer_group: consumer_group.to_owned(),
        }
    }

    /// As the Java data plane has them.
    fn javas(&self) -> [(&str, &str); 3] {
        [
            (&self.names.name, &self.name),
            (&self.names.namespace, &self.namespace),
            ("messaging_consumer_group_name", &self.name),
        ]
    }

    fn ours(&self) -> [(&str, &str); 3] {
        [
            ("consumer_group", &self.consumer_group),
            ("name", &self.name),
            ("namespace", &self.namespace),
        ]
    }
}

impl Target {
    /// As in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subscriber => "subscriber",
            Self::DeadLetterSink => "deadLetterSink",
            Self::Reply => "reply",
        }
    }

    fn operation(self) -> &'static str {
        match self {
            Self::Subscriber | Self::DeadLetterSink => "send",
            Self::Reply => "reply",
        }
    }

    fn of<T>(self, cells: &[T; 3]) -> &T {
        let [subscriber, dead_letter_sink, reply] = cells;
        match self {
            Self::Subscriber => subscriber,
            Self::DeadLetterSink => dead_letter_sink,
            Self::Reply => reply,
        }
    }
}

impl End {
    /// As in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Filtered => "filtered",
            Self::Discarded => "discarded",
            Self::DeadLettered => "dead_lettered",
            Self::Lost => "lost",
            Self::Abandoned => "abandoned",
        }
    }

    fn of<T>(self, cells: &[T; 6]) -> &T {
        let [delivered, filtered, discarded, dead_lettered, lost, abandoned] = cells;
        match self {
            Self::Delivered => delivered,
            Self::Filtered => filtered,
            Self::Discarded => discarded,
            Self::DeadLettered => dead_lettered,
            Self::Lost => lost,
            Self::Abandoned => abandoned,
        }
    }
}

impl EgressMeters {
    /// For one shard; `owner` is the same on all.
    pub fn new(
        registry: &Registry,
        owner: &Owner,
        name: &EgressName,
        options: DispatchOptions,
    ) -> Self {
        Self {
            registry: registry.clone(),
            owner: owner.clone(),
            name: name.clone(),
            types: Types::new(registry, owner, options),
            invalid: OnceCell::new(),
            skipped: OnceCell::new(),
            attempts: Default::default(),
            retries: Default::default(),
            records: registry.gauge_of(owner, &RECORDS_IN_FLIGHT, &name.ours()),
            begun: OnceCell::new(),
            ended: Default::default(),
            dead_lettered: OnceCell::new(),
            held: OnceCell::new(),
            lost: RefCell::default(),
            thrown_away: RefCell::default(),
            overflow: registry.counter(&EVENT_TYPES_OVERFLOW, &[]),
        }
    }

    /// Where events of this type are counted.
    pub fn event(&self, event_type: &str) -> EventMeters {
        EventMeters(self.types.of(event_type))
    }

    /// The filter was evaluated, `ms` after the record was taken.
    pub fn processed(&self, event: &EventMeters, ms: u64) {
        let Some(typed) = &event.0 else { return };
        let made = || {
            let [name, namespace, group] = self.name.javas();
            let labels = [("cloudevents_type", &*typed.event_type), name, namespace, group];
            self.registry.histogram(&self.owner, &PROCESS_LATENCY, &labels)
        };
        typed.cells.process.get_or_init(made).record(ms);
    }

    /// The subscriber's outcome is known, `ms` after the filter: the status of the last answer, or
    /// `None` when there was none.
    pub fn dispatched(&self, event: &EventMeters, status: Option<u16>, ms: u64) {
        let Some(typed) = &event.0 else { return };
        if !self.record(typed, STATUSES_MAX, status, ms)
            && let Some(unknown) = self.types.unknown()
        {
            self.overflow.inc();
            // A status has three digits, so that these are bounded, too.
            self.record(unknown, usize::MAX, status, ms);
        }
    }

    fn record(&self, typed: &Typed<ByType>, max: usize, status: Option<u16>, ms: u64) -> bool {
        let status = status.unwrap_or(NO_STATUS);
        let mut cells = typed.cells.dispatch.borrow_mut();
        if let Some((_, histogram)) = cells.iter().find(|(of, _)| *of == status) {
            histogram.record(ms);
            return true;
        }
        if cells.len() >= max {
            return false;
        }
        let shown = if status == NO_STATUS { String::new() } else { status.to_string() };
        let [name, namespace, group] = self.name.javas();
        let labels = [
            ("cloudevents_type", &*typed.event_type),
            ("http_response_status_code", &shown),
            name,
            namespace,
            group,
        ];
        let histogram = self.registry.histogram(&self.owner, &EGRESS_LATENCY, &labels);
        histogram.record(ms);
        cells.push((status, histogram));
        true
    }

    /// A record is no event and was thrown away. The reason is one of a fixed set of words.
    pub fn discarded_invalid(&self, reason: &'static str) {
        let made = || self.counter_by_type(&DISCARDED, INVALID);
        self.invalid.get_or_init(made).inc();
        self.count(&self.thrown_away, &THROWN_AWAY, reason);
    }

    /// An event was thrown away. The reason is one of a fixed set of words.
    pub fn discarded(&self, event: &EventMeters, reason: &'static str) {
        if let Some(typed) = &event.0 {
            let made = || self.counter_by_type(&DISCARDED, &typed.event_type);
            typed.cells.discarded.get_or_init(made).inc();
        }
        self.count(&self.thrown_away, &THROWN_AWAY, reason);
    }

    /// So many offsets had no record.
    pub fn skipped(&self, offsets: u64) {
        self.skipped.get_or_init(|| self.counter_by_type(&SKIPPED, SKIPPING)).add(offsets);
    }

    /// A request begins (1) or ends (-1).
    pub fn attempts_in_flight(&self, target: Target, change: i64) {
        let made = || {
            let [name, namespace, group] = self.name.javas();
            let labels = [
                name,
                namespace,
                group,
                ("messaging_destination_template", target.as_str()),
                ("messaging_operation_name", target.operation()),
                ("messaging_operation_type", "send"),
            ];
            self.registry.gauge_of(&self.owner, &ATTEMPTS_IN_FLIGHT, &labels)
        };
        target.of(&self.attempts).get_or_init(made).add(change);
    }

    /// A record was taken.
    pub fn begun(&self) {
        let made = || self.registry.counter_of(&self.owner, &RECORDS_BEGUN, &self.name.ours());
        self.begun.get_or_init(made).inc();
        self.records.add(1);
    }

    /// A record that was taken has come to an end.
    pub fn ended(&self, end: End) {
        let made = || {
            let [group, name, namespace] = self.name.ours();
            let labels = [group, ("fate", end.as_str()), name, namespace];
            self.registry.counter_of(&self.owner, &RECORDS_ENDED, &labels)
        };
        end.of(&self.ended).get_or_init(made).inc();
        self.records.add(-1);
    }

    /// A request is sent again.
    pub fn retried(&self, target: Target) {
        let made = || {
            let [group, name, namespace] = self.name.ours();
            let labels = [group, name, namespace, ("target", target.as_str())];
            self.registry.counter_of(&self.owner, &RETRIES, &labels)
        };
        target.of(&self.retries).get_or_init(made).inc();
    }

    /// The dead letter sink took an event.
    pub fn dead_lettered(&self) {
        let made = || self.registry.counter_of(&self.owner, &DEAD_LETTERED, &self.name.ours());
        self.dead_lettered.get_or_init(made).inc();
    }

    /// An event is committed though nobody took it. The reason is one of a fixed set of words.
    pub fn lost(&self, reason: &'static str) {
        self.count(&self.lost, &LOST, reason);
    }

    /// An event is not committed because nobody took it.
    pub fn held(&self) {
        let made = || self.registry.counter_of(&self.owner, &HELD, &self.name.ours());
        self.held.get_or_init(made).inc();
    }

    /// The executor meters of a partition; ask for them only where they are wanted.
    pub fn queue(&self, topic: &str, partition: i32) -> QueueMeters {
        let [name, namespace, group] = self.name.javas();
        let labels = [
            name,
            namespace,
            group,
            ("messaging_destination_name", topic),
            ("messaging_destination_partition_id", &partition.to_string()),
        ];
        QueueMeters {
            latency: self.registry.histogram(&self.owner, &QUEUE_LATENCY, &labels),
            length: self.registry.gauge_of(&self.owner, &QUEUE_LENGTH, &labels),
        }
    }

    fn counter_by_type(&self, family: &'static Family, event_type: &str) -> Counter {
        let [name, namespace, group] = self.name.javas();
        let labels = [("cloudevents_type", event_type), name, namespace, group];
        self.registry.counter_of(&self.owner, family, &labels)
    }

    fn count(
        &self,
        cells: &RefCell<HashMap<&'static str, Counter>>,
        family: &'static Family,
        reason: &'static str,
    ) {
        let mut cells = cells.borrow_mut();
        let made = || {
            let [group, name, namespace] = self.name.ours();
            let labels = [group, name, namespace, ("reason", reason)];
            self.registry.counter_of(&self.owner, family, &labels)
        };
        cells.entry(reason).or_insert_with(made).inc();
    }
}

impl QueueMeters {
    /// So many records wait in the partition's queue on this shard.
    pub fn length(&self, records: i64) {
        self.length.set(records);
    }

    /// A record has come to its end, `ms` after it was queued.
    pub fn done(&self, ms: u64) {
        self.latency.record(ms);
    }
}
