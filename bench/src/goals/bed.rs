//! What all rows stand on: a Kafka of their own, records in it, load, and turns.

use std::cell::Cell;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use millrace_kafka::Headers;
use millrace_kafka::testing::MockCluster;

use super::GoalsArguments;
use crate::clock;
use crate::floor::part::{self, PartFigures};
use crate::floor::produce;
use crate::floor::rig::{PARTITION_BYTES, RECORD_OVERHEAD};
use crate::latency::Summary;
use crate::load::{self, LoadFigures, Plan, Shape};
use crate::products::Product;
use crate::usage;

pub(super) type Failure = Box<dyn Error>;

pub(super) const WITHIN: Duration = Duration::from_secs(120);
/// How often counters are looked at.
const LOOK: Duration = Duration::from_micros(500);
const WARM_UP: Duration = Duration::from_millis(500);

/// The Kafka of one row.
pub(super) struct Bed<'a> {
    pub(super) arguments: &'a GoalsArguments,
    pub(super) cluster: MockCluster,
    groups: Cell<u32>,
}

/// What a dispatcher did in the measured time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drained {
    pub(super) events: u64,
    pub(super) seconds: f64,
    pub(super) cpu_us: f64,
}

impl<'a> Bed<'a> {
    pub(super) fn new(arguments: &'a GoalsArguments) -> Result<Self, Failure> {
        Ok(Self { arguments, cluster: MockCluster::start(1)?, groups: Cell::new(0) })
    }

    pub(super) fn bootstrap(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    pub(super) fn topic(&self, name: &str, partitions: u32) -> Result<(), Failure> {
        Ok(self.cluster.create_topic(name, i32::try_from(partitions)?)?)
    }

    /// As many records of the size that was asked for as so many partitions keep.
    pub(super) fn room(&self, partitions: u32) -> u64 {
        let each = PARTITION_BYTES / (u64::from(self.arguments.size) + RECORD_OVERHEAD);
        u64::from(partitions) * each.clamp(64, 50_000)
    }

    pub(super) fn fill(&self, topic: &str, records: u64) -> Result<(), Failure> {
        produce::fill(&self.bootstrap(), topic, records, self.arguments.size as usize)
    }

    /// With the key and headers that `describe` says for each, counted from 0.
    pub(super) fn fill_with(
        &self,
        topic: &str,
        records: u64,
        describe: impl FnMut(u64) -> (Option<String>, Headers),
    ) -> Result<(), Failure> {
        let size = self.arguments.size as usize;
        produce::fill_with(&self.bootstrap(), topic, records, size, describe)
    }

    pub(super) fn new_group(&self) -> String {
        self.groups.set(self.groups.get() + 1);
        format!("goals-{}", self.groups.get())
    }

    /// Events of the size that was asked for.
    pub(super) fn shape(&self) -> Shape {
        Shape { size: self.arguments.size as usize, ..Shape::default() }
    }

    /// Closed loop to a receiver with all connections, from the last of the other CPUs.
    pub(super) fn plan(&self, receiver: &Product, shape: Shape) -> Result<Plan, Failure> {
        Ok(Plan {
            url: receiver.url().parse()?,
            shape,
            connections: self.arguments.connections as usize,
            rate: None,
            threads: vec![self.arguments.other_cpus.0.last().copied()],
            warm_up: WARM_UP,
            duration: self.arguments.duration,
            timeout: Duration::from_secs(10),
            spin: false,
            owed: false,
            pid: Some(receiver.program.pid()),
        })
    }

    /// A part of the floor on the CPUs under test.
    pub(super) fn part(&self, words: &[&str]) -> Result<PartFigures, Failure> {
        let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        if self.arguments.epoll && words.first().is_some_and(|name| name == "post") {
            words.push("--epoll".to_owned());
        }
        sound(part::measure(&words, &self.arguments.cpus.0)?)
    }

    /// How long the bare acknowledgement takes: F2 at so many records a second, on a schedule.
    pub(super) fn acknowledged(
        &self,
        topic: &str,
        in_flight: u32,
        rate: f64,
    ) -> Result<Summary, Failure> {
        let (bootstrap, size) = (self.bootstrap(), self.arguments.size.to_string());
        let (duration, rate, in_flight) =
            (self.duration(), rate.to_string(), in_flight.to_string());
        let words = ["produce", &bootstrap, topic, "--rate", &rate, "--in-flight", &in_flight];
        let shape = ["--keys", "0", "--size", &size, "--duration", &duration];
        Ok(self.part(&[&words[..], &shape].concat())?.latency)
    }

    /// The time of one turn as a command line takes it.
    pub(super) fn duration(&self) -> String {
        format!("{}s", self.arguments.duration.as_secs_f64())
    }

    /// Waits until a started dispatcher has delivered what the topic held, `times` over; fills it
    /// again and again from then on, and measures until it is empty again. `count` tells what was delivered
    /// since before the start.
    pub(super) fn drain(
        &self,
        dispatcher: &Product,
        count: impl Fn() -> u64,
        (topic, records, times): (&str, u64, u64),
    ) -> Result<Drained, Failure> {
        let pid = dispatcher.program.pid();
        let mut due = records * times;
        until_count(&count, due)?;
        let mut drained = Drained { events: 0, seconds: 0.0, cpu_us: 0.0 };
        while drained.seconds < self.arguments.duration.as_secs_f64() {
            // The filling counts, too: a quick dispatcher is done with most when it ends.
            let (first, used, began) = (count(), usage::threads_ns(pid)?, clock::now_ns());
            self.fill(topic, records)?;
            due += records * times;
            until_count(&count, due)?;
            drained.seconds += (clock::now_ns() - began) as f64 / 1e9;
            drained.cpu_us += usage::threads_ns(pid)?.saturating_sub(used) as f64 / 1e3;
            drained.events += count() - first;
        }
        Ok(drained)
    }
}

impl Drained {
    pub(super) fn events_per_s(&self) -> f64 {
        self.events as f64 / self.seconds.max(1e-9)
    }

