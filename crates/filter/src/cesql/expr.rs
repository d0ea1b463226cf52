//! The compiled tree, and computing what is constant in it.

use std::borrow::Cow;

use super::eval::Evaluation;
use super::function::Function;
use super::like::Pattern;
use super::value::Value;
use crate::attribute::Attribute;

/// A compiled expression. No deeper than [`super::NESTING_MAX`], so walking it by recursion is
/// safe.
#[derive(Debug, PartialEq)]
pub(super) enum Expr {
    Constant(Value<'static>),
    Attribute(Attribute),
    Exists(Attribute),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Arithmetic(Box<Expr>, Arithmetic, Box<Expr>),
    Compare(Box<Expr>, Comparison, Box<Expr>),
    /// `a AND (b OR (c XOR last))`, flat: one level however long.
    Logic(Vec<(Expr, Logic)>, Box<Expr>),
    Like(Box<Expr>, Pattern),
    In(Box<Expr>, Vec<Expr>),
    Call(Function, Vec<Expr>),
    /// A function that does not exist, or not with so many arguments.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logic {
    And,
    Or,
    Xor,
}

impl Expr {
    /// Itself, or its value where that depends on no event and comes without an error. To be
    /// called from the leaves up: only what stands directly below is looked at.
    pub(super) fn folded(self) -> Self {
        if !self.has_constant_operands() {
            return self;
        }
        let value = match Evaluation::without_event().constant(&self) {
            Some(Value::Text(text)) => Value::Text(Cow::Owned(text.into_owned())),
            Some(Value::Integer(number)) => Value::Integer(number),
            Some(Value::Boolean(truth)) => Value::Boolean(truth),
            Some(Value::Missing) | None => return self,
        };
        Self::Constant(value)
    }

    fn has_constant_operands(&self) -> bool {
        match self {
            Self::Constant(_) | Self::Attribute(_) | Self::Unknown => false,
            Self::Exists(attribute) => attribute.is_required(),
            Self::Not(operand) | Self::Negate(operand) | Self::Like(operand, _) => {
                operand.is_constant()
            }
            Self::Arithmetic(left, _, right) | Self::Compare(left, _, right) => {
                left.is_constant() && right.is_constant()
            }
            Self::Logic(terms, last) => {
                last.is_constant() && terms.iter().all(|(term, _)| term.is_constant())
            }
            Self::In(operand, set) => operand.is_constant() && set.iter().all(Self::is_constant),
            Self::Call(_, arguments) => arguments.iter().all(Self::is_constant),
        }
    }

    fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }
}
