//! What the turns say: tables, which candidate is better, and what it costs.

use clap::ValueEnum;
use millrace_bench::compare::{MEASURES, Measured, Row, rows};
use millrace_bench::report::{Report, Table};
use millrace_bench::stats::Spread;
use serde_json::{Value, json};

use super::candidate::Candidate;

/// The sign test cannot tell fewer pairs from chance.
const ROUNDS_LEAST: usize = 5;

/// What is to get better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Objective {
    /// More events a second.
    Events,
    /// Less CPU for each event.
    Cpu,
    /// A lower median latency.
    P50,
    /// A lower 99th percentile of the latency.
    P99,
    /// Less memory at the peak.
    Memory,
}

/// A candidate with its turns, pair by pair.
pub(super) struct Tried {
    pub(super) candidate: Candidate,
    pub(super) shipped: Vec<Measured>,
    pub(super) other: Vec<Measured>,
}

impl Objective {
    pub(super) fn usual(fixed_rate: bool) -> Self {
        if fixed_rate { Self::P99 } else { Self::Events }
    }

    /// As `bench compare` names it.
    pub(super) fn measure(self) -> &'static str {
        match self {
            Self::Events => "events/s",
            Self::Cpu => "CPU µs per event",
            Self::P50 => "p50 ms",
            Self::P99 => "p99 ms",
            Self::Memory => "peak memory MiB",
        }
    }
}

/// What the table shows of each turn, with digits.
const SHOWN: [(Objective, usize); 5] = [
    (Objective::Events, 0),
    (Objective::Cpu, 2),
    (Objective::P50, 3),
    (Objective::P99, 3),
    (Objective::Memory, 1),
];

/// By how much the candidate is better, as a factor above 1.
fn gain(row: &Row) -> f64 {
    if is_rate(row) { row.ratio.median } else { 1.0 / row.ratio.median }
}

/// The only measure of which more is better.
fn is_rate(row: &Row) -> bool {
    row.name == Objective::Events.measure()
}

impl Tried {
    pub(super) fn new(candidate: Candidate) -> Self {
        Self { candidate, shipped: Vec::new(), other: Vec::new() }
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = rows(&self.shipped, &self.other);
        if self.other.len() < ROUNDS_LEAST {
            rows.iter_mut().for_each(|row| row.noise = true);
        }
        rows
    }

    fn row(&self, by: Objective) -> Option<Row> {
        self.rows().into_iter().find(|row| row.name == by.measure())
    }

    fn failed(&self) -> u64 {
        self.other.iter().map(|one| one.failed).sum()
    }

    /// Beyond noise, and at nobody's cost.
    pub(super) fn is_better(&self, by: Objective) -> bool {
        let row = self.row(by);
        let by_figures = row.is_some_and(|row| !row.noise && gain(&row) > 1.0);
        by_figures && self.failed() == 0 && !self.candidate.promises_less()
    }

    fn verdict(&self, by: Objective) -> String {
        let Some(row) = self.row(by) else { return "not measured".to_owned() };
        if self.failed() > 0 {
            return format!("{} requests failed", self.failed());
        }
        if row.noise {
            return "noise".to_owned();
        }
        let word = if gain(&row) > 1.0 { "better" } else { "worse" };
        let less = if self.candidate.promises_less() { ", but promises less" } else { "" };
        format!("{word} by {:.1} %{less}", (gain(&row) - 1.0).abs() * 100.0)
    }

    fn json(&self, by: Objective) -> Value {
        let changes = &self.candidate.changes;
        json!({
            "candidate": self.candidate.name,
            "environment": changes.environment,
            "properties": changes.properties,
            "shipped": self.shipped,
            "measured": self.other,
            "compared": self.rows(),
            "verdict": self.verdict(by),
        })
    }
}

/// Those that seem better, the best first.
pub(super) fn ranked(tried: &[Tried], by: Objective) -> Vec<&Tried> {
    let mut better: Vec<(f64, &Tried)> = tried
        .iter()
        .filter(|one| one.is_better(by))
        .filter_map(|one| Some((gain(&one.row(by)?), one)))
        .collect();
    better.sort_by(|a, b| b.0.total_cmp(&a.0));
    better.into_iter().map(|(_, one)| one).collect()
}

