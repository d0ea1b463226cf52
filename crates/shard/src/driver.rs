//! Which io driver a shard runs on, and why: io_uring where it really works, else epoll.
//!
//! Nothing is believed that was not tried: the ring that is going to be used is built and made
//! to read, write, poll and time out before it is called usable. A probe with a small ring would
//! pass where the real one fails for lack of lockable memory (feasibility.md 6).

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::str::FromStr;

use monoio::time::TimeDriver;
use monoio::{FusionRuntime, IoUringDriver, LegacyDriver, RuntimeBuilder};

use crate::{local, sys, yielding};

mod ring;
mod selftest;

/// Which driver to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DriverChoice {
    /// io_uring if the kernel lets us, else epoll.
    #[default]
    Auto,
    /// io_uring, or an error.
    IoUring,
    /// epoll.
    Epoll,
}

impl FromStr for DriverChoice {
    type Err = DriverError;

    /// `auto`, `io_uring` or `epoll`, in any case.
    fn from_str(text: &str) -> Result<Self, DriverError> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "io_uring" | "io-uring" | "iouring" => Ok(Self::IoUring),
            "epoll" => Ok(Self::Epoll),
            _ => Err(DriverError::UnknownChoice { text: text.to_owned() }),
        }
    }
}

/// The driver in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// Completions through a ring shared with the kernel.
    IoUring,
    /// Readiness, then ordinary system calls.
    Epoll,
}

impl Driver {
    /// `io_uring` or `epoll`, for logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a runtime runs on and why, for one log line and one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverReport {
    /// The driver in use.
    pub driver: Driver,
    /// Submission entries of the ring; 0 on epoll.
    pub entries: u32,
    /// Set-up flags of the ring, joined by `|`; empty on epoll.
    pub flags: &'static str,
    /// Why this driver, and why not a better one: a clause without a full stop.
    pub reason: String,
}

/// Why no runtime could be made.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The setting is none of the three words.
    #[error("io driver \"{text}\" is unknown: use auto, io_uring or epoll")]
    UnknownChoice {
        /// What was given.
        text: String,
    },
    /// io_uring was asked for and does not work.
    #[error(
        "io_uring was asked for but can't be used: {reason}; choose auto or epoll, or remove the obstacle"
    )]
    IoUringRefused {
        /// What stands in the way.
        reason: String,
    },
    /// Not even epoll: most often too few file descriptors.
    #[error(
        "the epoll driver can't be made: {error}; see whether the limit of open files is too low"
    )]
    Epoll {
        /// What the system said.
        error: io::Error,
    },
}

thread_local! {
    static CURRENT: Cell<Option<Driver>> = const { Cell::new(None) };
}

/// The driver of the runtime that last ran on this thread.
pub(crate) fn current() -> Option<Driver> {
    CURRENT.get()
}

type Fusion = FusionRuntime<TimeDriver<IoUringDriver>, TimeDriver<LegacyDriver>>;

/// The executor of one thread, timers included. It stays on the thread that built it.
pub struct Runtime {
    // None only while it is leaked after a panic.
    fusion: Option<Fusion>,
    report: DriverReport,
}

impl Runtime {
    /// Builds the runtime of the calling thread and tries it out.
    pub fn build(choice: DriverChoice) -> Result<Self, DriverError> {
        match choice {
            DriverChoice::Epoll => Self::epoll("set by configuration".to_owned()),
            DriverChoice::IoUring => match ring::build() {
                Ok(ring) => Ok(Self::io_uring(ring, "set by configuration")),
                Err(reason) => Err(DriverError::IoUringRefused { reason }),
            },
            DriverChoice::Auto => match ring::build() {
                Ok(ring) => Ok(Self::io_uring(ring, "the kernel allows it")),
                Err(reason) => Self::epoll(format!("io_uring can't be used: {reason}")),
            },
        }
    }

    /// The epoll runtime, for the given reason.
    pub(crate) fn epoll(reason: String) -> Result<Self, DriverError> {
        let runtime = RuntimeBuilder::<LegacyDriver>::new()
            .enable_timer()
            .build()
            .map_err(|error| DriverError::Epoll { error })?;
        let report = DriverReport { driver: Driver::Epoll, entries: 0, flags: "", reason };
        Ok(Self { fusion: Some(runtime.into()), report })
    }

    fn io_uring(ring: ring::Ring, why: &str) -> Self {
        let reason = match ring.compromise {
            Some(compromise) => format!("{why}; {compromise}"),
            None => why.to_owned(),
        };
        let (driver, flags) = (Driver::IoUring, ring.flags);
        let report = DriverReport { driver, entries: ring.entries, flags, reason };
        Self { fusion: Some(ring.runtime.into()), report }
    }

    /// Which driver, and why.
    pub fn report(&self) -> &DriverReport {
        &self.report
    }

    /// Runs `main` on this thread until it is ready. Tasks that it leaves behind stay as they
    /// are until the next call; tasks waiting for io when the runtime is dropped are leaked.
    pub fn block_on<F: Future>(&mut self, main: F) -> F::Output {
        // A panic goes through with tasks in any state. They must not run their destructors
        // against a driver that is half gone, so the runtime is leaked; the process ends anyway.
        CURRENT.set(Some(self.report.driver));
        let mut lent = Leaked(self.fusion.take());
        let fusion = lent.0.as_mut().expect("a runtime that panicked is not used again");
        let output = local::while_awake(|| run(fusion, main));
        self.fusion = lent.0.take();
        output
    }
}

fn run<F: Future>(fusion: &mut Fusion, main: F) -> F::Output {
    fusion.block_on(async {
        let installed = match yielding::install() {
            Ok(installed) => Some(installed),
            // Out of descriptors: yielding then returns at once.
            Err(error) => {
                tracing::error!(error = %error, "Tasks of this shard can't give way to each other.");
                None
            }
        };
        let output = main.await;
        if let Some(installed) = installed {
            installed.remove().await;
        }
        output
    })
}

struct Leaked(Option<Fusion>);

impl Drop for Leaked {
    fn drop(&mut self) {
        std::mem::forget(self.0.take());
    }
}

#[cfg(test)]
#[path = "driver/tests.rs"]
mod tests;
