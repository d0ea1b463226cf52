//! `tuning sweep` on the embedded Kafka: to its end, refused, interrupted; nothing is left behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use millrace_tests::wait::{SOON, until};
use millrace_tests::{binaries, spawn};
use serde_json::Value;
use tempfile::TempDir;

use super::{read_json, text, tuning};

/// A sweep whose temporary folders are in this one.
fn sweep(folder: &Path, arguments: &[&str]) -> Command {
    // Those that it starts lie beside it; older ones must not be measured.
    let (_, _) = (binaries::receiver(), binaries::dispatcher());
    let mut command = Command::new(tuning());
    command.arg("sweep").args(arguments).env("TMPDIR", folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Short turns: what they measure means nothing, but that they are measured.
const SHORT: [&str; 12] =
    ["--rounds", "1", "-d", "1s", "-w", "200ms", "-c", "8", "--partitions", "2", "--size", "100"];

fn ended(folder: &TempDir, arguments: &[&str]) -> (Output, Value) {
    let out = TempDir::new().unwrap();
    let file = out.path().join("out.json");
    let all = [arguments, &SHORT, &["--out", file.to_str().unwrap()]].concat();
    let output = sweep(folder.path(), &all).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(left_in(folder.path()), Vec::<String>::new());
    (output, read_json(&file))
}

fn left_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().flatten();
    names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Figures of the only turn of each side of each candidate.
fn turns(result: &Value) -> Vec<&Value> {
    let tried = result["figures"]["tried"].as_array().unwrap();
    let sides = tried.iter().flat_map(|one| [&one["shipped"], &one["measured"]]);
    sides
        .map(|side| {
            let turns = side.as_array().unwrap();
            assert_eq!(turns.len(), 1, "{side}");
            &turns[0]
        })
        .collect()
}

fn positive(turn: &Value, names: &[&str]) {
    for name in names {
        assert!(turn[*name].as_f64().is_some_and(|value| value > 0.0), "{name} in {turn:#}");
    }
}

#[test]
fn a_receivers_settings_are_measured_and_one_round_proves_nothing() {
    let folder = TempDir::new().unwrap();
    let both = [
        "receiver",
        "--try",
        "PRODUCER_BATCH_DELAY_US=0",
        "--try",
        "linger.ms=1,batch.size=1000000",
    ];
    let (output, result) = ended(&folder, &both);
    let turns = turns(&result);
    assert_eq!(turns.len(), 4);
    for turn in turns {
        positive(turn, &["events_per_s", "p50_us", "p99_us", "peak_rss_mib"]);
        assert_eq!(turn["failed"], 0, "{turn:#}");
    }
    let tried = &result["figures"]["tried"];
    assert_eq!(tried[1]["properties"][0], serde_json::json!(["producer", "linger.ms", "1"]));
    assert_eq!(tried[0]["verdict"], "noise");
    assert!(result["figures"]["best"].is_null());
    let words = text(&output);
    for part in ["events/s ÷ shipped", "Nothing tried beats", "Fewer than five rounds"] {
        assert!(words.contains(part), "{part:?} is missing in:\n{words}");
    }
    assert!(words.lines().any(|line| line.trim_start().starts_with("shipped  ")), "{words}");
}

#[test]
fn a_dispatcher_drains_a_backlog_and_delivers_live_events() {
    let folder = TempDir::new().unwrap();
    let window = ["dispatcher", "--try", "max.poll.records=10,webclient/maxPoolSize=10"];
    let (_, drained) = ended(&folder, &[&window[..], &["--backlog", "600"]].concat());
    for turn in turns(&drained) {
        positive(turn, &["events_per_s", "peak_rss_mib"]);
    }
    let (_, live) = ended(&folder, &[&window[..], &["--rate", "100"]].concat());
    assert_eq!(live["settings"]["by"], "p99 ms");
    for turn in turns(&live) {
        positive(turn, &["events_per_s", "p50_us", "p99_us", "peak_rss_mib"]);
        assert_eq!(turn["failed"], 0, "{turn:#}");
    }
}

#[test]
fn what_the_program_would_warn_of_is_not_measured() {
    let folder = TempDir::new().unwrap();
    for (arguments, part) in [
        (["receiver", "--try", "linger.sm=1"], "linger.ms"),
        (["receiver", "--try", "SHARD=2"], "SHARD is no variable"),
        (["dispatcher", "--try", "webclient/maxPolSize=5"], "maxPoolSize"),
        (["dispatcher", "--try", "webserver/a=1"], "webserver"),
        (["receiver", "--profile", "/nonexistent/profile"], "/nonexistent/profile"),
    ] {
        let output = sweep(folder.path(), &[&arguments[..], &SHORT, &["--backlog", "20"]].concat());
        let output = { output }.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(part), "{arguments:?}: {}", text(&output));
        assert_eq!(left_in(folder.path()), Vec::<String>::new(), "{arguments:?}");
    }
}

#[test]
fn the_list_is_shown_without_a_run() {
    let folder = TempDir::new().unwrap();
    let output = sweep(folder.path(), &["dispatcher", "--list"]).output().unwrap();
    assert!(output.status.success() && text(&output).contains("max.poll.records="));
}

#[test]
fn interrupting_ends_what_was_started_and_clears_its_folders() {
    for signal in ["INT", "TERM"] {
        let folder = TempDir::new().unwrap();
        let endless = ["dispatcher", "--rounds", "1000", "--rate", "50", "-c", "4"];
        let mut child = sweep(folder.path(), &endless).spawn().unwrap();
        let pid = child.id();
        let running = until("a receiver and a dispatcher", SOON, || {
            let children = children_of(pid);
            let has = |name: &str| children.iter().any(|(_, known)| known == name);
            (has("receiver") && has("dispatcher")).then_some(children)
        });
        spawn::signal(pid, signal);
        let status = until("the sweep to end", SOON, || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(130), "{signal}");
        for (pid, name) in running {
            until("a child to be gone", SOON, || (!is_alive(pid, &name)).then_some(()));
        }
        assert_eq!(left_in(folder.path()), Vec::<String>::new());
    }
}

/// Process ids and names of a process' children, from proc(5).
fn children_of(parent: u32) -> Vec<(u32, String)> {
    let one = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        let of: u32 = rest.split(' ').nth(1)?.parse().ok()?;
        (of == parent).then(|| (pid, name.to_owned()))
    };
    let pids = fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| one(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// Its number may belong to another process by now; one that only waits to be reaped is gone.
fn is_alive(pid: u32, name: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains(&format!("({name}) ")) && !stat.contains(") Z")
}
