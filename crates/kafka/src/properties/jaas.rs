//! One `sasl.jaas.config` line: a login module, a control flag, options, a semicolon.

use std::{collections::BTreeMap, iter::Peekable, str::Chars};

/// A login module and its options.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Jaas {
    /// Class name with its package.
    pub(super) module: String,
    pub(super) options: BTreeMap<String, String>,
}

/// Reads `text`, or says what is wrong without showing any of it, as it holds passwords.
pub(super) fn parse(text: &str) -> Result<Jaas, &'static str> {
    let mut tokens = Tokens(text.chars().peekable());
    let Some(Token::Text(module)) = tokens.next()? else {
        return Err("must start with the class of a login module");
    };
    let flags = ["REQUIRED", "REQUISITE", "SUFFICIENT", "OPTIONAL"];
    match tokens.next()? {
        Some(Token::Text(flag)) if flags.iter().any(|known| flag.eq_ignore_ascii_case(known)) => {}
        _ => return Err("must have a control flag such as required after the login module"),
    }
    let mut options = BTreeMap::new();
    loop {
        match tokens.next()? {
            Some(Token::Text(name)) => match (tokens.next()?, tokens.next()?) {
                (Some(Token::Sign('=')), Some(Token::Text(value))) => {
                    options.insert(name, value);
                }
                _ => return Err("each option must be written name=\"value\""),
            },
            Some(Token::Sign(';')) => break,
            _ => return Err("must end with a semicolon"),
        }
    }
    match tokens.next()? {
        None => Ok(Jaas { module, options }),
        Some(_) => Err("must hold one login module only"),
    }
}

enum Token {
    Text(String),
    Sign(char),
}

struct Tokens<'a>(Peekable<Chars<'a>>);

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Token>, &'static str> {
        while self.0.next_if(|character| character.is_ascii_whitespace()).is_some() {}
        let Some(first) = self.0.next() else { return Ok(None) };
        match first {
            '"' | '\'' => self.quoted(first).map(|text| Some(Token::Text(text))),
            '=' | ';' => Ok(Some(Token::Sign(first))),
            _ => {
                let mut word = String::from(first);
                let goes_on = |c: &char| !c.is_ascii_whitespace() && !matches!(c, '=' | ';' | '"');
                while let Some(character) = self.0.next_if(goes_on) {
                    word.push(character);
                }
                Ok(Some(Token::Text(word)))
            }
        }
    }

    /// Up to the closing quote, with the escapes of Java's `StreamTokenizer`.
    fn quoted(&mut self, quote: char) -> Result<String, &'static str> {
        let mut text = String::new();
        while let Some(character) = self.0.next() {
            match character {
                '\\' => text.push(self.escape().ok_or("a quoted value has no end")?),
                '\n' | '\r' => break,
                _ if character == quote => return Ok(text),
                _ => text.push(character),
            }
        }
        Err("a quoted value has no end")
    }

    fn escape(&mut self) -> Option<char> {
        let character = self.0.next()?;
        Some(match character {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '0'..='7' => {
                let mut value = character.to_digit(8)?;
                // Three digits only if the first leaves room in one byte.
                let more = if character <= '3' { 2 } else { 1 };
                for _ in 0..more {
                    let Some(digit) = self.0.next_if(|c| c.is_digit(8)) else { break };
                    value = value * 8 + digit.to_digit(8)?;
                }
                char::from_u32(value)?
            }
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap_or_else(|error| panic!("{error}: {text}")).options.into_iter().collect()
    }

    #[test]
    fn the_usual_lines_are_read() {
        let line = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                    username=\"me\" password='p \"w; \\\\ \\t\\101';";
        assert!(parse(line).is_ok_and(|jaas| jaas.module.ends_with(".PlainLoginModule")));
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(options(line), [pair("password", "p \"w; \\ \tA"), pair("username", "me")]);
        assert_eq!(options("M Required a=b c = \"\" ;"), [pair("a", "b"), pair("c", "")]);
        assert_eq!(options("M optional;"), []);
    }

    #[test]
    fn broken_lines_are_refused_without_showing_them() {
        for text in [
            "",
            ";",
            "M;",
            "M needed a=b;",
            "M required a=b",
            "M required a;",
            "M required a=;",
            "M required password=\"hunter2;",
            "M required password=\"hun\nter2\";",
            "M required a=b; N required;",
            "M required password=\"\\",
        ] {
            let error = parse(text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert!(!error.contains("hunter2"));
        }
    }
}
