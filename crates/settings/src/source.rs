//! Where setting texts come from: the process environment, a mounted ConfigMap directory with
//! one file a key, or a map in tests.

use std::{
    collections::BTreeMap,
    env::VarError,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::report::Origin;

/// No settings file is larger: Kubernetes limits a whole ConfigMap to 1 MiB.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A place that holds texts under names.
pub trait Source {
    /// The text under `key` as it stands there, or `None` if there is none.
    fn text(&self, key: &str) -> Result<Option<String>, Unreadable>;

    /// Where a person would look for `key`.
    fn origin(&self, key: &str) -> Origin;
}

/// There is something under that name, but no text.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Bytes that are not UTF-8.
    #[error("is not valid UTF-8 text")]
    NotText,
    /// The file could not be read.
    #[error("cannot be read: {0}; check that it is mounted and that its mode allows reading")]
    Io(#[from] io::Error),
    /// The file is larger than [`FILE_BYTES_MAX`].
    #[error("is larger than {FILE_BYTES_MAX} bytes, too large for a settings file")]
    TooLarge,
}

/// The environment variables of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Source for ProcessEnvironment {
    fn text(&self, key: &str) -> Result<Option<String>, Unreadable> {
        match std::env::var(key) {
            Ok(text) => Ok(Some(text)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(Unreadable::NotText),
        }
    }

    fn origin(&self, _key: &str) -> Origin {
        Origin::Environment
    }
}

/// Given variables in place of the process environment.
#[derive(Clone, Debug, Default)]
pub struct Variables(pub BTreeMap<String, String>);

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl Source for Variables {
    fn text(&self, key: &str) -> Result<Option<String>, Unreadable> {
        Ok(self.0.get(key).cloned())
    }

    fn origin(&self, _key: &str) -> Origin {
        Origin::Environment
    }
}

/// A directory with one file a key, as Kubernetes mounts a ConfigMap. Texts are trimmed, as
/// platform.md 7.2 has it. A missing directory is one without keys.
#[derive(Clone, Debug)]
pub struct MountedDirectory(pub PathBuf);

impl Source for MountedDirectory {
    fn text(&self, key: &str) -> Result<Option<String>, Unreadable> {
        match read_file(&self.0.join(key)) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| Unreadable::NotText)?;
                Ok(Some(text.trim().to_owned()))
            }
            Err(Unreadable::Io(error)) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn origin(&self, key: &str) -> Origin {
        Origin::File(self.0.join(key))
    }
}

/// The bytes of a settings file, at most [`FILE_BYTES_MAX`].
pub fn read_file(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Unreadable::TooLarge);
    }
    Ok(bytes)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_directory_gives_trimmed_texts() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("metrics-protocol"), " prometheus\n").unwrap();
        std::fs::write(directory.path().join("binary"), [0xff, 0xfe]).unwrap();
        let source = MountedDirectory(directory.path().to_owned());
        assert_eq!(source.text("metrics-protocol").unwrap().as_deref(), Some("prometheus"));
        assert!(source.text("absent").unwrap().is_none());
        assert!(matches!(source.text("binary"), Err(Unreadable::NotText)));
        assert_eq!(source.origin("a"), Origin::File(directory.path().join("a")));
    }

    #[test]
    fn a_missing_directory_has_no_keys() {
        let source = MountedDirectory("/nonexistent/observability".into());
        assert!(source.text("metrics-protocol").unwrap().is_none());
    }

    #[test]
    fn an_endless_file_is_refused() {
        assert!(matches!(read_file(Path::new("/dev/zero")), Err(Unreadable::TooLarge)));
    }

    #[test]
    fn the_process_environment_is_read() {
        let path = ProcessEnvironment.text("PATH").unwrap();
        assert_eq!(path, std::env::var("PATH").ok());
    }
}
