//! The command line of `bench load`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::{
    Data, LoadError, LoadFigures, Mode, Outcome, Plan, Shape, Url, ramp, report_of, send, told,
};
use crate::arguments::{Cpus, Range, duration};
use crate::report::{Output, Progress, Report, Table};
use crate::usage::allowed_cpus;

/// Send events over HTTP and measure how fast they are accepted.
///
/// Closed loop (the default): each connection sends its next request as soon as it has an answer. Tells
/// the most that the target can do, but understates how long a user waits: while the target stands
/// still, nothing is sent.
///
/// Open loop (--rate): requests are due at a fixed schedule, and the latency counts from the time at
/// which a request was due, whether a connection was free for it or not. A stall cannot hide.
///
/// Ramp (--ramp): open loops of growing rates; tells the highest that keeps the p99 within --p99.
///
/// Every event has an id of its own that says who sent it and when, which `bench sink` understands.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  bench load http://127.0.0.1:8080/default/orders -c 256 -d 10s --pid $(pidof receiver)
  bench load http://127.0.0.1:8080/default/orders --rate 20000 --keys 100 --html out.html
  bench load http://127.0.0.1:8080/default/orders --ramp 1000..200000 --p99 5ms")]
pub struct LoadArguments {
    /// Where to POST, http:// only.
    pub url: Url,
    /// Connections, each with one request under way at a time.
    #[arg(short, long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub connections: u32,
    /// Requests a second over all threads (open loop).
    #[arg(short, long, value_name = "PER_SECOND", conflicts_with = "ramp", value_parser = positive)]
    pub rate: Option<f64>,
    /// How long to measure.
    #[arg(short, long, default_value = "10s", value_parser = duration)]
    pub duration: Duration,
    /// How long to send before measuring.
    #[arg(short, long, default_value = "1s", value_parser = duration)]
    pub warm_up: Duration,
    /// Sending threads.
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: u32,
    /// CPUs to bind the threads to, in turn, such as 1 or 0-3,6. Without it the last of the machine.
    #[arg(long)]
    pub cpus: Option<Cpus>,
    /// Do not bind threads to CPUs.
    #[arg(long, conflicts_with = "cpus")]
    pub unbound: bool,
    /// Never sleep while waiting for the next due time: more exact, and takes the whole CPU.
    #[arg(long)]
    pub spin: bool,
    /// A request without an answer for this time has failed.
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// The process under load, to tell its CPU time and memory.
    #[arg(long)]
    pub pid: Option<u32>,
    #[command(flatten)]
    pub events: EventArguments,
    /// Find the highest rate between these two.
    #[arg(long, value_name = "FROM..TO", help_heading = "Ramp")]
    pub ramp: Option<Range>,
    /// The p99 that a rate of the ramp must keep, at 99 % accepted and without failures.
    #[arg(long, default_value = "10ms", value_parser = duration, requires = "ramp", help_heading = "Ramp")]
    pub p99: Duration,
    /// Write which events were accepted to this file, for `bench sink --owed`.
    #[arg(long, value_name = "FILE", conflicts_with = "ramp")]
    pub owed: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

/// What is sent.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Events")]
pub struct EventArguments {
    /// How events are put into requests.
    #[arg(long, value_enum, default_value_t = Mode::Binary)]
    pub mode: Mode,
    /// What the data is made of.
    #[arg(long, value_enum, default_value_t = Data::Text)]
    pub data: Data,
    /// Bytes of data of an event.
    #[arg(short, long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(0..=64_000_000))]
    pub size: u32,
    /// Events in a request with --mode batch.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch: u32,
    /// Distinct partition keys; without it events have none.
    #[arg(short, long, default_value_t = 0)]
    pub keys: u32,
    /// Distinct event types.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub types: u32,
    /// Extension attributes of 16 bytes beyond the usual eight attributes.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub extensions: u32,
    /// One more line of the HTTP head; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// When the target cannot be loaded at all, or a result cannot be written.
pub fn run(arguments: &LoadArguments) -> Result<(), Box<dyn Error>> {
    let plan = arguments.plan();
    let report = match &arguments.ramp {
        Some(range) => climb(&plan, range, arguments.p99)?,
        None => {
            let outcome = watched(&plan)?;
            if let Some(path) = &arguments.owed {
                fs::write(path, serde_json::to_vec(&outcome.tally.owed)?)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
            }
            report_of(&plan, &outcome)
        }
    };
    report.publish(&arguments.output)?;
    Ok(())
}

/// Sends with a progress line.
///
/// # Errors
/// As [`send`].
pub fn watched(plan: &Plan) -> Result<Outcome, LoadError> {
    let mut progress = Progress::new();
    let total = (plan.warm_up + plan.duration).as_secs_f64();
    send(plan, |second, events| {
        progress.show(second / total, &format!("{second:.1} of {total:.1} s, {events} events"));
    })
}

fn climb(plan: &Plan, range: &Range, p99: Duration) -> Result<Report, Box<dyn Error>> {
    let mut table =
        Table::new("Rates tried", &["requests/s", "accepted", "p50", "p99", "p99.9", "judged"]);
    let mut tried = Vec::new();
    let mut best: Option<(Plan, Outcome)> = None;
    let highest = ramp::highest(range.from, range.to, 0.05, |rate| -> Result<bool, LoadError> {
        let step = Plan { rate: Some(rate), ..plan.clone() };
        let outcome = watched(&step)?;
        let figures = LoadFigures::of(&step, &outcome);
        let good = figures.kept_up() >= 0.99
            && figures.failed_requests == 0
            && figures.latency.p99_us <= p99.as_secs_f64() * 1e6;
        let at = |percent| crate::clock::words(outcome.tally.latency.percentile_ns(percent));
        table.row([
            format!("{rate:.0}"),
            format!("{:.1} %", figures.kept_up() * 100.0),
            at(50.0),
            at(99.0),
            at(99.9),
            if good { "good" } else { "bad" }.to_owned(),
        ]);
        tried.push(json!({"rate_per_s": rate, "good": good, "figures": figures}));
        let higher = best.as_ref().is_none_or(|(plan, _)| plan.rate < Some(rate));
        if good && higher {
            best = Some((step, outcome));
        }
        Ok(good)
    })?;
    let mut settings = told::settings_of(plan);
    if let Value::Object(settings) = &mut settings {
        settings.insert("loop".into(), "ramp".into());
        settings.insert("ramp_from_per_s".into(), range.from.into());
        settings.insert("ramp_to_per_s".into(), range.to.into());
        settings.insert("p99_within_ms".into(), (p99.as_secs_f64() * 1e3).into());
    }
    let mut report = Report::new("bench load, ramp", settings);
    report.tables.push(table);
    if let Some((plan, outcome)) = &best {
        told::tell(plan, outcome, "The highest good rate", &mut report);
    }
    let words = crate::clock::words(super::nanos(p99));
    report.notes.push(match highest {
        Some(rate) => format!("Highest rate with a p99 within {words}: {rate:.0} requests/s."),
        None => format!("Not even {:.0} requests/s have a p99 within {words}.", range.from),
    });
    report.figures = json!({"highest_rate_per_s": highest, "tried": tried});
    Ok(report)
}

impl LoadArguments {
    /// The plan that they ask for.
    pub fn plan(&self) -> Plan {
        Plan {
            url: self.url.clone(),
            shape: self.events.shape(),
            connections: self.connections as usize,
            rate: self.rate,
            threads: seats(self.threads as usize, self.cpus.as_ref(), self.unbound),
            warm_up: self.warm_up,
            duration: self.duration,
            timeout: self.timeout,
            spin: self.spin,
            owed: self.owed.is_some(),
            pid: self.pid,
        }
    }
}

impl EventArguments {
    pub fn shape(&self) -> Shape {
        Shape {
            mode: self.mode,
            data: self.data,
            size: self.size as usize,
            batch: if self.mode == Mode::Batch { self.batch as usize } else { 1 },
            keys: self.keys,
            types: self.types,
            extensions: self.extensions as usize,
            headers: self.headers.clone(),
        }
    }
}

/// The CPU of each sending thread.
pub fn seats(threads: usize, cpus: Option<&Cpus>, unbound: bool) -> Vec<Option<usize>> {
    if unbound {
        return vec![None; threads];
    }
    // From the last on: the first ones are where most people bind the target.
    let chosen =
        cpus.map_or_else(|| allowed_cpus().into_iter().rev().collect(), |cpus| cpus.0.clone());
    if chosen.is_empty() {
        return vec![None; threads];
    }
    chosen.iter().copied().cycle().take(threads).map(Some).collect()
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("not above 0".to_owned()) }
}

fn header(text: &str) -> Result<String, String> {
    let name = text.split_once(": ").map(|(name, _)| name).unwrap_or_default();
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_line = text.bytes().all(|byte| byte >= b' ' && byte != 0x7f);
    if is_name && is_line { Ok(text.to_owned()) } else { Err("write NAME: VALUE".to_owned()) }
}
