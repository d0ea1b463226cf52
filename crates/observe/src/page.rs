//! Reads a Prometheus page in tests, strictly and without knowing how ours is written.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Page {
    /// Panics on whatever a scraper would refuse, and on what it would silently misread: families
    /// in pieces, series twice, buckets that go down.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.is_empty() || text.ends_with('\n'), "last line is cut");
        let mut page = Self::default();
        let mut family = String::new();
        let mut seen = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().unwrap().to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, family, "TYPE without HELP");
                let old = page.types.insert(name.to_owned(), kind.to_owned());
                assert!(old.is_none(), "{name} in two pieces");
            } else {
                let sample = Sample::parse(line);
                let own = match page.types.get(&family).map(String::as_str) {
                    Some("histogram") => ["_bucket", "_count", "_sum"]
                        .iter()
                        .any(|suffix| sample.name == format!("{family}{suffix}")),
                    Some("counter" | "gauge") => sample.name == family,
                    other => panic!("{line}: type {other:?}"),
                };
                assert!(own, "{line}: not of {family}");
                let series = format!("{} {:?}", sample.name, sample.labels);
                assert!(seen.insert(series), "{line}: series twice");
                page.samples.push(sample);
            }
        }
        page.check_histograms();
        page
    }

    /// The one value with these labels, among others.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut found = self.samples.iter().filter(|sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).map(String::as_str) == Some(*value))
        });
        let value = found.next().map(|sample| sample.value);
        assert!(found.next().is_none(), "{name} {labels:?}: several series");
        value
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.samples.iter().filter(|sample| sample.name == name).count()
    }

    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.samples.iter().filter(|sample| sample.name == name).map(|sample| sample.value).sum()
    }

    fn check_histograms(&self) {
        for (family, _) in self.types.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut buckets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
            for sample in self.samples.iter().filter(|s| s.name == format!("{family}_bucket")) {
                let mut labels = sample.labels.clone();
                let bound = number(&labels.remove("le").expect("bucket without le"));
                buckets.entry(labels).or_default().push((bound, sample.value));
            }
            for (labels, buckets) in buckets {
                let rising = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
                assert!(buckets.windows(2).all(rising), "{family} {labels:?}: {buckets:?}");
                let last = buckets.last().unwrap();
                assert_eq!(last.0, f64::INFINITY);
                let of = |suffix: &str| {
                    let name = format!("{family}{suffix}");
                    let mut same = self.samples.iter().filter(|s| s.name == name);
                    same.find(|s| s.labels == labels).map(|s| s.value)
                };
                assert_eq!(of("_count"), Some(last.1));
                assert!(of("_sum").is_some() && of("_max").is_some());
            }
        }
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let at = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}: no value"));
        let name = line[..at].to_owned();
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        assert!(!name.is_empty() && name.chars().all(legal), "{line}: name");
        let mut labels = BTreeMap::new();
        let mut rest = &line[at..];
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.starts_with('}') {
                let (key, after) =
                    rest.split_once("=\"").unwrap_or_else(|| panic!("{line}: label"));
                assert!(key.chars().all(legal), "{line}: label name {key}");
                let (value, after) = label_value(after);
                assert!(labels.insert(key.to_owned(), value).is_none(), "{line}: {key} twice");
                rest = after.strip_prefix(',').unwrap_or_else(|| panic!("{line}: comma"));
            }
            rest = &rest[1..];
        }
        let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}: blank"));
        Self { name, labels, value: number(value) }
    }
}

/// The value up to its closing quote, and what follows.
fn label_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, c @ ('\\' | '"'))) => c,
                other => panic!("escape {other:?}"),
            }),
            c => value.push(c),
        }
    }
    panic!("{text}: no closing quote")
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        text => {
            assert!(text == "NaN" || text.contains('.'), "{text}: no decimal point");
            text.parse().unwrap_or_else(|_| panic!("{text}: no number"))
        }
    }
}
