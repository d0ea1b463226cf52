//! What a sender counts.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::MILLISECOND;
use crate::latency::Latency;
use crate::oracle::Owed;

/// The length of one step of the course of a run.
pub const STEP_NS: u64 = 100 * MILLISECOND;
/// Steps that are kept: a day.
const STEPS_MAX: usize = 864_000;

/// The counts of a run or of one of its threads; of the measured part unless said otherwise.
#[derive(Clone, Default)]
pub struct Tally {
    /// Requests that were due, whether they could be sent or not (open loop), or that were sent
    /// (closed loop).
    pub planned: u64,
    /// Requests answered 2xx within the time.
    pub accepted: u64,
    /// Events in these.
    pub events: u64,
    /// Of the planned requests those that were answered 2xx, be it after the measured time.
    pub kept: u64,
    /// Answers by status, within the time.
    pub statuses: BTreeMap<u16, u64>,
    pub faults: BTreeMap<Fault, u64>,
    /// From the planned send time to the last byte of a 2xx answer; requests without any answer
    /// with the time that they have waited, so that a stall cannot hide.
    pub latency: Latency,
    /// From the planned send time to the sending, where a connection was free: the sender's own
    /// delay, part of the latency.
    pub lateness: Latency,
    pub course: Vec<Step>,
    /// What must arrive; of the whole run.
    pub owed: Owed,
}

/// A tenth of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Events in 2xx answers.
    pub events: u64,
    /// Requests that ended otherwise.
    pub failed: u64,
    pub slowest_ns: u64,
}

/// Ways for a request to get no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A new connection was refused or not made in time.
    NotConnected,
    /// The connection ended before the answer.
    Closed,
    /// No answer within the time.
    TimedOut,
    /// Bytes that are no HTTP answer.
    Malformed,
    /// Due, but until the end there was no free connection.
    NeverSent,
}

impl Fault {
    pub fn words(self) -> &'static str {
        match self {
            Self::NotConnected => "connection refused or not made",
            Self::Closed => "connection closed before the answer",
            Self::TimedOut => "no answer in time",
            Self::Malformed => "answer is no HTTP",
            Self::NeverSent => "due, but no connection was free until the end",
        }
    }
}

impl Tally {
    /// Requests that were due and, for want of a free connection, not sent until the end.
    pub fn never_sent(&self) -> u64 {
        self.faults.get(&Fault::NeverSent).copied().unwrap_or(0)
    }

    /// Notes one event or request of a step; what comes before the measured part is left out.
    pub(crate) fn step(&mut self, since_begin_ns: u64, change: impl FnOnce(&mut Step)) {
        let index = usize::try_from(since_begin_ns / STEP_NS).unwrap_or(usize::MAX);
        if index >= STEPS_MAX {
            return;
        }
        if self.course.len() <= index {
            self.course.resize(index + 1, Step::default());
        }
        if let Some(step) = self.course.get_mut(index) {
            change(step);
        }
    }

    /// Takes another thread's counts over.
    pub fn add(&mut self, other: Self) {
        self.planned += other.planned;
        self.accepted += other.accepted;
        self.events += other.events;
        self.kept += other.kept;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.latency.add(&other.latency);
        self.lateness.add(&other.lateness);
        if self.course.len() < other.course.len() {
            self.course.resize(other.course.len(), Step::default());
        }
        for (ours, theirs) in self.course.iter_mut().zip(&other.course) {
            ours.events += theirs.events;
            ours.failed += theirs.failed;
            ours.slowest_ns = ours.slowest_ns.max(theirs.slowest_ns);
        }
        self.owed.add(other.owed);
    }

    /// Requests that ended otherwise than by a 2xx answer.
    pub fn failed(&self) -> u64 {
        let refused = self.statuses.iter().filter(|(status, _)| !(200..300).contains(*status));
        refused.map(|(_, count)| count).sum::<u64>() + self.faults.values().sum::<u64>()
    }
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Tally({} planned, {} accepted, {:?}, {:?}, {:?})",
            self.planned,
            self.accepted,
            self.statuses,
            self.faults,
            self.latency.summary()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up() {
        let mut one = Tally { planned: 3, accepted: 2, ..Tally::default() };
        one.statuses.extend([(202, 2), (503, 1)]);
        one.step(0, |step| step.events += 2);
        let mut two = Tally { planned: 2, accepted: 1, ..Tally::default() };
        two.statuses.extend([(202, 1)]);
        two.faults.insert(Fault::Closed, 1);
        two.step(STEP_NS * 2 + 1, |step| step.slowest_ns = 7);
        one.add(two);
        assert_eq!((one.planned, one.accepted, one.failed()), (5, 3, 2));
        assert_eq!(one.statuses[&202], 3);
        assert_eq!(one.course.len(), 3);
        assert_eq!((one.course[0].events, one.course[2].slowest_ns), (2, 7));
    }

    #[test]
    fn course_is_bounded() {
        let mut tally = Tally::default();
        tally.step(u64::MAX, |step| step.events += 1);
        assert!(tally.course.is_empty());
    }
}
