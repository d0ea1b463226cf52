//! Scrapes a Prometheus endpoint and reads its text form (0.0.4).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::http::{Connection, Request, exchange};

/// One line of an exposition.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Sample {
    /// Whether all these labels have these values; others may be there.
    pub fn matches(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.name == name
            && labels
                .iter()
                .all(|(label, value)| self.labels.get(*label).is_some_and(|has| has == value))
    }
}

/// All samples of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Samples(pub Vec<Sample>);

impl Samples {
    /// Scrapes `path` on `port`.
    ///
    /// # Panics
    /// When the answer is not 200 in the text format or a line cannot be read.
    pub fn scrape(port: u16, path: &str) -> Self {
        let answer = exchange(port, &Request::get(path));
        assert_eq!(answer.status, 200, "scraping {path} on port {port}");
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Self::read(&String::from_utf8(answer.body).expect("an exposition is UTF-8"))
    }

    /// All samples of a page.
    ///
    /// # Panics
    /// When a line cannot be read.
    pub fn read(page: &str) -> Self {
        Self(parse(page).unwrap_or_else(|line| panic!("cannot read the metrics line {line:?}")))
    }

    /// All samples of that name that carry these labels.
    pub fn all<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| sample.matches(name, labels))
    }

    /// Scrapes only families whose names begin like one of these, or says why that cannot be.
    ///
    /// # Errors
    /// When nobody answers there within the time, or something that is no exposition.
    pub fn try_scrape(port: u16, families: &[&str], limit: Duration) -> Result<Self, String> {
        let mut connection = Connection::try_open(port).map_err(|error| error.to_string())?;
        connection.send(&Request::get("/metrics").to_bytes());
        let answer = connection.answer_within(limit).map_err(|error| format!("{error:?}"))?;
        if answer.status != 200 {
            return Err(format!("it answers {}", answer.status));
        }
        let text = String::from_utf8_lossy(&answer.body);
        let wanted = |line: &&str| families.iter().any(|family| line.starts_with(family));
        let lines = text.lines().filter(wanted);
        let samples = lines.map(|line| parse_line(line).ok_or_else(|| line.to_owned()));
        Ok(Self(samples.collect::<Result<_, _>>()?))
    }

    /// The sum of the matching samples; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).map(|sample| sample.value).sum()
    }
}

/// The samples, or the first line that is none.
pub(crate) fn parse(text: &str) -> Result<Vec<Sample>, String> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| parse_line(line).ok_or_else(|| line.to_owned()))
        .collect()
}

fn parse_line(line: &str) -> Option<Sample> {
    let name_length = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_length);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            // A comma after the last label is legal, and Micrometer writes it.
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(label.to_owned(), value);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
    }
    let value = rest.trim_start().split(' ').next()?;
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}

/// The text up to the closing quote, unescaped, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_labels_escapes_and_values() {
        let samples = Samples(parse("# TYPE a counter\na{b=\"c,}\\\"\\n\",d=\"\",} 1.0\na 2\n\nb_bucket{le=\"+Inf\"} +Inf 17\n").unwrap());
        assert_eq!(samples.sum("a", &[]), 3.0);
        assert_eq!(samples.sum("a", &[("b", "c,}\"\n"), ("d", "")]), 1.0);
        assert!(samples.sum("b_bucket", &[("le", "+Inf")]).is_infinite());
        assert_eq!(parse("a{b=\"c} 1").unwrap_err(), "a{b=\"c} 1");
    }
}
