//! Starts logging: `tracing` events as JSON lines on stdout, written by a thread of their own.

use std::io::{self, Read as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use tracing::subscriber::{Interest, SetGlobalDefaultError};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::level::Levels;
use crate::line::{Line, Said};
use crate::writer::Queue;

pub use crate::line::Format;

/// A logback file is a few KiB; more is a mistake.
const FILE_BYTES_MAX: u64 = 1_024 * 1_024;
/// How long the end of the process waits for stdout.
const FLUSH_AT_EXIT: Duration = Duration::from_secs(1);

/// What to log and how, with what is to be said about finding that out.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// How lines look.
    pub format: Format,
    /// Which lines are wanted.
    pub levels: Levels,
    notes: Vec<Note>,
}

/// Said once logging has started.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Note {
    Info(String),
    Warn(String),
}

/// Logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system gave no thread.
    #[error("cannot start the log thread: {0}")]
    Thread(#[from] io::Error),
    /// Somebody else was first.
    #[error("logging was started twice: {0}")]
    Twice(#[from] SetGlobalDefaultError),
}

impl LogConfig {
    /// Reads the logback file (`/etc/logging/config.xml` as shipped), which LOG_LEVEL overrides
    /// when set; LOG_FORMAT is `json` or `text`, by default text on a terminal. Never fails: what
    /// is missing or wrong is logged later, and INFO is the level (platform.md P68).
    pub fn read(
        logback: &Path,
        log_level: Option<&str>,
        log_format: Option<&str>,
        stdout_is_terminal: bool,
    ) -> Self {
        let mut notes = Vec::new();
        let by_default = if stdout_is_terminal { Format::Text } else { Format::Json };
        let format = match log_format.map(str::trim) {
            None | Some("") => by_default,
            Some(text) if text.eq_ignore_ascii_case("text") => Format::Text,
            Some(json) if json.eq_ignore_ascii_case("json") => Format::Json,
            Some(other) => {
                notes.push(Note::Warn(format!(
                    "LOG_FORMAT={other:?} is neither json nor text; it is ignored."
                )));
                by_default
            }
        };
        let setting = log_level.filter(|text| !text.trim().is_empty()).map(Levels::from_setting);
        let levels = match setting {
            Some(Ok(levels)) => levels,
            Some(Err(error)) => {
                notes.push(Note::Warn(format!("{error}; the logging configuration is used.")));
                from_file(logback, &mut notes)
            }
            None => from_file(logback, &mut notes),
        };
        Self { format, levels, notes }
    }

    /// Logs from here on, for the whole process, to stdout.
    pub fn start(self) -> Result<LogGuard, LogError> {
        let queue = Queue::start(io::stdout(), self.format)?;
        let layer = Lines { format: self.format, levels: self.levels, queue: queue.clone() };
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
        for note in self.notes {
            match note {
                Note::Info(text) => tracing::info!("{text}"),
                Note::Warn(text) => tracing::warn!("{text}"),
            }
        }
        Ok(LogGuard(Flusher(queue)))
    }
}

/// Writes out what is left when dropped; keep it until the end of `main`.
#[derive(Debug)]
#[must_use = "lines are lost when this is dropped early and the process ends"]
pub struct LogGuard(Flusher);

impl LogGuard {
    /// For ends of the process that drop nothing, such as a panic hook before an abort.
    pub fn flusher(&self) -> Flusher {
        self.0.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.flush(FLUSH_AT_EXIT);
    }
}

/// Waits for the log thread.
#[derive(Clone, Debug)]
pub struct Flusher(Queue);

impl Flusher {
    /// Blocks until all lines so far are written, or `limit` is over: then false.
    pub fn flush(&self, limit: Duration) -> bool {
        self.0.flush(limit)
    }
}

fn from_file(path: &Path, notes: &mut Vec<Note>) -> Levels {
    let shown = path.display();
    let text = match read_bounded(path) {
        Ok(text) => text,
        Err(error) => {
            notes.push(Note::Info(format!(
                "No logging configuration: {shown}: {error}; the level is INFO."
            )));
            return Levels::default();
        }
    };
    match Levels::from_logback(&text) {
        Ok((levels, ignored)) => {
            if !ignored.is_empty() {
                let ignored = ignored.join(", ");
                notes.push(Note::Info(format!(
                    "Only levels are taken from {shown}; ignored: {ignored}."
                )));
            }
            levels
        }
        Err(error) => {
            notes.push(Note::Warn(format!("{shown}: {error}; the level is INFO.")));
            Levels::default()
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    Ok(text)
}

/// The layer under `tracing`: filters, formats, queues.
struct Lines {
    format: Format,
    levels: Levels,
    queue: Queue,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Levels never change, so a place that is off costs nothing.
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(self.levels.most())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let thread = std::thread::current();
        let unnamed;
        let thread = match thread.name() {
            Some(name) => name,
            None => {
                unnamed = format!("{:?}", thread.id());
                &unnamed
            }
        };
        let line = Line {
            time: SystemTime::now(),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            thread,
            said: Said::of(event),
        };
        self.queue.push(line.level, line.format(self.format));
    }
}

impl Lines {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        self.levels.enabled(metadata.target(), *metadata.level())
    }
}

#[cfg(test)]
mod tests;
