//! Buffers that outlive one event: what could not be borrowed from the request lives here.

use std::ops::Range;

use crate::json::Value;

/// Reusable room for decoding, one per shard. An [`crate::Event`] borrows it until the next
/// decode. It keeps what it grew to, up to [`Scratch::KEEP_BYTES_MAX`] a buffer.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Rewritten text: extension names and values, transcoded values, the time.
    pub(crate) text: String,
    /// Decoded data: base64 and strings with escapes.
    pub(crate) data: Vec<u8>,
    /// The event's extensions.
    pub(crate) extensions: Vec<Extension>,
    /// Extensions of a JSON event whose values are not judged yet.
    pub(crate) members: Vec<Member>,
}

/// An extension, as positions in [`Scratch::text`].
#[derive(Debug, Clone)]
pub(crate) struct Extension {
    /// `ce_` and the name, so that it is a Kafka header name as it stands.
    pub(crate) header: Range<usize>,
    /// The value's string form.
    pub(crate) value: Range<usize>,
    pub(crate) kind: ExtensionKind,
}

/// The type of an extension's value: only JSON and metadata know others than text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExtensionKind {
    Text,
    Integer(i32),
    Long(i64),
    Boolean(bool),
}

/// A JSON member that is no attribute of its spec version.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// As [`Extension::header`].
    pub(crate) header: Range<usize>,
    pub(crate) value: Value,
}

/// Kafka header names of attributes are `ce_` and the attribute's name.
pub(crate) const HEADER_PREFIX: &str = "ce_";

impl Scratch {
    /// A buffer that one huge event grew past this is given back before the next event.
    pub const KEEP_BYTES_MAX: usize = 256 * 1024;

    /// Empty room; it grows with the first events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the last event.
    pub(crate) fn reset(&mut self) {
        self.text.clear();
        self.data.clear();
        self.extensions.clear();
        self.members.clear();
        self.text.shrink_to(Self::KEEP_BYTES_MAX);
        self.data.shrink_to(Self::KEEP_BYTES_MAX);
        self.extensions.shrink_to(Self::KEEP_BYTES_MAX / size_of::<Extension>());
        self.members.shrink_to(Self::KEEP_BYTES_MAX / size_of::<Member>());
    }

    /// Appends to the text and says where it stands.
    pub(crate) fn push_text(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Appends what `write` writes and says where it stands.
    pub(crate) fn push_with(&mut self, write: impl FnOnce(&mut String)) -> Range<usize> {
        let start = self.text.len();
        write(&mut self.text);
        start..self.text.len()
    }

    /// Appends an extension whose header name, with its prefix, is known to be right.
    pub(crate) fn push_extension(&mut self, header: &str, value: &str) {
        let header = self.push_text(header);
        let value = self.push_text(value);
        self.extensions.push(Extension { header, value, kind: ExtensionKind::Text });
    }

    /// Appends header bytes read as Latin-1 (receiver.md W29).
    pub(crate) fn push_latin1(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend(bytes.iter().copied().map(char::from));
        start..self.text.len()
    }

    /// Appends `ce_` and the lower-cased name, or nothing when the name is not `[a-z0-9]*`.
    pub(crate) fn push_header_name(&mut self, name: &[u8]) -> Option<Range<usize>> {
        if !name.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let start = self.text.len();
        self.text.push_str(HEADER_PREFIX);
        self.text.push_str(std::str::from_utf8(name).ok()?);
        self.text.get_mut(start..)?.make_ascii_lowercase();
        Some(start..self.text.len())
    }

    /// Drops the extensions with this header name.
    pub(crate) fn remove_extensions(&mut self, header: &str) {
        let text = &self.text;
        self.extensions.retain(|extension| text.get(extension.header.clone()) != Some(header));
    }

    /// Drops all but the last of the extensions with one name.
    pub(crate) fn keep_last_extensions(&mut self) {
        keep_last(&mut self.extensions, &self.text, |extension| &extension.header);
    }

    /// Drops all but the last of the members with one name.
    pub(crate) fn keep_last_members(&mut self) {
        keep_last(&mut self.members, &self.text, |member| &member.header);
    }
}

/// Keeps the last entry of each name. Sorts where comparing each with each would let a sender
/// with thousands of names cost time in their square; the order of extensions means nothing.
fn keep_last<T>(entries: &mut Vec<T>, text: &str, header: impl Fn(&T) -> &Range<usize>) {
    const PAIRWISE_MAX: usize = 16;
    let name = |entry: &T| text.get(header(entry).clone());
    if entries.len() <= PAIRWISE_MAX {
        let mut at = 0;
        while let Some((entry, later)) = entries.get(at..).and_then(<[T]>::split_first) {
            // Names of one length are few, so most need not be read.
            let length = header(entry).len();
            let same = |other: &T| header(other).len() == length && name(other) == name(entry);
            if later.iter().any(same) {
                entries.remove(at);
            } else {
                at += 1;
            }
        }
        return;
    }
    entries.reverse();
    entries.sort_by(|left, right| name(left).cmp(&name(right)));
    entries.dedup_by(|later, kept| name(later) == name(kept));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_names_stays_at_any_count() {
        for distinct in [0_usize, 1, 3, 15, 16, 17, 200] {
            let text: String = (0..distinct).map(|name| format!("{name:03}")).collect();
            let place = |at: usize| at % distinct * 3..at % distinct * 3 + 3;
            let mut entries: Vec<(Range<usize>, usize)> =
                (0..distinct * 3).map(|at| (place(at), at)).collect();
            keep_last(&mut entries, &text, |entry| &entry.0);
            entries.sort_by_key(|entry| entry.1);
            let kept: Vec<usize> = entries.iter().map(|entry| entry.1).collect();
            assert_eq!(kept, (distinct * 2..distinct * 3).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_huge_event_does_not_keep_its_buffers() {
        let mut scratch = Scratch::new();
        scratch.data.resize(Scratch::KEEP_BYTES_MAX * 4, 0);
        scratch.reset();
        assert!(scratch.data.capacity() <= Scratch::KEEP_BYTES_MAX);
    }

    #[test]
    fn names_are_lowered_or_refused_whole() {
        let mut scratch = Scratch::new();
        assert_eq!(scratch.push_header_name(b"MyExt1"), Some(0..9));
        assert_eq!(scratch.push_header_name(b"my-ext"), None);
        assert_eq!(scratch.text, "ce_myext1");
    }
}
