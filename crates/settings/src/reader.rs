//! Reads typed settings from a source and notes each mistake in the report, so that one run
//! shows them all.

use std::ops::RangeInclusive;

use crate::{
    nearest::nearest,
    report::{Finding, Report},
    source::Source,
    typed,
};

/// Typed reading. A method that answers `None` for a wrong value has reported an error.
pub struct Reader<'a> {
    source: &'a dyn Source,
    report: &'a mut Report,
}

impl<'a> Reader<'a> {
    /// Reads from `source`, notes in `report`.
    pub fn new(source: &'a dyn Source, report: &'a mut Report) -> Self {
        Self { source, report }
    }

    /// The text under `name`; not set or empty is an error.
    pub fn required(&mut self, name: &str) -> Option<String> {
        match self.raw(name)? {
            Some(text) if !text.is_empty() => Some(text),
            found => {
                let what = if found.is_some() { "is empty" } else { "is not set" };
                self.error(name, None, format!("required, but {what}"));
                None
            }
        }
    }

    /// The text under `name`. Empty counts as not set; unreadable is an error and also `None`.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        self.raw(name)?.filter(|text| !text.is_empty())
    }

    /// The integer under `name`; not set is an error.
    pub fn required_int(&mut self, name: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let text = self.required(name)?;
        self.int(name, &text, range)
    }

    /// The integer under `name`, or `default` if not set.
    pub fn int_or(&mut self, name: &str, default: i64, range: RangeInclusive<i64>) -> Option<i64> {
        match self.raw(name)?.filter(|text| !text.is_empty()) {
            Some(text) => self.int(name, &text, range),
            None => Some(default),
        }
    }

    /// The truth value under `name`, `false` if not set. A word that is neither `true` nor
    /// `false` is false, as in Java, and a warning.
    pub fn flag(&mut self, name: &str) -> bool {
        let Some(text) = self.optional(name) else { return false };
        if !text.eq_ignore_ascii_case("true") && !text.eq_ignore_ascii_case("false") {
            self.warn(name, Some(&text), "read as false: only the word true switches it on");
        }
        typed::flag(&text)
    }

    /// The choice named under `name`, in any case, or `default` if not set.
    pub fn one_of<T: Copy>(&mut self, name: &str, choices: &[(&str, T)], default: T) -> Option<T> {
        let Some(text) = self.raw(name)?.filter(|text| !text.is_empty()) else {
            return Some(default);
        };
        let found = choices.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
        if let Some(&(_, choice)) = found {
            return Some(choice);
        }
        let words: Vec<&str> = choices.iter().map(|&(word, _)| word).collect();
        let message = format!("must be one of {}", words.join(", "));
        let finding = self.finding(Finding::error, name, Some(&text), message);
        self.report.push(finding.nearest(nearest(&text, words)));
        None
    }

    /// Notes a warning about `name`.
    pub fn warn(&mut self, name: &str, value: Option<&str>, message: impl Into<String>) {
        let finding = self.finding(Finding::warning, name, value, message.into());
        self.report.push(finding);
    }

    /// Notes an error about `name`.
    pub fn error(&mut self, name: &str, value: Option<&str>, message: impl Into<String>) {
        let finding = self.finding(Finding::error, name, value, message.into());
        self.report.push(finding);
    }

    fn int(&mut self, name: &str, text: &str, range: RangeInclusive<i64>) -> Option<i64> {
        match typed::decimal(text) {
            Some(value) if range.contains(&value) => Some(value),
            _ => {
                let (low, high) = range.into_inner();
                let message = format!("must be a whole number from {low} to {high}, no blanks");
                self.error(name, Some(text), message);
                None
            }
        }
    }

    /// The outer `None` stands for an error already noted.
    fn raw(&mut self, name: &str) -> Option<Option<String>> {
        match self.source.text(name) {
            Ok(found) => Some(found),
            Err(error) => {
                self.error(name, None, error.to_string());
                None
            }
        }
    }

    fn finding(
        &self,
        severity: fn(&crate::Origin, String) -> Finding,
        name: &str,
        value: Option<&str>,
        message: String,
    ) -> Finding {
        let finding = severity(&self.source.origin(name), message);
        match value {
            Some(value) => finding.key_value(name, value),
            None => finding.key(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Severity, Variables};

    fn variables() -> Variables {
        [
            ("PORT", "80"),
            ("BAD", "8 0"),
            ("BIG", "70000"),
            ("ON", "TRUE"),
            ("YES", "yes"),
            ("EMPTY", ""),
            ("DRIVER", "EPOLL"),
            ("TYPO", "epol"),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn good_values_leave_no_findings() {
        let (source, mut report) = (variables(), Report::new());
        let mut reader = Reader::new(&source, &mut report);
        assert_eq!(reader.required("PORT").as_deref(), Some("80"));
        assert_eq!(reader.required_int("PORT", 0..=65535), Some(80));
        assert_eq!(reader.int_or("ABSENT", 7, 1..=9), Some(7));
        assert_eq!(reader.int_or("EMPTY", 7, 1..=9), Some(7));
        assert!(reader.flag("ON") && !reader.flag("ABSENT"));
        assert_eq!(reader.one_of("DRIVER", &[("auto", 0), ("epoll", 1)], 0), Some(1));
        assert_eq!(reader.one_of("ABSENT", &[("auto", 0), ("epoll", 1)], 0), Some(0));
        assert!(report.findings().is_empty());
    }

    #[test]
    fn each_mistake_is_one_finding_and_all_are_kept() {
        let (source, mut report) = (variables(), Report::new());
        let mut reader = Reader::new(&source, &mut report);
        assert_eq!(reader.required("ABSENT"), None);
        assert_eq!(reader.required("EMPTY"), None);
        assert_eq!(reader.required_int("BAD", 0..=65535), None);
        assert_eq!(reader.int_or("BIG", 1, 0..=65535), None);
        assert_eq!(reader.one_of("TYPO", &[("auto", 0), ("epoll", 1)], 0), None);
        assert!(!reader.flag("YES"));
        assert_eq!(report.count(Severity::Error), 5);
        assert_eq!(report.count(Severity::Warning), 1);
        let text = report.to_string();
        for part in ["ABSENT: required", "BAD=8 0: must", "BIG=70000", "mean epoll?", "YES=yes"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
