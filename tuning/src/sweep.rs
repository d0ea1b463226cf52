//! `tuning sweep`: settings against the shipped ones under load, and which of them is worth taking.

mod candidate;
mod children;
mod judge;
mod rig;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use millrace_bench::arguments::{Cpus, duration};
use millrace_bench::compare::Measured;
use millrace_bench::load::options::EventArguments;
use millrace_bench::report::{Output, Progress, Report};
use millrace_bench::sink::Delay;
use millrace_bench::usage::allowed_cpus;
use serde_json::{Value, json};
use thiserror::Error;

use candidate::Candidate;
use children::Children;
use judge::{Objective, Tried};
use rig::Rig;

pub use crate::check::Program;

/// Measure settings of the receiver or the dispatcher against the shipped ones.
///
/// Each candidate takes turns with the shipped settings (A B, B A, A B and so on), each turn with a process
/// started anew, and each pair of turns gives one ratio. A candidate is better when the ratios cannot be
/// explained by chance (see docs/bench.md). The best one is then measured once more, and only these second
/// figures count: of ten equal candidates one looks better by luck.
///
/// Receiver: --connections send as fast as they get answers, or --rate a second at a fixed schedule.
/// Dispatcher: it drains a backlog; or with --rate delivers live events, and the latency is that
/// from planned sending to arrival, with a receiver at its shipped settings between.
///
/// Kafka is the embedded one unless --bootstrap names another. Without --try and --profile a list for
/// the program is tried; --list shows it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  tuning sweep receiver --rounds 7 --kafka-delay-ms 2 --out receiver.json
  tuning sweep receiver --rate 5000 --by p99 --try PRODUCER_BATCH_DELAY_US=100 --try linger.ms=1,batch.size=1000000
  tuning sweep dispatcher --delay 1ms --try max.poll.records=200,webclient/maxPoolSize=200
  tuning sweep receiver --profile tuning/profiles/throughput --bootstrap kafka:9092 --topic sweep")]
pub struct SweepArguments {
    /// Whose settings.
    #[arg(value_enum)]
    pub program: Swept,
    /// A candidate: NAME=VALUE, several joined by commas. A name in capitals is a variable; other names are
    /// keys of the producer's (receiver) or consumer's file (dispatcher), or of FILE in FILE/NAME. May
    /// be given several times.
    #[arg(long = "try", value_name = "SETTINGS")]
    pub candidates: Vec<String>,
    /// A candidate: all settings of a directory as in tuning/profiles. May be given several times.
    #[arg(long = "profile", value_name = "DIR")]
    pub profiles: Vec<PathBuf>,
    /// Print what is tried without --try and --profile.
    #[arg(long)]
    pub list: bool,
    /// What is to get better. Without it events, or p99 with --rate.
    #[arg(long, value_enum)]
    pub by: Option<Objective>,
    /// Pairs of turns for each candidate; below five nothing can be told from noise.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rounds: u32,
    /// How long a turn measures; a drained backlog takes as long as it takes.
    #[arg(short, long, default_value = "4s", value_parser = duration)]
    pub duration: Duration,
    /// How long a turn sends before it measures.
    #[arg(short, long, default_value = "1s", value_parser = duration)]
    pub warm_up: Duration,
    /// Connections of the sender.
    #[arg(short, long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub connections: u32,
    /// Events a second at a fixed schedule.
    #[arg(short, long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// What is sent.
    #[command(flatten)]
    pub events: EventArguments,
    /// How long the subscriber takes: 5ms, 1ms..10ms, or exp:5ms.
    #[arg(long, default_value = "0", help_heading = "Dispatcher")]
    pub delay: Delay,
    /// The egress is ordered.
    #[arg(long, help_heading = "Dispatcher")]
    pub ordered: bool,
    /// Events to drain. Without it what the embedded Kafka holds, or 100,000.
    #[arg(long, help_heading = "Dispatcher", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub backlog: Option<u32>,
    /// A Kafka of yours in place of the embedded one.
    #[arg(long, value_name = "HOST:PORT", help_heading = "Kafka")]
    pub bootstrap: Option<String>,
    /// The topic; on a Kafka of yours it must exist, and be empty for the dispatcher.
    #[arg(long, default_value = "tuning-sweep", help_heading = "Kafka")]
    pub topic: String,
    /// Partitions of the topic of the embedded Kafka.
    #[arg(long, default_value_t = 12, help_heading = "Kafka", value_parser = clap::value_parser!(i32).range(1..=200))]
    pub partitions: i32,
    /// Milliseconds that the embedded Kafka waits before each answer.
    #[arg(long, default_value_t = 0, help_heading = "Kafka", value_parser = clap::value_parser!(i32).range(0..=10_000))]
    pub kafka_delay_ms: i32,
    /// CPUs of the program that is measured. Without it the first half.
    #[arg(long)]
    pub cpus: Option<Cpus>,
    /// CPUs of everything else. Without it those that are left.
    #[arg(long)]
    pub other_cpus: Option<Cpus>,
    /// Write the result as JSON to this file, too.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub out: Option<PathBuf>,
    /// Write the result as one self-contained HTML page to this file, too.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub html: Option<PathBuf>,
}

