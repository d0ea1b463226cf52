//! `bench load`: sends events over HTTP at a fixed schedule or with a fixed number of connections.

mod answer;
mod connection;
pub mod options;
pub mod ramp;
pub mod schedule;
pub mod tally;
mod told;
pub mod wire;
mod worker;

use std::io;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use thiserror::Error;

use crate::clock::{self, MILLISECOND};
use crate::ids::{self, STREAMS_MAX};
use crate::usage::{self, Cpu, UsageError};

pub use options::{LoadArguments, run};
pub use schedule::Schedule;
pub use tally::Tally;
pub use told::{LoadFigures, report_of, settings_of, tell};
pub use wire::{Data, Mode, Shape, Url};

use worker::{Worker, WorkerPlan};

/// Time for the threads to meet before the first event is due.
const MEET_NS: u64 = 20 * MILLISECOND;

/// One run, all decisions taken.
#[derive(Clone, Debug)]
pub struct Plan {
    pub url: Url,
    pub shape: Shape,
    pub connections: usize,
    /// Requests a second over all threads; `None` is closed loop.
    pub rate: Option<f64>,
    /// The CPU of each thread; `None` leaves it to the system.
    pub threads: Vec<Option<usize>>,
    pub warm_up: Duration,
    pub duration: Duration,
    /// For one request, and for what is on its way at the end.
    pub timeout: Duration,
    /// Never sleep between due times.
    pub spin: bool,
    /// Note which events were answered 2xx.
    pub owed: bool,
    /// The process whose CPU time is told.
    pub pid: Option<u32>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    pub tally: Tally,
    /// The part of the run that counts.
    pub seconds: f64,
    /// Of the process under load, in the part that counts.
    pub target_cpu: Option<Cpu>,
    pub target_peak_rss_kib: Option<u64>,
    /// Of this process, from start to end.
    pub own_cpu: Cpu,
}

/// Why a run could not be made.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("{0} cannot be connected to: {1}")]
    Connect(String, io::Error),
    #[error("a thread cannot be bound to CPU {0}: {1}; choose with --cpus")]
    Bind(usize, io::Error),
    #[error("the system refuses what a sender needs: {0}")]
    System(#[from] io::Error),
    #[error("{0} connections are too many; at most {STREAMS_MAX}")]
    Connections(usize),
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error("a sending thread panicked")]
    Panicked,
}

/// Sends until the end of the plan. `watch` is called ten times a second with the seconds gone and
/// events answered 2xx so far.
///
/// # Errors
/// When the target cannot be connected to at start, or the system refuses something.
pub fn send(plan: &Plan, mut watch: impl FnMut(f64, u64)) -> Result<Outcome, LoadError> {
    if plan.connections > STREAMS_MAX {
        return Err(LoadError::Connections(plan.connections));
    }
    let threads = plan.threads.len().clamp(1, plan.connections.max(1));
    let run = ids::new_run();
    let own_before = usage::cpu_of(std::process::id())?;
    let meeting = Arc::new(Barrier::new(threads + 1));
    // Told by us once all are connected.
    let begin = Arc::new(Mutex::new(0_u64));
    let progress = Arc::new(worker::Progress::default());
    let mut workers = Vec::with_capacity(threads);
    for index in 0..threads {
        let seat =
            WorkerPlan { plan: plan.clone(), run, index, threads, progress: progress.clone() };
        let (meeting, begin) = (meeting.clone(), begin.clone());
        let thread = thread::Builder::new().name(format!("load-{index}"));
        workers.push(thread.spawn(move || -> Result<Tally, LoadError> {
            let worker = Worker::connect(seat);
            meeting.wait();
            meeting.wait();
            let begin_ns = *begin.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // Without a start nobody sends, although this one could.
            if begin_ns == 0 { worker.map(|_| Tally::default()) } else { worker?.run(begin_ns) }
        })?);
    }
    meeting.wait();
    let all_connected = progress.failed.load(std::sync::atomic::Ordering::SeqCst) == 0;
    let begin_ns = clock::now_ns() + MEET_NS;
    if all_connected {
        *begin.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = begin_ns;
    }
    meeting.wait();
    let watched =
        if all_connected { watch_over(plan, begin_ns, &progress, &mut watch) } else { Ok(None) };
    let mut tally = Tally::default();
    let mut failed = None;
    for worker in workers {
        match worker.join().map_err(|_| LoadError::Panicked)? {
            Ok(one) => tally.add(one),
            Err(error) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    Ok(Outcome {
        tally,
        seconds: plan.duration.as_secs_f64(),
        target_cpu: watched?,
        target_peak_rss_kib: plan.pid.map(usage::peak_rss_kib),
        own_cpu: usage::cpu_of(std::process::id())? - own_before,
    })
}

/// Waits for the end of the measured part; the CPU time that the target has used in it.
fn watch_over(
    plan: &Plan,
    begin_ns: u64,
    progress: &worker::Progress,
    watch: &mut impl FnMut(f64, u64),
) -> Result<Option<Cpu>, UsageError> {
    let measured_from = begin_ns + nanos(plan.warm_up);
    let until = measured_from + nanos(plan.duration);
    let mut at_start = None;
    loop {
        let now = clock::now_ns();
        if at_start.is_none() && now >= measured_from {
            at_start = Some(plan.pid.map(usage::cpu_of).transpose()?);
        }
        if now >= until {
            break;
        }
        watch(now.saturating_sub(begin_ns) as f64 / 1e9, progress.accepted());
        let next = if at_start.is_none() { measured_from } else { until };
        thread::sleep(Duration::from_nanos((next - now).min(100 * MILLISECOND)));
    }
    let at_end = plan.pid.map(usage::cpu_of).transpose()?;
    Ok(at_end.zip(at_start.flatten()).map(|(end, start)| end - start))
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
