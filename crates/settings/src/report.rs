//! Collects every mistake found in the settings, and prints them together.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::secret;

/// Longer values are cut when shown.
const SHOWN_CHARS_MAX: usize = 200;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Info,
    /// The program goes on, but perhaps not as meant.
    Warning,
    /// The program, or the client the setting is for, cannot start.
    Error,
}

impl Severity {
    /// The lower-case word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Where a setting was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An environment variable of the process.
    Environment,
    /// A file: a properties file, or one key of a mounted ConfigMap.
    File(PathBuf),
}

impl Origin {
    /// The file, if it was one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Environment => None,
            Self::File(path) => Some(path),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One thing found: where, what, how bad, and which name was perhaps meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where it was read.
    pub origin: Origin,
    /// Line of the file, from 1.
    pub line: Option<u32>,
    /// Name of the variable or property.
    pub key: Option<String>,
    /// Its value, secrets masked and cut to a readable length.
    pub value: Option<String>,
    /// What is wrong and what helps, one sentence without a full stop.
    pub message: String,
    /// The known name nearest to an unknown one.
    pub nearest: Option<String>,
}

impl Finding {
    /// Something that keeps the program, or one client, from starting.
    pub fn error(origin: &Origin, message: impl Into<String>) -> Self {
        Self::of(Severity::Error, origin, message)
    }

    /// Something that is perhaps not as meant.
    pub fn warning(origin: &Origin, message: impl Into<String>) -> Self {
        Self::of(Severity::Warning, origin, message)
    }

    /// Something worth knowing.
    pub fn info(origin: &Origin, message: impl Into<String>) -> Self {
        Self::of(Severity::Info, origin, message)
    }

    fn of(severity: Severity, origin: &Origin, message: impl Into<String>) -> Self {
        Self {
            severity,
            origin: origin.clone(),
            line: None,
            key: None,
            value: None,
            message: message.into(),
            nearest: None,
        }
    }

    /// At this line of the file.
    #[must_use]
    pub fn line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }

    /// About this key.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(cut(key));
        self
    }

    /// About this key with this value; secrets are masked.
    #[must_use]
    pub fn key_value(self, key: &str, value: &str) -> Self {
        let mut finding = self.key(key);
        finding.value = Some(cut(&secret::shown(key, value)));
        finding
    }

    /// The known name that was perhaps meant.
    #[must_use]
    pub fn nearest(mut self, nearest: Option<&str>) -> Self {
        self.nearest = nearest.map(str::to_owned);
        self
    }

    fn to_json(&self) -> Value {
        let mut object = serde_json::Map::new();
        object.insert("severity".into(), self.severity.word().into());
        match &self.origin {
            Origin::Environment => object.insert("source".into(), "environment".into()),
            Origin::File(path) => object.insert("file".into(), path.display().to_string().into()),
        };
        let fields = [("key", &self.key), ("value", &self.value), ("nearest", &self.nearest)];
        for (name, text) in fields {
            if let Some(text) = text {
                object.insert(name.into(), text.as_str().into());
            }
        }
        if let Some(line) = self.line {
            object.insert("line".into(), line.into());
        }
        object.insert("message".into(), self.message.as_str().into());
        Value::Object(object)
    }
}

impl fmt::Display for Finding {
    /// `error: /etc/config/p.properties:12: linger.sm=5: not known; did you mean linger.ms?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity.word(), self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => write!(f, "{key}={value}: ")?,
            (Some(key), None) => write!(f, "{key}: ")?,
            (None, _) => {}
        }
        f.write_str(&self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

/// A value fit for one line of a terminal: control characters escaped, long ones cut.
fn cut(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN_CHARS_MAX {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// All findings, in the order found. `Display` prints one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    /// With nothing found yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Adds all of another report.
    pub fn absorb(&mut self, other: Self) {
        self.findings.extend(other.findings);
    }

    /// All, in the order found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether anything keeps the program, or one client, from starting.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// Whether there is neither error nor warning.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Info)
    }

    /// `{"errors":1,"warnings":0,"findings":[…]}`, absent fields left out.
    pub fn to_json(&self) -> Value {
        json!({
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_one_line() {
        let origin = Origin::File("/etc/config/p.properties".into());
        let finding = Finding::warning(&origin, "not known")
            .line(12)
            .key_value("linger.sm", "5\n6")
            .nearest(Some("linger.ms"));
        assert_eq!(
            finding.to_string(),
            "warning: /etc/config/p.properties:12: linger.sm=5\\n6: not known; \
             did you mean linger.ms?"
        );
        let finding = Finding::error(&Origin::Environment, "not set").key("INGRESS_PORT");
        assert_eq!(finding.to_string(), "error: environment: INGRESS_PORT: not set");
    }

    #[test]
    fn secrets_and_long_values_do_not_show() {
        let origin = Origin::Environment;
        let finding = Finding::error(&origin, "bad").key_value("sasl.password", "hunter2");
        assert!(!finding.to_string().contains("hunter2"));
        let finding = Finding::error(&origin, "bad").key_value("x", &"a".repeat(1000));
        assert!(finding.to_string().len() < 300);
    }

    #[test]
    fn json_counts_and_leaves_absent_fields_out() {
        let mut report = Report::new();
        assert!(report.is_clean() && !report.has_errors());
        report.push(Finding::info(&Origin::Environment, "hello"));
        assert!(report.is_clean());
        report.push(Finding::error(&Origin::File("/f".into()), "bad").line(3).key_value("k", "v"));
        assert!(!report.is_clean() && report.has_errors());
        assert_eq!(
            report.to_json(),
            json!({"errors": 1, "warnings": 0, "findings": [
                {"severity": "info", "source": "environment", "message": "hello"},
                {"severity": "error", "file": "/f", "line": 3, "key": "k", "value": "v",
                 "message": "bad"},
            ]})
        );
    }
}
