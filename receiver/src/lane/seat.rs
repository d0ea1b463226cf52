//! The topics of a lane: opened once, shared by routes, asked for anew when missing.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use millrace_kafka::{CreateError, Topic};
use millrace_shard::clock;

use super::Lane;

/// A topic that does not exist is asked for again at most so often.
const REOPEN_MS: u64 = 1_000;

/// One topic on a lane. Its handle is made anew when the topic was found missing, and released with
/// the last route.
pub(crate) struct TopicSeat {
    name: Box<str>,
    handle: RefCell<Handle>,
    lane: Weak<Lane>,
    /// The last burst that this topic was part of.
    burst: Cell<u64>,
}

struct Handle {
    topic: Option<Topic>,
    opened_ms: u64,
}

impl TopicSeat {
    /// Moves records without a key to another partition if `burst` is new to this topic: all records
    /// of a burst go to one, the next burst to the next, so that requests are few and large.
    pub(super) fn rotate_for(&self, burst: u64) {
        if self.burst.replace(burst) != burst
            && let Some(topic) = &self.handle.borrow().topic
        {
            topic.rotate();
        }
    }
}

impl Lane {
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
            burst: Cell::new(0),
        });
        // What is wrong with the name is told to each event.
        let _ = self.handle(&seat);
        topics.insert(name.into(), Rc::downgrade(&seat));
        seat
    }

    /// The handle to produce with.
    pub(super) fn handle(&self, seat: &TopicSeat) -> Result<Topic, CreateError> {
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
    pub(super) fn forget_missing(&self, seat: &TopicSeat) {
        let mut handle = seat.handle.borrow_mut();
        if clock::coarse_ms().saturating_sub(handle.opened_ms) < REOPEN_MS {
            return;
        }
        if let (Some(producer), Some(topic)) = (&self.producer, handle.topic.take()) {
            producer.release(&topic);
        }
    }
}

impl Drop for TopicSeat {
    fn drop(&mut self) {
        let Some(lane) = self.lane.upgrade() else { return };
        lane.topics.borrow_mut().remove(&self.name);
        if let (Some(producer), Some(topic)) = (&lane.producer, self.handle.get_mut().topic.take())
        {
            producer.release(&topic);
        }
    }
}
