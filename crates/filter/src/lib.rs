//! Which events pass: exact, prefix, suffix, all, any, not, CESQL (dispatcher.md 7).
#![forbid(unsafe_code)]
#![warn(missing_docs)]

use millrace_event::Event;

/// A compiled filter. Cheap to share by `Arc`; evaluation never panics.
#[derive(Debug)]
pub struct Filter(Rule);

/// How CESQL errors count (dispatcher.md W9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As the Java data plane: errors are ignored, the value is cast to Boolean.
    #[default]
    Lax,
    /// As the CESQL specification: an error or a value that is no Boolean does not pass.
    Strict,
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CESQL expression, character {position}: {why}")]
pub struct CesqlError {
    /// Where, in characters from 1.
    pub position: usize,
    /// What was found and what was expected.
    pub why: String,
}

#[derive(Debug)]
enum Rule {
    Exact(Vec<(String, String)>),
    Prefix(Vec<(String, String)>),
    Suffix(Vec<(String, String)>),
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
}

impl Filter {
    /// Lets every event through.
    #[must_use]
    pub fn pass() -> Self {
        Self(Rule::All(Vec::new()))
    }

    /// Every listed attribute equals; entries with an empty text are dropped.
    pub fn exact(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Rule::Exact(without_empty(entries)))
    }

    /// Every listed attribute starts with; entries with an empty text are dropped.
    pub fn prefix(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Rule::Prefix(without_empty(entries)))
    }

    /// Every listed attribute ends with; entries with an empty text are dropped.
    pub fn suffix(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Rule::Suffix(without_empty(entries)))
    }

    /// All pass; an empty list passes.
    #[must_use]
    pub fn all(filters: Vec<Filter>) -> Self {
        Self(Rule::All(filters))
    }

    /// One passes; an empty list does not.
    #[must_use]
    pub fn any(filters: Vec<Filter>) -> Self {
        Self(Rule::Any(filters))
    }

    /// The inner one does not pass.
    #[must_use]
    #[allow(clippy::should_implement_trait)]
    pub fn not(filter: Filter) -> Self {
        Self(Rule::Not(Box::new(filter)))
    }

    /// A CloudEvents SQL expression.
    ///
    /// # Errors
    /// When the expression cannot be compiled.
    pub fn cesql(_expression: &str, _mode: Mode) -> Result<Self, CesqlError> {
        Err(CesqlError { position: 1, why: "CESQL is not built in yet".to_owned() })
    }

    /// Whether the event passes. Never panics.
    #[must_use]
    pub fn matches(&self, event: &Event<'_>) -> bool {
        let listed = |entries: &[(String, String)], rule: fn(&str, &str) -> bool| {
            entries
                .iter()
                .all(|(name, text)| event.attribute(name).is_some_and(|value| rule(&value, text)))
        };
        match &self.0 {
            Rule::Exact(entries) => listed(entries, |value, text| value == text),
            Rule::Prefix(entries) => listed(entries, |value, text| value.starts_with(text)),
            Rule::Suffix(entries) => listed(entries, |value, text| value.ends_with(text)),
            Rule::All(filters) => filters.iter().all(|filter| filter.matches(event)),
            Rule::Any(filters) => filters.iter().any(|filter| filter.matches(event)),
            Rule::Not(filter) => !filter.matches(event),
        }
    }
}

fn without_empty(entries: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    entries.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}
