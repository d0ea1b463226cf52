//! A result for people and programs: text, JSON, one self-contained HTML page.

mod html;
mod plot;
mod progress;
mod text;

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::clock;
use crate::latency::{Latency, Percentile, Summary};
use crate::load::tally::{STEP_NS, Step};
use crate::machine::Machine;

pub use html::page;
pub use progress::Progress;
pub use text::text;

/// Where a result goes beside standard output.
#[derive(Args, Clone, Debug, Default)]
pub struct Output {
    /// Write the result as JSON to this file, too.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub json: Option<PathBuf>,
    /// Write the result as one self-contained HTML page to this file, too.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub html: Option<PathBuf>,
}

/// One result with all that a reader needs to judge it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub title: String,
    pub machine: Machine,
    /// As it was typed.
    pub command: String,
    /// When the measuring was over, UTC.
    pub ended: String,
    pub settings: Value,
    #[serde(skip)]
    pub tables: Vec<Table>,
    pub curves: Vec<Curve>,
    /// Sentences: what to think of the figures.
    pub notes: Vec<String>,
    /// The figures, in the units that their names end with.
    pub figures: Value,
}

#[derive(Clone, Debug, Default)]
pub struct Table {
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// What is drawn under one name: the distribution of latencies and the course of the run.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    pub name: String,
    pub summary: Summary,
    pub percentiles: Vec<Percentile>,
    pub course: Vec<Point>,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Since the measured part began.
    pub second: f64,
    pub events_per_s: f64,
    pub failed_per_s: f64,
    pub slowest_ms: f64,
}

/// A result that could not be written.
#[derive(Debug, Error)]
#[error("{}: {error}", .path.display())]
pub struct NotWritten {
    path: PathBuf,
    error: io::Error,
}

impl Report {
    /// An empty one for this machine and command.
    pub fn new(title: &str, settings: Value) -> Self {
        Self {
            title: title.to_owned(),
            machine: Machine::here(),
            command: std::env::args().map(|word| quoted(&word)).collect::<Vec<_>>().join(" "),
            ended: clock::utc_now(),
            settings,
            tables: Vec::new(),
            curves: Vec::new(),
            notes: Vec::new(),
            figures: Value::Null,
        }
    }

    /// Prints the text, writes the files that were asked for.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn publish(&self, output: &Output) -> Result<(), NotWritten> {
        print!("{}", text(self));
        let json = || format!("{:#}\n", serde_json::to_value(self).unwrap_or(Value::Null));
        let write = |path: &Option<PathBuf>, content: &dyn Fn() -> String| match path {
            Some(path) => {
                fs::write(path, content()).map_err(|error| NotWritten { path: path.clone(), error })
            }
            None => Ok(()),
        };
        write(&output.json, &json)?;
        write(&output.html, &|| page(self))
    }
}

impl Curve {
    pub fn new(name: &str, latency: &Latency, course: &[Step]) -> Self {
        let steps_per_s = clock::SECOND as f64 / STEP_NS as f64;
        let point = |(index, step): (usize, &Step)| Point {
            second: index as f64 / steps_per_s,
            events_per_s: step.events as f64 * steps_per_s,
            failed_per_s: step.failed as f64 * steps_per_s,
            slowest_ms: step.slowest_ns as f64 / 1e6,
        };
        Self {
            name: name.to_owned(),
            summary: latency.summary(),
            percentiles: latency.curve(),
            course: course.iter().enumerate().map(point).collect(),
        }
    }
}

impl Table {
    pub fn new(title: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// A row of two, for tables of names and values.
    pub fn pair(&mut self, name: &str, value: impl Into<String>) {
        self.row([name.to_owned(), value.into()]);
    }
}

/// A number with blanks between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// As a shell would need it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
