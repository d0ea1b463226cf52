//! Waits for something to happen in a directory: inotify, a timeout, or the order to stop.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// How often to look while the directory cannot be watched.
const UNARMED_POLL: Duration = Duration::from_secs(1);

/// No wait is longer, so that no sum of times overflows.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A burst delays the read by at most this many settle times.
const SETTLE_TIMES_MAX: u32 = 10;

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Something happened in the directory, to it, or another one took its place.
    Changed,
    /// Time to look without being told.
    Elapsed,
    /// End the thread.
    Stopped,
}

/// Ends the waits of a [`Signals`] for good.
#[derive(Debug)]
pub(super) struct Stopper(Arc<OwnedFd>);

impl Stopper {
    pub(super) fn stop(&self) {
        // Fails only when the counter is full, that is, when it was stopped already.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

/// Events of one directory, by path: when another directory takes its place, that one is watched.
pub(super) struct Signals {
    directory: PathBuf,
    inotify: Result<OwnedFd, Errno>,
    armed: Result<Armed, Errno>,
    stop: Arc<OwnedFd>,
}

/// The watched directory, which may no longer be the one at the path.
struct Armed {
    watch: i32,
    device: u64,
    inode: u64,
}

impl Signals {
    pub(super) fn new(directory: &Path) -> io::Result<(Self, Stopper)> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let directory = directory.to_owned();
        let mut signals =
            Self { directory, inotify, armed: Err(Errno::NOENT), stop: Arc::clone(&stop) };
        signals.arm();
        Ok((signals, Stopper(stop)))
    }

    /// Why there are no events, if so.
    pub(super) fn inotify_error(&self) -> Option<String> {
        let error = self.inotify.as_ref().err().or(self.armed.as_ref().err());
        error.map(Errno::to_string)
    }

    /// Waits for the first event and then until none came for `settle`, or until `timeout`.
    pub(super) fn wait(&mut self, timeout: Duration, settle: Duration) -> Wake {
        let longest = if self.armed.is_ok() { WAIT_MAX } else { UNARMED_POLL };
        let (timeout, settle) = (timeout.min(longest), settle.min(WAIT_MAX));
        match self.next(timeout) {
            Wake::Changed => self.settled(settle),
            Wake::Elapsed if self.rearm() => Wake::Changed,
            wake => wake,
        }
    }

    fn settled(&mut self, settle: Duration) -> Wake {
        let end = Instant::now() + settle.saturating_mul(SETTLE_TIMES_MAX);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let wake = if left.is_zero() { Wake::Elapsed } else { self.next(settle.min(left)) };
            match wake {
                Wake::Changed => {}
                Wake::Elapsed => {
                    // Before the read, so that nothing falls between the two.
                    self.rearm();
                    return Wake::Changed;
                }
                Wake::Stopped => return Wake::Stopped,
            }
        }
    }

    fn next(&mut self, timeout: Duration) -> Wake {
        let end = Instant::now() + timeout;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // Saturates only beyond 292 billion years.
            let left =
                Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
            let stop = PollFd::new(&*self.stop, PollFlags::IN);
            let ready = match &self.inotify {
                Ok(inotify) => {
                    let mut fds = [stop, PollFd::new(inotify, PollFlags::IN)];
                    poll(&mut fds, Some(&left)).map(|_| fds.map(|fd| !fd.revents().is_empty()))
                }
                Err(_) => {
                    let mut fds = [stop];
                    poll(&mut fds, Some(&left)).map(|_| [!fds[0].revents().is_empty(), false])
                }
            };
            match ready {
                Ok([true, _]) => return Wake::Stopped,
                Ok([false, true]) if self.drain() => return Wake::Changed,
                // Interrupted, or an event of a directory no longer watched.
                Ok([false, true]) | Err(Errno::INTR) if Instant::now() < end => {}
                Ok(_) | Err(Errno::INTR) => return Wake::Elapsed,
                Err(_) => {
                    // Out of kernel memory: nothing better to do than to look again later.
                    std::thread::sleep(timeout.min(UNARMED_POLL));
                    return Wake::Elapsed;
                }
            }
        }
    }

    /// Takes all waiting events; false when none of them is about the directory.
    fn drain(&mut self) -> bool {
        let Ok(inotify) = &self.inotify else { return false };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(inotify, &mut buffer);
        let mut about_us = false;
        while let Ok(event) = reader.next() {
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                about_us = true;
            } else if self.armed.as_ref().is_ok_and(|armed| armed.watch == event.wd()) {
                about_us = true;
                if flags.contains(ReadFlags::IGNORED) {
                    // The kernel has dropped the watch: the directory is gone.
                    self.armed = Err(Errno::NOENT);
                }
            }
        }
        about_us
    }

    /// Watches the directory that is at the path now. True when that is another than before, so
    /// that changes may have been missed.
    fn rearm(&mut self) -> bool {
        let now = fs::metadata(&self.directory).ok().map(|it| (it.dev(), it.ino()));
        if now.is_some() && now == self.armed.as_ref().ok().map(|armed| (armed.device, armed.inode))
        {
            return false;
        }
        if let (Ok(armed), Ok(inotify)) = (&self.armed, &self.inotify) {
            // The kernel forgets it by itself when the directory is gone.
            let _ = inotify::remove_watch(inotify, armed.watch);
        }
        self.arm()
    }

    fn arm(&mut self) -> bool {
        let Ok(inotify) = &self.inotify else { return false };
        // A file being written is read when its writer closes it; MODIFY would wake us half-way.
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        self.armed = inotify::add_watch(inotify, &self.directory, flags).and_then(|watch| {
            let found = rustix::fs::stat(&self.directory)?;
            Ok(Armed { watch, device: found.st_dev, inode: found.st_ino })
        });
        self.armed.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(15);
    const NEVER: Duration = Duration::MAX;
    const SETTLE: Duration = Duration::from_millis(1);

    #[test]
    fn without_inotify_it_is_time_to_look_every_second() {
        let directory = tempfile::tempdir().unwrap();
        let (mut signals, stopper) = Signals::new(directory.path()).unwrap();
        signals.inotify = Err(Errno::MFILE);
        signals.armed = Err(Errno::NOENT);
        assert_eq!(signals.inotify_error().as_deref(), Some("Too many open files (os error 24)"));
        let began = Instant::now();
        assert_eq!(signals.wait(NEVER, SETTLE), Wake::Elapsed);
        assert!((UNARMED_POLL..DEADLINE).contains(&began.elapsed()));
        stopper.stop();
        assert_eq!(signals.wait(NEVER, SETTLE), Wake::Stopped);
    }

    #[test]
    fn a_directory_that_never_rests_is_looked_at_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let (mut signals, stopper) = Signals::new(directory.path()).unwrap();
        let path = directory.path().join("busy");
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let writer = std::thread::spawn(move || {
            let still_wanted =
                || matches!(ended.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty));
            while still_wanted() {
                fs::write(&path, "x").unwrap();
            }
        });
        let settle = Duration::from_millis(50);
        for _ in 0..3 {
            let began = Instant::now();
            assert_eq!(signals.wait(NEVER, settle), Wake::Changed);
            assert!(began.elapsed() < DEADLINE);
        }
        // The order to stop gets through too.
        stopper.stop();
        assert_eq!(signals.wait(NEVER, settle), Wake::Stopped);
        drop(end);
        writer.join().unwrap();
    }
}
