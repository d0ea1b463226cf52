//! Values and their casts (dispatcher.md 7.4).

use std::borrow::Cow;

/// What an expression yields. Texts are borrowed from the event or the expression if possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'e> {
    /// An attribute that the event lacks. It reads as Boolean `false`, but comparisons,
    /// arithmetic and prefixes see that it is missing.
    Missing,
    Boolean(bool),
    Integer(i32),
    Text(Cow<'e, str>),
}

/// A cast that did not succeed; the caller notes it and goes on with the type's zero.
pub(super) struct CastFailed;

impl<'e> Value<'e> {
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    pub(super) fn to_boolean(&self) -> Result<bool, CastFailed> {
        match self {
            Self::Missing => Ok(false),
            Self::Boolean(truth) => Ok(*truth),
            Self::Integer(number) => Ok(*number != 0),
            Self::Text(text) => read_boolean(text).ok_or(CastFailed),
        }
    }

    pub(super) fn to_integer(&self) -> Result<i32, CastFailed> {
        match self {
            Self::Missing => Ok(0),
            Self::Boolean(truth) => Ok(i32::from(*truth)),
            Self::Integer(number) => Ok(*number),
            Self::Text(text) => read_integer(text).ok_or(CastFailed),
        }
    }

    /// Never fails.
    pub(super) fn into_text(self) -> Cow<'e, str> {
        match self {
            Self::Missing | Self::Boolean(false) => Cow::Borrowed("false"),
            Self::Boolean(true) => Cow::Borrowed("true"),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Text(text) => text,
        }
    }
}

/// `true` and `false` in any case.
pub(super) fn read_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Decimal digits with an optional sign, within 32 bits.
pub(super) fn read_integer(text: &str) -> Option<i32> {
    text.parse().ok()
}
