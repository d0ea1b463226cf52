//! One log line as text: JSON with the field names of the Java data plane, or for people.
//!
//! JSON (platform.md 7.3): `@timestamp`, `@version`, `message`, `logger_name`, `thread_name`,
//! `level`, `level_value`, then each key and value as a field of its own; the same keys and values
//! also end the message as `key=value`.

use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// Longer texts are cut: a line must not hold a whole file or body.
const VALUE_BYTES_MAX: usize = 8 * 1_024;
/// Said where a text was cut.
const CUT: &str = "…(cut)";

/// Names that a key of ours must not take; it gets a trailing `_`.
const RESERVED: [&str; 8] = [
    "@timestamp",
    "@version",
    "message",
    "logger_name",
    "thread_name",
    "level",
    "level_value",
    "stack_trace",
];

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// Time, level, target, message: for a terminal.
    Text,
}

/// What a line says.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) time: SystemTime,
    pub(crate) level: Level,
    pub(crate) target: &'a str,
    pub(crate) thread: &'a str,
    pub(crate) said: Said,
}

/// Message and fields of a `tracing` event.
#[derive(Debug, Default)]
pub(crate) struct Said {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Said {
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let mut said = Self::default();
        event.record(&mut said);
        said
    }

    pub(crate) fn message(message: String) -> Self {
        Self { message, fields: Vec::new() }
    }

    fn push(&mut self, field: &Field, value: Value) {
        // Raw identifiers: a field named after a keyword.
        let name = field.name();
        self.fields.push((name.strip_prefix("r#").unwrap_or(name), value));
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Bounded::default();
        // An error here means that the text was cut, or that the value cannot show itself.
        let _ = write!(text, "{value:?}");
        if field.name() == "message" {
            self.message = text.finish();
        } else {
            self.push(field, Value::String(text.finish()));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value.into());
    }
}

impl Line<'_> {
    /// The line with its line feed.
    pub(crate) fn format(&self, format: Format) -> String {
        let mut out = String::with_capacity(256);
        // Writing to a String cannot fail.
        let _ = match format {
            Format::Json => self.json(&mut out),
            Format::Text => self.text(&mut out),
        };
        out.push('\n');
        out
    }

    fn json(&self, out: &mut String) -> fmt::Result {
        write!(out, "{{\"@timestamp\":\"{}\"", Timestamp(self.time))?;
        write!(out, ",\"@version\":\"1\",\"message\":{}", Value::String(self.full_message()))?;
        write!(out, ",\"logger_name\":{}", Value::from(self.target))?;
        write!(out, ",\"thread_name\":{}", Value::from(self.thread))?;
        write!(out, ",\"level\":\"{}\",\"level_value\":{}", self.level, level_value(self.level))?;
        for (name, value) in &self.said.fields {
            let tail = if RESERVED.contains(name) { "_" } else { "" };
            write!(out, ",{}:{value}", Value::String(format!("{name}{tail}")))?;
        }
        out.push('}');
        Ok(())
    }

    fn text(&self, out: &mut String) -> fmt::Result {
        write!(out, "{} {:5} {}: ", Timestamp(self.time), self.level.as_str(), self.target)?;
        // What came from a peer must not move the cursor or start a line of its own.
        for c in self.full_message().chars() {
            if c.is_control() { write!(out, "{}", c.escape_default())? } else { out.push(c) }
        }
        Ok(())
    }

    fn full_message(&self) -> String {
        let mut out = self.said.message.clone();
        for (name, value) in &self.said.fields {
            if !out.is_empty() {
                out.push(' ');
            }
            let _ = match value {
                Value::String(text) => write!(out, "{name}={text}"),
                other => write!(out, "{name}={other}"),
            };
        }
        out
    }
}

/// The numbers of logback.
fn level_value(level: Level) -> u32 {
    match level {
        Level::TRACE => 5_000,
        Level::DEBUG => 10_000,
        Level::INFO => 20_000,
        Level::WARN => 30_000,
        Level::ERROR => 40_000,
    }
}

/// A text that stops growing at its bound.
#[derive(Default)]
struct Bounded {
    text: String,
    cut: bool,
}

impl Bounded {
    fn finish(mut self) -> String {
        if self.cut {
            self.text.push_str(CUT);
        }
        self.text
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = VALUE_BYTES_MAX.saturating_sub(self.text.len());
        let end = more.floor_char_boundary(room);
        self.text.push_str(more.get(..end).unwrap_or_default());
        self.cut |= end < more.len();
        if self.cut { Err(fmt::Error) } else { Ok(()) }
    }
}

/// ISO 8601 in UTC with milliseconds: `2026-01-31T23:59:59.007Z`.
struct Timestamp(SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A clock before 1970 shows 1970.
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let ms = since.subsec_millis();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01. Years are taken to begin in March, so
/// that the leap day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    // From 0000-03-01, in eras of 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
