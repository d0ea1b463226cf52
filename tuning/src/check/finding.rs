//! One thing that is wrong: what was found, and what to do about it.

use serde::Serialize;

use super::Program;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Worth fixing.
    Warning,
    /// Worth knowing; may well be meant.
    Note,
}

impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// See the head of this file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    /// Whom it concerns.
    pub(super) programs: Vec<Program>,
    /// One or two sentences.
    pub(super) found: String,
    /// What to change, as a sentence.
    pub(super) fix: String,
}

/// What a rule says, without its name.
pub(super) struct Said {
    pub(super) severity: Severity,
    pub(super) found: String,
    pub(super) fix: String,
}

/// Worth fixing.
pub(super) fn warning(found: impl Into<String>, fix: impl Into<String>) -> Option<Said> {
    Some(Said { severity: Severity::Warning, found: found.into(), fix: fix.into() })
}

/// Worth knowing.
pub(super) fn note(found: impl Into<String>, fix: impl Into<String>) -> Option<Said> {
    Some(Said { severity: Severity::Note, found: found.into(), fix: fix.into() })
}

/// Findings of several programs, warnings first; what is the same for both is told once.
pub(super) fn together<'a>(all: impl Iterator<Item = &'a [Finding]>) -> Vec<Finding> {
    let mut told: Vec<Finding> = Vec::new();
    for finding in all.flatten() {
        let same = |known: &&mut Finding| known.id == finding.id && known.found == finding.found;
        match told.iter_mut().find(same) {
            Some(known) => known.programs.extend(&finding.programs),
            None => told.push(finding.clone()),
        }
    }
    told.sort_by_key(|finding| finding.severity);
    told
}
