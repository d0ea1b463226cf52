//! The directory of `config-observability`: what is exported, and where (platform.md 7.2).

#[cfg(test)]
mod tests;

use std::path::Path;

use millrace_settings::{MountedDirectory, Reader, Report, nearest::nearest, typed};

const METRICS_PROTOCOL: &str = "metrics-protocol";
const METRICS_ENDPOINT: &str = "metrics-endpoint";
const TRACING_PROTOCOL: &str = "tracing-protocol";
const TRACING_SAMPLING_RATE: &str = "tracing-sampling-rate";
const PORT: u16 = 9090;
const PATH: &str = "/metrics";
const OTLP_HTTP: &str = "http/protobuf";
const PROTOCOLS: [&str; 4] = ["prometheus", OTLP_HTTP, "grpc", "none"];

/// What is exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observability {
    /// Where Prometheus finds metrics. `None` is the default: no port is opened.
    pub metrics: Option<MetricsEndpoint>,
}

/// Port and path of the metrics page. The host of the endpoint is not used, as in Java; see
/// `METRICS_HOST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsEndpoint {
    /// Of the listener.
    pub port: u16,
    /// The only one that is answered.
    pub path: String,
}

impl Default for MetricsEndpoint {
    fn default() -> Self {
        Self { port: PORT, path: PATH.to_owned() }
    }
}

impl Observability {
    /// Reads the directory; `None` if the process must not run with it. A missing directory
    /// means that nothing is exported.
    pub fn read(directory: &Path, report: &mut Report) -> Option<Self> {
        let source = MountedDirectory(directory.to_owned());
        let mut read = Reader::new(&source, report);
        let metrics = metrics(&mut read);
        tracing(&mut read).map(|()| Self { metrics })
    }
}

fn metrics(read: &mut Reader<'_>) -> Option<MetricsEndpoint> {
    let protocol = read.optional(METRICS_PROTOCOL)?;
    match protocol.to_ascii_lowercase().as_str() {
        "prometheus" => Some(endpoint(read)),
        "none" => None,
        known @ (OTLP_HTTP | "grpc") => {
            let message = format!("metrics over {known} are not available; use prometheus");
            read.warn(METRICS_PROTOCOL, Some(&protocol), message);
            None
        }
        other => {
            let meant = nearest(other, PROTOCOLS).map(|word| format!("; did you mean {word}?"));
            let message = format!("not known: no metrics{}", meant.unwrap_or_default());
            read.warn(METRICS_PROTOCOL, Some(&protocol), message);
            None
        }
    }
}

/// A URL gives port and path, `host:port` the port. A port alone is the form that Knative
/// documents, and Java serves it on 9090, where the monitors look: kept, with a word.
fn endpoint(read: &mut Reader<'_>) -> MetricsEndpoint {
    let Some(text) = read.optional(METRICS_ENDPOINT) else { return MetricsEndpoint::default() };
    let found = match text.split_once("://") {
        Some((_, rest)) => located(rest, true),
        None => located(&text, false),
    };
    found.unwrap_or_else(|| {
        let message = format!(
            "no host and port in it, so metrics are on port {PORT} at {PATH}; write \
             http://0.0.0.0:<port>{PATH}"
        );
        read.warn(METRICS_ENDPOINT, Some(&text), message);
        MetricsEndpoint::default()
    })
}

/// `host:port/path?query`, host required; port optional in a URL.
fn located(text: &str, is_url: bool) -> Option<MetricsEndpoint> {
    let text = text.split(['?', '#']).next()?;
    let (authority, path) = text.find('/').map_or((text, ""), |slash| text.split_at(slash));
    let authority = authority.rsplit('@').next()?;
    // The colons of an IPv6 address stand before its bracket.
    let after_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority.get(after_host..)?.rfind(':') {
        Some(colon) => authority.split_at(after_host + colon),
        None => (authority, ""),
    };
    if host.is_empty() || host.contains(char::is_whitespace) || path.contains(char::is_whitespace) {
        return None;
    }
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
        None if is_url => PORT,
        None => return None,
    };
    let path = if path.is_empty() { PATH } else { path };
    Some(MetricsEndpoint { port, path: path.to_owned() })
}

/// Spans are passed on but not exported. A rate that Java stops at is still a mistake.
fn tracing(read: &mut Reader<'_>) -> Option<()> {
    if let Some(rate) = read.optional(TRACING_SAMPLING_RATE) {
        let in_range = |rate: f64| (0.0..=1.0).contains(&rate);
        if !typed::java_double(&rate).is_some_and(in_range) {
            read.error(TRACING_SAMPLING_RATE, Some(&rate), "must be a number from 0 to 1");
            return None;
        }
    }
    let protocol = read.optional(TRACING_PROTOCOL).unwrap_or_default();
    if !matches!(protocol.to_ascii_lowercase().as_str(), "" | "none") {
        let message = "exporting traces is not available yet: no spans leave this process";
        read.warn(TRACING_PROTOCOL, Some(&protocol), message);
    }
    Some(())
}
