//! What is printed: text for people, JSON for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::facts::Facts;
use super::finding::{Finding, Severity};
use super::rules::{RULES, mib};
use super::{Looked, Program};

/// One block for each finding, what was looked at before, the sum behind.
pub(super) fn text(facts: &Facts, looked: &[Looked], findings: &[Finding]) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{text}");
    };
    let cores = facts.cores_allowed.len();
    let quota =
        facts.cpu_quota.map_or("no quota".to_owned(), |quota| format!("a quota of {quota}"));
    let memory = facts.groups.memory_max.map_or("no limit".to_owned(), mib);
    line(format!("Linux {}, {cores} cores, {quota}; memory: {memory}", facts.kernel_text));
    for Looked { wanted, driver, .. } in looked {
        let ring = if driver.entries > 0 {
            format!(" ({} entries, {})", driver.entries, driver.flags)
        } else {
            String::new()
        };
        line(format!(
            "{}: {} shards ({}) on {}{ring}; may need {} threads, {} open files, {}",
            wanted.program.name(),
            wanted.shards,
            wanted.shards_because,
            driver.driver,
            wanted.threads(),
            wanted.open_files(),
            mib(wanted.memory()),
        ));
        let amount = match wanted.program {
            Program::Receiver => format!("{} Kafka clusters", wanted.clusters),
            Program::Dispatcher => {
                format!("{} egresses of {} partitions", wanted.egresses, wanted.partitions)
            }
        };
        line(format!("  for {amount} ({}), {} brokers", wanted.counted, wanted.brokers));
    }
    for finding in findings {
        let whom: Vec<&str> = finding.programs.iter().map(|program| program.name()).collect();
        let word = finding.severity.word();
        line(format!("\n{word} {} ({}): {}", finding.id, whom.join(", "), finding.found));
        line(format!("  fix: {}", finding.fix));
    }
    let (warnings, notes) = counts(findings);
    line(format!("\n{} things looked at: {warnings} warnings, {notes} notes", RULES.len()));
    out
}

/// All that the text says, and the facts that it rests on.
pub(super) fn json(facts: &Facts, looked: &[Looked], findings: &[Finding]) -> String {
    let (warnings, notes) = counts(findings);
    let program = |one: &Looked| {
        json!({
            "settings": one.wanted,
            "io_driver": one.driver,
            "threads": one.wanted.threads(),
            "open_files": one.wanted.open_files(),
            "memory_bytes": one.wanted.memory(),
        })
    };
    let programs: Vec<Value> = looked.iter().map(program).collect();
    let document = json!({
        "machine": {
            "kernel": facts.kernel_text,
            "cores_online": facts.cores_online,
            "cores_allowed": facts.cores_allowed,
            "cpu_quota": facts.cpu_quota,
            "memory_limit_bytes": facts.groups.memory_max,
            "clock_source": facts.clock_source,
        },
        "programs": programs,
        "looked_for": RULES.map(|(id, _)| id),
        "findings": findings,
        "warnings": warnings,
        "notes": notes,
    });
    format!("{document:#}\n")
}

fn counts(findings: &[Finding]) -> (usize, usize) {
    let of = |severity| findings.iter().filter(|it| it.severity == severity).count();
    (of(Severity::Warning), of(Severity::Note))
}
