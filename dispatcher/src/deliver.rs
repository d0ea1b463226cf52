//! One record that was looked at to its fate: the course that its answers take.
//!
//! The order of steps is `millrace_delivery::Course`'s; the requests are written by `outgoing`; here
//! they meet the pools, the clock and the numbers.

use std::rc::Rc;
use std::time::Duration;

use millrace_client::{AttemptError, Keep, Pool, Response};
use millrace_delivery::{Course, Fate, Loss, Outcome, Step, Target, retry_after_ms};
use millrace_event::Failure;
use millrace_kafka::Message;
use millrace_observe::limit::KeyedLimit;
use millrace_observe::{EventMeters, Target as Whom, limited};
use millrace_shard::clock;

use crate::edition::Edition;
use crate::lane::Lane;
use crate::outgoing::{self, Outgoing, Prepared};
use crate::ready::Ready;
use crate::replies::{self, ReplyEvent};

static INVALID: KeyedLimit = KeyedLimit::new();
static FAILED: KeyedLimit = KeyedLimit::new();
static LOST: KeyedLimit = KeyedLimit::new();

/// Of a failed answer so much is kept for `knativeerrordata`.
const ERROR_BODY_BYTES: usize = Failure::BODY_BYTES_MAX;

/// What is known of a delivery while it is under way. What few need is boxed, as there are many of these.
struct Delivery<'a> {
    lane: &'a Lane,
    edition: &'a Edition,
    message: &'a Message,
    /// Its place among the lane's steps.
    step: usize,
    /// The request to the subscriber.
    event: Outgoing,
    /// The request to the dead letter sink, once it is needed.
    dead: Option<Box<Outgoing>>,
    /// The event of an answer, once there is one.
    reply: Option<Box<ReplyEvent>>,
    /// Why the subscriber's side failed last.
    failure: Option<Box<Failure>>,
    /// The last answer of the subscriber.
    status: Option<u16>,
    /// What failed last, for the log.
    trouble: String,
}

/// A record to be sent.
pub(crate) struct Due {
    edition: Rc<Edition>,
    message: Message,
    event: Outgoing,
    types: EventMeters,
}

/// What is to be sent, or the fate of a record that need not be; that is in the numbers, and told.
pub(crate) fn due(lane: &Lane, ready: Ready) -> Result<Due, Fate> {
    let Ready { edition, message, prepared, took } = ready;
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match prepared {
        Prepared::Send(event, types) => {
            edition.meters.processed(&types, took_ms);
            Ok(Due { edition, message, event, types })
        }
        Prepared::Filtered(types) => {
            edition.meters.processed(&types, took_ms);
            Err(Fate::Filtered)
        }
        Prepared::Invalid(error) => {
            edition.meters.discarded_invalid(error.reason());
            limited!(by INVALID, &edition.plan.uid; error,
                topic = %lane.link.topic, partition = lane.link.partition, offset = message.offset(),
                consumerGroup = %edition.plan.group, error = %error,
                "A record is not an event; it is discarded.");
            Err(Fate::Discarded)
        }
    }
}

/// Delivers a record; what it comes to is in the numbers, and told.
/// `step` is its place among the lane's.
pub(crate) async fn deliver(lane: &Lane, due: Due, step: usize) -> Fate {
    let Due { edition, message, event, types } = due;
    let mut delivery = Delivery {
        lane,
        edition: &edition,
        message: &message,
        step,
        event,
        dead: None,
        reply: None,
        failure: None,
        status: None,
        trouble: String::new(),
    };
    delivery.run(&types, clock::now_us()).await
}

