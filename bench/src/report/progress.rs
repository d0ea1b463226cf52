//! One line on standard error that tells how far a run is, on a terminal only.

use std::io::{self, IsTerminal, Write};

/// The line; it vanishes when dropped.
pub struct Progress {
    shown: bool,
    terminal: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self { shown: false, terminal: io::stderr().is_terminal() }
    }

    /// Shows a bar for `done` of 1 and a few words.
    pub fn show(&mut self, done: f64, words: &str) {
        if !self.terminal {
            return;
        }
        const WIDTH: usize = 30;
        let filled = ((done.clamp(0.0, 1.0) * WIDTH as f64) as usize).min(WIDTH);
        let (full, rest) = ("█".repeat(filled), "░".repeat(WIDTH - filled));
        // A terminal that is gone is no reason to end a measurement.
        let _ = write!(io::stderr(), "\r\x1b[2K{full}{rest} {words}");
        let _ = io::stderr().flush();
        self.shown = true;
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[2K");
            let _ = io::stderr().flush();
        }
    }
}
