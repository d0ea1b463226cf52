//! The producer of one cluster on one shard: records in, delivery reports out.
//!
//! Reports wake a task of the shard through a socket; one wake-up drains all there are. A lane ends
//! when no route and no request uses it any more; its client is then closed on another thread,
//! because that may block.

use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::mpsc;
use std::time::Duration;

use hashbrown::HashMap;
use millrace_kafka::budget::ClusterBudget;
use millrace_kafka::{
    CreateError, DeliveryError, FailureKind, Headers, Payload, Placed, Producer,
    Record, Topic,
};
use millrace_shard::wake::PendingReader;
use millrace_shard::{WakeReader, clock, sleep, spawn, yield_now};
use thiserror::Error;

use crate::deliveries::{Deliveries, Settled, Token};
use crate::housekeeping::Chore;
use crate::metrics::ShardMetrics;
use crate::shard::Shard;

/// Reports taken in one go before other tasks have their turn.
const REPORTS_PER_TURN: usize = 1024;
/// A topic that does not exist is asked for again at most so often.
const REOPEN_MS: u64 = 1_000;

/// Why Kafka does not have an event.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// Kafka's or its client's word.
    #[error(transparent)]
    Kafka(#[from] DeliveryError),
    /// Larger than `max.request.size` with key and headers.
    #[error("the record has {bytes} bytes, more than max.request.size={max}")]
    TooLarge { bytes: usize, max: usize },
    /// The brokers have not told the topic's partitions within `max.block.ms`.
    #[error("the brokers did not tell about the topic within max.block.ms; see bootstrap.servers")]
    NoMetadata,
    /// No handle for the topic.
    #[error(transparent)]
    Topic(#[from] CreateError),
}

impl Failure {
    /// A word from a fixed set, for metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Failure::TooLarge { .. } => "record_too_large",
            Failure::NoMetadata => "kafka_no_metadata",
            Failure::Topic(_) => "kafka_topic_name",
            Failure::Kafka(error) => match error.kind() {
                FailureKind::TooLarge => "record_too_large",
                FailureKind::UnknownTopic => "kafka_unknown_topic",
                FailureKind::Auth => "kafka_auth",
                FailureKind::Timeout => "kafka_timeout",
                FailureKind::QueueFull => "kafka_queue_full",
                FailureKind::Fatal => "kafka_fatal",
                FailureKind::Closed => "kafka_closed",
                _ => "kafka_other",
            },
        }
    }

    /// Whether the event can never be written as it is.
    pub(crate) fn is_too_large(&self) -> bool {
        match self {
            Failure::TooLarge { .. } => true,
            Failure::Kafka(error) => error.kind() == FailureKind::TooLarge,
            Failure::NoMetadata | Failure::Topic(_) => false,
        }
    }
}

/// A record to be sent.
pub(crate) struct Outgoing<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) headers: Headers,
    /// Names and values of the headers together.
    pub(crate) header_bytes: usize,
    pub(crate) payload: Payload,
}

/// What became of a record.
pub(crate) type Outcome = Result<(), Failure>;

/// A producer on its way to its shard.
pub(crate) struct NewLane {
    pub(crate) producer: Producer,
    /// Wakes the shard when reports have come.
    pub(crate) reader: PendingReader,
    /// This cluster's part of the byte budget.
    pub(crate) budget: ClusterBudget,
    /// Where clients go to be closed, and statistics to be read.
    pub(crate) chores: mpsc::Sender<Chore>,
    pub(crate) client_id: String,
    /// How long a record may wait for company; None leaves that to the client.
    pub(crate) batch_delay: Option<Duration>,
}

/// See the head of this file.
pub(crate) struct Lane {
    /// None only while dropping.
    producer: Option<Producer>,
    budget: ClusterBudget,
    chores: mpsc::Sender<Chore>,
    client_id: String,
    deliveries: Rc<Deliveries<Outcome>>,
    metrics: Rc<ShardMetrics>,
    record_bytes_max: usize,
    max_block: Duration,
    /// Topics in use, shared by the routes that write to them.
    topics: RefCell<HashMap<Box<str>, Weak<TopicSeat>>>,
}

/// One topic on a lane. Its handle is made anew when the topic was found missing, and released with
/// the last route.
pub(crate) struct TopicSeat {
    name: Box<str>,
    handle: RefCell<Handle>,
    lane: Weak<Lane>,
}

struct Handle {
    topic: Option<Topic>,
    opened_ms: u64,
}

impl Lane {
    /// Takes the producer over on its shard.
    pub(crate) fn start(new: NewLane, shard: &Shard) -> io::Result<Rc<Lane>> {
        let reader = new.reader.attach()?;
        let lane = Rc::new(Lane {
            producer: Some(new.producer),
            budget: new.budget,
            chores: new.chores,
            client_id: new.client_id,
            deliveries: shard.deliveries.clone(),
            metrics: shard.metrics.clone(),
            record_bytes_max: shard.common.record_bytes_max,
            max_block: shard.common.max_block,
            topics: RefCell::default(),
        });
        lane.metrics.producers.add(1);
        spawn(report_task(Rc::downgrade(&lane), reader));
        Ok(lane)
    }

    /// This cluster's part of the byte budget.
    pub(crate) fn budget(&self) -> &ClusterBudget {
        &self.budget
    }

