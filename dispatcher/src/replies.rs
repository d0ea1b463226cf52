//! Events that subscribers answer: read, and sent on to a URL or written to a topic (dispatcher.md 11).

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use millrace_client::Response;
use millrace_event::{ContentMode, EventError, RecordValue, Reply, Scratch, decode_reply};
use millrace_kafka::{
    CreateError, DeliveryError, Headers, Payload, Producer, Record, Report, Topic,
};
use millrace_shard::{OneSender, PendingReader, WakeReader, oneshot, spawn};
use slab::Slab;

use crate::housekeeping::Chore;
use crate::outgoing::Outgoing;
use crate::plan::ReplyPlan;

/// Reports taken in one turn.
const REPORTS: usize = 1024;

/// An answered event on its way.
pub(crate) enum ReplyEvent {
    Request(Outgoing),
    Record(ReplyRecord),
}

/// A reply for a topic; kept for another attempt.
pub(crate) struct ReplyRecord {
    topic: Arc<str>,
    key: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
    value: Option<Vec<u8>>,
}

/// The event in a successful answer, made ready for where replies go; `None` if there is none or
/// nobody wants it.
///
/// # Errors
/// When the answer is no event but has a body, which fails the delivery.
pub(crate) fn read(
    plan: &ReplyPlan,
    response: &Response,
    scratch: &mut Scratch,
) -> Result<Option<ReplyEvent>, ReadError> {
    if matches!(plan, ReplyPlan::Discard) {
        return Ok(None);
    }
    if response.is_truncated() {
        return Err(ReadError::TooLarge);
    }
    let event = match decode_reply(response.headers(), response.body(), scratch) {
        Reply::Event(event) => event,
        Reply::Nothing => return Ok(None),
        Reply::Garbage(error) => return Err(error.into()),
    };
    Ok(Some(match plan {
        ReplyPlan::Topic(topic) => {
            let key = event.reply_key()?.map(<[u8]>::to_vec);
            let mut headers = Vec::new();
            let value = event.record(ContentMode::Binary, &mut |name, value| {
                headers.push((name.to_owned(), value.to_vec()));
            });
            let value = match value {
                RecordValue::Null => None,
                RecordValue::Body(range) => response.body().get(range).map(<[u8]>::to_vec),
                RecordValue::Owned(bytes) => Some(bytes),
            };
            ReplyEvent::Record(ReplyRecord { topic: topic.clone(), key, headers, value })
        }
        ReplyPlan::Url(_) | ReplyPlan::Discard => {
            ReplyEvent::Request(Outgoing::of_event(&event, false).detach(response.body()))
        }
    }))
}

/// Why an answer cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Event(#[from] EventError),
    #[error("it is longer than RESPONSE_BODY_MAX_BYTES")]
    TooLarge,
}

/// A producer on its way to its shard.
pub(crate) struct NewReplyProducer {
    pub(crate) bootstrap: Arc<str>,
    pub(crate) producer: Producer,
    pub(crate) wake: PendingReader,
    /// Where it goes to be closed, which may take time.
    pub(crate) chores: Sender<Chore>,
}

/// A producer for replies on its shard; closed elsewhere when dropped.
pub(crate) struct ReplyProducer {
    producer: RefCell<Option<Producer>>,
    topics: RefCell<Vec<(Arc<str>, Topic)>>,
    waiting: RefCell<Slab<OneSender<Result<(), DeliveryError>>>>,
    chores: Sender<Chore>,
}

/// Why a reply is not in its topic.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplyError {
    #[error(transparent)]
    Topic(#[from] CreateError),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error("its producer is being closed")]
    Closing,
}

impl ReplyProducer {
    pub(crate) fn start(new: NewReplyProducer) -> io::Result<Rc<ReplyProducer>> {
        let reader = new.wake.attach()?;
        let producer = Rc::new(ReplyProducer {
            producer: RefCell::new(Some(new.producer)),
            topics: RefCell::default(),
            waiting: RefCell::default(),
            chores: new.chores,
        });
        spawn(take_reports(reader, Rc::downgrade(&producer)));
        Ok(producer)
    }

    /// Writes a reply and waits for the brokers' acknowledgement.
    pub(crate) async fn send(&self, reply: &ReplyRecord) -> Result<(), ReplyError> {
        match self.produce(reply)?.await {
            Some(outcome) => Ok(outcome?),
            None => Err(ReplyError::Closing),
        }
    }

    fn produce(
        &self,
        reply: &ReplyRecord,
    ) -> Result<millrace_shard::OneReceiver<Result<(), DeliveryError>>, ReplyError> {
        let producer = self.producer.borrow();
        let producer = producer.as_ref().ok_or(ReplyError::Closing)?;
        let topic = self.topic(producer, &reply.topic)?;
        let mut headers = Headers::with_capacity(reply.headers.len());
        for (name, value) in &reply.headers {
            headers.add(name, Some(value));
        }
        let payload = match &reply.value {
            Some(value) => Payload::whole(value.clone()),
            None => Payload::Null,
        };
        let record = Record { key: reply.key.as_deref(), headers: Some(headers) };
        let (sender, receiver) = oneshot();
        let token = self.waiting.borrow_mut().insert(sender);
        match producer.produce(&topic, record, payload, token as u64) {
            Ok(_) => Ok(receiver),
            Err(refused) => {
                self.waiting.borrow_mut().try_remove(token);
                Err(refused.error.into())
            }
        }
    }

    fn topic(&self, producer: &Producer, name: &Arc<str>) -> Result<Topic, CreateError> {
        let mut topics = self.topics.borrow_mut();
        if let Some((_, topic)) = topics.iter().find(|(known, _)| known == name) {
            return Ok(topic.clone());
        }
        let topic = producer.topic(name)?;
        topics.push((name.clone(), topic.clone()));
        Ok(topic)
    }

    fn reported(&self, report: Report) {
        let waiting = usize::try_from(report.token).ok();
        let sender = waiting.and_then(|token| self.waiting.borrow_mut().try_remove(token));
        if let Some(sender) = sender {
            sender.send(report.outcome.map(|_| ()));
        }
    }

    /// Takes the reports that are there; true when there may be more.
    fn poll(&self) -> bool {
        let producer = self.producer.borrow();
        let Some(producer) = producer.as_ref() else { return false };
        producer.poll_reports(REPORTS, |report| self.reported(report)).more
    }
}

impl Drop for ReplyProducer {
    fn drop(&mut self) {
        if let Some(producer) = self.producer.get_mut().take() {
            // Without the housekeeping thread the process is ending.
            let _ = self.chores.send(Chore::Close(Box::new(producer)));
        }
    }
}

async fn take_reports(mut wake: WakeReader, producer: Weak<ReplyProducer>) {
    loop {
        // Once before the first wait: what came before the wake-ups were set up raises none.
        loop {
            let Some(producer) = producer.upgrade() else { return };
            if !producer.poll() {
                break;
            }
            drop(producer);
            millrace_shard::yield_now().await;
        }
        if !wake.wait().await.is_ok_and(|bytes| bytes > 0) {
            return;
        }
    }
}

/// Makes a producer with the way to wake its shard. On a plain thread only.
pub(crate) fn create(
    options: &millrace_kafka::ProducerOptions,
    chores: Sender<Chore>,
) -> Result<NewReplyProducer, Box<dyn std::error::Error + Send + Sync>> {
    let pair = millrace_shard::WakePair::new()?;
    let producer = Producer::create(options, pair.writer.as_fd())?;
    let bootstrap = options.bootstrap.as_str().into();
    Ok(NewReplyProducer { bootstrap, producer, wake: pair.reader, chores })
}
