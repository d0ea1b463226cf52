//! Follows one file, whatever replaces it: overwritten, renamed over, swapped behind a symlink,
//! removed with its directory and made again.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::WatchError;
use super::signals::{Signals, Stopper, Wake};

/// How a file is watched.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// How often to look without being told. Bounds the delay of a change that raises no event in
    /// the directory of the file.
    pub poll: Duration,
    /// How long the directory must be quiet before the file is read, at most ten times as long in
    /// all. A burst costs one read, and a plain overwrite is not read half done.
    pub settle: Duration,
    /// Larger files are not read. A ConfigMap holds at most 1 MiB.
    pub bytes_max: u64,
    /// Name of the thread; the system shows the first 15 bytes.
    pub thread_name: String,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(10),
            settle: Duration::from_millis(20),
            bytes_max: 8 << 20,
            thread_name: "contract-watch".to_owned(),
        }
    }
}

/// What is at the path.
#[derive(Debug)]
pub enum FileState<'a> {
    /// The whole file, read without a change in between if it ever held still.
    Content(&'a [u8]),
    /// No such file or directory.
    Missing,
    /// It is there but cannot be read, is no file, or is larger than allowed.
    Unreadable(io::Error),
}

/// Watches one file.
pub struct FileWatch;

impl FileWatch {
    /// Reads `path` at once and then after every change, on a thread of its own that calls `sink`
    /// for the first state and for each that differs from the one before.
    ///
    /// # Errors
    /// When the directory is missing now, the path names no file, or threads or file descriptors
    /// ran out. A directory that goes away later is waited for.
    pub fn start(
        path: impl Into<PathBuf>,
        options: WatchOptions,
        sink: impl FnMut(FileState<'_>) + Send + 'static,
    ) -> Result<WatchHandle, WatchError> {
        let path = path.into();
        let (path, directory) = located(path)?;
        let resources = |source| WatchError::Resources { path: path.clone(), source };
        let (signals, stopper) = Signals::new(&directory).map_err(resources)?;
        let inotify_error = signals.inotify_error();
        let thread = thread::Builder::new().name(options.thread_name.clone());
        let watch = Watch { path: path.clone(), options, signals, sink, last: None };
        let thread = thread.spawn(move || watch.run()).map_err(resources)?;
        Ok(WatchHandle { stopper, thread: Some(thread), inotify_error })
    }
}

/// Absolute from now on, so that a change of the working directory does not matter.
fn located(given: PathBuf) -> Result<(PathBuf, PathBuf), WatchError> {
    let absolute = path::absolute(&given).ok().filter(|path| path.file_name().is_some());
    let directory = absolute.as_deref().and_then(Path::parent).map(Path::to_owned);
    let (Some(path), Some(directory)) = (absolute, directory) else {
        return Err(WatchError::NoFile { path: given });
    };
    match fs::read_dir(&directory) {
        Ok(_) => Ok((path, directory)),
        Err(source) => Err(WatchError::Directory { path, directory, source }),
    }
}

/// A running watch. Dropping it stops it too.
#[must_use = "dropping the handle stops the watch"]
#[derive(Debug)]
pub struct WatchHandle {
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
    inotify_error: Option<String>,
}

impl WatchHandle {
    /// Stops the watch and waits for its thread; a call of the sink that is under way is finished.
    pub fn stop(self) {}

    /// Why only polling is used, every second: mostly `fs.inotify.max_user_instances` or
    /// `fs.inotify.max_user_watches` of the node is reached. Worth a warning in the log.
    pub fn poll_only_because(&self) -> Option<&str> {
        self.inotify_error.as_deref()
    }
}

impl Drop for WatchHandle {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            // A sink may own its handle; its thread cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                // A panic in the sink has been reported by the panic hook already.
                let _ = thread.join();
            }
        }
    }
}

struct Watch<S> {
    path: PathBuf,
    options: WatchOptions,
    signals: Signals,
    sink: S,
    last: Option<Seen>,
}

impl<S: FnMut(FileState<'_>)> Watch<S> {
    fn run(mut self) {
        self.look();
        loop {
            match self.signals.wait(self.options.poll, self.options.settle) {
                Wake::Stopped => return,
                // Two writes within one clock tick may leave all times equal: read anyway.
                Wake::Changed => self.look(),
                Wake::Elapsed => self.look_if_moved(),
            }
        }
    }

    fn look_if_moved(&mut self) {
        let now = fs::metadata(&self.path).ok().map(|it| Fingerprint::of(&it));
        if self.last.as_ref().is_none_or(|seen| seen.fingerprint != now) {
            self.look();
        }
    }

    fn look(&mut self) {
        let (fingerprint, found) = match read_settled(&self.path, self.options.bytes_max) {
            Ok((fingerprint, bytes)) => (Some(fingerprint), Found::Content(bytes)),
            Err(error) if is_missing(&error) => (None, Found::Missing),
            Err(error) => {
                let fingerprint = fs::metadata(&self.path).ok().map(|it| Fingerprint::of(&it));
                (fingerprint, Found::Unreadable(error))
            }
        };
        let is_new = self.last.as_ref().is_none_or(|seen| !seen.found.same(&found));
        if is_new {
            (self.sink)(match &found {
                Found::Content(bytes) => FileState::Content(bytes),
                Found::Missing => FileState::Missing,
                Found::Unreadable(error) => FileState::Unreadable(copied(error)),
            });
        }
        self.last = Some(Seen { fingerprint, found });
    }
}

struct Seen {
    /// `None` when there was nothing to look at.
    fingerprint: Option<Fingerprint>,
    found: Found,
}

enum Found {
    Content(Vec<u8>),
    Missing,
    Unreadable(io::Error),
}

impl Found {
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Content(a), Self::Content(b)) => a == b,
            (Self::Missing, Self::Missing) => true,
            (Self::Unreadable(a), Self::Unreadable(b)) => a.to_string() == b.to_string(),
            _ => false,
        }
    }
}

/// What of a file changes when its content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reads until the file did not change under the read, a few times at most: a writer that never
/// rests raises another event or is seen by the next poll.
fn read_settled(path: &Path, bytes_max: u64) -> io::Result<(Fingerprint, Vec<u8>)> {
    const TRIES: usize = 3;
    let mut tries = 1;
    loop {
        let (before, bytes, after) = read(path, bytes_max)?;
        if before == after || tries == TRIES {
            return Ok((before, bytes));
        }
        tries += 1;
    }
}

fn read(path: &Path, bytes_max: u64) -> io::Result<(Fingerprint, Vec<u8>, Fingerprint)> {
    // Looked at before opening: opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let file = File::open(path)?;
    let before = Fingerprint::of(&file.metadata()?);
    let mut bytes = Vec::with_capacity(usize::try_from(before.size.min(bytes_max)).unwrap_or(0));
    (&file).take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let reason = format!("larger than the {bytes_max} bytes that are read at most");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok((before, bytes, Fingerprint::of(&file.metadata()?)))
}

fn is_missing(error: &io::Error) -> bool {
    // A directory on the way replaced by a file has the same meaning.
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// `io::Error` cannot be cloned.
fn copied(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
