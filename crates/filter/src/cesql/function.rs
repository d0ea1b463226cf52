//! The built-in functions (CESQL 3.5). Characters are Unicode characters.

use std::borrow::Cow;

use super::TEXT_BYTES_MAX;
use super::eval::Evaluation;
use super::expr::Expr;
use super::value::{Value, read_boolean, read_integer};

/// Knative's function over secrets. It belongs into [`Function`] once secrets can be read.
pub(super) const VERIFY_CORRELATION_ID: &str = "KN_VERIFY_CORRELATION_ID";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Int,
    Bool,
    Text,
    IsBool,
    IsInt,
    Length,
    Concat,
    ConcatWs,
    Lower,
    Upper,
    Trim,
    Left,
    Right,
    Substring,
}

impl Function {
    /// By its name in any case and the number of its arguments.
    pub(super) fn resolve(name: &str, arguments: usize) -> Option<Self> {
        let function = match (name.to_ascii_uppercase().as_str(), arguments) {
            ("ABS", 1) => Self::Abs,
            ("INT", 1) => Self::Int,
            ("BOOL", 1) => Self::Bool,
            ("STRING", 1) => Self::Text,
            ("IS_BOOL", 1) => Self::IsBool,
            ("IS_INT", 1) => Self::IsInt,
            ("LENGTH", 1) => Self::Length,
            ("CONCAT", _) => Self::Concat,
            ("CONCAT_WS", 1..) => Self::ConcatWs,
            ("LOWER", 1) => Self::Lower,
            ("UPPER", 1) => Self::Upper,
            ("TRIM", 1) => Self::Trim,
            ("LEFT", 2) => Self::Left,
            ("RIGHT", 2) => Self::Right,
            ("SUBSTRING", 2 | 3) => Self::Substring,
            _ => return None,
        };
        Some(function)
    }
}

/// Evaluates the arguments in order, casts them, and computes.
pub(super) fn call<'e>(
    function: Function,
    arguments: &'e [Expr],
    evaluation: &mut Evaluation<'e>,
) -> Value<'e> {
    let mut arguments = Arguments { left: arguments.iter(), evaluation };
    match function {
        Function::Abs => {
            let number = arguments.integer();
            Value::Integer(number.checked_abs().unwrap_or_else(|| {
                arguments.evaluation.fail();
                i32::MAX
            }))
        }
        Function::Int => Value::Integer(arguments.integer()),
        Function::Bool => Value::Boolean(arguments.boolean()),
        Function::Text => Value::Text(arguments.text()),
        Function::IsBool => Value::Boolean(read_boolean(&arguments.text()).is_some()),
        Function::IsInt => Value::Boolean(read_integer(&arguments.text()).is_some()),
        Function::Length => Value::Integer(length(&arguments.text())),
        Function::Concat => arguments.join(""),
        Function::ConcatWs => {
            let delimiter = arguments.text();
            arguments.join(&delimiter)
        }
        Function::Lower => {
            Value::Text(changed(arguments.text(), u8::is_ascii_uppercase, str::to_lowercase))
        }
        Function::Upper => {
            Value::Text(changed(arguments.text(), u8::is_ascii_lowercase, str::to_uppercase))
        }
        // Java's notion of what surrounds a text: everything up to the space.
        Function::Trim => {
            Value::Text(part(arguments.text(), |text| text.trim_matches(|c: char| c <= ' ')))
        }
        Function::Left => arguments.end_of_text(|text, count| split(text, count).0),
        Function::Right => {
            arguments.end_of_text(|text, count| split(text, length(text).saturating_sub(count)).1)
        }
        Function::Substring => arguments.substring(),
    }
}

/// The arguments not yet evaluated.
struct Arguments<'a, 'e> {
    left: std::slice::Iter<'e, Expr>,
    evaluation: &'a mut Evaluation<'e>,
}

impl<'e> Arguments<'_, 'e> {
    fn next(&mut self) -> Option<Value<'e>> {
        self.left.next().map(|argument| self.evaluation.value(argument))
    }

    fn boolean(&mut self) -> bool {
        self.next().is_some_and(|value| self.evaluation.boolean(&value))
    }

    fn integer(&mut self) -> i32 {
        self.next().map_or(0, |value| self.evaluation.integer(&value))
    }

    fn text(&mut self) -> Cow<'e, str> {
        self.next().map_or(Cow::Borrowed(""), Value::into_text)
    }

    /// All that are left, as one text.
    fn join(&mut self, delimiter: &str) -> Value<'e> {
        let mut joined = self.text();
        while let Some(value) = self.next() {
            let text = value.into_text();
            let bytes = joined.len().saturating_add(delimiter.len()).saturating_add(text.len());
            if bytes > TEXT_BYTES_MAX {
                self.evaluation.fail();
                return Value::Text(Cow::Borrowed(""));
            }
            let joined = joined.to_mut();
            joined.push_str(delimiter);
            joined.push_str(&text);
        }
        Value::Text(joined)
    }

    /// `LEFT` and `RIGHT`: a negative count is an error and yields all of the text.
    fn end_of_text(&mut self, cut: impl Fn(&str, i32) -> &str) -> Value<'e> {
        let (text, count) = (self.text(), self.integer());
        if count < 0 {
            self.evaluation.fail();
            return Value::Text(text);
        }
        Value::Text(part(text, |text| cut(text, count)))
    }

    /// Positions count from 1, negative ones from the end; 0 yields nothing.
    fn substring(&mut self) -> Value<'e> {
        let (text, position) = (self.text(), self.integer());
        let count = self.next().map(|value| self.evaluation.integer(&value));
        let available = length(&text);
        let skipped = match position {
            0 => return Value::Text(Cow::Borrowed("")),
            1.. => position.saturating_sub(1),
            _ => available.saturating_add(position),
        };
        if position > available || skipped < 0 || count.is_some_and(|count| count < 0) {
            self.evaluation.fail();
            return Value::Text(Cow::Borrowed(""));
        }
        Value::Text(part(text, |text| split(split(text, skipped).1, count.unwrap_or(i32::MAX)).0))
    }
}

fn length(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or(i32::MAX)
}

/// In two after so many characters, or at the end.
fn split(text: &str, characters: i32) -> (&str, &str) {
    let characters = usize::try_from(characters).unwrap_or(0);
    let at = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// A part of the text, borrowed if the text is.
fn part<'e>(text: Cow<'e, str>, cut: impl Fn(&str) -> &str) -> Cow<'e, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text)),
        Cow::Owned(text) => Cow::Owned(cut(&text).to_owned()),
    }
}

/// The text in another case; as it is if it is ASCII that has nothing to change.
fn changed<'e>(
    text: Cow<'e, str>,
    changes: impl Fn(&u8) -> bool,
    change: impl Fn(&str) -> String,
) -> Cow<'e, str> {
    if text.is_ascii() && !text.as_bytes().iter().any(changes) {
        return text;
    }
    Cow::Owned(change(&text))
}
