//! Natural lines of a `.properties` text joined to logical ones: comments and blank lines
//! dropped, continuation lines appended.

use std::{iter::Peekable, str::Chars};

use super::is_blank;

/// One logical line: its text with escapes still in it, and where it starts.
pub(super) struct LogicalLine {
    pub(super) text: String,
    pub(super) line: u32,
}

/// The logical lines of a text. `\n`, `\r` and `\r\n` end a line.
pub(super) struct LogicalLines<'a> {
    characters: Peekable<Chars<'a>>,
    line: u32,
    /// The line end taken last was `\r\n`.
    ended_by_pair: bool,
}

impl<'a> LogicalLines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { characters: text.chars().peekable(), line: 1, ended_by_pair: false }
    }

    /// Takes one character; a line end of any kind is `\n`.
    fn take(&mut self) -> Option<char> {
        let character = match self.characters.next()? {
            '\r' => {
                self.ended_by_pair = self.characters.next_if_eq(&'\n').is_some();
                '\n'
            }
            '\n' => {
                self.ended_by_pair = false;
                '\n'
            }
            other => other,
        };
        if character == '\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(character)
    }

    fn skip_comment(&mut self) {
        while self.take().is_some_and(|character| character != '\n') {}
    }
}

impl Iterator for LogicalLines<'_> {
    type Item = LogicalLine;

    fn next(&mut self) -> Option<LogicalLine> {
        let mut text = String::new();
        let mut start = self.line;
        let mut at_line_start = true;
        let mut escaped = false;
        loop {
            let line = self.line;
            let Some(character) = self.take() else {
                if text.is_empty() {
                    return None;
                }
                break;
            };
            if at_line_start && is_blank(character) {
                continue;
            }
            at_line_start = false;
            // A comment only counts where nothing was read yet, so a continuation line that
            // starts with # is text, unless all before it was a lone backslash.
            if text.is_empty() && matches!(character, '#' | '!') {
                self.skip_comment();
                at_line_start = true;
                continue;
            }
            if character != '\n' {
                if text.is_empty() {
                    start = line;
                }
                text.push(character);
                escaped = character == '\\' && !escaped;
                continue;
            }
            at_line_start = true;
            if text.is_empty() {
                continue;
            }
            if !escaped {
                return Some(LogicalLine { text, line: start });
            }
            text.pop();
            escaped = false;
            // A last line of a lone backslash is an empty property to Java, but not if it ends
            // in \r\n.
            if self.characters.peek().is_none() && !self.ended_by_pair {
                break;
            }
        }
        // The text ended without a line end; Java drops a backslash that escapes nothing.
        if escaped {
            text.pop();
        }
        Some(LogicalLine { text, line: start })
    }
}