    /// The seat of a topic; the client starts asking the brokers about it.
    pub(crate) fn topic(self: &Rc<Self>, name: &str) -> Rc<TopicSeat> {
        let mut topics = self.topics.borrow_mut();
        if let Some(seat) = topics.get(name).and_then(Weak::upgrade) {
            return seat;
        }
        let seat = Rc::new(TopicSeat {
            name: name.into(),
            handle: RefCell::new(Handle { topic: None, opened_ms: 0 }),
            lane: Rc::downgrade(self),
        });
        // What is wrong with the name is told to each event.
        let _ = self.handle(&seat);
        topics.insert(name.into(), Rc::downgrade(&seat));
        seat
    }

    /// Gives a record to the client. Its fate comes as the report for `token`, at once if the client
    /// does not take it.
    pub(crate) fn send(
        self: &Rc<Self>,
        seat: &TopicSeat,
        record: Outgoing<'_>,
        token: Token,
    ) {
        let Outgoing { key, headers, header_bytes, payload } = record;
        let bytes = record_bytes(key, header_bytes, &payload);
        if bytes > self.record_bytes_max {
            let max = self.record_bytes_max;
            return self.settle(token, Err(Failure::TooLarge { bytes, max }), payload);
        }
        let (Some(producer), topic) = (&self.producer, self.handle(seat)) else { return };
        let topic = match topic {
            Ok(topic) => topic,
            Err(error) => return self.settle(token, Err(error.into()), payload),
        };
        let record = Record { key, headers: Some(headers) };
        match producer.produce(&topic, record, payload, token.number()) {
            Ok(Placed::Queued) => {}
            Ok(Placed::AwaitsMetadata) => self.give_up_later(token),
            Err(refused) => {
                if refused.error.kind() == FailureKind::UnknownTopic {
                    self.forget_missing(seat);
                }
                self.settle(token, Err(refused.error.into()), refused.payload);
            }
        }
    }

    fn handle(&self, seat: &TopicSeat) -> Result<Topic, CreateError> {
        let mut handle = seat.handle.borrow_mut();
        if let Some(topic) = &handle.topic {
            return Ok(topic.clone());
        }
        let Some(producer) = &self.producer else {
            return Err(CreateError::Client { reason: "it is being closed".into() });
        };
        let topic = producer.topic(&seat.name)?;
        handle.topic = Some(topic.clone());
        handle.opened_ms = clock::coarse_ms();
        Ok(topic)
    }

    /// The client asks for a missing topic again only every few minutes; a new handle asks at once,
    /// so that a topic that is created late is found with the next event.
    fn forget_missing(&self, seat: &TopicSeat) {
        let mut handle = seat.handle.borrow_mut();
        if clock::coarse_ms().saturating_sub(handle.opened_ms) < REOPEN_MS {
            return;
        }
        if let (Some(producer), Some(topic)) = (&self.producer, handle.topic.take()) {
            producer.release(&topic);
        }
    }

    /// Answers after `max.block.ms` if the topic's metadata has not come by then; the client will
    /// not send the record later.
    fn give_up_later(self: &Rc<Self>, token: Token) {
        let deliveries = Rc::downgrade(&self.deliveries);
        let max_block = self.max_block;
        spawn(async move {
            sleep(max_block).await;
            if let Some(deliveries) = deliveries.upgrade() {
                deliveries.give_up(token, Err(Failure::NoMetadata));
            }
        });
    }

    fn settle(&self, token: Token, outcome: Outcome, payload: Payload) {
        let payload = Some(payload.into_buffer());
        self.deliveries.report(token, Settled { outcome, payload });
    }

    /// Hands out all reports that have come.
    async fn drain_reports(&self) {
        let Some(producer) = &self.producer else { return };
        loop {
            let polled = producer.poll_reports(REPORTS_PER_TURN, |report| {
                let token = Token::from_number(report.token);
                let outcome = report.outcome.map(|_| ()).map_err(Failure::from);
                self.settle(token, outcome, report.payload);
            });
            if !polled.more {
                break;
            }
            yield_now().await;
        }
        if let Some(json) = producer.take_statistics() {
            let client_id = self.client_id.clone();
            // Nobody reads them once the process ends.
            let _ = self.chores.send(Chore::Statistics { client_id, json });
        }
    }
}

async fn report_task(lane: Weak<Lane>, mut reader: WakeReader) {
    while let Ok(1..) = reader.wait().await {
        let Some(lane) = lane.upgrade() else { return };
        lane.drain_reports().await;
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.metrics.producers.add(-1);
        if let Some(producer) = self.producer.take() {
            // If nobody is left to close it, dropping it here closes it, too.
            let _ = self.chores.send(Chore::Close { producer });
        }
    }
}

impl Drop for TopicSeat {
    fn drop(&mut self) {
        let Some(lane) = self.lane.upgrade() else { return };
        lane.topics.borrow_mut().remove(&self.name);
        if let (Some(producer), Some(topic)) = (&lane.producer, self.handle.get_mut().topic.take()) {
            producer.release(&topic);
        }
    }
}

/// Bytes of a record as Java counts them against `max.request.size`: payload, key and headers.
fn record_bytes(key: Option<&[u8]>, header_bytes: usize, payload: &Payload) -> usize {
    let payload = match payload {
        Payload::Bytes { range, .. } => range.len(),
        Payload::Null => 0,
    };
    payload.saturating_add(key.map_or(0, <[u8]>::len)).saturating_add(header_bytes)
}
