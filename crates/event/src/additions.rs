//! What the dispatcher adds to every event: where it stood, overrides, why it failed.

use crate::dead_letter::Failure;
use crate::draft::{Draft, is_extension_name};
use crate::event::SpecVersion;
use crate::scratch::{Extension, ExtensionKind, HEADER_PREFIX, Scratch};

/// Additions to an event besides the extensions `knativekafkapartition` and
/// `knativekafkaoffset`, which every event of a record gets (dispatcher.md 6). Filters see all of
/// them. Each replaces extensions of its name: the overrides those of the event and the record's
/// place, the failure all others.
#[derive(Debug, Clone, Copy)]
pub struct Additions<'f> {
    /// Extensions from the contract.
    pub overrides: &'f Overrides,
    /// Makes the event a dead letter: of version 1.0, with the extensions that tell what
    /// happened (dispatcher.md 12).
    pub failure: Option<&'f Failure>,
}

/// `cloudEventOverrides.extensions`, their names checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Header name with its prefix, and value.
    extensions: Vec<(String, String)>,
}

impl Overrides {
    /// Takes the extensions whose names are `[a-z0-9]+` and not those of an attribute. The others
    /// are left out and their names returned, for a log line: Java would stop delivering or send
    /// a header twice (dispatcher.md W10).
    pub fn new<N, V>(extensions: impl IntoIterator<Item = (N, V)>) -> (Self, Vec<String>)
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut overrides = Self::default();
        let mut ignored = Vec::new();
        for (name, value) in extensions {
            let (name, value) = (name.as_ref(), value.as_ref());
            if is_extension_name(name) {
                overrides.extensions.push((format!("{HEADER_PREFIX}{name}"), value.to_owned()));
            } else {
                ignored.push(name.to_owned());
            }
        }
        (overrides, ignored)
    }
}

impl Additions<'_> {
    /// Adds all, and leaves one extension of each name.
    pub(crate) fn apply(
        &self,
        draft: &mut Draft<'_>,
        partition: i32,
        offset: i64,
        scratch: &mut Scratch,
    ) {
        // Each event comes by here, and itoa takes a quarter of what formatting takes.
        let mut digits = itoa::Buffer::new();
        let header = scratch.push_text("ce_knativekafkapartition");
        let value = scratch.push_text(digits.format(partition));
        let kind = ExtensionKind::Integer(partition);
        scratch.extensions.push(Extension { header, value, kind });
        let header = scratch.push_text("ce_knativekafkaoffset");
        let value = scratch.push_text(digits.format(offset));
        let kind = ExtensionKind::Long(offset);
        scratch.extensions.push(Extension { header, value, kind });
        for (header, value) in &self.overrides.extensions {
            scratch.push_extension(header, value);
        }
        if let Some(failure) = self.failure {
            to_version_1(draft, scratch);
            for (header, value) in failure.extensions() {
                scratch.push_extension(header, value);
            }
        }
        scratch.keep_last_extensions();
    }
}

/// The schema keeps its place and so changes its name with the version.
fn to_version_1(draft: &mut Draft<'_>, scratch: &mut Scratch) {
    if draft.spec_version == SpecVersion::V03 {
        draft.spec_version = SpecVersion::V1;
        // An extension before, it would now stand beside the attribute of its name.
        scratch.remove_extensions("ce_dataschema");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_with_names_that_cannot_be_sent_are_left_out() {
        let names = ["a", "Bad-Name", "", "type", "x1", "schemaurl", "é", "Env", "data_base64"];
        let (overrides, ignored) = Overrides::new(names.map(|name| (name, "v")));
        assert_eq!(ignored, ["Bad-Name", "", "type", "schemaurl", "é", "Env", "data_base64"]);
        let kept: Vec<&str> = overrides.extensions.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(kept, ["ce_a", "ce_x1"]);
    }
}
