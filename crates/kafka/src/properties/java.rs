//! Values of a Java properties file read as Kafka's `ConfigDef` reads them: trimmed, typed,
//! within their range; what Java refuses is collected.

use std::ops::RangeInclusive;

use millrace_settings::{Finding, Properties, Report, typed};

/// Whose file it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Producer,
    Consumer,
}

/// Whether letter case tells words apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Exact,
    Any,
}

/// Reads one file. A wrong value is noted once and stands in as its default, so that all
/// mistakes are found in one go.
pub(super) struct JavaValues<'a> {
    properties: &'a Properties,
    report: &'a mut Report,
    client: Client,
    problems: Vec<Finding>,
}

impl<'a> JavaValues<'a> {
    pub(super) fn new(properties: &'a Properties, report: &'a mut Report, client: Client) -> Self {
        Self { properties, report, client, problems: Vec::new() }
    }

    /// Ends the reading: refused if anything was.
    pub(super) fn finish(self) -> Result<(), Vec<Finding>> {
        if self.problems.is_empty() {
            return Ok(());
        }
        for problem in &self.problems {
            self.report.push(problem.clone());
        }
        Err(self.problems)
    }

    pub(super) fn client(&self) -> Client {
        self.client
    }

    pub(super) fn properties(&self) -> &'a Properties {
        self.properties
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.properties.entry(key).is_some()
    }

    /// The value with what Java's `trim` cuts cut off.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.properties.value(key).map(java_trim)
    }

    /// INT and LONG.
    pub(super) fn long(&mut self, key: &str, default: i64, range: RangeInclusive<i64>) -> i64 {
        let Some(text) = self.text(key) else { return default };
        match typed::decimal(text) {
            Some(value) if range.contains(&value) => value,
            _ => {
                let (low, high) = range.into_inner();
                let bounds = match (low, high) {
                    (i64::MIN, _) => String::new(),
                    (_, i64::MAX) => format!(" of at least {low}"),
                    _ => format!(" from {low} to {high}"),
                };
                self.refuse(key, format!("must be a whole number{bounds}"));
                default
            }
        }
    }

    /// DOUBLE; only checked.
    pub(super) fn check_double(&mut self, key: &str, range: RangeInclusive<f64>) {
        let Some(text) = self.text(key) else { return };
        if !typed::java_double(text).is_some_and(|value| range.contains(&value)) {
            let (low, high) = range.into_inner();
            let any = low == f64::MIN;
            let bounds = if any { String::new() } else { format!(" from {low} to {high}") };
            self.refuse(key, format!("must be a number{bounds}"));
        }
    }

    /// BOOLEAN.
    pub(super) fn boolean(&mut self, key: &str, default: bool) -> bool {
        let Some(text) = self.text(key) else { return default };
        if text.eq_ignore_ascii_case("true") {
            true
        } else if text.eq_ignore_ascii_case("false") {
            false
        } else {
            self.refuse(key, "must be true or false");
            default
        }
    }

    /// STRING out of a list of words; answers with the word as it stands in `words`.
    pub(super) fn choice(
        &mut self,
        key: &str,
        default: &'static str,
        words: &[&'static str],
        case: Case,
    ) -> &'static str {
        let Some(text) = self.text(key) else { return default };
        let same = |word: &str| {
            if case == Case::Any { text.eq_ignore_ascii_case(word) } else { text == word }
        };
        let found = words.iter().copied().find(|word| same(word));
        found.unwrap_or_else(|| {
            self.refuse(key, format!("must be one of {}", words.join(", ")));
            default
        })
    }

    /// `value` within librdkafka's range, with a warning if Java's was wider.
    pub(super) fn held(&mut self, key: &str, value: i64, range: RangeInclusive<i64>) -> i64 {
        let (low, high) = range.into_inner();
        let held = value.clamp(low, high);
        if held != value && self.is_set(key) {
            let side = if held == low { "least" } else { "most" };
            self.warn(key, format!("{held} is used: the {side} that the Kafka client takes"));
        }
        held
    }

    pub(super) fn warn(&mut self, key: &str, message: impl Into<String>) {
        let finding = self.finding(Finding::warning, key, message.into());
        self.report.push(finding);
    }

    pub(super) fn inform(&mut self, key: &str, message: impl Into<String>) {
        let finding = self.finding(Finding::info, key, message.into());
        self.report.push(finding);
    }

    pub(super) fn warn_unknown(&mut self, key: &str, nearest: Option<&str>) {
        let client = match self.client {
            Client::Producer => "producer",
            Client::Consumer => "consumer",
        };
        let message = format!("ignored: not a property of a Kafka {client}");
        let finding = self.finding(Finding::warning, key, message).nearest(nearest);
        self.report.push(finding);
    }

    pub(super) fn refuse(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.finding(Finding::error, key, message.into());
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn finding(
        &self,
        severity: fn(&millrace_settings::Origin, String) -> Finding,
        key: &str,
        message: String,
    ) -> Finding {
        let finding = severity(self.properties.origin(), message);
        match self.properties.entry(key) {
            Some(entry) => finding.line(entry.line).key_value(key, &entry.value),
            None => finding.key(key),
        }
    }
}

/// Java's `String.trim`: everything up to the blank, nothing beyond it.
fn java_trim(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}
