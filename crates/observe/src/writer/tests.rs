//! A sink that stalls, one that fails, and one that is fine.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// Collects what is written; waits at each write while a gate is closed.
#[derive(Clone, Default)]
struct Sink {
    text: Arc<Mutex<String>>,
    gate: Arc<Mutex<Option<Receiver<()>>>>,
}

impl Sink {
    fn gated() -> (Self, Sender<()>) {
        let (open, gate) = channel();
        let sink = Self::default();
        *sink.gate.lock().unwrap() = Some(gate);
        (sink, open)
    }

    fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(gate) = &*self.gate.lock().unwrap() {
            // Open for good once the other end is gone.
            let _ = gate.recv();
        }
        self.text.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_come_out_in_order_and_flush_waits_for_them() {
    let sink = Sink::default();
    let queue = Queue::start(sink.clone(), Format::Json).unwrap();
    let lines: Vec<String> = (0..5_000).map(|n| format!("{n}\n")).collect();
    for line in &lines {
        queue.push(Level::INFO, line.clone());
    }
    assert!(queue.flush(SOON));
    assert_eq!(sink.text(), lines.concat());
    assert_eq!(queue.bytes.load(Relaxed), 0);
}

#[test]
fn stalled_sink_costs_lines_but_no_time() {
    const LINES: usize = 10 * LINES_MAX;
    let (sink, open) = Sink::gated();
    let queue = Queue::start(sink.clone(), Format::Json).unwrap();
    let started = Instant::now();
    for n in 0..LINES {
        queue.push(Level::ERROR, format!("{n}\n"));
    }
    assert!(!queue.flush(Duration::from_millis(20)));
    assert!(started.elapsed() < SOON);
    let dropped = queue.dropped.load(Relaxed);
    // Held: what fills the queue, and the batch that stalls.
    assert!(dropped >= (LINES - LINES_MAX - BATCH_BYTES / 2) as u64, "{dropped}");
    drop(open);
    assert!(queue.flush(SOON));
    let text = sink.text();
    let written = text.lines().filter(|line| !line.starts_with('{')).count();
    assert_eq!(written as u64 + dropped, LINES as u64);
    // It says so, as a line of the log.
    let report = text.lines().find(|line| line.starts_with('{')).expect("a report");
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    assert!(report["message"].as_str().unwrap().contains("log lines were dropped"));
}

#[test]
fn bytes_are_bounded_and_warnings_have_room_of_their_own() {
    let (sink, open) = Sink::gated();
    let queue = Queue::start(sink.clone(), Format::Text).unwrap();
    let long = "x".repeat(BYTES_MAX / 16 - 1) + "\n";
    for _ in 0..32 {
        queue.push(Level::INFO, long.clone());
    }
    assert!(queue.bytes.load(Relaxed) <= BYTES_MAX / 4 * 3);
    queue.push(Level::INFO, "lost\n".repeat(60_000));
    queue.push(Level::WARN, "kept\n".to_owned());
    assert!(queue.bytes.load(Relaxed) <= BYTES_MAX);
    drop(open);
    assert!(queue.flush(SOON));
    assert!(sink.text().contains("kept") && !sink.text().contains("lost"));
    assert_eq!(queue.bytes.load(Relaxed), 0);
}

#[test]
fn broken_sink_is_counted_and_survived() {
    let before = DROPPED.load(Relaxed);
    let queue = Queue::start(Broken, Format::Json).unwrap();
    for _ in 0..3 {
        queue.push(Level::INFO, "x\n".to_owned());
        assert!(queue.flush(SOON));
    }
    assert!(DROPPED.load(Relaxed) >= before + 3);
}