    pub(super) fn cost_us(&self) -> f64 {
        self.cpu_us / self.events.max(1) as f64
    }
}

/// Sends as planned. A run with failures is none; what was due at the end and never sent is the sender's fault, and
/// shows in [`LoadFigures::kept_up`].
pub(super) fn send(plan: &Plan) -> Result<LoadFigures, Failure> {
    let outcome = load::send(plan, |_, _| {})?;
    let figures = LoadFigures::of(plan, &outcome);
    if figures.failed_requests > outcome.tally.never_sent() || outcome.tally.events == 0 {
        return Err(format!("the load was not accepted: {:?}", outcome.tally).into());
    }
    Ok(figures)
}

/// µs of CPU of the process under load.
pub(super) fn cost_us(figures: &LoadFigures) -> f64 {
    figures.cpu_us_per_event.map_or(0.0, |cpu| cpu.total_us())
}

/// Lets the sides take turns, A B then B A; the results of each side in the order of the rounds.
pub(super) fn turns<T>(
    rounds: u32,
    sides: usize,
    mut measure: impl FnMut(usize) -> Result<T, Failure>,
) -> Result<Vec<Vec<T>>, Failure> {
    let mut all: Vec<Vec<T>> = (0..sides).map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for step in 0..sides {
            let side = if round % 2 == 0 { step } else { sides - 1 - step };
            let result = measure(side)?;
            if let Some(results) = all.get_mut(side) {
                results.push(result);
            }
        }
    }
    Ok(all)
}

/// One figure of all results.
pub(super) fn each<T>(results: &[T], of: impl Fn(&T) -> f64) -> Vec<f64> {
    results.iter().map(of).collect()
}

/// What a counter has counted from now on.
pub(super) fn since(counter: &AtomicU64) -> impl Fn() -> u64 {
    let before = counter.load(Ordering::Relaxed);
    move || counter.load(Ordering::Relaxed).saturating_sub(before)
}

/// Waits until a counter has come so far; when it had.
pub(super) fn until_count(count: impl Fn() -> u64, due: u64) -> Result<u64, Failure> {
    let give_up = Instant::now() + WITHIN;
    while count() < due {
        if Instant::now() > give_up {
            return Err(format!("{} of {due} were delivered", count()).into());
        }
        thread::sleep(LOOK);
    }
    Ok(clock::now_ns())
}

fn sound(figures: PartFigures) -> Result<PartFigures, Failure> {
    if figures.failed > 0 || figures.events == 0 {
        return Err(format!("{} done, {} failed", figures.events, figures.failed).into());
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_go_forward_and_backward() {
        let mut order = Vec::new();
        let results = turns(3, 2, |side| {
            order.push(side);
            Ok(order.len())
        });
        assert_eq!(order, [0, 1, 1, 0, 0, 1]);
        assert_eq!(results.unwrap(), [[1, 4, 5], [2, 3, 6]]);
        let failed = turns(2, 2, |side| if side == 1 { Err("no".into()) } else { Ok(()) });
        assert_eq!(failed.unwrap_err().to_string(), "no");
    }
}
