//! A directory laid out and updated as kubelet does it for a ConfigMap volume (contract.md 6).
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub(crate) struct Mount {
    root: TempDir,
    version: u32,
}

impl Mount {
    pub(crate) fn new(content: &str) -> Self {
        let mut mount = Self { root: tempfile::tempdir().unwrap(), version: 0 };
        mount.swap(content);
        symlink("..data/data", mount.file()).unwrap();
        mount
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// New directory, new link beside the old one, rename over it, old directory removed.
    pub(crate) fn swap(&mut self, content: &str) {
        let root = self.root.path();
        let old = fs::read_link(root.join("..data"));
        self.version += 1;
        let new = format!("..2026_01_01_{}", self.version);
        fs::create_dir(root.join(&new)).unwrap();
        fs::write(root.join(&new).join("data"), content).unwrap();
        symlink(&new, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        if let Ok(old) = old {
            fs::remove_dir_all(root.join(old)).unwrap();
        }
    }
}

/// Puts new content at `path` in one step, whatever is there now.
pub(crate) fn replace_file(path: &Path, content: &str) {
    if path.is_dir() {
        fs::remove_dir(path).unwrap();
    }
    let beside = path.with_extension("tmp");
    fs::write(&beside, content).unwrap();
    fs::rename(beside, path).unwrap();
}
