//! From the first contract to the last commit: passes contracts on, drains on a signal.
//!
//! On SIGTERM: report not ready; take no more records; let what is in flight finish within
//! `DRAIN_SECONDS`; commit what is done; leave the groups; end with 0. By default all of it ends
//! within 25 s, inside the pod's 30 s (platform.md 10.3 and case 82).

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use millrace_contract::watch::{Update, WatchHandle};
use millrace_process::exit;
use millrace_process::intake::Intake;
use millrace_process::signals::{self, Signals};
use millrace_shard::{Drain, Phase, Shards};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_blocking;

use crate::app::Failure;
use crate::check::Settings;
use crate::groups::GroupsHandle;
use crate::healthy::Healthy;

/// For the last commits and for leaving the groups, after what is in flight had its time.
const CLOSING: Duration = Duration::from_secs(4);
/// A shard that was told to end does so at once, or never.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// All that runs.
pub(crate) struct Running {
    pub(crate) shards: Shards<io::Result<()>>,
    pub(crate) drain: Drain,
    pub(crate) groups: GroupsHandle,
    pub(crate) intake: Intake,
    pub(crate) healthy: Healthy,
    pub(crate) watch: WatchHandle,
}

/// Runs until a signal, then drains.
///
/// # Errors
/// When a shard ended badly.
pub(crate) fn run(
    running: Running,
    updates: UnboundedReceiver<Update>,
    settings: &Settings,
    thread: signals::Control,
    metrics: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let work = async |signals: &mut Signals| serve(running, updates, settings, signals).await;
    thread.run(work, metrics)
}

async fn serve(
    running: Running,
    mut updates: UnboundedReceiver<Update>,
    settings: &Settings,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let Running { shards, drain, groups, mut intake, healthy, watch } = running;
    let patience = tokio::time::sleep(settings.env.common.wait_startup);
    tokio::pin!(patience);
    let mut starting = true;
    loop {
        tokio::select! {
            _ = signals.next() => break,
            Some(update) = updates.recv() => {
                if let Some(contract) = intake.take(update) {
                    groups.apply(contract);
                }
            }
            () = &mut patience, if starting => {}
        }
        // Neither a contract nor Kafka is waited for: consumers are bound to running pods only.
        if std::mem::take(&mut starting) {
            healthy.announce();
        }
    }
    healthy.withdraw();
    // It may be reading.
    drop(spawn_blocking(move || watch.stop()));
    let within = settings.env.drain;
    tracing::info!(withinSeconds = within.as_secs(), "Draining: no more records are taken.");
    let drained = drain_all(shards, drain, groups, within);
    tokio::select! {
        ended = drained => ended,
        _ = signals.next() => {
            tracing::warn!("A second signal: the dispatcher ends at once.");
            std::process::exit(exit::IMPATIENT);
        }
    }
}

async fn drain_all(
    shards: Shards<io::Result<()>>,
    drain: Drain,
    groups: GroupsHandle,
    within: Duration,
) -> Result<(), Failure> {
    let ends = Instant::now() + within + CLOSING;
    groups.drain(within);
    let drained = spawn_blocking(move || groups.wait_drained(ends)).await?;
    if !drained {
        tracing::warn!("Not all egresses have ended in time: what is not committed comes again.");
    }
    drain.advance(Phase::Closing);
    let joined = spawn_blocking(move || shards.join());
    match tokio::time::timeout(LAST_MOMENT, joined).await {
        Ok(joined) => {
            for ended in joined?? {
                ended?;
            }
        }
        Err(_) => tracing::warn!("A shard does not end; nobody waits for it."),
    }
    tracing::info!("The dispatcher has drained.");
    Ok(())
}
