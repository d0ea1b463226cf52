//! From a `tracing` call to the line, and from files and settings to levels.

use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::level_filters::LevelFilter;

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `logs` writes at these levels.
fn lines(levels: &str, logs: impl FnOnce()) -> Vec<Value> {
    let sink = Sink::default();
    let queue = Queue::start(sink.clone(), Format::Json).unwrap();
    let levels = Levels::from_setting(levels).unwrap();
    let layer = Lines { format: Format::Json, levels, queue: queue.clone() };
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), logs);
    assert!(queue.flush(Duration::from_secs(10)));
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn events_become_lines_with_their_fields() {
    let lines = lines("info", || {
        let error = io::Error::other("no route");
        tracing::warn!(
            target: "receiver::produce",
            topic = "t", partition = -1, offset = 7_u64, retry = true, error = %error, r#type = ?"x",
            "Kafka refused an {}.", "event"
        );
    });
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(
        line["message"],
        "Kafka refused an event. topic=t partition=-1 offset=7 retry=true error=no route type=\"x\""
    );
    assert_eq!(line["logger_name"], "receiver::produce");
    assert_eq!(line["level"], "WARN");
    assert_eq!((&line["topic"], &line["partition"]), (&"t".into(), &(-1).into()));
    assert_eq!((&line["offset"], &line["retry"]), (&7.into(), &true.into()));
    assert_eq!((&line["error"], &line["type"]), (&"no route".into(), &"\"x\"".into()));
    assert!(!line["thread_name"].as_str().unwrap().is_empty());
    assert!(line["@timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn levels_hold_by_target() {
    let lines = lines("warn,librdkafka=debug", || {
        tracing::info!(target: "receiver", "no");
        tracing::warn!(target: "receiver", "yes");
        tracing::debug!(target: "librdkafka", "yes");
        tracing::trace!(target: "librdkafka", "no");
    });
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line["message"] == "yes"));
}

#[test]
fn repeated_lines_are_limited_by_place_and_by_key() {
    static PATHS: crate::limit::KeyedLimit = crate::limit::KeyedLimit::new();
    let lines = lines("info", || {
        let before = crate::limit::SUPPRESSED.load(Relaxed);
        for _ in 0..100_000 {
            crate::limited!(debug, "Not wanted, so not left out either.");
        }
        assert!(crate::limit::SUPPRESSED.load(Relaxed) - before < 100_000);
        for n in 0..100 {
            crate::limited!(warn, n, "Here.");
            crate::limited!(info, target: "librdkafka", "There.");
            let path = if n % 2 == 0 { "/even" } else { "/odd" };
            crate::limited!(by PATHS, path; warn, path, "No such path.");
        }
    });
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages,
        ["Here. n=0", "There.", "No such path. path=/even", "No such path. path=/odd"]
    );
    assert!(lines.iter().all(|line| line.get("suppressed").is_none()));
}

fn config(xml: Option<&str>, level: Option<&str>, format: Option<&str>, tty: bool) -> LogConfig {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.xml");
    if let Some(xml) = xml {
        std::fs::write(&path, xml).unwrap();
    }
    LogConfig::read(&path, level, format, tty)
}

/// P68, and what is said about it.
#[test]
fn levels_from_file_and_setting() {
    let debug = "<configuration><root level=\"DEBUG\"/></configuration>";
    let config_of = |xml, level| config(xml, level, None, false);

    let read = config_of(Some(debug), None);
    assert_eq!((read.levels.most(), read.notes.len()), (LevelFilter::DEBUG, 0));

    let overridden = config_of(Some(debug), Some("error"));
    assert_eq!((overridden.levels.most(), overridden.notes.len()), (LevelFilter::ERROR, 0));

    let missing = config_of(None, None);
    assert_eq!(missing.levels.most(), LevelFilter::INFO);
    assert!(matches!(missing.notes.as_slice(), [Note::Info(text)] if text.contains("config.xml")));

    let broken = config_of(Some("<configuration>"), None);
    assert_eq!(broken.levels.most(), LevelFilter::INFO);
    assert!(matches!(broken.notes.as_slice(), [Note::Warn(text)] if text.contains("config.xml")));

    let huge = format!("<configuration>{}</configuration>", " ".repeat(1 << 20));
    assert!(matches!(config_of(Some(&huge), None).notes.as_slice(), [Note::Info(_)]));

    let wrong = config_of(Some(debug), Some("loud"));
    assert_eq!(wrong.levels.most(), LevelFilter::DEBUG);
    assert!(matches!(wrong.notes.as_slice(), [Note::Warn(text)] if text.contains("loud")));

    let appender = "<configuration><appender/><root level=\"WARN\"/></configuration>";
    let ignoring = config_of(Some(appender), None);
    assert!(matches!(ignoring.notes.as_slice(), [Note::Info(text)] if text.contains("<appender>")));
}

#[test]
fn format_is_text_on_a_terminal_unless_set() {
    for (setting, tty, format) in [
        (None, true, Format::Text),
        (None, false, Format::Json),
        (Some(""), false, Format::Json),
        (Some("TEXT"), false, Format::Text),
        (Some("json"), true, Format::Json),
        (Some("xml"), true, Format::Text),
    ] {
        let read = config(Some("<configuration/>"), None, setting, tty);
        assert_eq!(read.format, format, "{setting:?}");
        assert_eq!(read.notes.len(), usize::from(setting == Some("xml")));
    }
}
