//! The effective settings and the findings as text for people and as JSON for programs.

use std::fmt::Write as _;

use millrace_kafka::properties::{ProducerRefused, ProducerSettings};
use millrace_settings::{Report, Severity, Source, secret};
use serde_json::{Map, Value, json};

use super::Settings;
use crate::env::{VARIABLES, Variable};

/// One `name=value` a line under a heading for each place, findings last.
pub(super) fn text(source: &dyn Source, settings: Option<&Settings>, report: &Report) -> String {
    let mut out = String::from("# environment\n");
    for variable in VARIABLES {
        let note = match value(source, variable) {
            Some(value) => format!("={value}"),
            None => match variable.default {
                Some(default) => format!("={default} (default)"),
                None => " is not set".to_owned(),
            },
        };
        let _ = writeln!(out, "{}{note}  # {}", variable.name, variable.meaning);
    }
    for (heading, pairs) in settings.map(sections).unwrap_or_default() {
        let _ = writeln!(out, "\n# {heading}");
        for (name, value) in pairs {
            let _ = writeln!(out, "{name}={value}");
        }
    }
    let _ = write!(out, "\n# findings\n{report}");
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    let _ = writeln!(out, "{errors} errors, {warnings} warnings");
    out
}

/// `{"environment":{…},"sections":{…},"errors":0,"warnings":0,"findings":[…]}`
pub(super) fn json(source: &dyn Source, settings: Option<&Settings>, report: &Report) -> String {
    let environment: Map<String, Value> = VARIABLES
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
    let section = |pairs: Vec<(String, String)>| -> Map<String, Value> {
        pairs.into_iter().map(|(name, value)| (name, value.into())).collect()
    };
    let sections: Map<String, Value> = settings
        .map(sections)
        .unwrap_or_default()
        .into_iter()
        .map(|(heading, pairs)| (heading.to_owned(), section(pairs).into()))
        .collect();
    let mut document = report.to_json();
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

type Section = (&'static str, Vec<(String, String)>);

fn sections(settings: &Settings) -> Vec<Section> {
    let mut export = vec![pair("metrics", "none")];
    if let Some(endpoint) = &settings.observability.metrics
        && !settings.env.metrics.tls
    {
        let host = settings.env.metrics.host;
        export = vec![pair("metrics", format!("{host} port {} {}", endpoint.port, endpoint.path))];
    }
    let oidc = settings.features.authentication_oidc;
    vec![
        ("observability", export),
        ("features", vec![pair("authentication-oidc", oidc)]),
        ("http server", http(settings)),
        ("producer", producer(&settings.producer)),
    ]
}

fn http(settings: &Settings) -> Vec<(String, String)> {
    let options = &settings.http;
    let socket = options.listen(settings.env.ingress_port);
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs_f64());
    let limit = |time: Option<_>| time.map_or_else(|| "none".to_owned(), seconds);
    vec![
        pair("listen", std::net::SocketAddr::new(socket.host, socket.port)),
        pair("idleTimeout", seconds(options.idle_timeout)),
        pair("readIdleTimeout", limit(options.read_idle_timeout)),
        pair("writeIdleTimeout", limit(options.write_idle_timeout)),
        pair("maxInitialLineLength", options.line_bytes_max),
        pair("maxHeaderSize", options.headers_bytes_max),
        pair("tcpNoDelay", socket.nodelay),
        pair("tcpKeepAlive", socket.keepalive.is_some()),
    ]
}

fn producer(producer: &Result<ProducerSettings, ProducerRefused>) -> Vec<(String, String)> {
    let settings = match producer {
        Ok(settings) => settings,
        Err(_) => return vec![pair("refused", "every resource fails; see the errors below")],
    };
    let mut pairs = vec![
        pair("buffer.memory", settings.buffer_memory),
        pair("max.block.ms", settings.max_block.as_millis()),
        pair("max.request.size", settings.max_request_size),
    ];
    // What follows is what the client library gets, in its own names.
    let shown =
        |(key, value): &(String, String)| (format!("librdkafka.{key}"), secret::shown(key, value));
    pairs.extend(settings.librdkafka.iter().map(shown));
    pairs
}

fn pair(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}
