//! What a run of `bench load` tells.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Outcome, Plan};
use crate::clock::words;
use crate::latency::Summary;
use crate::report::{Curve, Report, Table, grouped};
use crate::usage::Cpu;

/// The figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct LoadFigures {
    pub events_per_s: f64,
    pub requests_per_s: f64,
    pub planned_requests: u64,
    /// Within the measured time.
    pub accepted_requests: u64,
    /// Of those that were due in the measured time, be it later.
    pub kept_requests: u64,
    pub failed_requests: u64,
    pub latency: Summary,
    /// The sender's own delay; open loop only.
    pub lateness: Option<Summary>,
    /// Of the process under load.
    pub cpu_us_per_event: Option<Cpu>,
    pub peak_rss_kib: Option<u64>,
    /// Of the sender.
    pub own_cpu_us_per_event: Cpu,
}

impl LoadFigures {
    pub fn of(plan: &Plan, outcome: &Outcome) -> Self {
        let tally = &outcome.tally;
        Self {
            events_per_s: tally.events as f64 / outcome.seconds,
            requests_per_s: tally.accepted as f64 / outcome.seconds,
            planned_requests: tally.planned,
            accepted_requests: tally.accepted,
            kept_requests: tally.kept,
            failed_requests: tally.failed(),
            latency: tally.latency.summary(),
            lateness: plan.rate.map(|_| tally.lateness.summary()),
            cpu_us_per_event: outcome.target_cpu.map(|cpu| cpu.per(tally.events)),
            peak_rss_kib: outcome.target_peak_rss_kib,
            own_cpu_us_per_event: outcome.own_cpu.per(tally.events),
        }
    }

    /// The share of what was due in the measured time that was answered 2xx, be it later: how late, the latencies tell.
    pub fn kept_up(&self) -> f64 {
        if self.planned_requests == 0 {
            return 0.0;
        }
        self.kept_requests as f64 / self.planned_requests as f64
    }
}

/// The settings of a run, for the reader of its result.
pub fn settings_of(plan: &Plan) -> Value {
    json!({
        "url": plan.url.to_string(),
        "loop": if plan.rate.is_some() { "open" } else { "closed" },
        "rate_per_s": plan.rate,
        "connections": plan.connections,
        "threads_on_cpus": plan.threads,
        "warm_up_s": plan.warm_up.as_secs_f64(),
        "duration_s": plan.duration.as_secs_f64(),
        "timeout_s": plan.timeout.as_secs_f64(),
        "spin": plan.spin,
        "events": plan.shape,
    })
}

/// Tables, curve and notes of one run.
pub fn report_of(plan: &Plan, outcome: &Outcome) -> Report {
    let mut report = Report::new("bench load", settings_of(plan));
    tell(plan, outcome, "requests", &mut report);
    report.figures = serde_json::to_value(LoadFigures::of(plan, outcome)).unwrap_or(Value::Null);
    report
}

/// Adds a run to a report under a name.
pub fn tell(plan: &Plan, outcome: &Outcome, name: &str, report: &mut Report) {
    let (figures, tally) = (LoadFigures::of(plan, outcome), &outcome.tally);
    let mut table = Table::new(name, &["", ""]);
    table.pair("events/s", format!("{:.0}", figures.events_per_s));
    if plan.shape.batch > 1 {
        table.pair("requests/s", format!("{:.0}", figures.requests_per_s));
    }
    if let Some(rate) = plan.rate {
        table.pair("asked for, requests/s", format!("{rate:.0}"));
    }
    table.pair("requests", grouped(tally.planned));
    for (status, count) in &tally.statuses {
        table.pair(&format!("answered {status}"), grouped(*count));
    }
    for (fault, count) in &tally.faults {
        table.pair(fault.words(), grouped(*count));
    }
    let at = |percent: f64| words(tally.latency.percentile_ns(percent));
    table.pair("latency p50", at(50.0));
    table.pair("p90", at(90.0));
    table.pair("p99", at(99.0));
    table.pair("p99.9", at(99.9));
    table.pair("max", at(100.0));
    if plan.rate.is_some() {
        let late = |percent: f64| words(tally.lateness.percentile_ns(percent));
        table.pair("of it the sender's own, p50 / p99", format!("{} / {}", late(50.0), late(99.0)));
    }
    if let Some(cpu) = figures.cpu_us_per_event {
        let text = format!(
            "{:.2} µs (user {:.2}, system {:.2})",
            cpu.total_us(),
            cpu.user_us,
            cpu.system_us
        );
        table.pair("CPU of the target per event", text);
    }
    if let Some(kib) = figures.peak_rss_kib {
        table.pair("peak memory of the target", format!("{:.1} MiB", kib as f64 / 1024.0));
    }
    let own = figures.own_cpu_us_per_event;
    table.pair("CPU of the sender per event", format!("{:.2} µs", own.total_us()));
    report.tables.push(table);
    report.curves.push(Curve::new(name, &tally.latency, &tally.course));
    report.notes.extend(notes(plan, outcome, &figures));
}

fn notes(plan: &Plan, outcome: &Outcome, figures: &LoadFigures) -> Vec<String> {
    let mut notes = Vec::new();
    let tally = &outcome.tally;
    if plan.rate.is_some() && figures.kept_up() < 0.99 {
        notes.push(format!(
            "The target did not keep up: {:.1} % of the requests that were due were accepted ({} were never \
             sent for want of a free connection). The latencies are lower bounds.",
            figures.kept_up() * 100.0,
            grouped(tally.never_sent())
        ));
    }
    if figures.failed_requests > 0 {
        notes.push(format!(
            "{} requests failed; they are not in the latencies, except those without any answer.",
            grouped(figures.failed_requests)
        ));
    }
    if let Some(lateness) = figures.lateness
        && lateness.p99_us * 2.0 > figures.latency.p99_us
        && figures.latency.p99_us > 0.0
    {
        notes.push(
            "The sender itself was late as long as half of the p99: give it a CPU of its own (--cpus), or --spin."
                .to_owned(),
        );
    }
    notes
}
