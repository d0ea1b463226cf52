//! The subcommands of `bench` as a user calls them.
#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use millrace_bench::sink::{Behaviour, Delay, Sink, SinkPlan};
use serde_json::Value;
use tempfile::TempDir;

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

fn sink() -> Sink {
    let plan = SinkPlan { behaviour: Behaviour::default(), ..SinkPlan::default() };
    Sink::start("127.0.0.1:0".parse().unwrap(), plan).unwrap()
}

fn json(path: &PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn help_explains_every_subcommand_and_hides_the_parts() {
    let help = text(&bench(&["--help"]));
    for name in ["load", "sink", "round", "floor", "goals", "compare"] {
        assert!(help.contains(&format!("\n  {name} ")), "{name} is missing in:\n{help}");
        let own = text(&bench(&[name, "--help"]));
        assert!(own.contains("Examples:") && own.contains("--json"), "{own}");
    }
    assert!(!help.contains("\n  part "), "{help}");
}

/// What was due is kept when it is answered after the measured time, and not when it is never sent.
#[test]
fn late_answers_are_kept_and_unsent_requests_are_not() {
    let delay = Delay::Fixed(Duration::from_millis(400));
    let plan =
        SinkPlan { behaviour: Behaviour { delay, ..Behaviour::default() }, ..SinkPlan::default() };
    let sink = Sink::start("127.0.0.1:0".parse().unwrap(), plan).unwrap();
    let (url, folder) = (format!("http://{}/in", sink.address()), TempDir::new().unwrap());
    for (connections, kept_up) in [("64", true), ("1", false)] {
        let out = folder.path().join(connections);
        let mut arguments = vec!["load", &url, "--rate", "20", "-d", "1s", "-w", "0", "--unbound"];
        arguments.extend(["-c", connections, "--json", out.to_str().unwrap()]);
        let said = text(&bench(&arguments));
        let figures = &json(&out)["figures"];
        let of = |name: &str| figures[name].as_u64().unwrap();
        assert_eq!(of("planned_requests"), 20, "{said}");
        assert!(of("accepted_requests") < 20, "answers take as long as eight requests: {said}");
        assert_eq!(of("kept_requests") == 20, kept_up, "{said}");
        assert_eq!(!said.contains("did not keep up"), kept_up, "{said}");
    }
}

#[test]
fn load_writes_text_json_page_and_what_is_owed() {
    let (sink, folder) = (sink(), TempDir::new().unwrap());
    let [out, page, owed] = ["a.json", "a.html", "owed.json"].map(|name| folder.path().join(name));
    let url = format!("http://{}/in", sink.address());
    let paths = [&out, &page, &owed].map(|path| path.to_str().unwrap());
    let output = bench(&[
        "load",
        &url,
        "--rate",
        "300",
        "-d",
        "1s",
        "-w",
        "0",
        "-c",
        "8",
        "--unbound",
        "--json",
        paths[0],
        "--html",
        paths[1],
        "--owed",
        paths[2],
    ]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("latency p50") && said.contains("--rate 300"), "{said}");
    assert!(!said.contains('█'), "no progress bar where there is no terminal");
    let result = json(&out);
    assert_eq!(result["figures"]["planned_requests"], 300);
    assert_eq!(result["settings"]["loop"], "open");
    assert!(std::fs::read_to_string(page).unwrap().contains("<svg "));
    // The sink of this test has what the file says is owed.
    let owed = serde_json::from_value(json(&owed)).unwrap();
    assert!(sink.look(|check, _| check.has_all(&owed)));
}

#[test]
fn ramp_tells_the_highest_rate_of_those_allowed() {
    let sink = sink();
    let url = format!("http://{}/in", sink.address());
    let output = bench(&[
        "load",
        &url,
        "--ramp",
        "20..40",
        "--p99",
        "20s",
        "-d",
        "500ms",
        "-w",
        "0",
        "--unbound",
    ]);
    let said = text(&output);
    assert!(output.status.success() && said.contains("Highest rate with a p99 within"), "{said}");
}

#[test]
fn mistakes_are_told_and_end_with_an_error() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (arguments, expected) in [
        (vec!["load".to_owned(), format!("http://{free}/")], "cannot be connected to"),
        (vec!["load".to_owned(), "https://a/".to_owned()], "does not begin with http://"),
        (
            vec![
                "sink".into(),
                "--owed".into(),
                "/none".into(),
                "-d".into(),
                "1ms".into(),
                "-l".into(),
                "127.0.0.1:0".into(),
            ],
            "/none",
        ),
    ] {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = bench(&words);
        assert!(!output.status.success());
        assert!(text(&output).contains(expected), "{}", text(&output));
    }
}

