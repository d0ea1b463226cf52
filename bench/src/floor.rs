//! `bench floor`: what cannot be avoided, the naive peers, and the products, side by side.
//!
//! Each part runs in a process of its own on the CPUs under test; the sender, the embedded Kafka and
//! the fixed server share the others. Parts take turns, forward and backward, so that a machine that
//! changes its speed changes it for all.

pub(crate) mod consume;
mod multishot;
mod pace;
pub(crate) mod part;
mod post;
pub(crate) mod produce;
pub(crate) mod record;
pub(crate) mod rig;
mod serve;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use crate::arguments::{Cpus, duration};
use crate::report::{Output, Progress, Report, Table};
use crate::stats::{Spread, ratios};

pub use part::{PartCommand, PartFigures, run as run_part};

use rig::Rig;

/// Measure what an event must cost on this machine, and what ours costs beside it.
///
/// F1 to F5 are the parts that cannot be avoided, NR and ND what a competent engineer writes in an
/// afternoon with hyper, tokio and rust-rdkafka, R, D and DO the products. All of them take turns in one
/// run, on the same CPUs; only the ratios of one run mean something.
///
/// Kafka is librdkafka's mock cluster: good for the cost of a client, not for durability or its own speed.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  bench floor --rounds 5 --json floor.json
  bench floor --parts f1,f2,nr,r --connections 64 --keys 100")]
