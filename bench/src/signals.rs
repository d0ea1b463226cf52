//! Waits for the signals that end a program: SIGTERM and SIGINT.

use std::io;

use tokio::runtime::Builder;
use tokio::select;
use tokio::signal::unix::{SignalKind, signal};

/// A wait that was armed; from here on neither signal kills the process.
pub struct EndSignals(tokio::runtime::Runtime, [tokio::signal::unix::Signal; 2]);

impl EndSignals {
    /// Takes both signals over.
    ///
    /// # Errors
    /// When the system refuses a handler or its pipe.
    pub fn arm() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let _inside = runtime.enter();
        let signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        drop(_inside);
        Ok(Self(runtime, signals))
    }

    /// Blocks until one of them comes.
    pub fn wait(mut self) {
        let [terminate, interrupt] = &mut self.1;
        self.0.block_on(async {
            select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
    }
}
