//! The socket pair that wakes a shard: bytes that wait, and an end when the last writer has gone.

use std::io;
use std::sync::{Arc, PoisonError};

use loom::sync::{Condvar, Mutex, MutexGuard};

pub(crate) struct WakePair {
    pub(crate) writer: WakeWriter,
    pub(crate) reader: PendingReader,
}

#[derive(Default)]
struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: usize,
    ended: bool,
}

impl WakePair {
    pub(crate) fn new() -> io::Result<Self> {
        let pipe = Arc::new(Pipe::default());
        Ok(Self { writer: WakeWriter(pipe.clone()), reader: PendingReader(pipe) })
    }
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct WakeWriter(Arc<Pipe>);

impl WakeWriter {
    pub(crate) fn wake(&self) {
        self.0.state().bytes += 1;
        self.0.changed.notify_one();
    }
}

impl Drop for WakeWriter {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.changed.notify_one();
    }
}

pub(crate) struct PendingReader(Arc<Pipe>);

impl PendingReader {
    pub(crate) fn attach(self) -> io::Result<WakeReader> {
        Ok(WakeReader(self.0))
    }
}

pub(crate) struct WakeReader(Arc<Pipe>);

impl WakeReader {
    /// Blocks: here a shard has one task, which waits for nothing else.
    pub(crate) async fn wait(&mut self) -> io::Result<usize> {
        let mut state = self.0.state();
        loop {
            if state.bytes > 0 || state.ended {
                return Ok(std::mem::take(&mut state.bytes));
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
