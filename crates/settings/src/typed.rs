//! Texts into numbers, truth values and the JSON values of the HTTP option files, each as the
//! Java program reads them (platform.md 2 and 3.2).

mod double;

#[cfg(test)]
mod tests;

pub use double::java_double;

/// A decimal integer as Java's `Integer.parseInt` and `Long.parseLong` take it: digits with an
/// optional sign, no blanks, no separators. `None` for anything else, or beyond 64 bits.
pub fn decimal(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Only the word `true`, in any case, is true; everything else is false.
pub fn flag(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

/// One value of an HTTP option file after Vert.x has made it JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum JavaValue {
    /// `true` or `false` in any case.
    Bool(bool),
    /// Anything that Java's `Double.parseDouble` takes, so `1e3`, `10d`, `0x1p4`, `NaN` too.
    Number(f64),
    /// All else.
    Text(String),
}

impl JavaValue {
    /// Converts one value.
    pub fn convert(text: &str) -> Self {
        if text.eq_ignore_ascii_case("true") {
            Self::Bool(true)
        } else if text.eq_ignore_ascii_case("false") {
            Self::Bool(false)
        } else {
            java_double(text).map_or_else(|| Self::Text(text.to_owned()), Self::Number)
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number cut to 32 bits as Java's `intValue` does: towards zero, held at the limits,
    /// 0 for `NaN`.
    pub fn as_int(&self) -> Option<i32> {
        match self {
            #[allow(clippy::cast_possible_truncation, reason = "saturating is what Java does")]
            Self::Number(value) => Some(*value as i32),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What kind it is, in words for a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
        }
    }
}
