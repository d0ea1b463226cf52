//! The command line of `bench sink`.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::check::Found;
use super::server::{Sink, SinkPlan};
use super::{Behaviour, Delay};
use crate::arguments::{Cpus, duration};
use crate::clock::{self, SECOND, words};
use crate::load::nanos;
use crate::load::tally::STEP_NS;
use crate::oracle::Owed;
use crate::report::{Curve, Output, Progress, Report, Table, grouped};
use crate::signals::EndSignals;

/// Receive events as a subscriber that is as slow, faulty or talkative as told, and check them.
///
/// Understands the ids of `bench load`: tells duplicates, events out of order by key (of events that one
/// connection sent one after the other) and by partition (from the offsets that Knative dispatchers
/// add), and the time from the planned sending to the arrival when the sender ran on this machine. With
/// --owed it also tells what was accepted and never came. Each path is a subscriber of its own.
///
/// Ends on Ctrl-C or SIGTERM, after --duration, or when nothing has come for the time of --idle.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  bench sink --listen 127.0.0.1:9000 --delay exp:5ms --error-rate 0.01 --idle 5s
  bench load ... --owed owed.json    # then, while the sink still runs or waits for the rest:
  bench sink --owed owed.json --idle 10s")]
pub struct SinkArguments {
    /// Where to listen.
    #[arg(short, long, default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
    /// How long an answer takes: 5ms, 1ms..10ms (all alike likely), or exp:5ms (exponential, by mean).
    #[arg(long, default_value = "0")]
    pub delay: Delay,
    /// The share of requests that are refused, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub error_rate: f64,
    /// The status of refused requests.
    #[arg(long, default_value_t = 503, value_parser = clap::value_parser!(u16).range(300..=599))]
    pub error_status: u16,
    /// At the end of each PERIOD all answers wait for LENGTH.
    #[arg(long, value_name = "LENGTH/PERIOD")]
    pub stall: Option<Stall>,
    /// The share of accepted requests that are answered with an event, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub reply_rate: f64,
    /// The type of these events.
    #[arg(long, default_value = "com.example.reply", value_parser = event_type)]
    pub reply_type: String,
    /// Decides which requests are slow, refused and replied to.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// CPUs to run on, such as 1 or 0-3,6.
    #[arg(long)]
    pub cpus: Option<Cpus>,
    /// End after this time.
    #[arg(short, long, value_parser = duration)]
    pub duration: Option<Duration>,
    /// End when nothing has come for this time, once something has.
    #[arg(long, value_parser = duration)]
    pub idle: Option<Duration>,
    /// What is owed, from `bench load --owed`; read at the end, so it may be written meanwhile.
    #[arg(long, value_name = "FILE")]
    pub owed: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

/// A pause that comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    pub length: Duration,
    pub period: Duration,
}

/// Runs the command.
///
/// # Errors
/// When the address is taken, the file of what is owed cannot be read, or a result not be written.
pub fn run(arguments: &SinkArguments) -> Result<(), Box<dyn Error>> {
    let signals = EndSignals::arm()?;
    let ended = thread::spawn(move || signals.wait());
    let plan = arguments.plan();
    let mut sink = Sink::start(arguments.listen, plan)
        .map_err(|error| format!("{}: {error}", arguments.listen))?;
    eprintln!("Listening on {}.", sink.address());
    let began = Instant::now();
    let mut progress = Progress::new();
    while !ended.is_finished() && !arguments.is_over(began, &sink) {
        if let Some(error) = sink.failure() {
            return Err(error.into());
        }
        let share =
            arguments.duration.map_or(0.0, |all| began.elapsed().as_secs_f64() / all.as_secs_f64());
        progress.show(share, &format!("{} accepted", grouped(sink.accepted())));
        thread::sleep(Duration::from_millis(50));
    }
    drop(progress);
    let owed = arguments.owed.as_ref().map(read_owed).transpose()?;
    let mut report = Report::new("bench sink", arguments.settings());
    tell(&sink, owed.as_ref(), "deliveries", &mut report);
    report.publish(&arguments.output)?;
    Ok(())
}

fn read_owed(path: &PathBuf) -> Result<Owed, Box<dyn Error>> {
    let named = |error: &dyn Error| format!("{}: {error}", path.display());
    let bytes = fs::read(path).map_err(|error| named(&error))?;
    Ok(serde_json::from_slice(&bytes).map_err(|error| named(&error))?)
}

