//! Tokens to a tree, by precedence climbing.

use std::borrow::Cow;

use super::error::CesqlError;
use super::expr::{Arithmetic, Comparison, Expr, Logic};
use super::function::{Function, VERIFY_CORRELATION_ID};
use super::lex::{Kind, Lexer, Token};
use super::like::Pattern;
use super::value::Value;
use super::{EXPRESSION_BYTES_MAX, Mode, NESTING_MAX};
use crate::attribute::Attribute;

/// Reads a whole expression.
pub(super) fn parse(text: &str, mode: Mode) -> Result<Expr, CesqlError> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(CesqlError::TooLong { bytes: text.len() });
    }
    let mut lexer = Lexer::new(text, mode);
    let token = lexer.next()?;
    let mut parser = Parser { lexer, token, open: 0 };
    let tree = parser.expression()?;
    match parser.token.kind {
        Kind::End => Ok(tree.expr),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The next token, not yet taken.
    token: Token<'t>,
    /// Expressions begun and not yet ended: the parser's own recursion.
    open: usize,
}

/// A tree and how deep it is: a chain to the left gets deep without any recursion here.
struct Tree {
    expr: Expr,
    depth: usize,
}

/// Binary operators but for logic; those that bind tighter stand lower.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Comparison,
    Sum,
    Factor,
    /// None: a right operand of a factor.
    Operand,
}

#[derive(Clone, Copy)]
enum Operator {
    Arithmetic(Arithmetic),
    Compare(Comparison),
}

impl<'t> Parser<'t> {
    /// A chain of `AND`, `OR` and `XOR`, or what stands in its place.
    fn expression(&mut self) -> Result<Tree, CesqlError> {
        let position = self.token.start;
        self.open += 1;
        if self.open > NESTING_MAX {
            return Err(self.too_deep(position));
        }
        let (mut terms, mut depth) = (Vec::new(), 0);
        let last = loop {
            let term = self.binary(Level::Comparison)?;
            depth = depth.max(term.depth);
            let logic = match self.token.kind {
                Kind::And => Logic::And,
                Kind::Or => Logic::Or,
                Kind::Xor => Logic::Xor,
                _ => break term,
            };
            self.advance()?;
            terms.push((term.expr, logic));
        };
        self.open -= 1;
        if terms.is_empty() {
            return Ok(last);
        }
        self.node(Expr::Logic(terms, Box::new(last.expr)), depth, position)
    }

    /// Operators of a level and those that bind tighter, to the left.
    fn binary(&mut self, level: Level) -> Result<Tree, CesqlError> {
        let position = self.token.start;
        let mut left = self.operand()?;
        loop {
            if let Some(negated) = self.postfix()? {
                left = self.postfixed(left, negated, position)?;
                continue;
            }
            let Some((operator, found, tighter)) = self.operator() else { return Ok(left) };
            if found < level {
                return Ok(left);
            }
            self.advance()?;
            let right = self.binary(tighter)?;
            let depth = left.depth.max(right.depth);
            let (left_expr, right_expr) = (Box::new(left.expr), Box::new(right.expr));
            let expr = match operator {
                Operator::Arithmetic(it) => Expr::Arithmetic(left_expr, it, right_expr),
                Operator::Compare(it) => Expr::Compare(left_expr, it, right_expr),
            };
            left = self.node(expr, depth, position)?;
        }
    }

