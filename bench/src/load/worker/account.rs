//! What a sending thread counts, and when.

use std::sync::atomic::Ordering;

use super::Worker;
use crate::load::connection::{Request, State};
use crate::load::tally::Fault;

impl Worker {
    pub(super) fn settle(&mut self, at: usize, request: Request, status: u16, now: u64) {
        let Some(connection) = self.connections.get_mut(at) else { return };
        connection.state = State::Free;
        self.busy -= 1;
        let accepted = (200..300).contains(&status);
        let events = self.wire.events();
        if accepted {
            self.told += 1;
            if self.told & 63 == 0 {
                self.progress.accepted.fetch_add(64 * events, Ordering::Relaxed);
            }
            if self.plan.owed {
                self.tally.owed.note(connection.id, request.first, events);
            }
        }
        let waited = now.saturating_sub(request.planned_ns);
        if self.is_measured(request.planned_ns) && accepted {
            self.tally.latency.record(waited);
            self.tally.kept += 1;
        }
        // Throughput is what was answered in the measured time, whenever it was sent.
        if self.is_measured(now) {
            if accepted {
                self.tally.accepted += 1;
                self.tally.events += events;
            }
            if self.last_status.0 != status {
                self.flush_status();
                self.last_status.0 = status;
            }
            self.last_status.1 += 1;
            self.tally.step(now - self.measured_from, |step| {
                step.slowest_ns = step.slowest_ns.max(waited);
                if accepted {
                    step.events += events;
                } else {
                    step.failed += 1;
                }
            });
        }
    }

    pub(super) fn count_fault(&mut self, fault: Fault, planned_ns: u64, now: u64) {
        if !self.is_measured(planned_ns) {
            return;
        }
        *self.tally.faults.entry(fault).or_default() += 1;
        if fault == Fault::TimedOut || fault == Fault::NeverSent {
            self.tally.latency.record(now.saturating_sub(planned_ns));
        }
        let since = now.min(self.end_ns.saturating_sub(1)).saturating_sub(self.measured_from);
        self.tally.step(since, |step| step.failed += 1);
    }

    pub(super) fn flush_status(&mut self) {
        let (status, count) = std::mem::take(&mut self.last_status);
        if count > 0 {
            *self.tally.statuses.entry(status).or_default() += count;
        }
    }

    /// What was due and got no answer counts with the time that it has waited.
    pub(super) fn account_for_the_rest(&mut self, now: u64) {
        for at in 0..self.connections.len() {
            if let Some(State::Busy(_)) = self.connections.get(at).map(|one| one.state) {
                self.lose(at, Fault::TimedOut, now);
            }
        }
        while let Some(planned) =
            self.schedule.as_mut().and_then(|schedule| schedule.take_due(u64::MAX, self.end_ns))
        {
            if self.is_measured(planned) {
                self.tally.planned += 1;
            }
            self.count_fault(Fault::NeverSent, planned, self.end_ns);
        }
        self.flush_status();
    }

    pub(super) fn is_measured(&self, time_ns: u64) -> bool {
        time_ns >= self.measured_from && time_ns < self.end_ns
    }
}
