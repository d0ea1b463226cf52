//! A part of the floor in a process of its own, so that its CPU time is nobody else's.

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Subcommand;
use millrace_shard::DriverChoice;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::consume;
use super::multishot;
use super::pace;
use super::post::{self, PostPlan};
use super::produce::{self, ProducePlan};
use super::serve;
use crate::arguments::duration;
use crate::clock;
use crate::latency::{Latency, Summary};
use crate::load::Url;
use crate::started::spawn_on;
use crate::usage::{self, Cpu};

/// What a part measured of itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PartFigures {
    pub events: u64,
    pub failed: u64,
    pub seconds: f64,
    /// Of the whole process, in the measured time.
    pub cpu: Cpu,
    pub latency: Summary,
    pub peak_rss_kib: u64,
}

impl PartFigures {
    pub fn events_per_s(&self) -> f64 {
        if self.seconds > 0.0 { self.events as f64 / self.seconds } else { 0.0 }
    }

    /// µs of CPU for an event.
    pub fn cost_us(&self) -> f64 {
        self.cpu.per(self.events).total_us()
    }
}

/// Parts that `bench floor` starts. Each prints its figures as one line of JSON.
#[derive(Subcommand, Clone, Debug)]
pub enum PartCommand {
    /// F1: answer every request with 202. Prints the port, runs until it is killed.
    Serve {
        #[arg(long, default_value_t = 0)]
        port: u16,
        #[arg(long)]
        epoll: bool,
        /// F1M: on a ring of its own.
        #[arg(long, conflicts_with = "epoll")]
        multishot: bool,
    },
    /// F2: produce.
    Produce {
        bootstrap: String,
        topic: String,
        #[arg(long)]
        in_flight: usize,
        #[arg(long)]
        keys: u32,
        #[arg(long)]
        size: usize,
        #[arg(long, value_parser = duration)]
        duration: Duration,
        /// Records a second, on a schedule; without it each report is followed by the next record.
        #[arg(long)]
        rate: Option<f64>,
    },
    /// F3: consume.
    Consume { bootstrap: String, topic: String, group: String, records: u64 },
    /// F4, F5: post.
    Post {
        url: Url,
        #[arg(long)]
        connections: usize,
        #[arg(long)]
        size: usize,
        #[arg(long, value_parser = duration)]
        duration: Duration,
        #[arg(long)]
        epoll: bool,
    },
}

/// Time to get going before a part measures.
const WARM_UP: Duration = Duration::from_millis(500);

/// Runs a part in this process.
///
/// # Errors
/// When it cannot be measured.
pub fn run(part: PartCommand) -> Result<(), Box<dyn Error>> {
    let figures = match part {
        PartCommand::Serve { port, epoll, multishot } => {
            let ready = |port| println!("listening on {port}");
            let served = if multishot {
                multishot::serve(port, Default::default(), ready)
            } else {
                serve::serve(port, driver(epoll), None, Default::default(), ready)
            };
            return served.map_err(|error| error.to_string().into());
        }
        PartCommand::Produce { bootstrap, topic, in_flight, keys, size, duration, rate } => {
            let warm_up = WARM_UP;
            let plan = ProducePlan { bootstrap, topic, in_flight, keys, size, warm_up, duration };
            match rate {
                Some(rate) => pace::run(&plan, rate)?,
                None => produce::run(&plan)?,
            }
        }
        PartCommand::Consume { bootstrap, topic, group, records } => {
            consume::run(&bootstrap, &topic, &group, records)?
        }
        PartCommand::Post { url, connections, size, duration, epoll } => {
            let (driver, warm_up) = (driver(epoll), WARM_UP);
            post::run(&PostPlan { url, connections, size, driver, warm_up, duration })?
        }
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// Runs a part in a process of its own on these CPUs; its arguments as [`PartCommand`] reads them.
///
/// # Errors
/// When it fails; its messages went to standard error.
pub(crate) fn measure(arguments: &[String], cpus: &[usize]) -> Result<PartFigures, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("part").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let output = spawn_on(&mut command, cpus)?.wait_with_output()?;
    if !output.status.success() {
        return Err(
            format!("bench part {} ended with {}", arguments.join(" "), output.status).into()
        );
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub(crate) fn driver(epoll: bool) -> DriverChoice {
    if epoll { DriverChoice::Epoll } else { DriverChoice::Auto }
}

/// Counts this process's CPU time from now on.
pub(crate) struct Meter {
    began_ns: u64,
    exact_ns: u64,
    ticks: Cpu,
}

impl Meter {
    pub(crate) fn start() -> Result<Self, usage::UsageError> {
        let ticks = usage::cpu_of(std::process::id())?;
        Ok(Self { began_ns: clock::now_ns(), exact_ns: process_ns(), ticks })
    }

    pub(crate) fn stop(
        &self,
        events: u64,
        failed: u64,
        latency: &Latency,
    ) -> Result<PartFigures, usage::UsageError> {
        let exact_us = process_ns().saturating_sub(self.exact_ns) as f64 / 1e3;
        let ended_ns = clock::now_ns();
        let ticks = usage::cpu_of(std::process::id())? - self.ticks;
        // The sum is exact to the nanosecond; user and system are only known in ticks.
        let user = if ticks.total_us() > 0.0 { ticks.user_us / ticks.total_us() } else { 0.0 };
        Ok(PartFigures {
            events,
            failed,
            seconds: ended_ns.saturating_sub(self.began_ns) as f64 / 1e9,
            cpu: Cpu { user_us: exact_us * user, system_us: exact_us * (1.0 - user) },
            latency: latency.summary(),
            peak_rss_kib: usage::peak_rss_kib(std::process::id()),
        })
    }
}

fn process_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(clock::SECOND).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meter_counts_the_time_that_the_process_runs() {
        let meter = Meter::start().unwrap();
        let before = process_ns();
        let mut sum = 1_u64;
        while process_ns() - before < 30_000_000 {
            sum = (0..10_000).fold(sum, |sum, step| sum.wrapping_mul(31) ^ step);
        }
        assert_ne!(std::hint::black_box(sum), 0);
        let figures = meter.stop(1_000, 0, &Latency::default()).unwrap();
        assert!(figures.cpu.total_us() >= 29_900.0, "{figures:?}");
        assert!((figures.cost_us() - figures.cpu.total_us() / 1_000.0).abs() < 1e-6);
        assert!(figures.seconds > 0.0);
    }
}
