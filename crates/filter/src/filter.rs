//! The filter tree and the three dialects that compare texts (dispatcher.md 7.2, 7.3).

use millrace_event::Event;

use crate::attribute::Attribute;
use crate::cesql::{CesqlError, Expression, Mode};

/// A compiled filter: immutable, `Send` and `Sync`, cheap to share by `Arc`.
#[derive(Debug)]
pub struct Filter(Rule);

#[derive(Debug)]
enum Rule {
    Exact(Vec<Entry>),
    Prefix(Vec<Entry>),
    Suffix(Vec<Entry>),
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Cesql(Expression),
}

/// One attribute and the text expected of it.
#[derive(Debug)]
struct Entry {
    attribute: Attribute,
    expected: String,
}

impl Filter {
    /// Lets every event through: no filter at all, or a dialect that is not set.
    #[must_use]
    pub fn pass() -> Self {
        Self(Rule::All(Vec::new()))
    }

    /// Every listed attribute equals its text. As in all three text dialects, names and texts are
    /// case-sensitive, entries with an empty text are dropped (present or not, the attribute is
    /// fine), no entries pass, and an absent attribute does not.
    pub fn exact(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Rule::Exact(read(entries)))
    }

    /// Every listed attribute starts with its text; otherwise as [`Filter::exact`].
    pub fn prefix(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Rule::Prefix(read(entries)))
    }

    /// Every listed attribute ends with its text; otherwise as [`Filter::exact`].
    pub fn suffix(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Rule::Suffix(read(entries)))
    }

    /// All pass, asked in order until one does not; none listed pass.
    #[must_use]
    pub fn all(filters: Vec<Self>) -> Self {
        single(filters).unwrap_or_else(|filters| Self(Rule::All(filters)))
    }

    /// One passes, asked in order; none listed do not pass.
    #[must_use]
    pub fn any(filters: Vec<Self>) -> Self {
        single(filters).unwrap_or_else(|filters| Self(Rule::Any(filters)))
    }

    /// The inner filter does not pass. Where the contract has no inner filter, the inner one is
    /// [`Filter::pass`].
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "named as the dialect; a filter is no operand"
    )]
    pub fn not(filter: Self) -> Self {
        Self(Rule::Not(Box::new(filter)))
    }

    /// A CloudEvents SQL expression (dispatcher.md 7.4); [`Mode`] says what its errors mean.
    ///
    /// # Errors
    /// When the expression is no CESQL, is too long or too deep, or needs what this build does
    /// not have. The egress then must not start.
    pub fn cesql(expression: &str, mode: Mode) -> Result<Self, CesqlError> {
        Expression::compile(expression, mode).map(|it| Self(Rule::Cesql(it)))
    }

    /// Whether the event passes. Never panics; what cannot be read counts as absent.
    #[must_use]
    pub fn matches(&self, event: &Event<'_>) -> bool {
        match &self.0 {
            Rule::Exact(entries) => every(entries, event, |text, expected| text == expected),
            Rule::Prefix(entries) => every(entries, event, |text, start| text.starts_with(start)),
            Rule::Suffix(entries) => every(entries, event, |text, end| text.ends_with(end)),
            Rule::All(filters) => filters.iter().all(|it| it.matches(event)),
            Rule::Any(filters) => filters.iter().any(|it| it.matches(event)),
            Rule::Not(filter) => !filter.matches(event),
            Rule::Cesql(expression) => expression.passes(event),
        }
    }
}

fn read(entries: impl IntoIterator<Item = (String, String)>) -> Vec<Entry> {
    let entries = entries.into_iter().filter(|(_, expected)| !expected.is_empty());
    entries
        .map(|(name, expected)| Entry { attribute: Attribute::of_filter(&name), expected })
        .collect()
}

/// A list of one is that one.
fn single(mut filters: Vec<Filter>) -> Result<Filter, Vec<Filter>> {
    match filters.pop() {
        Some(only) if filters.is_empty() => Ok(only),
        Some(last) => {
            filters.push(last);
            Err(filters)
        }
        None => Err(filters),
    }
}

fn every(entries: &[Entry], event: &Event<'_>, holds: impl Fn(&str, &str) -> bool) -> bool {
    entries
        .iter()
        .all(|entry| entry.attribute.text(event).is_some_and(|text| holds(&text, &entry.expected)))
}