#[test]
fn compare_starts_its_targets_anew_for_each_turn() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("a.json");
    let ports = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = ports.map(|listener| listener.local_addr().unwrap().port());
    let urls = ports.map(|port| format!("http://127.0.0.1:{port}/"));
    let bench_path = env!("CARGO_BIN_EXE_bench");
    let starts = ports.map(|port| format!("'{bench_path}' part serve --epoll --port {port}"));
    let output = bench(&[
        "compare",
        "--a",
        &urls[0],
        "--a-start",
        &starts[0],
        "--b",
        &urls[1],
        "--b-start",
        &starts[1],
        "--rounds",
        "5",
        "-d",
        "200ms",
        "-w",
        "50ms",
        "-c",
        "2",
        "--json",
        out.to_str().unwrap(),
    ]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let figures = &json(&out)["figures"];
    assert_eq!(figures["a"].as_array().unwrap().len(), 5);
    let names: Vec<&str> = figures["compared"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    for name in
        ["events/s", "CPU µs per event", "p99.9 ms", "peak memory MiB", "start to first 2xx ms"]
    {
        assert!(names.contains(&name), "{name} is missing in {names:?}\n{said}");
    }
}

#[test]
fn round_finds_all_events_in_order() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("a.json");
    let output = bench(&[
        "round",
        "--ordered",
        "--keys",
        "20",
        "--rate",
        "100",
        "-d",
        "2s",
        "-c",
        "4",
        "-s",
        "100",
        "--json",
        out.to_str().unwrap(),
    ]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let figures = &json(&out)["figures"];
    let verdict = &figures["subscriber"]["found"][0]["verdict"];
    // A busy machine may have no time for some of the 200 that were due.
    let owed = verdict["owed"].as_u64().unwrap();
    assert!((1..=200).contains(&owed) && verdict["lost"] == 0, "{said}");
    assert!(figures["subscriber"]["latency"]["samples"].as_u64().unwrap() >= owed, "{said}");
    assert_eq!(figures["products"].as_array().unwrap().len(), 2);
}

#[test]
fn round_says_so_when_events_do_not_arrive() {
    // A chain that accepts and forgets.
    let sink = sink();
    let url = format!("http://{}/in", sink.address());
    let output =
        bench(&["round", "--url", &url, "--rate", "50", "-d", "500ms", "--patience", "300ms"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("NOT WELL") && said.contains("LOST at (nowhere): 25 of 25"), "{said}");
}

#[test]
fn floor_measures_its_parts_and_pairs_them() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("a.json");
    let cpus = millrace_bench::usage::allowed_cpus();
    let (first, last) = (cpus[0].to_string(), cpus[cpus.len() - 1].to_string());
    let output = bench(&[
        "floor",
        "--rounds",
        "1",
        "-d",
        "300ms",
        "-c",
        "8",
        "--partitions",
        "2",
        "--cpus",
        &first,
        "--other-cpus",
        &last,
        "--json",
        out.to_str().unwrap(),
    ]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let figures = &json(&out)["figures"];
    let mut parts = vec!["F1", "F1M", "F2", "F3", "F4", "F5", "NR", "ND", "R", "D", "DO"];
    let mut ratios = 7;
    if said.contains("F1M was left out") {
        assert!(std::env::var_os("CI").is_none(), "nothing is skipped in CI: {said}");
        eprintln!("SKIPPED: F1M, where io_uring is refused");
        (parts, ratios) = (parts.into_iter().filter(|part| *part != "F1M").collect(), 6);
    }
    for part in parts {
        let turn = &figures["parts"][part][0];
        assert!(turn["events"].as_u64() > Some(0) && turn["failed"] == 0, "{part}: {turn}\n{said}");
    }
    assert_eq!(figures["ratios"].as_object().unwrap().len(), ratios, "{said}");
}