/// The whole result.
pub(super) fn tell(tried: &[Tried], best: Option<&Tried>, by: Objective, report: &mut Report) {
    report.tables.push(medians(tried, by));
    report.tables.push(ratios(tried));
    let seemed = ranked(tried, by);
    report.notes.push(match best.and_then(|best| Some((best, best.row(by)?))) {
        Some((best, row)) => sentence(best, &row, by),
        None if seemed.is_empty() => {
            format!("Nothing tried beats the shipped settings by {} beyond noise.", by.measure())
        }
        None => format!(
            "Nothing tried beats the shipped settings by {} beyond noise: {} looked better and did not hold when \
             measured again.",
            by.measure(),
            seemed.iter().map(|one| one.candidate.name.as_str()).collect::<Vec<_>>().join("; ")
        ),
    });
    if tried.iter().any(|one| one.other.len() < ROUNDS_LEAST) {
        let words = "Fewer than five rounds: nothing can be told from noise.";
        report.notes.push(words.to_owned());
    }
    report.figures = json!({
        "by": by.measure(),
        "tried": tried.iter().map(|one| one.json(by)).collect::<Vec<_>>(),
        "best": best.map(|best| best.json(by)),
    });
}

fn sentence(best: &Tried, row: &Row, by: Objective) -> String {
    let costs: Vec<String> = best
        .rows()
        .iter()
        .filter(|row| !row.noise && gain(row) < 1.0)
        .filter(|row| SHOWN.iter().any(|(shown, _)| shown.measure() == row.name))
        .map(|row| format!("{} {:+.0} %", row.name, (row.ratio.median - 1.0) * 100.0))
        .collect();
    let costs =
        if costs.is_empty() { String::new() } else { format!(" It costs: {}.", costs.join(", ")) };
    format!(
        "Best by {}: {}, {:+.1} % ({:+.1} to {:+.1} %) in {} pairs measured again.{costs}",
        by.measure(),
        best.candidate.name,
        (row.ratio.median - 1.0) * 100.0,
        (row.ratio.min - 1.0) * 100.0,
        (row.ratio.max - 1.0) * 100.0,
        best.other.len(),
    )
}

fn medians(tried: &[Tried], by: Objective) -> Table {
    let mut columns = vec!["median of the turns"];
    columns.extend(SHOWN.map(|(shown, _)| shown.measure()));
    let ratio = format!("{} ÷ shipped", by.measure());
    columns.extend([ratio.as_str(), "verdict"]);
    let mut table = Table::new("Tried", &columns);
    let all: Vec<Measured> = tried.iter().flat_map(|one| one.shipped.clone()).collect();
    let mut row = cells("shipped", &all);
    row.extend(["1".to_owned(), String::new()]);
    table.row(row);
    for one in tried {
        let mut row = cells(&one.candidate.name, &one.other);
        row.push(one.row(by).map_or("–".to_owned(), |row| row.ratio.words(3)));
        row.push(one.verdict(by));
        table.row(row);
    }
    table
}

fn cells(name: &str, turns: &[Measured]) -> Vec<String> {
    let of = |(shown, digits): (Objective, usize)| {
        let measure = MEASURES.iter().find(|measure| measure.name == shown.measure())?;
        let values = turns.iter().map(measure.of).collect::<Option<Vec<f64>>>()?;
        let median = Spread::of(&values).median;
        // Without a sender that waits for answers there is no latency.
        (median > 0.0).then(|| format!("{median:.digits$}"))
    };
    let mut row = vec![name.to_owned()];
    row.extend(SHOWN.map(|shown| of(shown).unwrap_or_else(|| "–".to_owned())));
    row
}

