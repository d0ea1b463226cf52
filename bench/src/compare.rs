//! `bench compare`: two targets under the same load by turns, and whether they differ.

mod judge;
mod target;

use std::error::Error;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::arguments::{Cpus, duration};
use crate::load::options::{EventArguments, seats};
use crate::load::{self, LoadFigures, Plan, Url, settings_of};
use crate::report::{Curve, Output, Progress, Report};

pub use judge::{MEASURES, Measure, Measured, Row, rows, table};
pub use target::Target;

/// Compare two targets under the same load.
///
/// The targets take turns, A B B A A B B A and so on, so that a machine that changes its speed changes it for
/// both; each pair of turns gives one ratio B ÷ A. A figure is called noise when an equal pair explains the
/// ratios as well (1 lies within the interval that holds the true median with a probability of 93 %).
///
/// A target is a URL with --a-pid of a running process, or with --a-start, a command that is started anew for
/// each turn: then start time and peak memory are compared, too. Without either only what the sender sees.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  bench compare --a http://127.0.0.1:8081/in --a-pid 100 --b http://127.0.0.1:8082/in --b-pid 200
  bench compare --a http://127.0.0.1:8080/in --a-start './old --port 8080' \\
                --b http://127.0.0.1:8080/in --b-start './new --port 8080' --rounds 9 --html out.html")]
pub struct CompareArguments {
    /// Where A takes events.
    #[arg(long)]
    pub a: Url,
    /// A's process.
    #[arg(long, value_name = "PID", conflicts_with = "a_start")]
    pub a_pid: Option<u32>,
    /// The command that starts A, for a shell.
    #[arg(long, value_name = "COMMAND")]
    pub a_start: Option<String>,
    /// Where B takes events.
    #[arg(long)]
    pub b: Url,
    /// B's process.
    #[arg(long, value_name = "PID", conflicts_with = "b_start")]
    pub b_pid: Option<u32>,
    /// The command that starts B, for a shell.
    #[arg(long, value_name = "COMMAND")]
    pub b_start: Option<String>,
    /// Pairs of turns.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(5..=1_000))]
    pub rounds: u32,
    /// How long a turn measures.
    #[arg(short, long, default_value = "4s", value_parser = duration)]
    pub duration: Duration,
    /// How long a turn sends before it measures.
    #[arg(short, long, default_value = "1s", value_parser = duration)]
    pub warm_up: Duration,
    /// Connections of the sender.
    #[arg(short, long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub connections: u32,
    /// Requests a second (open loop); without it closed loop.
    #[arg(short, long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Sending threads.
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: u32,
    /// CPUs of the sender, such as 1 or 0-3,6. Without it the last of the machine.
    #[arg(long)]
    pub cpus: Option<Cpus>,
    /// CPUs of the targets that are started.
    #[arg(long)]
    pub target_cpus: Option<Cpus>,
    #[command(flatten)]
    pub events: EventArguments,
    #[command(flatten)]
    pub output: Output,
}

/// Runs the command.
///
/// # Errors
/// When a target cannot be started or loaded at all, or a result not be written.
pub fn run(arguments: &CompareArguments) -> Result<(), Box<dyn Error>> {
    let cpus = arguments.target_cpus.clone().map(|cpus| cpus.0).unwrap_or_default();
    let target = |name, url: &Url, pid, start: &Option<String>| Target {
        name,
        url: url.clone(),
        pid,
        start: start.clone(),
        cpus: cpus.clone(),
    };
    let targets = [
        target("A", &arguments.a, arguments.a_pid, &arguments.a_start),
        target("B", &arguments.b, arguments.b_pid, &arguments.b_start),
    ];
    let mut measured: [Vec<Measured>; 2] = Default::default();
    let mut last = [None, None];
    let mut progress = Progress::new();
    for (turn, index) in order(arguments.rounds).into_iter().enumerate() {
        let Some(target) = targets.get(index) else { continue };
        let words = format!("turn {} of {}: {}", turn + 1, arguments.rounds * 2, target.name);
        progress.show(turn as f64 / f64::from(arguments.rounds * 2), &words);
        let (plan, outcome, started) = take_turn(arguments, target)
            .map_err(|error| format!("{} ({}): {error}", target.name, target.url))?;
        let figures = LoadFigures::of(&plan, &outcome);
        if let (Some(all), Some(last)) = (measured.get_mut(index), last.get_mut(index)) {
            all.push(Measured::of(&figures, started));
            *last = Some((plan, outcome));
        }
    }
    drop(progress);
    let [a, b] = measured;
    let rows = rows(&a, &b);
    let mut settings = match &last {
        [Some((plan, _)), _] => settings_of(plan),
        _ => json!({}),
    };
    if let Some(settings) = settings.as_object_mut() {
        settings.remove("url");
        settings.insert("rounds".into(), arguments.rounds.into());
        for target in &targets {
            settings.insert(target.name.into(), target.words().into());
        }
    }
    let mut report = Report::new("bench compare", settings);
    report.tables.push(table(&rows));
    report.notes.extend(judge::notes(&a, &b));
    for (target, last) in targets.iter().zip(&last) {
        if let Some((_, outcome)) = last {
            let name = format!("{}: {}, last turn", target.name, target.url);
            report.curves.push(Curve::new(&name, &outcome.tally.latency, &outcome.tally.course));
        }
    }
    report.figures = json!({ "a": a, "b": b, "compared": rows });
    report.publish(&arguments.output)?;
    Ok(())
}

/// A B, B A, A B and so on.
fn order(rounds: u32) -> Vec<usize> {
    (0..rounds).flat_map(|round| if round % 2 == 0 { [0, 1] } else { [1, 0] }).collect()
}

type Turn = (Plan, load::Outcome, Option<target::Started>);

fn take_turn(arguments: &CompareArguments, target: &Target) -> Result<Turn, Box<dyn Error>> {
    let shape = arguments.events.shape();
    let running = target.run(&shape)?;
    let plan = Plan {
        url: target.url.clone(),
        shape,
        connections: arguments.connections as usize,
        rate: arguments.rate.map(f64::from),
        threads: seats(arguments.threads as usize, arguments.cpus.as_ref(), false),
        warm_up: arguments.warm_up,
        duration: arguments.duration,
        timeout: Duration::from_secs(10),
        spin: false,
        owed: false,
        pid: running.as_ref().map(target::Running::pid).or(target.pid),
    };
    let outcome = load::send(&plan, |_, _| {})?;
    let started = running.as_ref().map(|running| running.started);
    Ok((plan, outcome, started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_interleaved_so_that_a_drift_hits_both() {
        assert_eq!(order(4), [0, 1, 1, 0, 0, 1, 1, 0]);
        // Under a steady drift the ratios of an even number of rounds are as often above as below 1.
        let time_of = |wanted: usize| -> Vec<usize> {
            let places = order(6).into_iter().enumerate();
            places.filter(|(_, target)| *target == wanted).map(|(place, _)| place).collect()
        };
        let (a, b) = (time_of(0), time_of(1));
        assert_eq!(a.iter().zip(&b).filter(|(a, b)| a < b).count(), 3);
    }
}
