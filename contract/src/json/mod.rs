//! Protobuf-JSON text to generated messages, as lenient as the Java reader (contract.md 3).
//!
//! The text is first read whole by `serde_json` (which refuses bad UTF-8, comments, cut text and
//! trailing data, and lets the last of two equal keys win), then walked by field name.

mod field;
mod messages;
mod warning;

use std::fmt;

use serde_json::Value;
use thiserror::Error;

use crate::proto;
pub(crate) use field::shown_text;
use field::{At, Field};
pub use warning::{WARNINGS_MAX, Warning, Warnings};

/// How deep messages may nest below the contract, as in the Java reader. A filter tree of `not`
/// uses two levels for each negation.
pub const NESTING_MAX: usize = 100;

/// Why a contract file was refused as a whole. The contract in force stays.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// Zero bytes: what the control plane writes first. Not a fault.
    #[error("the contract is empty (0 bytes): nothing has been written to it yet")]
    Empty,
    /// Not JSON, or not UTF-8.
    #[error("the contract is not JSON: {reason} (line {line}, column {column})")]
    Syntax {
        /// What was found.
        reason: String,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1; 0 stands for the end of the line before.
        column: usize,
    },
    /// A known field holds what its type does not allow.
    #[error("contract field `{path}`: {reason}")]
    Field {
        /// Where, like `resources[3].egresses[0].retry`; `$` is the contract itself.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads one contract.
///
/// # Errors
/// Any [`ParseError`] rejects the whole file, as in the Java data plane.
pub fn parse(text: &[u8]) -> Result<(proto::Contract, Warnings), ParseError> {
    if text.is_empty() {
        return Err(ParseError::Empty);
    }
    let value: Value = serde_json::from_slice(text).map_err(syntax)?;
    let mut warnings = Warnings::default();
    let contract = Field::root(value, &mut warnings).message()?;
    Ok((contract, warnings))
}

fn syntax(error: serde_json::Error) -> ParseError {
    let (line, column) = (error.line(), error.column());
    // serde_json ends its message with the position, which we state ourselves.
    let text = error.to_string();
    let reason = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    ParseError::Syntax { reason: reason.to_owned(), line, column }
}

impl At<'_> {
    fn error(&self, reason: impl fmt::Display) -> ParseError {
        ParseError::Field { path: self.to_string(), reason: reason.to_string() }
    }
}
