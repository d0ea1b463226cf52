//! Follows a mounted contract file and reports each new contract once (contract.md 6).
//!
//! [`Watcher`] is about contracts; [`FileWatch`] below it follows any one file by inotify on its
//! directory and by polling, so that no way of replacing the file is missed for long.

mod file;
mod signals;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::json::{ParseError, Warnings};
use crate::model::{Contract, Parsed};
pub use file::{FileState, FileWatch, WatchHandle, WatchOptions};

/// What became of the contract file. In every state but `Contract` the contract in force stays.
#[derive(Debug)]
pub enum Update {
    /// A contract that differs from the last accepted one in generation or in content.
    Contract {
        /// What to apply.
        contract: Arc<Contract>,
        /// What to log.
        warnings: Warnings,
    },
    /// After one of the states below the file again says what is in force: nothing to apply.
    Restored {
        /// Generation of the contract in force.
        generation: u64,
    },
    /// Zero bytes, as in every fresh install. Not a fault.
    Empty,
    /// There is no such file (or no such directory any more).
    Missing,
    /// The file is there and cannot be read.
    Unreadable(io::Error),
    /// The file cannot be parsed. Reported once for each content.
    Malformed(ParseError),
}

/// Why a watch could not be started. None of these is cured by trying again without a change of
/// the mount or of the limits of the process.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The directory has to be mounted before the program starts.
    #[error(
        "cannot watch {path}: its directory {directory} is missing or not a directory: {source}"
    )]
    Directory {
        /// The file to be watched.
        path: PathBuf,
        /// Its directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path names a directory or nothing.
    #[error("cannot watch {path:?}: it must name a file in a directory")]
    NoFile {
        /// The path as given.
        path: PathBuf,
    },
    /// Out of threads or file descriptors.
    #[error("cannot watch {path}: no thread or file descriptor left for it: {source}")]
    Resources {
        /// The file to be watched.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Watches one contract file.
pub struct Watcher;

impl Watcher {
    /// Reads `path` at once and then after every change, on a thread of its own that calls `sink`.
    /// The first state is always reported, a later one only when it differs. While `sink` runs,
    /// changes gather; the next read sees only the last of them.
    ///
    /// # Errors
    /// [`WatchError`], notably when the directory of `path` does not exist.
    pub fn start(
        path: impl Into<PathBuf>,
        options: WatchOptions,
        mut sink: impl FnMut(Update) + Send + 'static,
    ) -> Result<WatchHandle, WatchError> {
        let mut accepted = Accepted::default();
        FileWatch::start(path, options, move |state| {
            if let Some(update) = accepted.update(state) {
                sink(update);
            }
        })
    }
}

/// The contract in force, and whether the file still says so.
#[derive(Default)]
struct Accepted {
    contract: Option<Arc<Contract>>,
    astray: bool,
}

impl Accepted {
    fn update(&mut self, state: FileState<'_>) -> Option<Update> {
        let parsed = match state {
            FileState::Missing => return Some(self.stray(Update::Missing)),
            FileState::Unreadable(error) => return Some(self.stray(Update::Unreadable(error))),
            FileState::Content(text) => Contract::parse(text),
        };
        match parsed {
            Err(ParseError::Empty) => Some(self.stray(Update::Empty)),
            Err(error) => Some(self.stray(Update::Malformed(error))),
            Ok(parsed) => self.contract(parsed),
        }
    }

    fn stray(&mut self, update: Update) -> Update {
        self.astray = true;
        update
    }

    /// Compares what is said, not the text: a writer may space the same contract differently.
    fn contract(&mut self, Parsed { contract, warnings }: Parsed) -> Option<Update> {
        let was_astray = std::mem::take(&mut self.astray);
        if self.contract.as_deref() == Some(&contract) {
            return was_astray.then_some(Update::Restored { generation: contract.generation });
        }
        let contract = Arc::new(contract);
        self.contract = Some(Arc::clone(&contract));
        Some(Update::Contract { contract, warnings })
    }
}
