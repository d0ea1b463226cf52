//! CloudEvents SQL 1.0: an expression compiled once, evaluated for every event.
//!
//! The grammar is the one the Java and Go SDKs share, in both modes. From tight to loose:
//!
//! ```text
//! operand     'text'  "text"  12  -12  TRUE  name  EXISTS name  FUNCTION(a, b)  ( expression )
//! postfix     x [NOT] LIKE 'pattern'    x [NOT] IN (a, b)
//! factor      * / %                     to the left
//! sum         + -                       to the left
//! comparison  = != <> < <= > >=         to the left
//! expression  AND OR XOR                one level, to the right: a AND b OR c is a AND (b OR c)
//! prefix      NOT expression    - expression
//! ```
//!
//! Mind the last line: a prefix takes all that follows it, up to a closing bracket, so
//! `NOT a AND b` is `NOT (a AND b)`. A sign directly before digits belongs to the number. In a
//! text `\'` (or `\"`) is the quote, other backslashes stand for themselves. Keywords and function
//! names have any case; attribute names are case-sensitive, except after `EXISTS`.

mod error;
mod eval;
mod expr;
mod function;
mod lex;
mod like;
mod parse;
#[cfg(test)]
mod tests;
mod value;

use millrace_event::Event;

pub use self::error::CesqlError;
use self::eval::Evaluation;
use self::expr::Expr;

/// The longest expression taken, in bytes: a long `IN` list fits, a runaway one does not.
pub const EXPRESSION_BYTES_MAX: usize = 64 * 1024;

/// How deep an expression may nest. Chains of `AND`, `OR` and `XOR` count as one level, every
/// bracket, prefix and other operator as one each. It bounds the stack of parser and evaluator.
pub const NESTING_MAX: usize = 64;

/// The longest text `CONCAT` and `CONCAT_WS` make, in bytes; more is an error with an empty text.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// What errors in an evaluation mean (dispatcher.md 7.4, W9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As the Java data plane: errors are ignored, every step has a substitute value (a missing
    /// attribute is `false`, a failed cast 0 or `false`), and the result is cast to Boolean. So
    /// `NOT (x = 'a')` passes an event without `x`. Characters that no token begins with are
    /// skipped, and `time` has Java's form, without seconds that are zero.
    #[default]
    Lax,
    /// As the CESQL specification says of filters: any error, or a result that is no Boolean,
    /// does not pass. `time` is RFC 3339. An unknown character is a compile error.
    Strict,
}

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expression {
    root: Expr,
    mode: Mode,
}

impl Expression {
    pub(crate) fn compile(text: &str, mode: Mode) -> Result<Self, CesqlError> {
        Ok(Self { root: parse::parse(text, mode)?, mode })
    }

    pub(crate) fn passes(&self, event: &Event<'_>) -> bool {
        Evaluation::of(event, self.mode).passes(&self.root)
    }
}