pub struct FloorArguments {
    /// Parts to measure; all without it.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub parts: Vec<Part>,
    /// Turns of each part; the result is the median.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rounds: u32,
    /// How long a turn of F1, F1M, F2, F4, F5, NR and R measures.
    #[arg(short, long, default_value = "2s", value_parser = duration)]
    pub duration: Duration,
    /// Connections, or records on their way, of F1, F1M, F2, F4, NR and R.
    #[arg(short, long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Partitions of the topics.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub partitions: u32,
    /// Distinct partition keys; without it events have none.
    #[arg(short, long, default_value_t = 0)]
    pub keys: u32,
    /// Bytes of data of an event.
    #[arg(short, long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub size: u32,
    /// Milliseconds that the embedded Kafka waits before each answer.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..=10_000))]
    pub kafka_delay_ms: i32,
    /// CPUs of the part that is measured.
    #[arg(long, default_value = "0")]
    pub cpus: Cpus,
    /// CPUs of everything else.
    #[arg(long, default_value = "1")]
    pub other_cpus: Cpus,
    /// F1, F4 and F5 on epoll in place of io_uring.
    #[arg(long)]
    pub epoll: bool,
    #[command(flatten)]
    pub output: Output,
}

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Part {
    F1,
    F1m,
    F2,
    F3,
    F4,
    F5,
    Nr,
    Nd,
    R,
    D,
    Do,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::F1 => "F1",
            Self::F1m => "F1M",
            Self::F2 => "F2",
            Self::F3 => "F3",
            Self::F4 => "F4",
            Self::F5 => "F5",
            Self::Nr => "NR",
            Self::Nd => "ND",
            Self::R => "R",
            Self::D => "D",
            Self::Do => "DO",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::F1 => "server that answers 202 without looking",
            Self::F1m => "the same on a ring of its own, multishot receives",
            Self::F2 => "bare produce, batched as the receiver does",
            Self::F3 => "bare batch consume, headers read",
            Self::F4 => "bare client, posting to a fixed 202",
            Self::F5 => "the same, one request at a time",
            Self::Nr => "naive receiver",
            Self::Nd => "naive dispatcher, unordered",
            Self::R => "receiver",
            Self::D => "dispatcher, unordered",
            Self::Do => "dispatcher, ordered, one partition",
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When a part cannot be measured, or a result not be written.
pub fn run(arguments: &FloorArguments) -> Result<(), Box<dyn Error>> {
    let (mut parts, mut left_out) = (arguments.parts.clone(), None);
    if parts.is_empty() {
        left_out = multishot::refused();
        parts = Part::value_variants().to_vec();
        parts.retain(|part| left_out.is_none() || *part != Part::F1m);
    }
    let mut rig = Rig::start(arguments, &parts)?;
    let mut measured: BTreeMap<Part, Vec<PartFigures>> = BTreeMap::new();
    let mut progress = Progress::new();
    let turns = parts.len() * arguments.rounds as usize;
    for round in 0..arguments.rounds {
        let mut order = parts.clone();
        if round % 2 == 1 {
            order.reverse();
        }
        for part in order {
            let done = measured.values().map(Vec::len).sum::<usize>();
            let words = format!("round {} of {}: {}", round + 1, arguments.rounds, part.words());
            progress.show(done as f64 / turns as f64, &words);
            let figures = rig
                .measure(part)
                .map_err(|error| format!("{} ({}): {error}", part.name(), part.words()))?;
            measured.entry(part).or_default().push(figures);
        }
    }
    drop(progress);
    let mut report = report(arguments, &measured);
    report
        .notes
        .extend(left_out.map(|why| format!("F1M was left out: io_uring cannot be used: {why}")));
    report.publish(&arguments.output)?;
    Ok(())
}

fn report(arguments: &FloorArguments, measured: &BTreeMap<Part, Vec<PartFigures>>) -> Report {
    let settings = json!({
        "rounds": arguments.rounds,
        "duration_s": arguments.duration.as_secs_f64(),
        "connections": arguments.connections,
        "partitions": arguments.partitions,
        "keys": arguments.keys,
        "size_bytes": arguments.size,
        "kafka_delay_ms": arguments.kafka_delay_ms,
        "cpus": arguments.cpus.0,
        "other_cpus": arguments.other_cpus.0,
        "driver": if arguments.epoll { "epoll" } else { "io_uring where the kernel allows it" },
        "kafka": "librdkafka's mock cluster",
    });
    let mut report = Report::new("bench floor", settings);
    let columns = [
        "part",
        "",
        "events/s",
        "CPU µs per event: median (min to max)",
        "user",
        "system",
        "p50 ms",
        "p99 ms",
    ];
    let mut table = Table::new("Parts", &columns);
    for (part, figures) in measured {
        let median = |of: &dyn Fn(&PartFigures) -> f64| {
            Spread::of(&figures.iter().map(of).collect::<Vec<_>>()).median
        };
        let cost = Spread::of(&figures.iter().map(PartFigures::cost_us).collect::<Vec<_>>());
        let ms = |us: f64| if us > 0.0 { format!("{:.2}", us / 1e3) } else { "-".to_owned() };
        table.row([
            part.name().to_owned(),
            part.words().to_owned(),
            format!("{:.0}", median(&PartFigures::events_per_s)),
            cost.words(2),
            format!("{:.2}", median(&|one| one.cpu.per(one.events).user_us)),
            format!("{:.2}", median(&|one| one.cpu.per(one.events).system_us)),
            ms(median(&|one| one.latency.p50_us)),
            ms(median(&|one| one.latency.p99_us)),
        ]);
        let failed: u64 = figures.iter().map(|one| one.failed).sum();
        if failed > 0 {
            report.notes.push(format!(
                "{}: {failed} events failed; its figures are worth nothing.",
                part.name()
            ));
        }
    }
    report.tables.push(table);
    let compared = compared(measured);
    if !compared.is_empty() {
        let mut table = Table::new("Ratios, paired by round", &["", "median (min to max)", "goal"]);
        for (name, goal, spread) in &compared {
            table.row([(*name).to_owned(), spread.words(2), (*goal).to_owned()]);
        }
        report.tables.push(table);
    }
    let spreads: BTreeMap<&str, &Spread> =
        compared.iter().map(|(name, _, spread)| (*name, spread)).collect();
    report.figures = json!({ "parts": measured, "ratios": spreads });
    report
}

/// The ratios of which both sides were measured, each with its goal.
fn compared(
    measured: &BTreeMap<Part, Vec<PartFigures>>,
) -> Vec<(&'static str, &'static str, Spread)> {
    let of = |part: Part, value: fn(&PartFigures) -> f64| -> Option<Vec<f64>> {
        Some(measured.get(&part)?.iter().map(value).collect())
    };
    let cost = |part| of(part, PartFigures::cost_us);
    let rate = |part| of(part, PartFigures::events_per_s);
    let sum = |one: Option<Vec<f64>>, two: Option<Vec<f64>>| -> Option<Vec<f64>> {
        Some(one?.iter().zip(two?).map(|(one, two)| one + two).collect())
    };
    let rows = [
        ("CPU, R ÷ (F1 + F2)", "≤ 1.20", cost(Part::R), sum(cost(Part::F1), cost(Part::F2))),
        ("CPU, F1M ÷ F1", "", cost(Part::F1m), cost(Part::F1)),
        ("CPU, R ÷ NR", "≤ 0.55", cost(Part::R), cost(Part::Nr)),
        ("events/s, R ÷ NR", "", rate(Part::R), rate(Part::Nr)),
        ("CPU, D ÷ (F3 + F4)", "≤ 1.25", cost(Part::D), sum(cost(Part::F3), cost(Part::F4))),
        ("CPU, D ÷ ND", "≤ 0.60", cost(Part::D), cost(Part::Nd)),
        ("events/s, DO ÷ F5", "≥ 0.92", rate(Part::Do), rate(Part::F5)),
    ];
    let spread = |(name, goal, over, under): (_, _, Option<Vec<f64>>, Option<Vec<f64>>)| {
        Some((name, goal, Spread::of(&ratios(&over?, &under?))))
    };
    rows.into_iter().filter_map(spread).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Summary;
    use crate::usage::Cpu;

    fn figures(cost_us: f64) -> PartFigures {
        PartFigures {
            events: 1_000,
            failed: 0,
            seconds: 1.0,
            cpu: Cpu { user_us: cost_us * 400.0, system_us: cost_us * 600.0 },
            latency: Summary::default(),
            peak_rss_kib: 1,
        }
    }

    #[test]
    fn ratios_are_paired_by_round() {
        // A machine that is twice as slow in the second round: the ratios do not notice.
        let measured = BTreeMap::from([
            (Part::F1, vec![figures(4.0), figures(8.0), figures(4.0)]),
            (Part::F2, vec![figures(2.0), figures(4.0), figures(2.0)]),
            (Part::R, vec![figures(9.0), figures(18.0), figures(9.0)]),
        ]);
        let compared = compared(&measured);
        assert_eq!(compared.len(), 1, "nothing is compared with what was not measured");
        let (name, _, spread) = &compared[0];
        assert_eq!(*name, "CPU, R ÷ (F1 + F2)");
        assert!((spread.min - 1.5).abs() < 1e-9 && (spread.max - 1.5).abs() < 1e-9);
    }
}
