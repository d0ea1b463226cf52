//! `bench goals` from its command line to its files.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

#[test]
fn rows_are_measured_judged_and_written() {
    let folder = TempDir::new().unwrap();
    let [out, page] = ["a.json", "a.html"].map(|name| folder.path().join(name));
    let cpus = millrace_bench::usage::allowed_cpus();
    let (first, last) = (cpus[0].to_string(), cpus[cpus.len() - 1].to_string());
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.args(["goals", "start", "filter", "--rounds", "1", "--duration", "200ms"]);
    bench.args(["--partitions", "2", "--cpus", &first, "--other-cpus", &last]);
    bench.arg("--json").arg(&out).arg("--html").arg(&page);
    let output = bench.stdin(Stdio::null()).output().unwrap();
    let [said, complaint] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{said}{complaint}");
    assert!(said.contains("receiver, start to first 202") && said.contains("≤ 200 ms"), "{said}");
    let result: Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    assert_eq!(result["settings"]["rounds"], 1);
    for (row, goals) in [("start", 4), ("filter", 2)] {
        let figures = result["figures"][row]["figures"].as_array().unwrap();
        let judged: Vec<&Value> = figures.iter().filter(|it| !it["goal"].is_null()).collect();
        assert_eq!(judged.len(), goals, "{said}");
        for figure in judged {
            // One round has one value, which is the interval: it cannot be noise.
            assert!(["met", "not_met"].contains(&figure["verdict"].as_str().unwrap()), "{figure}");
            assert_eq!(figure["values"].as_array().unwrap().len(), 1, "{figure}");
        }
        // What is measured itself, and not calculated from several turns, is never nothing.
        let measured = |it: &&Value| it["unit"] != "" && it["name"] != "of it a dropped one";
        for figure in figures.iter().filter(measured) {
            assert!(figure["spread"]["median"].as_f64().unwrap() > 0.0, "{figure}");
        }
    }
    assert!(std::fs::read_to_string(page).unwrap().contains("from the start until ready"));
}
