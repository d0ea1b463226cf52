//! Figures with their goals, and whether these are met.

use serde::Serialize;

use crate::report::Table;
use crate::stats::Spread;

/// What a figure shall be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
    Within(f64, f64),
}

/// What the measured values say of a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval of the median fulfils it.
    Met,
    /// Nothing of the interval does.
    NotMet,
    /// The goal lies within the interval.
    Noise,
}

/// One figure, measured in each round.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub name: String,
    /// For people; empty for ratios.
    pub unit: &'static str,
    /// `None` for what only explains the others.
    pub goal: Option<Goal>,
    pub verdict: Option<Verdict>,
    pub spread: Spread,
    /// In the order of the rounds.
    pub values: Vec<f64>,
}

/// All figures of a row, and what a reader must know of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    pub figures: Vec<Figure>,
    pub notes: Vec<String>,
}

impl Goal {
    /// Of a figure with this spread.
    pub fn judge(self, spread: &Spread) -> Verdict {
        let fulfils = |value: f64| match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Within(least, most) => (least..=most).contains(&value),
        };
        // With both ends on different sides of a range, the range lies between them.
        let passes_over = match self {
            Self::Within(least, most) => spread.low < least && spread.high > most,
            _ => false,
        };
        match (fulfils(spread.low), fulfils(spread.high)) {
            (true, true) => Verdict::Met,
            (false, false) if !passes_over => Verdict::NotMet,
            _ => Verdict::Noise,
        }
    }

    fn words(self, unit: &str) -> String {
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        match self {
            Self::AtMost(most) => format!("≤ {}{unit}", number(most)),
            Self::AtLeast(least) => format!("≥ {}{unit}", number(least)),
            Self::Within(least, most) => format!("{} to {}{unit}", number(least), number(most)),
        }
    }
}

impl Verdict {
    fn words(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::Noise => "noise",
        }
    }
}

impl Findings {
    /// A figure with a goal.
    pub fn goal(&mut self, name: &str, unit: &'static str, goal: Goal, values: Vec<f64>) {
        let spread = Spread::of(&values);
        // Without a value there is nothing to judge.
        let verdict = values.first().map(|_| goal.judge(&spread));
        let name = name.to_owned();
        self.figures.push(Figure { name, unit, goal: Some(goal), verdict, spread, values });
    }

    /// A figure that explains others.
    pub fn beside(&mut self, name: &str, unit: &'static str, values: Vec<f64>) {
        let spread = Spread::of(&values);
        let name = name.to_owned();
        self.figures.push(Figure { name, unit, goal: None, verdict: None, spread, values });
    }

    /// For people.
    pub fn table(&self, title: &str) -> Table {
        let mut table = Table::new(title, &["", "median (min to max)", "goal", "verdict"]);
        for figure in &self.figures {
            table.row([
                figure.name.clone(),
                spread_words(&figure.spread, figure.unit),
                figure.goal.map_or(String::new(), |goal| goal.words(figure.unit)),
                figure.verdict.map_or("", Verdict::words).to_owned(),
            ]);
        }
        table
    }
}

/// Differences of values measured side by side.
pub fn differences(of: &[f64], and: &[f64]) -> Vec<f64> {
    of.iter().zip(and).map(|(of, and)| of - and).collect()
}

/// What remains of the cost of a mixed turn for one event of the greater part, when each event of the
/// `share` of others costs `other`.
pub fn unmixed(mixed: &[f64], other: &[f64], share: f64) -> Vec<f64> {
    let one = |(mixed, other): (&f64, &f64)| (mixed - share * other) / (1.0 - share);
    mixed.iter().zip(other).map(one).collect()
}

fn spread_words(spread: &Spread, unit: &str) -> String {
    let digits = digits(spread.median.abs().max(spread.max.abs()));
    let words = spread.words(digits);
    if unit.is_empty() { words } else { format!("{words} {unit}") }
}

/// As many as tell three figures, at most three.
fn digits(value: f64) -> usize {
    match value {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    }
}

/// Without needless zeros.
fn number(value: f64) -> String {
    format!("{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(goal: Goal, values: &[f64]) -> Verdict {
        goal.judge(&Spread::of(values))
    }

    #[test]
    fn verdict_needs_the_whole_interval() {
        let most = Goal::AtMost(1.5);
        assert_eq!(judged(most, &[1.0, 1.2, 1.5]), Verdict::Met);
        assert_eq!(judged(most, &[1.6, 1.7, 9.0]), Verdict::NotMet);
        assert_eq!(judged(most, &[1.4, 1.4, 1.6]), Verdict::Noise);
        let least = Goal::AtLeast(0.95);
        assert_eq!(judged(least, &[0.95, 1.0]), Verdict::Met);
        assert_eq!(judged(least, &[0.8, 0.94]), Verdict::NotMet);
        assert_eq!(judged(least, &[0.8, 1.0]), Verdict::Noise);
        // One outlier among ten is outside of the interval.
        let mut many = vec![1.0; 9];
        many.push(5.0);
        assert_eq!(judged(most, &many), Verdict::Met);
    }

    #[test]
    fn a_range_is_missed_on_one_side_and_unsure_on_both() {
        let flat = Goal::Within(0.9, 1.1);
        assert_eq!(judged(flat, &[0.95, 1.05]), Verdict::Met);
        assert_eq!(judged(flat, &[1.2, 1.3]), Verdict::NotMet);
        assert_eq!(judged(flat, &[0.7, 0.8]), Verdict::NotMet);
        assert_eq!(judged(flat, &[1.05, 1.3]), Verdict::Noise);
        assert_eq!(judged(flat, &[0.5, 1.5]), Verdict::Noise);
    }

    #[test]
    fn a_mixture_is_taken_apart() {
        // 90 of 100 cost 1, 10 cost 8: 1.7 on average.
        let dropped = unmixed(&[1.7, 3.4], &[8.0, 16.0], 0.1);
        assert!((dropped[0] - 1.0).abs() < 1e-9 && (dropped[1] - 2.0).abs() < 1e-9);
        assert_eq!(differences(&[3.0, 5.0, 1.0], &[1.0, 2.0]), [2.0, 3.0]);
    }

    #[test]
    fn table_tells_figure_goal_and_verdict() {
        let mut findings = Findings::default();
        findings.goal("exec to ready", "ms", Goal::AtMost(50.0), vec![20.0, 30.0, 25.0]);
        findings.beside("rate", "", vec![1234.5]);
        findings.goal("nothing measured", "", Goal::AtLeast(1.0), Vec::new());
        let rows = findings.table("start").rows;
        assert_eq!(rows[0], ["exec to ready", "25.0 (20.0 to 30.0) ms", "≤ 50 ms", "met"]);
        assert_eq!(rows[1], ["rate", "1234 (1234 to 1234)", "", ""]);
        assert_eq!(rows[2][3], "", "what was not measured is not judged");
    }
}
