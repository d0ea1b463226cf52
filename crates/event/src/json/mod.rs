//! JSON as this crate needs it: check the grammar, find the members, leave the text in place.
//!
//! One strict pass over the received bytes tells where each member begins and ends, so that
//! `data` is forwarded as it was sent (receiver.md W25) and no tree is built.

mod blocks;
mod bytes;
mod carry;
mod open;
mod scan;
mod text;

pub(crate) use scan::{Scanner, Syntax};
pub(crate) use text::{compact, escape, unescape};

use open::Open;
use std::ops::Range;

/// Containers within containers that are accepted (receiver.md 3.4).
pub(crate) const NESTING_MAX: usize = 1000;

/// A value's place in the scanned bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    /// The value's whole text, quotes and brackets included.
    pub(crate) span: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `escaped` when the text holds a backslash: its bytes are not yet its meaning.
    String {
        escaped: bool,
    },
    Number,
    True,
    False,
    Null,
    Object,
    Array,
}

impl Value {
    /// Where a string's text stands, without its quotes.
    pub(crate) fn inside_quotes(&self) -> Range<usize> {
        self.span.start.saturating_add(1)..self.span.end.saturating_sub(1)
    }
}

/// The bytes as one JSON value with nothing but blanks around it, fit to stand inside an object;
/// `None` when they are anything else.
pub(crate) fn single_value(bytes: &[u8]) -> Option<&str> {
    let mut scanner = Scanner::new(bytes, NESTING_MAX - 1);
    scanner.skip_blanks();
    let value = scanner.value().ok()?;
    scanner.skip_blanks();
    if scanner.at() != bytes.len() {
        return None;
    }
    std::str::from_utf8(bytes.get(value.span)?).ok()
}

#[cfg(test)]
mod tests;
