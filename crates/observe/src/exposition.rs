//! The Prometheus text format 0.0.4, as the Java data plane writes it: labels sorted by name with
//! a comma after each, numbers as Java prints a double (receiver.md 9.2).

use std::fmt::Write as _;

use crate::cell::HistogramTotals;
use crate::names::{Family, Kind};
use crate::series::Value;

/// A series' labels as shown between the braces: `a="x",b="y",`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Labels(Box<str>);

impl Labels {
    pub(crate) fn new(labels: &[(&str, &str)]) -> Self {
        let mut sorted: Vec<_> = labels.to_vec();
        sorted.sort_unstable();
        let mut text = String::new();
        for (name, value) in sorted {
            text.push_str(name);
            text.push_str("=\"");
            escape(&mut text, value, true);
            text.push_str("\",");
        }
        Self(text.into())
    }
}

/// Writes one family; nothing when it has no series.
pub(crate) fn family<'a>(
    out: &mut String,
    family: &Family,
    series: impl Iterator<Item = (&'a Labels, Value)>,
    step: u64,
) {
    let mut maxima: Vec<(&Labels, u64)> = Vec::new();
    let mut named = false;
    for (labels, value) in series {
        if !std::mem::replace(&mut named, true) {
            header(out, family.name, "", family.kind, family.help);
        }
        match value {
            Value::Number(number) => sample(out, family.name, "", labels, number),
            Value::Histogram(totals) => {
                histogram(out, family.name, labels, &totals);
                maxima.push((labels, totals.max(step)));
            }
        }
    }
    if !maxima.is_empty() {
        header(out, family.name, "_max", Kind::Gauge, family.help);
        for (labels, max) in maxima {
            sample(out, family.name, "_max", labels, max as f64);
        }
    }
}

fn histogram(out: &mut String, name: &str, labels: &Labels, totals: &HistogramTotals) {
    let mut count = 0u64;
    let bounds = totals.bounds.iter().map(|bound| *bound as f64).chain([f64::INFINITY]);
    for (bound, bucket) in bounds.zip(&totals.buckets) {
        count = count.wrapping_add(*bucket);
        out.push_str(name);
        out.push_str("_bucket{");
        out.push_str(&labels.0);
        out.push_str("le=\"");
        number(out, bound);
        out.push_str("\",} ");
        number(out, count as f64);
        out.push('\n');
    }
    sample(out, name, "_count", labels, count as f64);
    sample(out, name, "_sum", labels, totals.sum as f64);
}

fn header(out: &mut String, name: &str, suffix: &str, kind: Kind, help: &str) {
    let _ = write!(out, "# HELP {name}{suffix} ");
    escape(out, help, false);
    let _ = write!(out, "\n# TYPE {name}{suffix} {}\n", kind.as_str());
}

fn sample(out: &mut String, name: &str, suffix: &str, labels: &Labels, value: f64) {
    out.push_str(name);
    out.push_str(suffix);
    if !labels.0.is_empty() {
        out.push('{');
        out.push_str(&labels.0);
        out.push('}');
    }
    out.push(' ');
    number(out, value);
    out.push('\n');
}

/// Backslash and line feed, and in label values the quote.
fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

/// As Java's `Double.toString`: a decimal point always, an exponent from ten million on and below
/// a thousandth.
fn number(out: &mut String, value: f64) {
    let size = value.abs();
    let written = if value.is_nan() {
        out.push_str("NaN");
        Ok(())
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        Ok(())
    } else if size == 0.0 || (1e-3..1e7).contains(&size) {
        write!(out, "{value:?}")
    } else {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if digits.contains('.') { "" } else { ".0" };
        write!(out, "{digits}{point}E{exponent}")
    };
    debug_assert!(written.is_ok(), "a String takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_javas() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (50.0, "50.0"),
            (0.25, "0.25"),
            (0.001, "0.001"),
            (0.000_5, "5.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_678.0, "1.2345678E7"),
            (4.227_378_850_225_105_4e18, "4.2273788502251054E18"),
            (-1.5e9, "-1.5E9"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = String::new();
            number(&mut out, value);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn labels_are_sorted_and_escaped() {
        let labels = Labels::new(&[("z", "a\\b\"c\nd"), ("a", "ü{},=")]);
        assert_eq!(&*labels.0, "a=\"ü{},=\",z=\"a\\\\b\\\"c\\nd\",");
    }
}
