//! One contract file and the ways in which it may be written.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use millrace_tests::mount::Mount;
use millrace_tests::wait::pass;

/// How a new content comes to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By the symlink of its directory, as kubelet does.
    Swapped,
    /// By a rename over the file itself.
    Renamed,
    /// Cut to nothing, then written.
    InPlace,
    /// Half of it, and a while later the rest.
    Torn,
}

/// A reader that waits for quiet has looked by then.
const TORN_FOR: Duration = Duration::from_millis(200);

/// See the head of this file.
pub(super) struct ContractFile {
    data: PathBuf,
    temporary: PathBuf,
    is_link: bool,
}

impl ContractFile {
    /// The file `data` in the directory of a mount.
    pub(super) fn at(directory: &Path) -> Self {
        let (data, temporary) = (directory.join("data"), directory.join("data.new"));
        Self { data, temporary, is_link: true }
    }

    pub(super) fn write(&mut self, way: Way, mount: &Mount, bytes: &[u8]) {
        match way {
            Way::Swapped => {
                mount.swap(&[("data", bytes)]);
                if !self.is_link {
                    symlink("..data/data", &self.temporary).unwrap();
                    fs::rename(&self.temporary, &self.data).unwrap();
                    self.is_link = true;
                }
            }
            Way::Renamed => self.rename(bytes),
            Way::InPlace if self.is_link => self.rename(bytes),
            Way::InPlace => fs::write(&self.data, bytes).unwrap(),
            Way::Torn => {
                let (first, rest) = bytes.split_at(bytes.len() / 2);
                if self.is_link {
                    self.rename(first);
                } else {
                    fs::write(&self.data, first).unwrap();
                }
                pass(TORN_FOR);
                let mut file = OpenOptions::new().append(true).open(&self.data).unwrap();
                file.write_all(rest).unwrap();
            }
        }
    }

    fn rename(&mut self, bytes: &[u8]) {
        fs::write(&self.temporary, bytes).unwrap();
        fs::rename(&self.temporary, &self.data).unwrap();
        self.is_link = false;
    }
}