    /// The operator that stands next, its level, and the level of its right operand.
    fn operator(&self) -> Option<(Operator, Level, Level)> {
        let arithmetic = match self.token.kind {
            Kind::Star => Some((Arithmetic::Multiply, Level::Factor, Level::Operand)),
            Kind::Slash => Some((Arithmetic::Divide, Level::Factor, Level::Operand)),
            Kind::Percent => Some((Arithmetic::Remainder, Level::Factor, Level::Operand)),
            Kind::Plus => Some((Arithmetic::Add, Level::Sum, Level::Factor)),
            Kind::Minus => Some((Arithmetic::Subtract, Level::Sum, Level::Factor)),
            _ => None,
        };
        if let Some((operator, level, tighter)) = arithmetic {
            return Some((Operator::Arithmetic(operator), level, tighter));
        }
        let comparison = match self.token.kind {
            Kind::Equal => Comparison::Equal,
            Kind::NotEqual => Comparison::NotEqual,
            Kind::Less => Comparison::Less,
            Kind::LessOrEqual => Comparison::LessOrEqual,
            Kind::Greater => Comparison::Greater,
            Kind::GreaterOrEqual => Comparison::GreaterOrEqual,
            _ => return None,
        };
        Some((Operator::Compare(comparison), Level::Comparison, Level::Sum))
    }

    /// Takes a `NOT` before `LIKE` or `IN`; whether there was one, if either stands next.
    fn postfix(&mut self) -> Result<Option<bool>, CesqlError> {
        match self.token.kind {
            Kind::Like | Kind::In => Ok(Some(false)),
            Kind::Not => {
                self.advance()?;
                match self.token.kind {
                    Kind::Like | Kind::In => Ok(Some(true)),
                    _ => Err(self.unexpected("LIKE or IN after NOT")),
                }
            }
            _ => Ok(None),
        }
    }

    fn postfixed(
        &mut self,
        operand: Tree,
        negated: bool,
        position: usize,
    ) -> Result<Tree, CesqlError> {
        let (value, mut depth) = (Box::new(operand.expr), operand.depth);
        let is_like = self.token.kind == Kind::Like;
        self.advance()?;
        let expr = if is_like {
            let Kind::Text(pattern) = &self.token.kind else {
                return Err(self.unexpected("a quoted pattern after LIKE"));
            };
            let pattern = Pattern::compile(pattern);
            self.advance()?;
            Expr::Like(value, pattern)
        } else {
            self.expect(&Kind::Open, "( after IN")?;
            let (members, deepest) = self.list()?;
            depth = depth.max(deepest);
            Expr::In(value, members)
        };
        let tree = self.node(expr, depth, position)?;
        if negated {
            return self.node(Expr::Not(Box::new(tree.expr)), tree.depth, position);
        }
        Ok(tree)
    }

    fn operand(&mut self) -> Result<Tree, CesqlError> {
        let token = self.advance()?;
        let position = token.start;
        let expr = match token.kind {
            Kind::Open => {
                let tree = self.expression()?;
                self.expect(&Kind::Close, "an operator or )")?;
                return Ok(tree);
            }
            Kind::Not => {
                let tree = self.expression()?;
                return self.node(Expr::Not(Box::new(tree.expr)), tree.depth, position);
            }
            Kind::Minus | Kind::Plus if self.is_signed_number(&token) => self.number(position)?,
            Kind::Minus => {
                let tree = self.expression()?;
                return self.node(Expr::Negate(Box::new(tree.expr)), tree.depth, position);
            }
            Kind::Exists => return self.exists(position),
            Kind::True => Expr::Constant(Value::Boolean(true)),
            Kind::False => Expr::Constant(Value::Boolean(false)),
            Kind::Text(text) => Expr::Constant(Value::Text(Cow::Owned(text.into_owned()))),
            Kind::Number(digits) => self.integer(digits, position)?,
            Kind::Name(name) if self.token.kind == Kind::Open && is_letters(name) => {
                return self.call(name, position);
            }
            Kind::FunctionName(name) if self.token.kind == Kind::Open => {
                return self.call(name, position);
            }
            Kind::Name(name) => Expr::Attribute(Attribute::of_identifier(name)),
            _ => {
                return Err(
                    self.unexpected_token(&token, "a value, an attribute, a function, NOT, - or (")
                );
            }
        };
        Ok(Tree { expr, depth: 1 })
    }

