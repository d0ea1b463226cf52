//! librdkafka's log lines into `tracing`, off its threads, with repeats held back.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;

/// Lines that wait for the log thread; more are counted and dropped, since librdkafka's threads must
/// not wait for a slow log.
const LINES_WAITING_MAX: usize = 1024;
/// A line like the last one is held back that long (style.md, logs).
const REPEAT_AFTER: Duration = Duration::from_secs(10);
/// Kinds of lines remembered for the above; the memory is cleared when there are more.
const KINDS_MAX: usize = 1024;

/// One line of librdkafka.
pub(crate) struct Line {
    /// Syslog's numbers: 3 is an error, 7 is debug.
    pub(crate) level: i32,
    pub(crate) client: String,
    pub(crate) facility: String,
    pub(crate) text: String,
}

struct Log {
    lines: ArrayQueue<Line>,
    dropped: AtomicU64,
    writer: OnceLock<Thread>,
}

/// Hands a line to the log thread. Never blocks.
pub(crate) fn submit(line: Line) {
    let log = log();
    if log.lines.push(line).is_err() {
        log.dropped.fetch_add(1, Relaxed);
    }
    if let Some(writer) = log.writer.get() {
        writer.unpark();
    }
}

/// One thread for the process, started with the first client, so that no callback has to start it.
pub(crate) fn start() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        let spawned = thread::Builder::new().name("kafka-log".to_owned()).spawn(write_lines);
        match spawned {
            Ok(handle) => {
                let _ = log().writer.set(handle.thread().clone());
            }
            Err(error) => {
                tracing::warn!(error = %error, "No thread for the Kafka client's log; it is lost.");
            }
        }
    });
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| Log {
        lines: ArrayQueue::new(LINES_WAITING_MAX),
        dropped: AtomicU64::new(0),
        writer: OnceLock::new(),
    })
}

fn write_lines() {
    let log = log();
    let mut gate = Gate::default();
    loop {
        while let Some(line) = log.lines.pop() {
            if let Some(held_back) = gate.pass(&line, Instant::now()) {
                write(&line, held_back);
            }
        }
        let dropped = log.dropped.swap(0, Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "Lines of the Kafka client's log were dropped.");
        }
        // With a timeout, since a line may come before `writer` is set.
        thread::park_timeout(Duration::from_secs(1));
    }
}

/// ERROR is for lost data or when a person must act. librdkafka calls a refused connection an error,
/// which it retries by itself, so only its three highest levels are ours.
fn write(line: &Line, held_back: u64) {
    let Line { level, client, facility, text } = line;
    match level {
        ..=2 => tracing::error!(client, facility, held_back, "Kafka client: {text}"),
        3 | 4 => tracing::warn!(client, facility, held_back, "Kafka client: {text}"),
        5 | 6 => tracing::info!(client, facility, held_back, "Kafka client: {text}"),
        7.. => tracing::debug!(client, facility, held_back, "Kafka client: {text}"),
    }
}

/// Holds back repeats.
#[derive(Default)]
struct Gate {
    kinds: HashMap<(String, String, String), Kind>,
}

struct Kind {
    written: Instant,
    held_back: u64,
}

impl Gate {
    /// `Some(n)`: write it, `n` like it were held back before.
    fn pass(&mut self, line: &Line, now: Instant) -> Option<u64> {
        if line.level >= 7 {
            // Debug lines come only when asked for, and then all of them matter.
            return Some(0);
        }
        if self.kinds.len() >= KINDS_MAX {
            self.kinds.clear();
        }
        let key = (line.client.clone(), line.facility.clone(), subject(&line.text).to_owned());
        match self.kinds.get_mut(&key) {
            Some(kind) if now.saturating_duration_since(kind.written) < REPEAT_AFTER => {
                kind.held_back = kind.held_back.saturating_add(1);
                None
            }
            Some(kind) => {
                kind.written = now;
                Some(std::mem::take(&mut kind.held_back))
            }
            None => {
                self.kinds.insert(key, Kind { written: now, held_back: 0 });
                Some(0)
            }
        }
    }
}

/// What a line is about: librdkafka puts thread and broker first, followed by a colon, and the
/// changing part (counts, times) after it.
fn subject(text: &str) -> &str {
    let after_thread = text.find("]: ").map_or(0, |at| at + 3);
    let end = text.get(after_thread..).and_then(|rest| rest.find(": "));
    text.get(..end.map_or(text.len(), |end| after_thread + end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line { level: 3, client: "c".into(), facility: "FAIL".into(), text: text.into() }
    }

    #[test]
    fn repeats_are_held_back_and_counted() {
        let mut gate = Gate::default();
        let start = Instant::now();
        let a = "[thrd:a:9092/1]: a:9092/1: Connect failed (after 1ms)";
        let again = "[thrd:a:9092/1]: a:9092/1: Connect failed (after 2ms)";
        let other = "[thrd:b:9092/2]: b:9092/2: Connect failed (after 1ms)";
        assert_eq!(gate.pass(&line(a), start), Some(0));
        assert_eq!(gate.pass(&line(again), start + Duration::from_secs(1)), None);
        assert_eq!(gate.pass(&line(other), start + Duration::from_secs(1)), Some(0));
        assert_eq!(gate.pass(&line(again), start + Duration::from_secs(9)), None);
        assert_eq!(gate.pass(&line(a), start + Duration::from_secs(11)), Some(2));
    }

    #[test]
    fn memory_of_kinds_is_bounded() {
        let mut gate = Gate::default();
        for index in 0..3 * KINDS_MAX {
            gate.pass(&line(&format!("subject {index}: x")), Instant::now());
            assert!(gate.kinds.len() <= KINDS_MAX);
        }
    }

    #[test]
    fn subject_of_odd_lines_is_the_line() {
        for text in ["", "]: ", "no colon", "é]: é: x"] {
            assert!(text.starts_with(subject(text)), "{text}");
        }
    }
}
