//! JSON strings: their meaning from their text, their text from their meaning.

use super::scan::plain_run;

/// A string escape that stands for half a character: `\ud800` without its other half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoneSurrogate;

/// Appends what the text between the quotes of a scanned string means.
pub(crate) fn unescape(text: &str, out: &mut String) -> Result<(), LoneSurrogate> {
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = after.chars();
        let meaning = match chars.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let (meaning, length) = unicode(after)?;
                out.push(meaning);
                rest = after.get(length..).unwrap_or_default();
                continue;
            }
            Some(itself) => itself,
            None => break,
        };
        out.push(meaning);
        rest = chars.as_str();
    }
    out.push_str(rest);
    Ok(())
}

/// The character of `uXXXX` or `uXXXX\uXXXX`, and how many bytes that took.
fn unicode(text: &str) -> Result<(char, usize), LoneSurrogate> {
    let unit = |start: usize| {
        let digits = text.get(start..start.saturating_add(4))?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(1).ok_or(LoneSurrogate)?;
    if let Some(single) = char::from_u32(u32::from(first)) {
        return Ok((single, 5));
    }
    if text.get(5..7) != Some("\\u") {
        return Err(LoneSurrogate);
    }
    let second = unit(7).ok_or(LoneSurrogate)?;
    match char::decode_utf16([first, second]).next() {
        Some(Ok(pair)) => Ok((pair, 11)),
        _ => Err(LoneSurrogate),
    }
}

/// Hands out the pieces of the text as it stands between quotes in JSON. The forms are those
/// of the Java receiver: short escapes where there are any, upper-case hex else.
pub(crate) fn escape(text: &str, mut piece: impl FnMut(&str)) {
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_run(rest.as_bytes()));
        piece(plain);
        let mut chars = special.chars();
        let Some(special) = chars.next() else { return };
        escape_one(special, &mut piece);
        rest = chars.as_str();
    }
}

fn escape_one(special: char, piece: &mut impl FnMut(&str)) {
    match special {
        '"' => piece("\\\""),
        '\\' => piece("\\\\"),
        '\u{8}' => piece("\\b"),
        '\t' => piece("\\t"),
        '\n' => piece("\\n"),
        '\u{c}' => piece("\\f"),
        '\r' => piece("\\r"),
        control => {
            let digit = char::from_digit(u32::from(control) % 16, 16).unwrap_or('0');
            piece(if u32::from(control) < 0x10 { "\\u000" } else { "\\u001" });
            piece(digit.to_ascii_uppercase().encode_utf8(&mut [0; 4]));
        }
    }
}

/// Appends scanned JSON without blanks between its tokens and with its strings in their
/// shortest form. Numbers stay as sent. A string with half a character stays as sent too.
pub(crate) fn compact(json: &str, out: &mut String) {
    let mut meaning = String::new();
    let mut rest = json;
    while let Some((tokens, after_quote)) = rest.split_once('"') {
        push_without_blanks(tokens, out);
        let (inside, after) = after_quote.split_at(string_length(after_quote));
        meaning.clear();
        out.push('"');
        match unescape(inside, &mut meaning) {
            Ok(()) => escape(&meaning, |piece| out.push_str(piece)),
            Err(LoneSurrogate) => out.push_str(inside),
        }
        out.push('"');
        rest = after.get(1..).unwrap_or_default();
    }
    push_without_blanks(rest, out);
}

fn push_without_blanks(tokens: &str, out: &mut String) {
    out.extend(tokens.chars().filter(|token| !matches!(token, ' ' | '\n' | '\r' | '\t')));
}

/// Bytes up to the closing quote of a scanned string.
fn string_length(text: &str) -> usize {
    let mut after_backslash = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !after_backslash;
        after_backslash = byte == b'\\' && !after_backslash;
        ends
    });
    end.unwrap_or(text.len())
}
