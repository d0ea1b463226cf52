//! Which events pass, as a tree.

use std::collections::BTreeMap;

use crate::proto::{self, dialected_filter::Filter as Dialect};

/// Attribute name to text.
pub type Attributes = BTreeMap<String, String>;

/// A filter in one of the dialects. In `Exact`, `Prefix` and `Suffix` no text is empty: the Java
/// data plane drops such entries, so that one left without entries passes everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Every listed attribute equals.
    Exact(Attributes),
    /// Every listed attribute starts with.
    Prefix(Attributes),
    /// Every listed attribute ends with.
    Suffix(Attributes),
    /// All pass; none listed pass.
    All(Vec<Filter>),
    /// One passes; none listed do not.
    Any(Vec<Filter>),
    /// The inner one does not pass.
    Not(Box<Filter>),
    /// A CloudEvents SQL expression, not yet compiled.
    Cesql(String),
}

impl Filter {
    /// Lets every event through.
    pub fn pass() -> Self {
        Self::All(Vec::new())
    }

    /// The tree of a message; no dialect set passes. Depth is bounded by the reader
    /// ([`crate::json::NESTING_MAX`]).
    pub(super) fn from_message(message: proto::DialectedFilter) -> Self {
        match message.filter {
            None => Self::pass(),
            Some(Dialect::Exact(it)) => Self::Exact(without_empty(it.attributes)),
            Some(Dialect::Prefix(it)) => Self::Prefix(without_empty(it.attributes)),
            Some(Dialect::Suffix(it)) => Self::Suffix(without_empty(it.attributes)),
            Some(Dialect::All(it)) => Self::All(Self::from_messages(it.filters)),
            Some(Dialect::Any(it)) => Self::Any(Self::from_messages(it.filters)),
            Some(Dialect::Not(it)) => {
                Self::Not(Box::new(it.filter.map_or_else(Self::pass, |it| Self::from_message(*it))))
            }
            Some(Dialect::Cesql(it)) => Self::Cesql(it.expression),
        }
    }

    pub(super) fn from_messages(messages: Vec<proto::DialectedFilter>) -> Vec<Self> {
        messages.into_iter().map(Self::from_message).collect()
    }

    /// What decides for an egress: the dialects if there are any, else the legacy attributes, else
    /// everything passes (contract.md 4, `filter` and `dialectedFilter`).
    pub(super) fn of_egress(
        legacy: Option<proto::Filter>,
        dialected: Vec<proto::DialectedFilter>,
    ) -> Self {
        match legacy {
            Some(legacy) if dialected.is_empty() => Self::Exact(without_empty(legacy.attributes)),
            _ => Self::All(Self::from_messages(dialected)),
        }
    }
}

fn without_empty(mut attributes: Attributes) -> Attributes {
    attributes.retain(|_, text| !text.is_empty());
    attributes
}