fn ratios(tried: &[Tried]) -> Table {
    let mut columns = vec!["median (min to max)"];
    columns.extend(SHOWN.map(|(shown, _)| shown.measure()));
    let mut table = Table::new("Ratios to the shipped settings; ~ is noise", &columns);
    for one in tried {
        let rows = one.rows();
        let cell = |(shown, _): (Objective, usize)| {
            let row = rows.iter().find(|row| row.name == shown.measure());
            row.map_or("–".to_owned(), |row| {
                format!("{}{}", if row.noise { "~" } else { "" }, row.ratio.words(2))
            })
        };
        let mut cells = vec![one.candidate.name.clone()];
        cells.extend(SHOWN.map(cell));
        table.row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use millrace_bench::products::Changes;

    use super::*;

    fn turns(rates: &[f64], p99: f64) -> Vec<Measured> {
        let one = |rate: &f64| Measured {
            events_per_s: *rate,
            cpu_us: Some(1e6 / rate),
            p99_us: p99,
            ..Measured::default()
        };
        rates.iter().map(one).collect()
    }

    fn tried(name: &str, shipped: &[f64], other: &[f64], p99: f64) -> Tried {
        let candidate = Candidate { name: name.to_owned(), changes: Changes::default() };
        Tried { candidate, shipped: turns(shipped, 1_000.0), other: turns(other, p99) }
    }

    const BASE: [f64; 5] = [100.0, 80.0, 120.0, 90.0, 110.0];

    fn times(factor: f64) -> Vec<f64> {
        BASE.iter().map(|rate| rate * factor).collect()
    }

    #[test]
    fn better_is_beyond_noise_in_the_right_direction() {
        let one = tried("a", &BASE, &times(1.1), 2_000.0);
        assert!(one.is_better(Objective::Events) && one.is_better(Objective::Cpu));
        assert!(!one.is_better(Objective::P99), "{}", one.verdict(Objective::P99));
        assert_eq!(one.verdict(Objective::Events), "better by 10.0 %");
        assert_eq!(one.verdict(Objective::P99), "worse by 50.0 %");
        let mixed = tried("b", &BASE, &[110.0, 81.0, 119.0, 99.0, 121.0], 1_000.0);
        assert_eq!(mixed.verdict(Objective::Events), "noise");
        assert!(!mixed.is_better(Objective::Events));
    }

    #[test]
    fn few_rounds_failures_and_broken_promises_are_never_better() {
        let few = tried("a", &BASE[..4], &times(2.0)[..4], 1.0);
        assert!(!few.is_better(Objective::Events), "{}", few.verdict(Objective::Events));
        let mut failing = tried("b", &BASE, &times(2.0), 1.0);
        failing.other[2].failed = 1;
        assert!(!failing.is_better(Objective::Events));
        assert_eq!(failing.verdict(Objective::Events), "1 requests failed");
        let mut acks = tried("c", &BASE, &times(2.0), 1.0);
        let change = ("producer".to_owned(), "acks".to_owned(), "1".to_owned());
        acks.candidate.changes.properties.push(change);
        assert!(!acks.is_better(Objective::Events));
        assert!(acks.verdict(Objective::Events).contains("promises less"));
    }

    #[test]
    fn the_best_comes_first_and_its_price_is_told() {
        let all = [
            tried("slower", &BASE, &times(0.9), 1_000.0),
            tried("some", &BASE, &times(1.1), 1_000.0),
            tried("most", &BASE, &times(1.3), 3_000.0),
        ];
        let names: Vec<&str> =
            ranked(&all, Objective::Events).iter().map(|one| one.candidate.name.as_str()).collect();
        assert_eq!(names, ["most", "some"]);
        let mut report = Report::new("t", Value::Null);
        tell(&all, Some(&all[2]), Objective::Events, &mut report);
        let told = &report.notes[0];
        assert!(told.contains("most, +30.0 %") && told.contains("p99 ms +200 %"), "{told}");
        assert_eq!(report.figures["best"]["candidate"], "most");
        tell(&all, None, Objective::Events, &mut report);
        assert!(
            report.notes.iter().any(|note| note.contains("did not hold")),
            "{:?}",
            report.notes
        );
        let mut report = Report::new("t", Value::Null);
        tell(&all[..1], None, Objective::Events, &mut report);
        assert!(report.notes[0].starts_with("Nothing tried beats"), "{:?}", report.notes);
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let one = tried("a", &BASE, &times(1.1), 0.0);
        assert_eq!(one.verdict(Objective::Memory), "not measured");
        assert!(!one.is_better(Objective::Memory));
        assert!(medians(&[one], Objective::Events).rows[1].contains(&"–".to_owned()));
    }
}
