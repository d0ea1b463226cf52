//! The producer of one cluster on one shard: records in, delivery reports out.
//!
//! Reports wake a task of the shard through a socket; one wake-up drains all there are. A lane ends
//! when no route and no request uses it any more; its client is then closed on another thread,
//! because that may block.

mod burst;
mod seat;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use millrace_kafka::batcher::Decision;
use millrace_kafka::budget::ClusterBudget;
use millrace_kafka::{FailureKind, Headers, Payload, Placed, Producer, Record};
use millrace_shard::wake::PendingReader;
use millrace_shard::{WakeReader, sleep, spawn, yield_now};

use burst::{Batching, Pending, turn_task};
pub(crate) use seat::TopicSeat;

use crate::deliveries::{Deliveries, Settled, Token};
use crate::failure::Failure;
use crate::housekeeping::{Chore, Document};
use crate::metrics::ShardMetrics;
use crate::shard::Shard;

/// Reports taken in one go before other tasks have their turn.
const REPORTS_PER_TURN: usize = 1024;

/// A record to be sent.
pub(crate) struct Outgoing {
    pub(crate) key: Option<Vec<u8>>,
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
    /// Which shard it is for.
    pub(crate) shard: usize,
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
    batching: Option<Batching>,
    /// Records that Kafka did not take, for `kafka_producer_record_error_total`.
    failed: Cell<u64>,
    shard: usize,
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
            batching: new.batch_delay.map(Batching::new),
            failed: Cell::new(0),
            shard: new.shard,
        });
        lane.metrics.producers.add(1);
        spawn(report_task(Rc::downgrade(&lane), reader));
        if let Some(batching) = &lane.batching {
            spawn(turn_task(Rc::downgrade(&lane), batching.turn.clone()));
        }
        Ok(lane)
    }

    /// This cluster's part of the byte budget.
    pub(crate) fn budget(&self) -> &ClusterBudget {
        &self.budget
    }

    /// Gives a record to the client, at once or with the next burst. Its fate comes as the report
    /// for `token`, without delay if the client does not take it.
    pub(crate) fn send(self: &Rc<Self>, seat: &Rc<TopicSeat>, record: Outgoing, token: Token) {
        let Outgoing { key, headers, header_bytes, payload } = record;
        let bytes = record_bytes(key.as_deref(), header_bytes, &payload);
        if bytes > self.record_bytes_max {
            let max = self.record_bytes_max;
            return self.settle(token, Err(Failure::TooLarge { bytes, max }), payload);
        }
        let record = Pending { seat: seat.clone(), key, headers, payload, token };
        let Some(batching) = &self.batching else {
            self.produce(record);
            return;
        };
        batching.pending.borrow_mut().push(record);
        let decision = batching.batcher.borrow_mut().push(Instant::now, bytes);
        match decision {
            Decision::Flush => self.flush(batching),
            Decision::Keep if !batching.turn_is_watched.replace(true) => {
                batching.turn.notify_one();
            }
            Decision::Keep => {}
        }
    }

    /// Whether the client has taken the record.
    fn produce(self: &Rc<Self>, record: Pending) -> bool {
        let Pending { seat, key, headers, payload, token } = record;
        let (Some(producer), topic) = (&self.producer, self.handle(&seat)) else { return false };
        let topic = match topic {
            Ok(topic) => topic,
            Err(error) => {
                self.settle(token, Err(error.into()), payload);
                return false;
            }
        };
        let record = Record { key: key.as_deref(), headers: Some(headers) };
        match producer.produce(&topic, record, payload, token.number()) {
            Ok(Placed::Queued) => true,
            Ok(Placed::AwaitsMetadata) => {
                self.give_up_later(token);
                true
            }
            Err(refused) => {
                if refused.error.kind() == FailureKind::UnknownTopic {
                    self.forget_missing(&seat);
                }
                self.settle(token, Err(refused.error.into()), refused.payload);
                false
            }
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
        let acknowledged = outcome.is_ok();
        if acknowledged {
            self.metrics.acknowledged.inc();
        } else {
            self.metrics.failed.inc();
            self.failed.set(self.failed.get().saturating_add(1));
        }
        let payload = Some(payload.into_buffer());
        let heard = self.deliveries.report(token, Settled { outcome, payload });
        if acknowledged && !heard {
            self.metrics.unclaimed.inc();
        }
    }

    /// Hands out all reports that have come.
    async fn drain_reports(self: &Rc<Self>) {
        let Some(producer) = &self.producer else { return };
        loop {
            let polled = producer.poll_reports(REPORTS_PER_TURN, |report| {
                let token = Token::from_number(report.token);
                let outcome = report.outcome.map(|_| ()).map_err(Failure::from);
                self.settle(token, outcome, report.payload);
            });
            if let Some(batching) = &self.batching {
                let mut batcher = batching.batcher.borrow_mut();
                let decision = batcher.reported(polled.reports);
                drop(batcher);
                if decision == Decision::Flush {
                    self.flush(batching);
                }
            }
            if !polled.more {
                break;
            }
            yield_now().await;
        }
        let owed = i64::try_from(self.deliveries.len()).unwrap_or(i64::MAX);
        self.metrics.queue_records.set(owed);
        if let Some(json) = producer.take_statistics() {
            let document = Document {
                client_id: self.client_id.clone(),
                shard: self.shard,
                json,
                failed: self.failed.get(),
            };
            // Nobody reads them once the process ends.
            let _ = self.chores.send(Chore::Statistics(document));
        }
    }
}

async fn report_task(lane: Weak<Lane>, mut reader: WakeReader) {
    loop {
        // Before the first wait, too: what the client had to say before its wake-ups were set up
        // (brokers that refuse the connection, say) came without one, and wake-ups are sent only
        // when the queue was empty.
        let Some(lane) = lane.upgrade() else { return };
        lane.drain_reports().await;
        drop(lane);
        if !matches!(reader.wait().await, Ok(1..)) {
            return;
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.metrics.producers.add(-1);
        if let Some(batching) = &self.batching {
            batching.turn.notify_one();
        }
        if let Some(producer) = self.producer.take() {
            // If nobody is left to close it, dropping it here closes it, too.
            let client_id = std::mem::take(&mut self.client_id);
            let _ = self.chores.send(Chore::Close {
                client_id,
                shard: self.shard,
                producer: Box::new(producer),
            });
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
