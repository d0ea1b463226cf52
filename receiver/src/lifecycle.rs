//! From the first contract to the last acknowledgement: applies updates, retries, drains on a signal.
//!
//! On SIGTERM: report not ready and keep serving for a grace, so that load balancers look away; stop
//! accepting; finish what is in flight; flush and close the producers; end with 0. All of it within
//! 25 s, inside the pod's 30 s (receiver.md W2, platform.md 10.3).

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millrace_contract::watch::{Update as FileUpdate, WatchHandle};
use millrace_process::exit;
use millrace_process::signals::{self, Ending, Signals};
use millrace_shard::{Drain, Phase, Shards};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_blocking;

use crate::app::Failure;
use crate::check::Settings;
use crate::control::Control;
use crate::shard::Common;

/// A contract of which something could not be served is tried again (contract.md 7.1).
const RETRY: Duration = Duration::from_secs(5);
/// The whole way out.
const DRAIN_MAX: Duration = Duration::from_secs(24);
/// Kept of it for closing what is then still open and for the producers.
const CLOSING_RESERVE: Duration = Duration::from_secs(4);

/// All that runs.
pub(crate) struct Running {
    pub(crate) shards: Shards<io::Result<()>>,
    pub(crate) drain: Drain,
    pub(crate) common: Arc<Common>,
    pub(crate) control: Control,
    pub(crate) housekeeper: JoinHandle<()>,
    pub(crate) watch: WatchHandle,
}

/// Serves until a signal, then drains.
///
/// # Errors
/// When a shard ended badly.
pub(crate) fn run(
    running: Running,
    updates: UnboundedReceiver<FileUpdate>,
    settings: &Settings,
    thread: signals::Control,
    metrics: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let work = async |signals: &mut Signals| serve(running, updates, settings, signals).await;
    thread.run(work, metrics)
}

async fn serve(
    running: Running,
    mut updates: UnboundedReceiver<FileUpdate>,
    settings: &Settings,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let Running { shards, drain, common, control, housekeeper, watch } = running;
    let mut control = Some(control);
    let patience = tokio::time::sleep(settings.env.common.wait_startup);
    tokio::pin!(patience);
    let mut patient = true;
    let ending = loop {
        let retry = control.as_ref().is_some_and(Control::wants_retry);
        tokio::select! {
            ending = signals.next() => break ending,
            Some(update) = updates.recv() => {
                control = apply(control, move |control| control.file_changed(update)).await;
            }
            () = tokio::time::sleep(RETRY), if retry => {
                control = apply(control, Control::reconcile).await;
            }
            () = &mut patience, if patient => {
                patient = false;
                common.ready.store(true, Ordering::Relaxed);
            }
        }
    };
    let way_out = tokio::spawn(async move {
        watch.stop();
    });
    let grace = match ending {
        Ending::Graceful => settings.env.drain_grace,
        Ending::Prompt => Duration::ZERO,
    };
    let ends = Instant::now() + DRAIN_MAX;
    let drained = drain_all(shards, drain, common, grace, ends);
    tokio::select! {
        ended = drained => ended?,
        _ = signals.next() => {
            tracing::warn!("A second signal: the receiver ends at once.");
            std::process::exit(exit::IMPATIENT);
        }
    }
    drop((control, way_out));
    // With the control's and the shards' senders gone it ends after the last producer.
    let closed = spawn_blocking(move || housekeeper.join());
    let left = ends.saturating_duration_since(Instant::now()).min(CLOSING_RESERVE);
    tokio::select! {
        _ = closed => {}
        () = tokio::time::sleep(left) => {
            tracing::warn!("A producer is not closed in time; nobody waits for its records.");
        }
        _ = signals.next() => std::process::exit(exit::IMPATIENT),
    }
    tracing::info!("The receiver has drained.");
    Ok(())
}

/// Runs a step of the control off this thread, which goes on answering scrapes.
async fn apply(
    control: Option<Control>,
    step: impl FnOnce(&mut Control) + Send + 'static,
) -> Option<Control> {
    let mut control = control?;
    let stepped = spawn_blocking(move || {
        step(&mut control);
        control
    });
    match stepped.await {
        Ok(control) => Some(control),
        Err(error) => {
            tracing::error!(error = %error, "The control thread failed; the process ends.");
            std::process::exit(exit::PANIC);
        }
    }
}

async fn drain_all(
    shards: Shards<io::Result<()>>,
    drain: Drain,
    common: Arc<Common>,
    grace: Duration,
    ends: Instant,
) -> Result<(), Failure> {
    tracing::info!(graceSeconds = grace.as_secs(), "Draining: not ready, still serving.");
    drain.advance(Phase::Draining);
    tokio::time::sleep(grace).await;
    tracing::info!("Draining: no new connections.");
    drain.advance(Phase::Closing);
    let stopper = tokio::spawn(async move {
        let left = ends.saturating_duration_since(Instant::now());
        tokio::time::sleep(left.saturating_sub(CLOSING_RESERVE)).await;
        tracing::warn!("Draining took too long: what is still open is cut.");
        common.stop.store(true, Ordering::Relaxed);
    });
    let joined = spawn_blocking(move || shards.join()).await?;
    stopper.abort();
    for ended in joined? {
        ended?;
    }
    Ok(())
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