impl Delivery<'_> {
    async fn run(&mut self, types: &EventMeters, since: u64) -> Fate {
        let mut latency = Some(since);
        let meters = &self.edition.meters;
        let mut dispatched = |status: Option<u16>| {
            if let Some(since) = latency.take() {
                meters.dispatched(types, status, millis(since, clock::now_us()));
            }
        };
        let (mut course, mut step) = Course::start();
        let mut held = false;
        loop {
            let (to, attempt, after_ms) = match step {
                Step::Send { to, attempt, after_ms } => (to, attempt, after_ms),
                Step::End(fate) => {
                    if fate != Fate::Cancelled {
                        dispatched(self.status);
                    }
                    self.tell(fate);
                    return fate;
                }
            };
            if to == Target::DeadLetter {
                dispatched(self.status);
            }
            if attempt > 1 {
                meters.retried(whom(to));
            }
            if course.is_held() && !held {
                held = true;
                meters.held();
                self.tell_held();
            }
            self.waits(Duration::from_millis(after_ms));
            let outcome = if self.lane.pause(Duration::from_millis(after_ms)).await {
                match to {
                    Target::Subscriber => self.try_subscriber().await,
                    Target::DeadLetter => self.try_dead_letter().await,
                    Target::Reply => self.forward_reply().await,
                }
            } else {
                Outcome::Cancelled
            };
            step = course.next(&self.edition.course, outcome, self.lane.shard.random());
        }
    }

    /// From now on somebody else has so long.
    fn waits(&self, at_most: Duration) {
        let ms = u64::try_from(at_most.as_millis()).unwrap_or(u64::MAX);
        self.lane.steps.wait(self.step, clock::coarse_ms(), ms);
    }

    async fn try_subscriber(&mut self) -> Outcome {
        let pool = &self.edition.subscriber;
        let answer = self.post(pool, Whom::Subscriber, &self.event, self.value()).await;
        self.status = answer.as_ref().ok().map(Response::status);
        self.judge(answer)
    }

    async fn try_dead_letter(&mut self) -> Outcome {
        let edition = self.edition;
        let Some(pool) = &edition.dead_letter else { return Outcome::Hopeless };
        if self.dead.is_none() {
            let destination = &edition.plan.destination;
            let none = || Failure::without_response(destination);
            let failure = self.failure.take().map_or_else(none, |failure| *failure);
            match outgoing::prepare(self.lane, edition, self.message, Some(&failure)) {
                Prepared::Send(event, _) => self.dead = Some(Box::new(event)),
                // It was an event a moment ago, and it is the same record.
                Prepared::Filtered(_) | Prepared::Invalid(_) => return Outcome::Hopeless,
            }
        }
        let Some(dead) = &self.dead else { return Outcome::Hopeless };
        let answer = self.post(pool, Whom::DeadLetterSink, dead, self.value()).await;
        self.judge(answer)
    }

    fn value(&self) -> &[u8] {
        self.message.value().unwrap_or_default()
    }

    async fn post(
        &self,
        pool: &Pool,
        whom: Whom,
        event: &Outgoing,
        source: &[u8],
    ) -> Result<Response, AttemptError> {
        let edition = self.edition;
        let success = if whom == Whom::Reply { 0 } else { edition.reply_bytes };
        let keep = Keep { success, failure: ERROR_BODY_BYTES };
        self.waits(edition.plan.timeout);
        edition.meters.attempts_in_flight(whom, 1);
        let answer = pool.post(event.request(source, keep, edition.plan.timeout)).await;
        edition.meters.attempts_in_flight(whom, -1);
        answer
    }

    /// What an answer of the subscriber or the sink means.
    fn judge(&mut self, answer: Result<Response, AttemptError>) -> Outcome {
        let edition = self.edition;
        let destination = &edition.plan.destination;
        let response = match answer {
            Ok(response) => response,
            Err(error) => return self.unanswered(&error),
        };
        if !response.is_success() {
            return self.refused(&response);
        }
        let shard = &self.lane.shard;
        match replies::read(&edition.plan.reply, &response, &mut shard.scratch.borrow_mut()) {
            Ok(reply) => self.reply = reply.map(Box::new),
            Err(error) => {
                self.failure = Some(Box::new(Failure::without_response(destination)));
                self.trouble = format!(
                    "it answered {} with something that is no event: {error}; \
                    a successful answer must be empty or an event",
                    response.status()
                );
                return Outcome::Hopeless;
            }
        }
        let reply = self.reply.is_some();
        Outcome::Answered { status: response.status(), retry_after_ms: None, reply }
    }

    async fn forward_reply(&mut self) -> Outcome {
        let edition = self.edition;
        let Some(reply) = &self.reply else { return Outcome::Hopeless };
        match &**reply {
            ReplyEvent::Request(event) => {
                let Some(pool) = &edition.reply else { return Outcome::Hopeless };
                match self.post(pool, Whom::Reply, event, &[]).await {
                    Ok(response) if response.is_success() => {
                        let status = response.status();
                        Outcome::Answered { status, retry_after_ms: None, reply: false }
                    }
                    Ok(response) => self.refused(&response),
                    Err(error) => self.unanswered(&error),
                }
            }
            ReplyEvent::Record(record) => {
                let producer = self.lane.shard.reply_producer(&edition.plan.bootstrap);
                let Some(producer) = producer else {
                    self.failed("there is no producer for replies".to_owned());
                    return Outcome::Hopeless;
                };
                self.waits(self.lane.shard.common.reply_timeout);
                match producer.send(record).await {
                    Ok(()) => Outcome::Written,
                    // Nobody knows whether it was written: whoever has the partition next repeats it.
                    Err(replies::ReplyError::Closing) => Outcome::Cancelled,
                    Err(error) => {
                        self.failed(format!("the reply was not written to its topic: {error}"));
                        Outcome::Hopeless
                    }
                }
            }
        }
    }

    fn failed(&mut self, trouble: String) {
        self.failure = Some(Box::new(Failure::without_response(&self.edition.plan.destination)));
        self.trouble = trouble;
    }

    fn unanswered(&mut self, error: &AttemptError) -> Outcome {
        if error.is_closed() {
            return Outcome::Cancelled;
        }
        self.failed(error.to_string());
        Outcome::Unanswered
    }

    fn refused(&mut self, response: &Response) -> Outcome {
        self.failure = Some(Box::new(Failure::with_response(
            &self.edition.plan.destination,
            response.status(),
            response.body(),
            response.headers(),
        )));
        self.trouble = format!("it answered {}", response.status());
        let asked = response.header("retry-after");
        let retry_after_ms = asked.and_then(|value| retry_after_ms(value, epoch_ms()));
        Outcome::Answered { status: response.status(), retry_after_ms, reply: false }
    }

    fn tell_held(&self) {
        let plan = &self.edition.plan;
        let link = &self.lane.link;
        limited!(by LOST, &plan.uid; error,
            topic = %link.topic, partition = link.partition, offset = self.message.offset(),
            trigger = %plan.name(), destination = plan.destination, error = self.trouble,
            "The dead letter sink does not take an event; it is held, and so are the offsets behind \
             it, until the sink takes it.");
    }

    /// Says what became of it, where that is not what everybody hopes for.
    fn tell(&self, fate: Fate) {
        let plan = &self.edition.plan;
        let link = &self.lane.link;
        let offset = self.message.offset();
        match fate {
            Fate::DeadLettered { .. } => self.edition.meters.dead_lettered(),
            Fate::Lost(Loss::NoSink) => self.edition.meters.lost("no_sink"),
            Fate::Lost(Loss::SinkFailed) => self.edition.meters.lost("sink_failed"),
            Fate::Delivered | Fate::Filtered | Fate::Discarded | Fate::Cancelled => {}
        }
        match fate {
            Fate::DeadLettered { reply_lost: false } => limited!(by FAILED, &plan.uid; warn,
                topic = %link.topic, partition = link.partition, offset, trigger = %plan.name(),
                destination = plan.destination, error = self.trouble,
                "An event was not delivered; the dead letter sink has it."),
            Fate::DeadLettered { reply_lost: true } => limited!(by FAILED, &plan.uid; warn,
                topic = %link.topic, partition = link.partition, offset, trigger = %plan.name(),
                destination = plan.destination, error = self.trouble,
                "The dead letter sink has an event, but its answer could not be passed on."),
            Fate::Lost(loss) => limited!(by LOST, &plan.uid; error,
                topic = %link.topic, partition = link.partition, offset, trigger = %plan.name(),
                destination = plan.destination, error = self.trouble,
                deadLetterSink = loss == Loss::SinkFailed,
                "An event was delivered nowhere and is given up."),
            Fate::Delivered | Fate::Filtered | Fate::Discarded | Fate::Cancelled => {}
        }
    }
}

fn whom(target: Target) -> Whom {
    match target {
        Target::Subscriber => Whom::Subscriber,
        Target::DeadLetter => Whom::DeadLetterSink,
        Target::Reply => Whom::Reply,
    }
}

fn millis(from_us: u64, to_us: u64) -> u64 {
    to_us.saturating_sub(from_us) / 1000
}

fn epoch_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
