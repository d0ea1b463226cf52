//! Evaluation: total, so that every step yields a value even after an error.

use std::borrow::Cow;

use millrace_event::{Event, ExtValue};

use super::Mode;
use super::expr::{Arithmetic, Comparison, Expr, Logic};
use super::function;
use super::value::{CastFailed, Value};
use crate::attribute::Attribute;

/// One evaluation: its event, and whether anything failed.
pub(super) struct Evaluation<'e> {
    event: Option<&'e Event<'e>>,
    mode: Mode,
    failed: bool,
}

impl<'e> Evaluation<'e> {
    pub(super) fn of(event: &'e Event<'e>, mode: Mode) -> Self {
        Self { event: Some(event), mode, failed: false }
    }

    /// For what depends on no event.
    pub(super) fn without_event() -> Self {
        Self { event: None, mode: Mode::Strict, failed: false }
    }

    /// Whether an event with this expression as its filter passes.
    pub(super) fn passes(mut self, expr: &'e Expr) -> bool {
        let value = self.value(expr);
        match self.mode {
            Mode::Lax => self.boolean(&value),
            Mode::Strict => !self.failed && value == Value::Boolean(true),
        }
    }

    /// The value, unless an error occurred.
    pub(super) fn constant(mut self, expr: &'e Expr) -> Option<Value<'e>> {
        let value = self.value(expr);
        (!self.failed).then_some(value)
    }

    pub(super) fn value(&mut self, expr: &'e Expr) -> Value<'e> {
        match expr {
            Expr::Constant(value) => borrowed(value),
            Expr::Attribute(attribute) => self.attribute(attribute),
            Expr::Exists(attribute) => Value::Boolean(
                attribute.is_required() || self.event.is_some_and(|it| attribute.exists(it)),
            ),
            Expr::Not(operand) => match self.value(operand) {
                Value::Missing => Value::Boolean(false),
                value => Value::Boolean(!self.boolean(&value)),
            },
            Expr::Negate(operand) => {
                let value = self.value(operand);
                Value::Integer(self.integer(&value).wrapping_neg())
            }
            Expr::Arithmetic(left, operator, right) => self.arithmetic(left, *operator, right),
            Expr::Compare(left, operator, right) => {
                let (left, right) = (self.value(left), self.value(right));
                Value::Boolean(self.compare(left, *operator, right))
            }
            Expr::Logic(terms, last) => self.logic(terms, last),
            Expr::Like(operand, pattern) => {
                Value::Boolean(pattern.matches(&self.value(operand).into_text()))
            }
            Expr::In(operand, set) => Value::Boolean(self.is_in(operand, set)),
            Expr::Call(function, arguments) => function::call(*function, arguments, self),
            Expr::Unknown => {
                self.fail();
                Value::Boolean(false)
            }
        }
    }

    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    pub(super) fn boolean(&mut self, value: &Value<'_>) -> bool {
        value.to_boolean().unwrap_or_else(|CastFailed| {
            self.fail();
            false
        })
    }

    pub(super) fn integer(&mut self, value: &Value<'_>) -> i32 {
        value.to_integer().unwrap_or_else(|CastFailed| {
            self.fail();
            0
        })
    }

    fn attribute(&mut self, attribute: &Attribute) -> Value<'e> {
        match self.event.and_then(|event| attribute.value(event)) {
            Some(ExtValue::Text(text)) if *attribute == Attribute::Time => {
                Value::Text(time(text, self.mode))
            }
            Some(ExtValue::Text(text)) => Value::Text(Cow::Borrowed(text)),
            Some(ExtValue::Integer(number)) => Value::Integer(number),
            Some(ExtValue::Boolean(truth)) => Value::Boolean(truth),
            // CESQL's integers have 32 bits; numbers of other types are texts (dispatcher.md 7.4).
            Some(ExtValue::Long(number)) => Value::Text(Cow::Owned(number.to_string())),
            None => {
                self.fail();
                Value::Missing
            }
        }
    }

    fn arithmetic(&mut self, left: &'e Expr, operator: Arithmetic, right: &'e Expr) -> Value<'e> {
        let (left, right) = (self.value(left), self.value(right));
        if left.is_missing() || right.is_missing() {
            return Value::Integer(0);
        }
        let (left, right) = (self.integer(&left), self.integer(&right));
        Value::Integer(match operator {
            Arithmetic::Add => left.wrapping_add(right),
            Arithmetic::Subtract => left.wrapping_sub(right),
            Arithmetic::Multiply => left.wrapping_mul(right),
            Arithmetic::Divide | Arithmetic::Remainder if right == 0 => {
                self.fail();
                0
            }
            Arithmetic::Divide => left.wrapping_div(right),
            Arithmetic::Remainder => left.wrapping_rem(right),
        })
    }

