//! What `check` prints: the effective settings as text for people or JSON for programs, with
//! every finding; and what can be said of the contract file beforehand.

use std::fmt::Write as _;

use millrace_contract::{Contract, Resource};
use millrace_settings::source::read_file;
use millrace_settings::{Finding, Origin, Report, Severity, Source, Unreadable, secret};
use serde_json::{Map, Value, json};

use crate::cli::Check;
use crate::env::{CommonEnv, DATA_PLANE_CONFIG_FILE_PATH, Variable};
use crate::exit;
use crate::metrics::endpoint;
use crate::observability::Observability;

/// A heading and what stands under it, by name.
pub type Section = (&'static str, Vec<(String, String)>);

/// What is to be shown.
pub struct Shown<'a> {
    /// All variables of the program.
    pub variables: &'a [Variable],
    /// What the files say, as far as they could be read.
    pub sections: Vec<Section>,
    /// What is odd.
    pub report: &'a Report,
}

/// The text or JSON to print on stdout, and the exit code.
pub fn print(source: &dyn Source, shown: &Shown<'_>, options: Check) -> (String, i32) {
    let text = if options.json { as_json(source, shown) } else { as_text(source, shown) };
    let report = shown.report;
    let failed = report.has_errors() || (options.deny_warnings && !report.is_clean());
    (text, if failed { exit::CONFIG } else { 0 })
}

/// What is exported.
pub fn observability(env: &CommonEnv, observability: &Observability) -> Section {
    let metrics = match endpoint(env, observability) {
        Some(endpoint) => {
            format!("{} port {} {}", env.metrics.host, endpoint.port, endpoint.path)
        }
        None => "none".to_owned(),
    };
    ("observability", vec![pair("metrics", metrics)])
}

/// What a Kafka client gets, in its own names, secrets masked.
pub fn client(pairs: &[(String, String)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|(key, value)| (format!("librdkafka.{key}"), secret::shown(key, value)))
}

/// One line of a section.
pub fn pair(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

/// A missing or empty contract is normal before the first resource exists; one that does not
/// parse is kept out by the running process, which goes on with the one before. `refuse` tells
/// for which reasons a resource would not be served.
pub fn contract(
    source: &dyn Source,
    report: &mut Report,
    refuse: impl Fn(&Resource) -> Vec<String>,
) {
    let Ok(Some(path)) = source.text(DATA_PLANE_CONFIG_FILE_PATH) else { return };
    let origin = Origin::File(path.into());
    let Some(path) = origin.file() else { return };
    let bytes = match read_file(path) {
        Ok(bytes) if bytes.is_empty() => {
            report.push(Finding::info(&origin, "empty: there are no resources yet"));
            return;
        }
        Ok(bytes) => bytes,
        Err(Unreadable::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            report.push(Finding::warning(&origin, "does not exist: there are no resources yet"));
            return;
        }
        Err(error) => {
            report.push(Finding::warning(&origin, error.to_string()));
            return;
        }
    };
    let parsed = match Contract::parse(&bytes) {
        Ok(parsed) => parsed,
        Err(error) => {
            report.push(Finding::error(&origin, error.to_string()));
            return;
        }
    };
    let contract = &parsed.contract;
    let message =
        format!("generation {}, {} resources", contract.generation, contract.resources.len());
    report.push(Finding::info(&origin, message));
    for rejection in &contract.rejected {
        report.push(Finding::warning(&origin, rejection.to_string()));
    }
    let refused = contract.resources.iter().flat_map(|resource| refuse(resource));
    refused.for_each(|message| report.push(Finding::warning(&origin, message)));
    for warning in parsed.warnings.iter() {
        report.push(Finding::warning(&origin, warning.to_string()));
    }
    if parsed.warnings.dropped() > 0 {
        let message = format!("and {} more oddities of the contract", parsed.warnings.dropped());
        report.push(Finding::warning(&origin, message));
    }
}

/// One `name=value` a line under a heading for each place, findings last.
fn as_text(source: &dyn Source, shown: &Shown<'_>) -> String {
    let mut out = String::from("# environment\n");
    for variable in shown.variables {
        let note = match value(source, variable) {
            Some(value) => format!("={value}"),
            None => match variable.default {
                Some(default) => format!("={default} (default)"),
                None => " is not set".to_owned(),
            },
        };
        let _ = writeln!(out, "{}{note}  # {}", variable.name, variable.meaning);
    }
    for (heading, pairs) in &shown.sections {
        let _ = writeln!(out, "\n# {heading}");
        for (name, value) in pairs {
            let _ = writeln!(out, "{name}={value}");
        }
    }
    let report = shown.report;
    let _ = write!(out, "\n# findings\n{report}");
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    let _ = writeln!(out, "{errors} errors, {warnings} warnings");
    out
}

/// `{"environment":{…},"settings":{…},"errors":0,"warnings":0,"findings":[…]}`
fn as_json(source: &dyn Source, shown: &Shown<'_>) -> String {
    let environment: Map<String, Value> = shown
        .variables
        .iter()
        .map(|variable| {
            let set = value(source, variable);
            let shown = set.as_deref().or(variable.default);
            let entry = json!({
                "value": shown,
                "default": set.is_none() && variable.default.is_some(),
                "meaning": variable.meaning,
            });
            (variable.name.to_owned(), entry)
        })
        .collect();
    let section = |pairs: &[(String, String)]| -> Map<String, Value> {
        pairs.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
    };
    let sections: Map<String, Value> = shown
        .sections
        .iter()
        .map(|(heading, pairs)| ((*heading).to_owned(), section(pairs).into()))
        .collect();
    let mut document = shown.report.to_json();
    if let Some(object) = document.as_object_mut() {
        object.insert("environment".to_owned(), environment.into());
        object.insert("settings".to_owned(), sections.into());
    }
    format!("{document:#}\n")
}

/// What is set, as it may be shown. Empty counts as not set, as it does everywhere.
fn value(source: &dyn Source, variable: &Variable) -> Option<String> {
    let text = source.text(variable.name).ok().flatten().filter(|text| !text.is_empty())?;
    Some(secret::shown(variable.name, &text))
}
