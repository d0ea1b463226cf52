//! Option files of the Java program's HTTP library: each value read as JSON would be, as the
//! type that the option has (platform.md 3.2). Java drops unknown options and values of the wrong
//! type without a word; here each is a warning, and the default holds.

use std::ops::RangeInclusive;
use std::time::Duration;

use millrace_settings::nearest::nearest;
use millrace_settings::{Finding, JavaValue, Properties, Report};

/// All names that a file may hold, by what becomes of them.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Such as `an HTTP server option`.
    pub what: &'static str,
    /// Acted on.
    pub honoured: &'static [&'static str],
    /// Without meaning here: nothing is said about them.
    pub meaningless: &'static [&'static str],
    /// Not acted on: the value with which nothing is lost, and what to say about others.
    pub not_available: &'static [(&'static str, Option<&'static str>, &'static str)],
}

/// One file being read.
pub struct Options<'a> {
    properties: &'a Properties,
    report: &'a mut Report,
}

impl<'a> Options<'a> {
    /// Reads from `properties`, notes in `report`.
    pub fn new(properties: &'a Properties, report: &'a mut Report) -> Self {
        Self { properties, report }
    }

    /// Warns about names that are not known, and about options that are not acted on.
    pub fn check_names(&mut self, names: &Names) {
        let properties = self.properties;
        for entry in properties.entries() {
            let name = entry.key.as_str();
            if names.honoured.contains(&name) || names.meaningless.contains(&name) {
                continue;
            }
            match names.not_available.iter().find(|row| row.0 == name) {
                Some((_, harmless, message)) => {
                    let same =
                        |value: &str| JavaValue::convert(value) == JavaValue::convert(&entry.value);
                    if !harmless.is_some_and(same) {
                        self.warn(name, *message);
                    }
                }
                None => {
                    let finding = self.finding(name, format!("ignored: not {}", names.what));
                    self.report.push(finding.nearest(nearest(name, names.all())));
                }
            }
        }
    }

    /// A whole number.
    pub fn int(&mut self, name: &str, default: i32, range: RangeInclusive<i32>) -> i32 {
        let Some(value) = self.value(name) else { return default };
        match value.as_int() {
            Some(value) if range.contains(&value) => value,
            Some(_) => {
                let (low, high) = range.into_inner();
                self.warn(name, format!("must be from {low} to {high}; {default} is used"));
                default
            }
            None => {
                self.wrong_kind(name, "a number", &value, &default.to_string());
                default
            }
        }
    }

    /// `true` or `false`, in any case.
    pub fn boolean(&mut self, name: &str, default: bool) -> bool {
        let Some(value) = self.value(name) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.wrong_kind(name, "true or false", &value, &default.to_string());
            default
        })
    }

    /// Text; what looks like a number or a truth value is none.
    pub fn text(&mut self, name: &str, default: &str) -> String {
        let Some(value) = self.value(name) else { return default.to_owned() };
        value.as_text().map(str::to_owned).unwrap_or_else(|| {
            self.wrong_kind(name, "text", &value, default);
            default.to_owned()
        })
    }

    /// A time in a unit of its own; `None` for 0, which is "never".
    pub fn time(&mut self, name: &str, default: i32, unit_ns: u64) -> Option<Duration> {
        let value = u64::try_from(self.int(name, default, 0..=i32::MAX)).ok()?;
        let time = Duration::from_nanos(value.saturating_mul(unit_ns));
        Some(time).filter(|time| !time.is_zero())
    }

    /// Nanoseconds in one unit, by the name of Java's `TimeUnit`; SECONDS if not set.
    pub fn unit(&mut self, name: &str) -> u64 {
        let text = self.text(name, "SECONDS");
        match text.as_str() {
            "NANOSECONDS" => 1,
            "MICROSECONDS" => 1_000,
            "MILLISECONDS" => 1_000_000,
            "MINUTES" => 60_000_000_000,
            "HOURS" => 3_600_000_000_000,
            "DAYS" => 86_400_000_000_000,
            other => {
                if other != "SECONDS" {
                    let units = "NANOSECONDS, MICROSECONDS, MILLISECONDS, SECONDS, MINUTES, \
                                 HOURS, DAYS";
                    self.warn(name, format!("must be one of {units}; SECONDS is used"));
                }
                1_000_000_000
            }
        }
    }

    /// Linux takes at most 32767 s for the times of TCP keep-alive; -1 is the system's value.
    pub fn keepalive_seconds(&mut self, name: &str) -> Option<Duration> {
        let seconds = positive(self.int(name, -1, -1..=32_767))?;
        Some(Duration::from_secs(u64::from(seconds)))
    }

    /// Notes a warning about `name`.
    pub fn warn(&mut self, name: &str, message: impl Into<String>) {
        let finding = self.finding(name, message.into());
        self.report.push(finding);
    }

    fn value(&self, name: &str) -> Option<JavaValue> {
        self.properties.value(name).map(JavaValue::convert)
    }

    fn wrong_kind(&mut self, name: &str, wanted: &str, found: &JavaValue, default: &str) {
        let found = found.kind();
        self.warn(name, format!("must be {wanted}, is {found}; {default} is used"));
    }

    fn finding(&self, name: &str, message: String) -> Finding {
        let finding = Finding::warning(self.properties.origin(), message);
        match self.properties.entry(name) {
            Some(entry) => finding.line(entry.line).key_value(name, &entry.value),
            None => finding.key(name),
        }
    }
}

impl Names {
    fn all(&self) -> impl Iterator<Item = &'static str> {
        let others = self.not_available.iter().map(|row| row.0);
        self.honoured.iter().chain(self.meaningless).copied().chain(others)
    }
}

/// -1 and 0 stand for the system's value.
pub fn positive(value: i32) -> Option<u32> {
    u32::try_from(value).ok().filter(|value| *value > 0)
}

/// As many bytes.
pub fn wide(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A checked number that is not negative.
pub fn size(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}
