//! The thread that writes log lines, and the bounded queue to it: a slow stdout loses lines, and
//! says so, instead of holding up whoever logs.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tracing::Level;

use crate::limit::RateLimit;
use crate::line::{Format, Line, Said};

/// Lines waiting; beyond it new ones are dropped.
const LINES_MAX: usize = 8_192;
/// Bytes waiting; beyond it new lines are dropped, and those below WARN at three quarters of it,
/// so that what matters most goes last.
const BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Written at one go.
const BATCH_BYTES: usize = 64 * 1_024;

/// Lines dropped by the process, for the metric.
pub(crate) static DROPPED: AtomicU64 = AtomicU64::new(0);

/// The near end of the queue; never blocks.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: SyncSender<Message>,
    bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

impl Queue {
    /// Starts the thread that writes to `sink`; it lives as long as the queue.
    pub(crate) fn start(
        sink: impl Write + Send + 'static,
        format: Format,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(LINES_MAX);
        let (bytes, dropped) = (Arc::default(), Arc::default());
        let writer = Writer {
            sink,
            format,
            bytes: Arc::clone(&bytes),
            dropped: Arc::clone(&dropped),
            reported: 0,
            limit: RateLimit::new(),
        };
        thread::Builder::new().name("log".into()).spawn(move || writer.run(&receiver))?;
        Ok(Self { sender, bytes, dropped })
    }

    pub(crate) fn push(&self, level: Level, line: String) {
        let room = if level <= Level::WARN { BYTES_MAX } else { BYTES_MAX / 4 * 3 };
        let size = line.len();
        let waiting = self.bytes.fetch_add(size, Relaxed);
        if waiting.saturating_add(size) > room || self.sender.try_send(Message::Line(line)).is_err()
        {
            self.bytes.fetch_sub(size, Relaxed);
            self.dropped.fetch_add(1, Relaxed);
            DROPPED.fetch_add(1, Relaxed);
        }
    }

    /// Waits until all lines so far are written; false when that took longer than `limit`.
    pub(crate) fn flush(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        loop {
            match self.sender.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) if Instant::now() < deadline => {
                    message = back;
                    #[allow(clippy::disallowed_methods)] // The process is about to end.
                    thread::sleep(Duration::from_millis(5));
                }
                Err(TrySendError::Full(_)) => return false,
            }
        }
        written.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
    }
}

struct Writer<W> {
    sink: W,
    format: Format,
    bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    reported: u64,
    limit: RateLimit,
}

impl<W: Write> Writer<W> {
    fn run(mut self, receiver: &Receiver<Message>) {
        let mut batch = String::new();
        while let Ok(first) = receiver.recv() {
            let mut next = Some(first);
            let mut flushed = None;
            while let Some(message) = next.take() {
                match message {
                    Message::Line(line) => batch.push_str(&line),
                    Message::Flush(done) => {
                        flushed = Some(done);
                        break;
                    }
                }
                if batch.len() < BATCH_BYTES {
                    next = receiver.try_recv().ok();
                }
            }
            self.write(&mut batch);
            if let Some(done) = flushed {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
        }
    }

    fn write(&mut self, batch: &mut String) {
        let size = batch.len();
        self.report_dropped(batch);
        let written = self.sink.write_all(batch.as_bytes()).and_then(|()| self.sink.flush());
        if written.is_err() {
            // Nobody reads our stdout any more; there is no better place to say so.
            let lines = batch.lines().count();
            DROPPED.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Relaxed);
        }
        self.bytes.fetch_sub(size, Relaxed);
        batch.clear();
    }

    /// Adds a line about lines that were lost, at most one in ten seconds.
    fn report_dropped(&mut self, batch: &mut String) {
        let dropped = self.dropped.load(Relaxed);
        if dropped > self.reported && self.limit.pass().is_some() {
            let lost = dropped - self.reported;
            self.reported = dropped;
            let line = Line {
                time: SystemTime::now(),
                level: Level::WARN,
                target: module_path!(),
                thread: "log",
                said: Said::message(format!(
                    "{lost} log lines were dropped because stdout was too slow."
                )),
            };
            batch.push_str(&line.format(self.format));
        }
    }
}

#[cfg(test)]
mod tests;
