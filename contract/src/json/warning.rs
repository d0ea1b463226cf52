//! Oddities that do not stop a contract from being used.

use std::fmt;

/// How many warnings one contract can carry; the rest is only counted. Keeps a hostile or badly
/// outdated file from filling memory and logs.
pub const WARNINGS_MAX: usize = 64;

/// One oddity and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, like `resources[3].ingress.contentMode`.
    pub path: String,
    /// What was odd and what is done instead.
    pub problem: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "contract field `{}`: {}", self.path, self.problem)
    }
}

/// The first [`WARNINGS_MAX`] warnings of a contract and how many more there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    kept: Vec<Warning>,
    dropped: usize,
}

impl Warnings {
    /// The warnings kept, in file order.
    pub fn iter(&self) -> impl Iterator<Item = &Warning> {
        self.kept.iter()
    }

    /// How many warnings did not fit.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Nothing odd was seen.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(crate) fn push(&mut self, path: impl fmt::Display, problem: impl fmt::Display) {
        if self.kept.len() < WARNINGS_MAX {
            self.kept.push(Warning { path: path.to_string(), problem: problem.to_string() });
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}
