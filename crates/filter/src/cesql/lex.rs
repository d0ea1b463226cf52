//! An expression's text to tokens.

use std::borrow::Cow;

use super::Mode;
use super::error::CesqlError;

/// A token and where it stands, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind<'t>,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'t> {
    Open,
    Close,
    Comma,
    Star,
    Slash,
    Percent,
    Plus,
    Minus,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Xor,
    Not,
    Like,
    In,
    Exists,
    True,
    False,
    /// Without its quotes and escapes.
    Text(Cow<'t, str>),
    /// Digits.
    Number(&'t str),
    /// Letters and digits: an attribute; without digits it can be a function, too.
    Name(&'t str),
    /// Letters and underscores: a function.
    FunctionName(&'t str),
    End,
}

/// The tokens of a text, one at a time; after the last come [`Kind::End`]s.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    mode: Mode,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, mode: Mode) -> Self {
        Self { text, at: 0, mode }
    }

    pub(super) fn next(&mut self) -> Result<Token<'t>, CesqlError> {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(first) = rest.chars().next() else {
                return Ok(Token { kind: Kind::End, start: self.at, end: self.at });
            };
            if matches!(first, ' ' | '\t' | '\r' | '\n') {
                self.at += 1;
                continue;
            }
            let start = self.at;
            match first {
                '\'' | '"' => {
                    let Some((kind, length)) = text(rest, first) else {
                        return Err(CesqlError::OpenText { position: self.position(start) });
                    };
                    return Ok(self.token(kind, length));
                }
                'a'..='z' | 'A'..='Z' | '0'..='9' => {
                    let (kind, length) = word(rest);
                    return Ok(self.token(kind, length));
                }
                _ => {}
            }
            if let Some((kind, length)) = symbol(rest) {
                return Ok(self.token(kind, length));
            }
            // The Java parser reports such characters to its console and goes on.
            if self.mode == Mode::Strict {
                let position = self.position(start);
                return Err(CesqlError::Character { position, found: first });
            }
            self.at += first.len_utf8();
        }
    }

    /// Bytes to characters from 1, for people.
    pub(super) fn position(&self, start: usize) -> usize {
        self.text.get(..start).unwrap_or_default().chars().count() + 1
    }

    /// The text that a token was made of.
    pub(super) fn source(&self, token: &Token<'_>) -> &'t str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn token(&mut self, kind: Kind<'t>, length: usize) -> Token<'t> {
        let start = self.at;
        self.at += length;
        Token { kind, start, end: self.at }
    }
}

/// A quoted text and its length with quotes. A backslash keeps the next character from ending it,
/// and so does a quote before another quote; only a backslash before the quote is taken out.
fn text(rest: &str, quote: char) -> Option<(Kind<'_>, usize)> {
    let body = rest.get(1..)?;
    let mut characters = body.char_indices();
    let end = loop {
        let (at, c) = characters.next()?;
        if c == '\\' {
            characters.next()?;
        } else if c == quote {
            match characters.clone().next() {
                Some((_, next)) if next == quote => characters.next(),
                _ => break at,
            };
        }
    };
    let inner = body.get(..end)?;
    let escape = if quote == '\'' { "\\'" } else { "\\\"" };
    let plain = match inner.contains(escape) {
        true => Cow::Owned(inner.replace(escape, escape.get(1..)?)),
        false => Cow::Borrowed(inner),
    };
    Some((Kind::Text(plain), end + 2))
}

/// The longest of a number, a name, a function name; names may be keywords.
fn word(rest: &str) -> (Kind<'_>, usize) {
    let run = |belongs: fn(char) -> bool| {
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    };
    let name = run(|c| c.is_ascii_alphanumeric());
    let function = run(|c| c.is_ascii_alphabetic() || c == '_');
    if function.len() > name.len() {
        return (Kind::FunctionName(function), function.len());
    }
    let kind = if name.bytes().all(|b| b.is_ascii_digit()) {
        Kind::Number(name)
    } else {
        keyword(name).unwrap_or(Kind::Name(name))
    };
    (kind, name.len())
}

fn keyword(name: &str) -> Option<Kind<'static>> {
    let keywords = [
        ("AND", Kind::And),
        ("OR", Kind::Or),
        ("XOR", Kind::Xor),
        ("NOT", Kind::Not),
        ("LIKE", Kind::Like),
        ("IN", Kind::In),
        ("EXISTS", Kind::Exists),
        ("TRUE", Kind::True),
        ("FALSE", Kind::False),
    ];
    keywords.into_iter().find(|(word, _)| name.eq_ignore_ascii_case(word)).map(|(_, kind)| kind)
}

fn symbol(rest: &str) -> Option<(Kind<'static>, usize)> {
    let mut bytes = rest.bytes();
    let kind = match (bytes.next()?, bytes.next()) {
        (b'!', Some(b'=')) | (b'<', Some(b'>')) => return Some((Kind::NotEqual, 2)),
        (b'<', Some(b'=')) => return Some((Kind::LessOrEqual, 2)),
        (b'>', Some(b'=')) => return Some((Kind::GreaterOrEqual, 2)),
        (b'(', _) => Kind::Open,
        (b')', _) => Kind::Close,
        (b',', _) => Kind::Comma,
        (b'*', _) => Kind::Star,
        (b'/', _) => Kind::Slash,
        (b'%', _) => Kind::Percent,
        (b'+', _) => Kind::Plus,
        (b'-', _) => Kind::Minus,
        (b'=', _) => Kind::Equal,
        (b'<', _) => Kind::Less,
        (b'>', _) => Kind::Greater,
        _ => return None,
    };
    Some((kind, 1))
}
