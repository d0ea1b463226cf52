//! Ordered delivery of ten partitions to a subscriber that takes 1 ms, against a bare client that sends
//! one request at a time to the same subscriber.

use std::time::Duration;

use super::GoalsArguments;
use super::bed::{Bed, Failure, turns, until_count};
use super::judge::{Findings, Goal};
use crate::products::Product;
use crate::sink::{Behaviour, Delay, Sink, SinkPlan};
use crate::stats::ratios;

const TOPIC: &str = "ordered";
const PARTITIONS: u32 = 10;
const ANSWER_TIME: Duration = Duration::from_millis(1);
/// The share of the records that has been delivered when the measuring begins, and when it ends: before
/// that partitions are still being found, after it some may be empty.
const WINDOW: (f64, f64) = (0.15, 0.8);

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let bed = Bed::new(arguments)?;
    bed.topic(TOPIC, PARTITIONS)?;
    // Ten a millisecond at most, for as long as asked.
    let wanted = arguments.duration.as_secs_f64() * 10_000.0 / (WINDOW.1 - WINDOW.0);
    let records = (wanted as u64).clamp(640, bed.room(PARTITIONS));
    bed.fill(TOPIC, records)?;
    let results = turns(arguments.rounds, 2, |side| {
        let sink = subscriber(arguments)?;
        let url = format!("http://{}/", sink.address());
        if side == 0 {
            let (size, duration) = (arguments.size.to_string(), bed.duration());
            let words =
                ["post", &url, "--connections", "1", "--size", &size, "--duration", &duration];
            return Ok(bed.part(&words)?.events_per_s());
        }
        let (bootstrap, group, cpus) = (bed.bootstrap(), bed.new_group(), &arguments.cpus.0);
        let _dispatcher = Product::dispatcher(&bootstrap, TOPIC, &group, true, &url, cpus)?;
        let part = |share: f64| (records as f64 * share) as u64;
        let began = until_count(|| sink.accepted(), part(WINDOW.0))?;
        let first = sink.accepted();
        let ended = until_count(|| sink.accepted(), part(WINDOW.1))?;
        Ok((sink.accepted() - first) as f64 * 1e9 / (ended - began).max(1) as f64)
    })?;
    let [bare, dispatched] = results.as_slice() else { return Err("a side is missing".into()) };
    let at_best: Vec<f64> = bare.iter().map(|rate| rate * f64::from(PARTITIONS)).collect();
    let mut found = Findings::default();
    let shares = ratios(dispatched, &at_best);
    found.goal("10 partitions ÷ (10 × bare client)", "", Goal::AtLeast(0.95), shares);
    found.beside("dispatcher", "events/s", dispatched.clone());
    found.beside("bare client, one connection", "events/s", bare.clone());
    Ok(found)
}

fn subscriber(arguments: &GoalsArguments) -> Result<Sink, Failure> {
    let behaviour = Behaviour { delay: Delay::Fixed(ANSWER_TIME), ..Behaviour::default() };
    let cpus = arguments.other_cpus.0.clone();
    let plan = SinkPlan { behaviour, cpus, ..SinkPlan::default() };
    Ok(Sink::start(([127, 0, 0, 1], 0).into(), plan)?)
}
