//! A record that was looked at: decoded, filtered, its first request written.
//!
//! On an ordered lane the next record gets that far while the one before it is on its way.

use std::rc::Rc;
use std::time::Duration;

use millrace_kafka::Message;
use millrace_shard::clock;

use crate::edition::Edition;
use crate::lane::Lane;
use crate::outgoing::{self, Prepared};

/// See the head of this file.
pub(crate) struct Ready {
    pub(crate) edition: Rc<Edition>,
    pub(crate) message: Message,
    pub(crate) prepared: Prepared,
    /// What the look took.
    pub(crate) took: Duration,
}

impl Ready {
    pub(crate) fn new(lane: &Lane, edition: Rc<Edition>, message: Message) -> Self {
        let begun = clock::now_us();
        let prepared = outgoing::prepare(lane, &edition, &message, None);
        let took = Duration::from_micros(clock::now_us().saturating_sub(begun));
        Self { edition, message, prepared, took }
    }

    /// The same by this edition: the contract may have changed since.
    pub(crate) fn by(self, lane: &Lane, edition: &Rc<Edition>) -> Self {
        if Rc::ptr_eq(&self.edition, edition) {
            return self;
        }
        Self::new(lane, edition.clone(), self.message)
    }
}