/// Whose settings are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Swept {
    /// The receiver.
    Receiver,
    /// The dispatcher.
    Dispatcher,
}

/// A command line that cannot be carried out.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Misuse(pub(crate) String);

impl From<Swept> for Program {
    fn from(swept: Swept) -> Self {
        match swept {
            Swept::Receiver => Self::Receiver,
            Swept::Dispatcher => Self::Dispatcher,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// [`Misuse`] for settings that make no sense; else when a program cannot be started or loaded, or a result not
/// be written.
pub fn run(arguments: &SweepArguments) -> Result<(), Box<dyn Error>> {
    let program = Program::from(arguments.program);
    let candidates = candidate::all(arguments)?;
    if arguments.list {
        candidates.iter().for_each(|candidate| println!("{}", candidate.name));
        return Ok(());
    }
    let by = arguments.by.unwrap_or_else(|| Objective::usual(arguments.rate.is_some()));
    let seats = Seats::of(arguments)?;
    let children = Children::watched()?;
    let mut rig = Rig::start(arguments, &seats, &children)?;
    for candidate in std::iter::once(&Candidate::shipped()).chain(&candidates) {
        rig.refuse_what_is_odd(candidate)?;
    }
    let mut tried: Vec<Tried> = candidates.into_iter().map(Tried::new).collect();
    measure(&mut rig, &mut tried, arguments.rounds)?;
    let best = confirm(&mut rig, &tried, by, arguments.rounds)?;
    drop(rig);
    let mut report =
        Report::new(&format!("tuning sweep {}", program.name()), settings(arguments, &seats, by));
    judge::tell(&tried, best.as_ref(), by, &mut report);
    report.publish(&Output { json: arguments.out.clone(), html: arguments.html.clone() })?;
    Ok(())
}

/// Where things run.
pub(crate) struct Seats {
    pub(crate) cpus: Vec<usize>,
    pub(crate) others: Vec<usize>,
}

impl Seats {
    /// One CPU alone is shared: nothing is bound then.
    fn of(arguments: &SweepArguments) -> Result<Self, Misuse> {
        let allowed = allowed_cpus();
        let (first, second) = allowed.split_at(allowed.len() / 2);
        let chosen = |cpus: &Option<Cpus>, half: &[usize]| {
            cpus.as_ref().map_or_else(|| half.to_vec(), |cpus| cpus.0.clone())
        };
        let seats = Self {
            cpus: chosen(&arguments.cpus, first),
            others: chosen(&arguments.other_cpus, if first.is_empty() { first } else { second }),
        };
        match seats.cpus.iter().chain(&seats.others).find(|cpu| !allowed.contains(cpu)) {
            Some(cpu) => Err(Misuse(format!("CPU {cpu} is not one of {allowed:?}"))),
            None => Ok(seats),
        }
    }
}

/// Every candidate beside the shipped settings, in every round.
fn measure(rig: &mut Rig<'_>, tried: &mut [Tried], rounds: u32) -> Result<(), Box<dyn Error>> {
    let turns = rounds as usize * tried.len();
    let mut progress = Progress::new();
    let mut done = 0_usize;
    for round in 0..rounds {
        for one in tried.iter_mut() {
            let words = format!("round {} of {rounds}: {}", round + 1, one.candidate.name);
            progress.show(done as f64 / turns.max(1) as f64, &words);
            let (shipped, other) = pair(rig, &one.candidate, round)?;
            one.shipped.push(shipped);
            one.other.push(other);
            done += 1;
        }
    }
    Ok(())
}

fn pair(
    rig: &mut Rig<'_>,
    candidate: &Candidate,
    round: u32,
) -> Result<(Measured, Measured), Box<dyn Error>> {
    let shipped = Candidate::shipped();
    Ok(if round.is_multiple_of(2) {
        let first = rig.turn(&shipped)?;
        (first, rig.turn(candidate)?)
    } else {
        let first = rig.turn(candidate)?;
        (rig.turn(&shipped)?, first)
    })
}

/// The best one measured again; the next best if it was luck, until one holds.
fn confirm(
    rig: &mut Rig<'_>,
    tried: &[Tried],
    by: Objective,
    rounds: u32,
) -> Result<Option<Tried>, Box<dyn Error>> {
    for one in judge::ranked(tried, by) {
        let mut again = [Tried::new(one.candidate.clone())];
        measure(rig, &mut again, rounds)?;
        let [again] = again;
        if again.is_better(by) {
            return Ok(Some(again));
        }
    }
    Ok(None)
}

fn settings(arguments: &SweepArguments, seats: &Seats, by: Objective) -> Value {
    json!({
        "by": by.measure(),
        "rounds": arguments.rounds,
        "duration_s": arguments.duration.as_secs_f64(),
        "warm_up_s": arguments.warm_up.as_secs_f64(),
        "connections": arguments.connections,
        "rate_per_s": arguments.rate,
        "events": arguments.events.shape(),
        "subscriber_delay": format!("{:?}", arguments.delay),
        "ordered": arguments.ordered,
        "kafka": arguments.bootstrap.as_deref().unwrap_or("librdkafka's mock cluster"),
        "kafka_delay_ms": arguments.kafka_delay_ms,
        "partitions": arguments.partitions,
        "cpus": seats.cpus,
        "other_cpus": seats.others,
    })
}
