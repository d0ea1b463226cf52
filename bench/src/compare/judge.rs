//! What is compared, and what the ratios say.

use serde::Serialize;

use super::target::Started;
use crate::load::LoadFigures;
use crate::report::{Table, grouped};
use crate::stats::{Spread, ratios};

/// One turn of a target. What is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measured {
    pub events_per_s: f64,
    pub cpu_us: Option<f64>,
    pub user_us: Option<f64>,
    pub system_us: Option<f64>,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub peak_rss_mib: Option<f64>,
    pub started: Option<Started>,
    pub failed: u64,
}

/// A figure that is compared.
pub struct Measure {
    pub name: &'static str,
    pub digits: usize,
    pub of: fn(&Measured) -> Option<f64>,
}

/// All of them. Of the first more is better, of all others less.
pub const MEASURES: [Measure; 10] = [
    Measure { name: "events/s", digits: 0, of: |one| Some(one.events_per_s) },
    Measure { name: "CPU µs per event", digits: 2, of: |one| one.cpu_us },
    Measure { name: "of it user", digits: 2, of: |one| one.user_us },
    Measure { name: "of it system", digits: 2, of: |one| one.system_us },
    Measure { name: "p50 ms", digits: 3, of: |one| Some(one.p50_us / 1e3) },
    Measure { name: "p99 ms", digits: 3, of: |one| Some(one.p99_us / 1e3) },
    Measure { name: "p99.9 ms", digits: 3, of: |one| Some(one.p999_us / 1e3) },
    Measure { name: "peak memory MiB", digits: 1, of: |one| one.peak_rss_mib },
    Measure { name: "start to listening ms", digits: 1, of: |one| Some(one.started?.listening_ms) },
    Measure { name: "start to first 2xx ms", digits: 1, of: |one| Some(one.started?.accepting_ms) },
];

/// One compared figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: &'static str,
    #[serde(skip)]
    digits: usize,
    pub a: Spread,
    pub b: Spread,
    /// B ÷ A, pair by pair.
    pub ratio: Spread,
    pub noise: bool,
}

impl Measured {
    pub(super) fn of(figures: &LoadFigures, started: Option<Started>) -> Self {
        let cpu = figures.cpu_us_per_event;
        Self {
            events_per_s: figures.events_per_s,
            cpu_us: cpu.map(|cpu| cpu.total_us()),
            user_us: cpu.map(|cpu| cpu.user_us),
            system_us: cpu.map(|cpu| cpu.system_us),
            p50_us: figures.latency.p50_us,
            p99_us: figures.latency.p99_us,
            p999_us: figures.latency.p999_us,
            peak_rss_mib: figures.peak_rss_kib.map(|kib| kib as f64 / 1024.0),
            started,
            failed: figures.failed_requests,
        }
    }
}

/// What both sides know, turn by turn.
pub fn rows(a: &[Measured], b: &[Measured]) -> Vec<Row> {
    let row = |measure: &Measure| {
        let all = |side: &[Measured]| side.iter().map(measure.of).collect::<Option<Vec<f64>>>();
        let (a, b) = (all(a)?, all(b)?);
        let paired = ratios(&b, &a);
        // Without a single pair there is nothing to say.
        let ratio = paired.first().map(|_| Spread::of(&paired))?;
        Some(Row {
            name: measure.name,
            digits: measure.digits,
            a: Spread::of(&a),
            b: Spread::of(&b),
            ratio,
            noise: ratio.is_noise(),
        })
    };
    MEASURES.iter().filter_map(row).collect()
}

/// The rows for people.
pub fn table(rows: &[Row]) -> Table {
    let columns = ["median (min to max)", "A", "B", "B ÷ A", "verdict"];
    let mut table = Table::new("Compared", &columns);
    for row in rows {
        let percent = (row.ratio.median - 1.0) * 100.0;
        let verdict = if row.noise { "noise".to_owned() } else { format!("B {percent:+.1} %") };
        table.row([
            row.name.to_owned(),
            row.a.words(row.digits),
            row.b.words(row.digits),
            row.ratio.words(3),
            verdict,
        ]);
    }
    table
}

/// What makes a comparison worthless.
pub(super) fn notes(a: &[Measured], b: &[Measured]) -> Vec<String> {
    let failed = |side: &[Measured]| side.iter().map(|one| one.failed).sum::<u64>();
    [("A", failed(a)), ("B", failed(b))]
        .into_iter()
        .filter(|(_, failed)| *failed > 0)
        .map(|(name, failed)| {
            format!(
                "{} requests to {name} failed: a program that refuses work is quick.",
                grouped(failed)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(rates: &[f64], cpu: Option<f64>) -> Vec<Measured> {
        let one = |rate: &f64| Measured { events_per_s: *rate, cpu_us: cpu, ..Measured::default() };
        rates.iter().map(one).collect()
    }

    #[test]
    fn a_steady_difference_on_a_drifting_machine_is_seen() {
        // Both halve their speed meanwhile; B is 10 % faster throughout.
        let a = turns(&[100.0, 90.0, 75.0, 60.0, 50.0], Some(10.0));
        let b = turns(&[110.0, 99.5, 82.0, 66.3, 55.0], Some(9.0));
        let rows = rows(&a, &b);
        let rate = rows.iter().find(|row| row.name == "events/s").unwrap();
        assert!(!rate.noise && (rate.ratio.median - 1.1).abs() < 0.01, "{rate:?}");
        let text = table(&rows).rows.concat().join("|");
        assert!(text.contains("B +10.0 %") && text.contains("B -10.0 %"), "{text}");
    }

    #[test]
    fn the_same_program_twice_is_noise() {
        let a = turns(&[100.0, 103.0, 98.0, 101.0, 99.0], None);
        let b = turns(&[101.0, 99.0, 99.0, 100.0, 102.0], None);
        let rows = rows(&a, &b);
        assert!(rows.iter().all(|row| row.name != "CPU µs per event"), "not known, not told");
        assert!(rows[0].noise);
        assert!(table(&rows).rows[0].contains(&"noise".to_owned()));
    }

    #[test]
    fn failures_are_pointed_at() {
        let mut b = turns(&[1.0; 5], None);
        b[3].failed = 7;
        assert_eq!(notes(&turns(&[1.0; 5], None), &b).len(), 1);
    }
}
