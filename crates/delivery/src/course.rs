//! The course of one event: subscriber, its reply, dead letter sink, until its fate is settled.

use crate::retry::{RetryPolicy, WAIT_MS_MAX};
use crate::verdict::Verdict;

/// Where one event stands on its way (12). Pure: it is told how an attempt went and says what is
/// next.
///
/// ```text
/// Subscriber --ok--> [Reply] --ok--> Delivered
///      |failed          |failed
///      v                v
///  DeadLetter --ok--> [Reply] -----> DeadLettered      no sink: Lost(NoSink)
///      |failed
///      v
///  Lost(SinkFailed), or with `hold` DeadLetter again
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    leg: Leg,
    /// Counted from 1 on each leg.
    attempt: u32,
    /// How often the dead letter sink was given up and held on to all the same.
    held: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leg {
    Subscriber,
    SubscriberReply,
    DeadLetter,
    DeadLetterReply,
}

/// What an egress asks for, the same for all its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// For each target alike (10).
    pub retry: RetryPolicy,
    /// A dead letter sink is configured.
    pub dead_letter: bool,
    /// Hold on to events that the dead letter sink does not take, instead of losing them.
    pub hold: Option<Hold>,
}

/// The event stays open, and its partition uncommitted, until the dead letter sink takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Wait after the retries are used up, in milliseconds; doubled each time. At least 1.
    pub first_ms: u64,
    /// No such wait is longer, in milliseconds.
    pub cap_ms: u64,
}

/// To whom an attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The destination of the egress.
    Subscriber,
    /// Where the event goes that the subscriber or the dead letter sink answered: URL or topic.
    Reply,
    /// The dead letter sink. The event is annotated with the failure that came right before.
    DeadLetter,
}

/// How one attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer came.
    Answered {
        /// Its status, which decides (9.2).
        status: u16,
        /// Its `Retry-After` in milliseconds; counts for 429 and 503 if the policy allows.
        retry_after_ms: Option<u64>,
        /// It holds an event that has to be passed on (11). Only looked at when the status is a
        /// success, and never for the answer of the reply target.
        reply: bool,
    },
    /// A reply was written to its topic, and the brokers acknowledged it.
    Written,
    /// No answer: connect, timeout, reset, broken head. Another attempt may help.
    Unanswered,
    /// Another attempt cannot help: an answer that should be an event and is none (11), no service
    /// account to get a token for (9.6), a reply that its topic does not take.
    Hopeless,
    /// Given up from outside: the partition was revoked or the egress stops.
    Cancelled,
}

/// What is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Make an attempt and tell [`Course::next`] how it went.
    Send {
        /// To whom.
        to: Target,
        /// Counted from 1 for each target.
        attempt: u32,
        /// Wait for so long first, in milliseconds; 0 is at once.
        after_ms: u64,
    },
    /// There is nothing more to do.
    End(Fate),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The subscriber took it, and its reply was passed on if there was one.
    Delivered,
    /// It did not match the filter.
    Filtered,
    /// The record is no event.
    Discarded,
    /// The dead letter sink took it.
    DeadLettered {
        /// The sink answered an event that could not be passed on, or something that is none.
        reply_lost: bool,
    },
    /// Nobody took it, and it will not be tried again.
    Lost(Loss),
    /// Not settled: its offset stays open, whoever owns the partition next delivers it again.
    Cancelled,
}

/// Why an event was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The subscriber failed and there is no dead letter sink.
    NoSink,
    /// The subscriber failed, and so did the dead letter sink.
    SinkFailed,
}

impl Fate {
    /// Whether the offset may be settled.
    pub fn is_settled(self) -> bool {
        self != Self::Cancelled
    }
}

impl Course {
    /// The course of an event that passed the filter, and its first step.
    pub fn start() -> (Self, Step) {
        let mut course = Self { leg: Leg::Subscriber, attempt: 0, held: 0 };
        let step = course.enter(Leg::Subscriber);
        (course, step)
    }

    /// Whether the dead letter sink has failed for good once, and is asked again only because of
    /// [`Plan::hold`].
    pub fn is_held(&self) -> bool {
        self.held > 0
    }

    /// What follows from the attempt asked for last. `random` (any 64 bits) is used for jitter.
    pub fn next(&mut self, plan: &Plan, outcome: Outcome, random: u64) -> Step {
        match outcome {
            Outcome::Cancelled => Step::End(Fate::Cancelled),
            Outcome::Written => self.taken(false),
            Outcome::Hopeless => self.give_up(plan),
            Outcome::Unanswered => self.retry(plan, None, random),
            Outcome::Answered { status, retry_after_ms, reply } => {
                match Verdict::of_status(status) {
                    Verdict::Success => self.taken(reply),
                    Verdict::Fail => self.give_up(plan),
                    Verdict::Retry => {
                        let asked_ms = retry_after_ms.filter(|_| matches!(status, 429 | 503));
                        self.retry(plan, asked_ms, random)
                    }
                }
            }
        }
    }

    fn taken(&mut self, reply: bool) -> Step {
        match self.leg {
            Leg::Subscriber if reply => self.enter(Leg::SubscriberReply),
            Leg::DeadLetter if reply => self.enter(Leg::DeadLetterReply),
            Leg::Subscriber | Leg::SubscriberReply => Step::End(Fate::Delivered),
            Leg::DeadLetter | Leg::DeadLetterReply => {
                Step::End(Fate::DeadLettered { reply_lost: false })
            }
        }
    }

    fn retry(&mut self, plan: &Plan, asked_ms: Option<u64>, random: u64) -> Step {
        if self.held > 0 || self.attempt > plan.retry.retries {
            return self.give_up(plan);
        }
        let after_ms = plan.retry.wait_ms(self.attempt, asked_ms, random);
        self.again(after_ms)
    }

    fn give_up(&mut self, plan: &Plan) -> Step {
        match (self.leg, plan.hold) {
            (Leg::Subscriber | Leg::SubscriberReply, _) if plan.dead_letter => {
                self.enter(Leg::DeadLetter)
            }
            (Leg::Subscriber | Leg::SubscriberReply, _) => Step::End(Fate::Lost(Loss::NoSink)),
            // The sink has the event; asking it again would only repeat it.
            (Leg::DeadLetterReply, _) => Step::End(Fate::DeadLettered { reply_lost: true }),
            (Leg::DeadLetter, None) => Step::End(Fate::Lost(Loss::SinkFailed)),
            (Leg::DeadLetter, Some(hold)) => {
                let after_ms = hold.wait_ms(self.held);
                self.held = self.held.saturating_add(1);
                self.again(after_ms)
            }
        }
    }

    fn enter(&mut self, leg: Leg) -> Step {
        (self.leg, self.attempt) = (leg, 0);
        self.again(0)
    }

    fn again(&mut self, after_ms: u64) -> Step {
        self.attempt = self.attempt.saturating_add(1);
        let to = match self.leg {
            Leg::Subscriber => Target::Subscriber,
            Leg::DeadLetter => Target::DeadLetter,
            Leg::SubscriberReply | Leg::DeadLetterReply => Target::Reply,
        };
        Step::Send { to, attempt: self.attempt, after_ms }
    }
}

impl Hold {
    fn wait_ms(self, held: u32) -> u64 {
        let wait = self.first_ms.max(1).saturating_mul(2_u64.saturating_pow(held));
        wait.min(self.cap_ms.max(1)).min(WAIT_MS_MAX)
    }
}

#[cfg(test)]
mod tests;
