//! Why an expression cannot be compiled.

use super::{EXPRESSION_BYTES_MAX, NESTING_MAX};

/// Why an expression cannot be compiled. Positions are in characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CesqlError {
    /// Something else was expected there.
    #[error("CESQL expression, character {position}: expected {expected}, found {found}")]
    Syntax {
        /// Where the offending token begins.
        position: usize,
        /// What could have stood there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A character that no token begins with (strict mode only).
    #[error("CESQL expression, character {position}: {found:?} means nothing here")]
    Character {
        /// Where it stands.
        position: usize,
        /// The character.
        found: char,
    },
    /// A text without its closing quote.
    #[error("CESQL expression, character {position}: the text that begins here has no end")]
    OpenText {
        /// Where the opening quote stands.
        position: usize,
    },
    /// A number outside 32 bits.
    #[error(
        "CESQL expression, character {position}: {number} is not between -2147483648 and 2147483647"
    )]
    Number {
        /// Where the number begins.
        position: usize,
        /// The number as written, cut when long.
        number: String,
    },
    /// More levels than [`NESTING_MAX`].
    #[error(
        "CESQL expression, character {position}: nested deeper than {NESTING_MAX} levels; use IN or \
         several filters"
    )]
    TooDeep {
        /// Where the level too much begins.
        position: usize,
    },
    /// Longer than [`EXPRESSION_BYTES_MAX`].
    #[error(
        "CESQL expression of {bytes} bytes, more than {EXPRESSION_BYTES_MAX}; use several filters"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A function that exists in Knative but not here.
    #[error(
        "CESQL expression, character {position}: {function} is not available: it needs access to \
         Kubernetes secrets, which this dispatcher does not have"
    )]
    NotAvailable {
        /// Where the function's name begins.
        position: usize,
        /// Its name.
        function: &'static str,
    },
}
