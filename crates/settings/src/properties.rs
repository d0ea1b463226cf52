//! Java `.properties` text into keys and values, exactly as `java.util.Properties.load` reads
//! UTF-8 (platform.md 3.2).

mod lines;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::{
    report::{Finding, Origin, Report},
    source::{Unreadable, read_file},
};
use lines::LogicalLines;

/// One property as last written in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, escapes resolved.
    pub key: String,
    /// The value, escapes resolved; blanks at its end are kept.
    pub value: String,
    /// The line it starts on, from 1.
    pub line: u32,
    /// Lines on which the same key stood before; their values are lost.
    pub earlier: Vec<u32>,
}

/// The properties of one file, in the order of their first mention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    origin: Origin,
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
}

/// Why a text is no properties file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// A `\u` without four hexadecimal digits. Java refuses the whole file, too.
    #[error(
        "line {line}: \\u must be followed by four hexadecimal digits; write \\\\u for the text"
    )]
    MalformedEscape {
        /// The line the property starts on.
        line: u32,
    },
}

impl Properties {
    /// No properties; `origin` names the file that could have held them.
    pub fn empty(origin: Origin) -> Self {
        Self { origin, entries: Vec::new(), places: HashMap::new() }
    }

    /// Reads `text`.
    pub fn parse(text: &str, origin: Origin) -> Result<Self, PropertiesError> {
        let mut properties = Self::empty(origin);
        for logical in LogicalLines::new(text) {
            let (key, value) = split(&logical.text);
            let (Some(key), Some(value)) = (unescape(key), unescape(value)) else {
                return Err(PropertiesError::MalformedEscape { line: logical.line });
            };
            properties.put(key, value, logical.line);
        }
        Ok(properties)
    }

    /// Reads the file. One that is missing or cannot be read holds no properties and is a
    /// warning; a malformed one is an error and `None`, as Java does not start with it.
    pub fn load(path: &Path, report: &mut Report) -> Option<Self> {
        let origin = Origin::File(PathBuf::from(path));
        let bytes = match read_file(path) {
            Ok(bytes) => bytes,
            Err(error @ Unreadable::TooLarge) => {
                report.push(Finding::error(&origin, error.to_string()));
                return None;
            }
            Err(error) => {
                let message = format!("{error}; going on with the defaults for all of its keys");
                report.push(Finding::warning(&origin, message));
                return Some(Self::empty(origin));
            }
        };
        match Self::parse(&String::from_utf8_lossy(&bytes), origin.clone()) {
            Ok(properties) => {
                properties.report_duplicates(report);
                Some(properties)
            }
            Err(error) => {
                let PropertiesError::MalformedEscape { line } = error;
                report.push(Finding::error(&origin, error.to_string()).line(line));
                None
            }
        }
    }

    /// One warning for each key that stands more than once.
    pub fn report_duplicates(&self, report: &mut Report) {
        for entry in self.entries.iter().filter(|entry| !entry.earlier.is_empty()) {
            let lines: Vec<String> = entry.earlier.iter().map(u32::to_string).collect();
            let message = format!("stands more than once (also line {})", lines.join(", "));
            let finding = Finding::warning(&self.origin, message + "; the last one counts");
            report.push(finding.line(entry.line).key_value(&entry.key, &entry.value));
        }
    }

    fn put(&mut self, key: String, value: String, line: u32) {
        match self.places.get(&key).and_then(|&place| self.entries.get_mut(place)) {
            Some(entry) => {
                entry.value = value;
                entry.earlier.push(std::mem::replace(&mut entry.line, line));
            }
            None => {
                self.places.insert(key.clone(), self.entries.len());
                self.entries.push(Entry { key, value, line, earlier: Vec::new() });
            }
        }
    }

    /// The property under `key`.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.places.get(key).and_then(|&place| self.entries.get(place))
    }

    /// The value under `key`, untrimmed.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|entry| entry.value.as_str())
    }

    /// All, in the order of their first mention.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where they were read.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// A logical line cut at its separator: the first unescaped `=`, `:` or blank; blanks and one
/// `=` or `:` after it are dropped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let separator = line.char_indices().find(|&(_, character)| {
        let ends = !escaped && (is_blank(character) || is_sign(character));
        escaped = character == '\\' && !escaped;
        ends
    });
    let Some((at, _)) = separator else { return (line, "") };
    let (key, rest) = line.split_at(at);
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(is_sign).unwrap_or(rest);
    (key, value.trim_start_matches(is_blank))
}

/// What Java takes for a blank inside a line. A no-break space, for one, is a letter.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{c}')
}

fn is_sign(character: char) -> bool {
    matches!(character, '=' | ':')
}

/// Resolves escapes; `None` if a `\u` lacks its four digits. Halves of a surrogate pair make
/// one character; a half alone becomes `?`, as Java writes it in UTF-8.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut half: Option<u16> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let escape = if character == '\\' { characters.next() } else { None };
        if escape == Some('u') {
            let unit = four_digits(&mut characters)?;
            half = push_unit(&mut plain, half, unit);
            continue;
        }
        if half.take().is_some() {
            plain.push('?');
        }
        match (character, escape) {
            ('\\', Some('t')) => plain.push('\t'),
            ('\\', Some('n')) => plain.push('\n'),
            ('\\', Some('r')) => plain.push('\r'),
            ('\\', Some('f')) => plain.push('\u{c}'),
            ('\\', Some(other)) => plain.push(other),
            // A backslash at the very end was cut with the line; nothing is left to escape.
            ('\\', None) => {}
            _ => plain.push(character),
        }
    }
    if half.is_some() {
        plain.push('?');
    }
    Some(plain)
}

fn four_digits(characters: &mut std::str::Chars<'_>) -> Option<u16> {
    let mut unit: u16 = 0;
    for _ in 0..4 {
        let digit = characters.next()?.to_digit(16)?;
        unit = (unit << 4) | u16::try_from(digit).ok()?;
    }
    Some(unit)
}

/// Adds one UTF-16 unit and answers with the half that waits for its other one.
fn push_unit(plain: &mut String, half: Option<u16>, unit: u16) -> Option<u16> {
    if let (Some(high), 0xdc00..=0xdfff) = (half, unit) {
        plain.extend(char::decode_utf16([high, unit]).map(|pair| pair.unwrap_or('?')));
        return None;
    }
    if half.is_some() {
        plain.push('?');
    }
    if let 0xd800..=0xdbff = unit {
        return Some(unit);
    }
    plain.push(char::from_u32(u32::from(unit)).unwrap_or('?'));
    None
}
