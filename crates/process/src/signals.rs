//! The control thread's runtime, and the signals that end the process.
//!
//! Both are made before anything else starts: as process 1 of a container the kernel drops a
//! signal that has no handler yet, and the pod would wait for its kill (platform.md 9.4).

use std::future::Future;
use std::io;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Threads for steps that may block: one works, one may hang.
const BLOCKING_MAX: usize = 2;

/// How the process was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM or SIGHUP: others have to notice first.
    Graceful,
    /// SIGINT: somebody at a terminal waits.
    Prompt,
}

/// SIGTERM, SIGINT and SIGHUP; one that comes while nobody asks is kept.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// The next one.
    pub async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.terminate.recv() => Ending::Graceful,
            _ = self.hangup.recv() => Ending::Graceful,
            _ = self.interrupt.recv() => Ending::Prompt,
        }
    }
}

/// The control thread: a runtime that has taken the signals over.
pub struct Control {
    runtime: Runtime,
    signals: Signals,
}

impl Control {
    /// Takes the signals over; from here on none ends the process by itself.
    ///
    /// # Errors
    /// When the system has no file descriptors left.
    pub fn new() -> io::Result<Control> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_MAX)
            .thread_name("control")
            .build()?;
        let signals = {
            let _entered = runtime.enter();
            Signals {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                hangup: signal(SignalKind::hangup())?,
            }
        };
        Ok(Control { runtime, signals })
    }

    /// Runs `work` to its end on this thread, with `beside` running along until then.
    pub fn run<T>(
        self,
        work: impl AsyncFnOnce(&mut Signals) -> T,
        beside: impl Future<Output = ()>,
    ) -> T {
        let Control { runtime, mut signals } = self;
        let ended = runtime.block_on(async {
            let beside = async {
                beside.await;
                std::future::pending().await
            };
            tokio::select! {
                ended = work(&mut signals) => ended,
                never = beside => never,
            }
        });
        // A step that blocks for ever must not keep the process.
        runtime.shutdown_background();
        ended
    }
}