/// Adds what a sink has seen to a report; the judgements, too.
pub fn tell(sink: &Sink, owed: Option<&Owed>, name: &str, report: &mut Report) -> Vec<Found> {
    let state = sink.state();
    let (check, counts) = (&state.check, state.counts);
    let found = check.found(owed);
    // From the first event on: how long it was waited for says nothing.
    let first = state.tally.course.iter().position(|step| step.events + step.failed > 0);
    let course = state.tally.course.get(first.unwrap_or(0)..).unwrap_or_default();
    let busiest = course.iter().map(|step| step.events).max().unwrap_or(0);
    let mut table = Table::new(name, &["", ""]);
    table.pair("accepted", grouped(counts.accepted));
    table.pair("refused", grouped(counts.refused));
    table.pair("answered with an event", grouped(counts.replied));
    let seconds = course.len() as f64 * STEP_NS as f64 / SECOND as f64;
    if seconds > 0.0 {
        table.pair(
            "events/s, from the first to the last",
            format!("{:.0}", counts.accepted as f64 / seconds),
        );
        table.pair("events/s, busiest tenth of a second", format!("{}", busiest * 10));
    }
    if check.latency.samples() > 0 {
        let at = |percent| words(check.latency.percentile_ns(percent));
        table.pair("planned sending to arrival, p50", at(50.0));
        table.pair("p99", at(99.0));
        table.pair("p99.9", at(99.9));
        table.pair("max", at(100.0));
    }
    for (what, count) in [("events of other senders", check.foreign), ("no HTTP", counts.malformed)]
    {
        if count > 0 {
            table.pair(what, grouped(count));
        }
    }
    report.tables.push(table);
    report.tables.extend((!found.is_empty()).then(|| judgements(&found)));
    report.curves.push(Curve::new(name, &check.latency, course));
    report.notes.extend(found.iter().filter_map(complaint));
    report.figures = json!({
        "counts": counts, "latency": check.latency.summary(), "foreign": check.foreign, "found": found,
    });
    found
}

fn judgements(found: &[Found]) -> Table {
    let columns =
        ["run, path", "owed", "came", "lost", "twice", "out of order by key", "by partition"];
    let mut table = Table::new("Checked", &columns);
    for Found { run, path, judged, verdict } in found {
        let known = |count: u64| if *judged { grouped(count) } else { "not known".to_owned() };
        table.row([
            format!("{run:08x} {path}"),
            known(verdict.owed),
            grouped(verdict.distinct),
            known(verdict.lost),
            grouped(verdict.duplicates),
            grouped(verdict.disordered_by_key),
            grouped(verdict.disordered_by_partition),
        ]);
    }
    table
}

fn complaint(found: &Found) -> Option<String> {
    let verdict = &found.verdict;
    (found.judged && verdict.lost > 0).then(|| {
        format!(
            "LOST at {}: {} of {} events that were accepted, such as (stream, number) {:?}.",
            found.path,
            grouped(verdict.lost),
            grouped(verdict.owed),
            verdict.some_lost
        )
    })
}

impl SinkArguments {
    fn plan(&self) -> SinkPlan {
        SinkPlan {
            behaviour: Behaviour {
                delay: self.delay,
                error_rate: self.error_rate,
                error_status: self.error_status,
                stall: self.stall.map(|stall| (stall.period, stall.length)),
                reply_rate: self.reply_rate,
                seed: self.seed,
            },
            reply_type: self.reply_type.clone(),
            cpus: self.cpus.clone().map(|cpus| cpus.0).unwrap_or_default(),
        }
    }

    fn is_over(&self, began: Instant, sink: &Sink) -> bool {
        let last = sink.last_ns();
        let idle = |idle: Duration| last > 0 && clock::now_ns().saturating_sub(last) > nanos(idle);
        self.duration.is_some_and(|all| began.elapsed() >= all) || self.idle.is_some_and(idle)
    }

    fn settings(&self) -> Value {
        json!({
            "listen": self.listen.to_string(),
            "delay": format!("{:?}", self.delay),
            "error_rate": self.error_rate,
            "error_status": self.error_status,
            "stall": self.stall.map(|stall| format!("{:?} in each {:?}", stall.length, stall.period)),
            "reply_rate": self.reply_rate,
            "seed": self.seed,
        })
    }
}

impl FromStr for Stall {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (length, period) = text.split_once('/').ok_or("write LENGTH/PERIOD, such as 1s/10s")?;
        let (length, period) = (duration(length)?, duration(period)?);
        if length < period {
            Ok(Self { length, period })
        } else {
            Err("the period is not longer".to_owned())
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("not within 0 and 1".to_owned()) }
}

fn event_type(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { Ok(text.to_owned()) } else { Err("not a type".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_and_shares_are_read_or_refused() {
        let stall: Stall = "1s/10s".parse().unwrap();
        assert_eq!((stall.length, stall.period), (Duration::from_secs(1), Duration::from_secs(10)));
        for text in ["1s", "2s/1s", "1s/1s", "x/1s"] {
            assert!(text.parse::<Stall>().is_err(), "{text}");
        }
        assert_eq!(
            (share("0.5"), share("1.1").is_err(), share("NaN").is_err()),
            (Ok(0.5), true, true)
        );
        assert!(event_type("a\r\nb").is_err() && event_type("").is_err());
    }
}
