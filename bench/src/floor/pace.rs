//! F2 at a fixed rate: records are due on a schedule, whatever has been acknowledged.

use std::error::Error;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use millrace_kafka::Producer;
use millrace_kafka::batcher::{Batcher, BatcherSettings, Decision};

use super::part::{Meter, PartFigures};
use super::produce::{Pending, ProducePlan, flush, wait};
use super::record;
use crate::clock;
use crate::latency::Latency;
use crate::load::{Schedule, nanos};

/// Produces as planned, but so many records a second. Latencies count from the time at which a record was
/// due, whether one of the plan's records was free for it or not.
pub(crate) fn run(plan: &ProducePlan, rate: f64) -> Result<PartFigures, Box<dyn Error>> {
    // Without it every wait would be up to 50 µs too long.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZero::new(1));
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let producer = Producer::create(&record::producer_options(&plan.bootstrap)?, theirs.as_fd())?;
    let topic = producer.topic(&plan.topic)?;
    let mut batcher = Batcher::new(BatcherSettings::default());
    let mut free: Vec<Vec<u8>> = (0..plan.in_flight).map(|_| vec![b'x'; plan.size]).collect();
    let mut pending = Vec::with_capacity(plan.in_flight);
    let (mut latency, mut events, mut failed, mut key) = (Latency::default(), 0_u64, 0_u64, 0_u32);
    let began = clock::now_ns();
    let from = began + nanos(plan.warm_up);
    let until = from + nanos(plan.duration);
    let mut schedule = Schedule::new(began, rate, 0, 1);
    let mut meter = None;
    loop {
        let now = clock::now_ns();
        if meter.is_none() && now >= from {
            meter = Some(Meter::start()?);
        }
        if now >= until {
            break;
        }
        let mut decision = Decision::Keep;
        while !free.is_empty() && decision == Decision::Keep {
            let Some(since_ns) = schedule.take_due(now, until) else { break };
            let Some(buffer) = free.pop() else { break };
            decision = batcher.push(Instant::now, buffer.len());
            pending.push(Pending { buffer, since_ns });
        }
        if decision == Decision::Keep {
            decision = batcher.turn_ended(Instant::now());
        }
        if decision == Decision::Flush {
            flush(plan, &producer, &topic, &mut pending, &mut key)?;
            continue;
        }
        let left = schedule.next_ns().saturating_sub(clock::now_ns());
        // With all records under way, only reports bring it on.
        let due = (!free.is_empty()).then(|| Instant::now() + Duration::from_nanos(left));
        wait(&ours, due.into_iter().chain(batcher.deadline()).min())?;
        let now = clock::now_ns();
        let polled = producer.poll_reports(usize::MAX, |report| {
            if meter.is_some() && report.token >= from {
                events += u64::from(report.outcome.is_ok());
                failed += u64::from(report.outcome.is_err());
                latency.record(now.saturating_sub(report.token));
            }
            free.push(report.payload.into_buffer());
        });
        if batcher.reported(polled.reports) == Decision::Flush {
            flush(plan, &producer, &topic, &mut pending, &mut key)?;
        }
    }
    let figures = meter.ok_or("nothing was measured")?.stop(events, failed, &latency)?;
    producer.close(Duration::from_secs(5), |_| {});
    Ok(figures)
}