    /// With a missing side every comparison is false, `!=` too.
    fn compare(&mut self, left: Value<'e>, operator: Comparison, right: Value<'e>) -> bool {
        if left.is_missing() || right.is_missing() {
            return false;
        }
        match operator {
            Comparison::Equal => self.is_equal(left, &right),
            Comparison::NotEqual => !self.is_equal(left, &right),
            _ => {
                let (left, right) = (self.integer(&left), self.integer(&right));
                match operator {
                    Comparison::Less => left < right,
                    Comparison::LessOrEqual => left <= right,
                    Comparison::Greater => left > right,
                    _ => left >= right,
                }
            }
        }
    }

    /// The second value's type decides; the first is cast to it. Missing is a Boolean here.
    fn is_equal(&mut self, left: Value<'_>, right: &Value<'_>) -> bool {
        match right {
            Value::Text(right) => left.into_text() == *right,
            Value::Integer(right) => self.integer(&left) == *right,
            Value::Boolean(right) => self.boolean(&left) == *right,
            Value::Missing => !self.boolean(&left),
        }
    }

    /// Left to right without recursion: what follows a term is either the result, or, after
    /// `true XOR`, the opposite of the result.
    fn logic(&mut self, terms: &'e [(Expr, Logic)], last: &'e Expr) -> Value<'e> {
        let (mut flips, mut through_xor) = (false, false);
        let mut decisive = None;
        for (term, operator) in terms {
            let value = self.value(term);
            let truth = self.boolean(&value);
            match operator {
                Logic::And if truth => {}
                Logic::Or if !truth => {}
                Logic::And | Logic::Or => {
                    decisive = Some(value);
                    break;
                }
                Logic::Xor => {
                    flips ^= truth;
                    through_xor = true;
                }
            }
        }
        let value = match decisive {
            Some(value) => value,
            None => self.value(last),
        };
        // A missing attribute that decides stays missing for what is around: NOT does not turn it.
        if value.is_missing() && !through_xor {
            return Value::Missing;
        }
        Value::Boolean(self.boolean(&value) ^ flips)
    }

    /// The operand's type decides; the members are cast to it.
    fn is_in(&mut self, operand: &'e Expr, set: &'e [Expr]) -> bool {
        let operand = self.value(operand);
        set.iter().any(|member| {
            let member = self.value(member);
            self.is_equal(member, &operand)
        })
    }
}

fn borrowed<'v>(value: &'v Value<'_>) -> Value<'v> {
    match value {
        Value::Missing => Value::Missing,
        Value::Boolean(truth) => Value::Boolean(*truth),
        Value::Integer(number) => Value::Integer(*number),
        Value::Text(text) => Value::Text(Cow::Borrowed(text)),
    }
}

/// `time` in the form that the mode's users know. Java leaves out seconds that are zero and fills
/// the fraction up to 3, 6 or 9 digits.
fn time(text: &str, mode: Mode) -> Cow<'_, str> {
    if mode == Mode::Strict {
        return Cow::Borrowed(text);
    }
    java_time(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// From `2020-01-01T00:00:00Z` with an optional fraction and any offset.
fn java_time(text: &str) -> Option<String> {
    let (date, clock) = text.split_once('T')?;
    let (minutes, rest) = clock.split_at_checked("00:00".len())?;
    let rest = rest.strip_prefix(':')?;
    let offset = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (seconds, offset) = rest.split_at_checked(offset)?;
    let mut java = format!("{date}T{minutes}");
    match seconds.split_once('.') {
        Some((whole, fraction)) => {
            let digits = fraction.len().next_multiple_of(3);
            java.push_str(&format!(":{whole}.{fraction:0<digits$}"));
        }
        None if seconds == "00" => {}
        None => java.push_str(&format!(":{seconds}")),
    }
    java.push_str(offset);
    Some(java)
}