    fn exists(&mut self, position: usize) -> Result<Tree, CesqlError> {
        let Kind::Name(name) = self.token.kind else {
            return Err(self.unexpected("an attribute after EXISTS"));
        };
        self.advance()?;
        let attribute = Attribute::of_identifier(&name.to_ascii_lowercase());
        self.node(Expr::Exists(attribute), 0, position)
    }

    fn call(&mut self, name: &str, position: usize) -> Result<Tree, CesqlError> {
        if name.eq_ignore_ascii_case(VERIFY_CORRELATION_ID) {
            return Err(CesqlError::NotAvailable {
                position: self.lexer.position(position),
                function: VERIFY_CORRELATION_ID,
            });
        }
        self.expect(&Kind::Open, "(")?;
        let (arguments, depth) = match self.token.kind {
            Kind::Close => {
                self.advance()?;
                (Vec::new(), 0)
            }
            _ => self.list()?,
        };
        let expr = match Function::resolve(name, arguments.len()) {
            Some(function) => Expr::Call(function, arguments),
            None => Expr::Unknown,
        };
        self.node(expr, depth, position)
    }

    /// One expression or more up to the closing bracket, and the depth of the deepest.
    fn list(&mut self) -> Result<(Vec<Expr>, usize), CesqlError> {
        let (mut members, mut depth) = (Vec::new(), 0);
        loop {
            let tree = self.expression()?;
            depth = depth.max(tree.depth);
            members.push(tree.expr);
            if self.token.kind != Kind::Comma {
                self.expect(&Kind::Close, "an operator, a comma or )")?;
                return Ok((members, depth));
            }
            self.advance()?;
        }
    }

    /// Whether a sign stands directly before digits.
    fn is_signed_number(&self, sign: &Token<'_>) -> bool {
        matches!(self.token.kind, Kind::Number(_)) && self.token.start == sign.end
    }

    /// The number whose sign has been taken.
    fn number(&mut self, position: usize) -> Result<Expr, CesqlError> {
        let digits = self.advance()?;
        let signed = Token { start: position, ..digits };
        self.integer(self.lexer.source(&signed), position)
    }

    fn integer(&self, text: &str, position: usize) -> Result<Expr, CesqlError> {
        match text.parse() {
            Ok(number) => Ok(Expr::Constant(Value::Integer(number))),
            Err(_) => Err(CesqlError::Number {
                position: self.lexer.position(position),
                number: excerpt(text),
            }),
        }
    }

    /// A node over operands of that depth, computed if it is constant.
    fn node(&self, expr: Expr, depth: usize, position: usize) -> Result<Tree, CesqlError> {
        if depth >= NESTING_MAX {
            return Err(self.too_deep(position));
        }
        let expr = expr.folded();
        let depth = if matches!(expr, Expr::Constant(_)) { 1 } else { depth + 1 };
        Ok(Tree { expr, depth })
    }

    /// Takes the next token.
    fn advance(&mut self) -> Result<Token<'t>, CesqlError> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn expect(&mut self, kind: &Kind<'_>, expected: &'static str) -> Result<(), CesqlError> {
        if self.token.kind != *kind {
            return Err(self.unexpected(expected));
        }
        self.advance().map(drop)
    }

    fn unexpected(&self, expected: &'static str) -> CesqlError {
        self.unexpected_token(&self.token, expected)
    }

    fn unexpected_token(&self, token: &Token<'_>, expected: &'static str) -> CesqlError {
        let found = match token.kind {
            Kind::End => "the end".to_owned(),
            _ => excerpt(self.lexer.source(token)),
        };
        CesqlError::Syntax { position: self.lexer.position(token.start), expected, found }
    }

    fn too_deep(&self, start: usize) -> CesqlError {
        CesqlError::TooDeep { position: self.lexer.position(start) }
    }
}

fn is_letters(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphabetic())
}

/// At most so much of an expression is quoted in an error.
const EXCERPT_CHARACTERS: usize = 40;

fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(EXCERPT_CHARACTERS).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}
