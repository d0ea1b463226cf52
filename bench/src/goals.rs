//! `bench goals`: the goals of speed that `bench floor` does not cover, each measured and judged.
//!
//! The sides of a row take turns, forward and backward, and only differences and ratios of one turn
//! each are judged. What is measured runs on the CPUs under test; the sender, the embedded Kafka and
//! subscribers share the others.

mod bed;
mod conditions;
mod dead;
mod exchange;
mod filter;
mod fresh;
mod growth;
mod half;
mod json;
pub mod judge;
mod memory;
mod one;
mod ordered;
mod shards;
mod start;

use std::error::Error;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::arguments::{Cpus, duration};
use crate::report::{Output, Progress, Report};
use crate::usage;

use judge::Findings;

/// Measure the goals of speed beside those of `bench floor`, and say of each whether it is met.
///
/// A goal is met, or not, when the whole interval of the median is on that side of it (the extremes where
/// there are fewer than nine rounds); otherwise the verdict is noise. What each row
/// measures is in docs/bench.md.
///
/// Kafka is librdkafka's mock cluster: good for the cost of a client, not for durability or its own speed.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  bench goals --rounds 5 --json goals.json --html goals.html
  bench goals json filter --duration 3s")]
pub struct GoalsArguments {
    /// Rows to measure; all without any.
    #[arg(value_enum)]
    pub rows: Vec<Row>,
    /// Turns of each side; the result is the median.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rounds: u32,
    /// How long a turn measures, where a time decides.
    #[arg(short, long, default_value = "1s", value_parser = duration)]
    pub duration: Duration,
    /// Connections to the receiver.
    #[arg(short, long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Partitions of the topics, where a row does not say it itself.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub partitions: u32,
    /// Bytes of data of an event, where a row does not say it itself.
    #[arg(short, long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub size: u32,
    /// CPUs of what is measured.
    #[arg(long, default_value = "0")]
    pub cpus: Cpus,
    /// CPUs of everything else.
    #[arg(long, default_value = "1")]
    pub other_cpus: Cpus,
    /// Bare clients and servers on epoll in place of io_uring.
    #[arg(long)]
    pub epoll: bool,
    #[command(flatten)]
    pub output: Output,
}

/// A row of the table of goals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Row {
    Json,
    Filter,
    Ordered,
    Start,
    Growth,
    Shards,
    Memory,
    One,
    Half,
    Dead,
    Fresh,
    Conditions,
}

impl Row {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Filter => "filter",
            Self::Ordered => "ordered",
            Self::Start => "start",
            Self::Growth => "growth",
            Self::Shards => "shards",
            Self::Memory => "memory",
            Self::One => "one",
            Self::Half => "half",
            Self::Dead => "dead",
            Self::Fresh => "fresh",
            Self::Conditions => "conditions",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Json => "receiver, structured against binary events",
            Self::Filter => "dispatcher, events that a filter drops",
            Self::Ordered => "dispatcher, ordered, 10 partitions, subscriber of 1 ms",
            Self::Start => "from the start until ready",
            Self::Growth => "with many routes and egresses",
            Self::Shards => "receiver, two shards against one",
            Self::Memory => "peak memory",
            Self::One => "receiver, one event alone",
            Self::Half => "receiver, open loop at half of its maximum",
            Self::Dead => "dispatcher, one dead subscriber among 20",
            Self::Fresh => "dispatcher, idle, ordered: from a record to its request",
            Self::Conditions => "receiver against the floor: time to Kafka, keys, connections",
        }
    }

    fn measure(self, arguments: &GoalsArguments) -> Result<Findings, Box<dyn Error>> {
        match self {
            Self::Json => json::run(arguments),
            Self::Filter => filter::run(arguments),
            Self::Ordered => ordered::run(arguments),
            Self::Start => start::run(arguments),
            Self::Growth => growth::run(arguments),
            Self::Shards => shards::run(arguments),
            Self::Memory => memory::run(arguments),
            Self::One => one::run(arguments),
            Self::Half => half::run(arguments),
            Self::Dead => dead::run(arguments),
            Self::Fresh => fresh::run(arguments),
            Self::Conditions => conditions::run(arguments),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When a result cannot be written; when a row cannot be measured, after the others.
pub fn run(arguments: &GoalsArguments) -> Result<(), Box<dyn Error>> {
    let rows = if arguments.rows.is_empty() {
        Row::value_variants().to_vec()
    } else {
        arguments.rows.clone()
    };
    // From here on all threads of this process, those of Kafka included, leave the CPUs under test.
    usage::bind_to(&arguments.other_cpus.0).map_err(|error| {
        format!("CPUs {:?}: {error}; choose with --other-cpus", arguments.other_cpus.0)
    })?;
    let (mut measured, mut failed) = (Vec::with_capacity(rows.len()), Vec::new());
    let mut progress = Progress::new();
    for (done, row) in rows.iter().enumerate() {
        progress.show(done as f64 / rows.len() as f64, row.words());
        match row.measure(arguments) {
            Ok(found) => measured.push((*row, found)),
            Err(error) => failed.push(format!("{} was not measured: {error}", row.name())),
        }
    }
    drop(progress);
    let mut report = report(arguments, &measured);
    report.notes.extend(failed.iter().cloned());
    report.publish(&arguments.output)?;
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ").into()) }
}

fn report(arguments: &GoalsArguments, measured: &[(Row, Findings)]) -> Report {
    let settings = json!({
        "rounds": arguments.rounds,
        "duration_s": arguments.duration.as_secs_f64(),
        "connections": arguments.connections,
        "partitions": arguments.partitions,
        "size_bytes": arguments.size,
        "cpus": arguments.cpus.0,
        "other_cpus": arguments.other_cpus.0,
        "driver": if arguments.epoll { "epoll" } else { "io_uring where the kernel allows it" },
        "kafka": "librdkafka's mock cluster",
    });
    let mut report = Report::new("bench goals", settings);
    let mut figures = Map::new();
    for (row, found) in measured {
        report.tables.push(found.table(&format!("{}: {}", row.name(), row.words())));
        let named = found.notes.iter().map(|note| format!("{}: {note}", row.name()));
        report.notes.extend(named);
        let value = serde_json::to_value(found).unwrap_or(Value::Null);
        figures.insert(row.name().to_owned(), value);
    }
    report.figures = Value::Object(figures);
    report
}
