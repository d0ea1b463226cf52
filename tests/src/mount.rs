//! A directory as kubelet mounts a ConfigMap: files behind a `..data` symlink that is swapped at each change.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A mounted ConfigMap (contract.md 6): `data` is a link to `..data/data`, `..data` one to the current directory.
pub struct Mount {
    directory: PathBuf,
    version: AtomicU64,
}

impl Mount {
    /// Makes the directory and its first content.
    pub fn new(directory: &Path, files: &[(&str, &[u8])]) -> Self {
        fs::create_dir_all(directory).expect("the harness owns this folder");
        let mount = Self { directory: directory.to_owned(), version: AtomicU64::new(0) };
        mount.swap(files);
        mount
    }

    /// Puts new content in place with one rename, as kubelet does; files not named are gone.
    pub fn swap(&self, files: &[(&str, &[u8])]) {
        let version = self.version.fetch_add(1, Ordering::Relaxed);
        let link = self.directory.join("..data");
        let before = fs::read_link(&link).ok();
        let stamp = format!("..2026_07_31_{version:06}");
        let folder = self.directory.join(&stamp);
        fs::create_dir_all(&folder).expect("the harness owns this folder");
        for (name, content) in files {
            fs::write(folder.join(name), content).expect("the harness owns this folder");
        }
        let temporary = self.directory.join("..data_tmp");
        symlink(&stamp, &temporary).expect("the harness owns this folder");
        fs::rename(&temporary, &link).expect("a rename over the old link");
        for (name, _) in files {
            let visible = self.directory.join(name);
            if fs::symlink_metadata(&visible).is_err() {
                symlink(Path::new("..data").join(name), &visible)
                    .expect("the harness owns this folder");
            }
        }
        if let Some(before) = before {
            fs::remove_dir_all(self.directory.join(before)).expect("the version before this one");
        }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_changes_what_the_link_shows_and_leaves_one_version() {
        let directory = std::env::temp_dir().join(format!("millrace-mount-{}", std::process::id()));
        let mount = Mount::new(&directory, &[("data", b"one")]);
        assert_eq!(fs::read(directory.join("data")).unwrap(), b"one");
        mount.swap(&[("data", b"two")]);
        assert_eq!(fs::read(directory.join("data")).unwrap(), b"two");
        assert!(fs::symlink_metadata(directory.join("data")).unwrap().is_symlink());
        // `data`, `..data` and one version folder.
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
        fs::remove_dir_all(&directory).unwrap();
    }
}
