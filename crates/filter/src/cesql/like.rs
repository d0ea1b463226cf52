//! `LIKE` patterns, cut into pieces while compiling.
//!
//! `%` is any run of characters, `_` one character, neither a line break; `\%` and `\_` are those
//! characters themselves, any other backslash is a backslash.

/// A pattern, cut at each `%`.
#[derive(Debug, PartialEq)]
pub(super) struct Pattern {
    first: Segment,
    /// What follows each `%`.
    others: Vec<Segment>,
}

/// What stands between two `%`: texts and single characters.
type Segment = Vec<Piece>;

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    One,
}

/// As Java's regular expressions have it.
const LINE_BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

impl Pattern {
    pub(super) fn compile(pattern: &str) -> Self {
        let mut segments = vec![Segment::new()];
        let mut rest = pattern.chars();
        while let Some(c) = rest.next() {
            let escaped = match (c, rest.as_str().chars().next()) {
                ('\\', Some(next @ ('%' | '_'))) => {
                    rest.next();
                    Some(next)
                }
                ('%' | '_', _) => None,
                _ => Some(c),
            };
            match (escaped, segments.last_mut()) {
                (None, _) if c == '%' => segments.push(Segment::new()),
                (None, Some(segment)) => segment.push(Piece::One),
                (Some(c), Some(segment)) => match segment.last_mut() {
                    Some(Piece::Text(text)) => text.push(c),
                    _ => segment.push(Piece::Text(c.into())),
                },
                (_, None) => {}
            }
        }
        let others = segments.split_off(1);
        Self { first: segments.pop().unwrap_or_default(), others }
    }

    /// Whether all of the text matches. Taking the leftmost place of each segment is enough: it
    /// leaves the most room for the next, and a later place never avoids a line break. Linear for
    /// segments without `_`, else at most text times segment.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(mut rest) = strip_start(text, &self.first) else { return false };
        let Some((last, middle)) = self.others.split_last() else { return rest.is_empty() };
        for segment in middle {
            match find(rest, segment) {
                Some((gap, after)) if !gap.contains(LINE_BREAKS) => rest = after,
                _ => return false,
            }
        }
        strip_end(rest, last).is_some_and(|gap| !gap.contains(LINE_BREAKS))
    }
}

/// What follows the segment at the text's start.
fn strip_start<'t>(text: &'t str, segment: &[Piece]) -> Option<&'t str> {
    segment.iter().try_fold(text, |text, piece| match piece {
        Piece::Text(start) => text.strip_prefix(start.as_str()),
        Piece::One => {
            let mut rest = text.chars();
            rest.next().filter(|c| !LINE_BREAKS.contains(c)).map(|_| rest.as_str())
        }
    })
}

/// What precedes the segment at the text's end.
fn strip_end<'t>(text: &'t str, segment: &[Piece]) -> Option<&'t str> {
    segment.iter().rev().try_fold(text, |text, piece| match piece {
        Piece::Text(end) => text.strip_suffix(end.as_str()),
        Piece::One => {
            let mut rest = text.chars();
            rest.next_back().filter(|c| !LINE_BREAKS.contains(c)).map(|_| rest.as_str())
        }
    })
}

/// What precedes and what follows the segment's leftmost place.
fn find<'t>(text: &'t str, segment: &[Piece]) -> Option<(&'t str, &'t str)> {
    match segment {
        [] => Some(("", text)),
        [Piece::Text(wanted)] => text.split_once(wanted.as_str()),
        _ => text.char_indices().find_map(|(start, _)| {
            let (before, from) = text.split_at_checked(start)?;
            Some((before, strip_start(from, segment)?))
        }),
    }
}
