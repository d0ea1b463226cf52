//! Every environment variable of the receiver alone: name, default, meaning, unit and range
//! (platform.md 2, receiver.md 1.2). Those without a Java counterpart are marked "ours". The
//! others are the same for both programs: `millrace_process::env`.

mod features;
mod table;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

use millrace_process::env::{CommonEnv, seconds};
use millrace_settings::{Reader, Report, Source};

pub(crate) use features::Features;
pub(crate) use table::variables;

/// Port of plain HTTP; 0 lets the system choose (for tests).
pub(crate) const INGRESS_PORT: &str = "INGRESS_PORT";
/// Port of HTTPS.
pub(crate) const INGRESS_TLS_PORT: &str = "INGRESS_TLS_PORT";
/// Exact path that GET answers 200 on while the process lives.
pub(crate) const LIVENESS_PROBE_PATH: &str = "LIVENESS_PROBE_PATH";
/// Exact path that GET answers 200 on while events are taken.
pub(crate) const READINESS_PROBE_PATH: &str = "READINESS_PROBE_PATH";
/// File of HTTP server options.
pub(crate) const HTTPSERVER_CONFIG_FILE_PATH: &str = "HTTPSERVER_CONFIG_FILE_PATH";
/// Directory of `config-features`; missing means no features.
pub(crate) const CONFIG_FEATURES_PATH: &str = "CONFIG_FEATURES_PATH";
/// Ours: true takes batches of events (`application/cloudevents-batch+json`).
pub(crate) const INGRESS_BATCH_ENABLED: &str = "INGRESS_BATCH_ENABLED";
/// Ours: status for an event larger than `max.request.size`: 413, or 503 as Java.
pub(crate) const INGRESS_TOO_LARGE_STATUS: &str = "INGRESS_TOO_LARGE_STATUS";
/// Ours: seconds to go on serving while not ready after SIGTERM.
pub(crate) const DRAIN_GRACE_SECONDS: &str = "DRAIN_GRACE_SECONDS";
/// Ours: open connections of one shard; further ones are closed at once.
pub(crate) const INGRESS_MAX_CONNECTIONS: &str = "INGRESS_MAX_CONNECTIONS";
/// Ours: seconds from the first byte of a head to its last.
pub(crate) const INGRESS_HEAD_TIMEOUT_SECONDS: &str = "INGRESS_HEAD_TIMEOUT_SECONDS";
/// Ours: seconds from the end of a head to the end of its body.
pub(crate) const INGRESS_BODY_TIMEOUT_SECONDS: &str = "INGRESS_BODY_TIMEOUT_SECONDS";
/// Ours: microseconds that a record may wait for company when `linger.ms` is 0.
pub(crate) const PRODUCER_BATCH_DELAY_US: &str = "PRODUCER_BATCH_DELAY_US";

/// What the environment says, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Env {
    pub(crate) common: CommonEnv,
    pub(crate) ingress_port: u16,
    pub(crate) liveness_probe_path: String,
    pub(crate) readiness_probe_path: String,
    pub(crate) httpserver_config: PathBuf,
    /// `None` is a cluster without feature flags.
    pub(crate) features: Option<PathBuf>,
    pub(crate) batch_enabled: bool,
    pub(crate) too_large: TooLargeStatus,
    pub(crate) drain_grace: Duration,
    /// Of one shard.
    pub(crate) connections_max: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) batch_delay: Duration,
}

/// Status for an event that is larger than a record may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLargeStatus {
    /// 413: clients do not try again, so the event reaches its dead letter sink.
    ContentTooLarge,
    /// 503, as Java: clients try again in vain.
    ServiceUnavailable,
}

impl Env {
    /// Reads all of it. `None` if the process cannot run with it; `report` then says why, all
    /// mistakes at once.
    pub(crate) fn from_source(source: &dyn Source, report: &mut Report) -> Option<Self> {
        let mut reader = Reader::new(source, report);
        let read = &mut reader;
        // Every field is read before any is missed, so that one run shows all mistakes.
        let ingress_port = port(read, INGRESS_PORT);
        let ingress_tls_port = port(read, INGRESS_TLS_PORT);
        let liveness_probe_path = probe_path(read, LIVENESS_PROBE_PATH);
        let readiness_probe_path = probe_path(read, READINESS_PROBE_PATH);
        let httpserver_config = read.required(HTTPSERVER_CONFIG_FILE_PATH);
        let features = read.optional(CONFIG_FEATURES_PATH).map(PathBuf::from);
        let batch_enabled = read.flag(INGRESS_BATCH_ENABLED);
        let statuses =
            [("413", TooLargeStatus::ContentTooLarge), ("503", TooLargeStatus::ServiceUnavailable)];
        let too_large = read.one_of(INGRESS_TOO_LARGE_STATUS, &statuses, statuses[0].1);
        // The whole drain has 25 s; what is left of it is for the requests in flight.
        let drain_grace = read.int_or(DRAIN_GRACE_SECONDS, 10, 0..=20).map(seconds);
        let connections_max = read.int_or(INGRESS_MAX_CONNECTIONS, 10_000, 1..=1_000_000);
        let head_timeout = read.int_or(INGRESS_HEAD_TIMEOUT_SECONDS, 10, 1..=3600).map(seconds);
        let body_timeout = read.int_or(INGRESS_BODY_TIMEOUT_SECONDS, 60, 1..=86_400).map(seconds);
        let batch_delay = read.int_or(PRODUCER_BATCH_DELAY_US, 500, 0..=100_000);
        let common = CommonEnv::read(read);
        // Nothing listens on it yet, but a mistake in it is one in Java, too.
        ingress_tls_port?;
        Some(Self {
            common: common?,
            ingress_port: ingress_port?,
            liveness_probe_path: liveness_probe_path?,
            readiness_probe_path: readiness_probe_path?,
            httpserver_config: httpserver_config?.into(),
            features,
            batch_enabled,
            too_large: too_large?,
            drain_grace: drain_grace?,
            connections_max: usize::try_from(connections_max?).ok()?,
            head_timeout: head_timeout?,
            body_timeout: body_timeout?,
            batch_delay: Duration::from_micros(batch_delay?.unsigned_abs()),
        })
        .filter(|_| !report.has_errors())
    }
}

fn port(read: &mut Reader<'_>, name: &str) -> Option<u16> {
    u16::try_from(read.required_int(name, 0..=i64::from(u16::MAX))?).ok()
}

/// A path without its slash never matches: Java starts with it, and so do we, with a word.
fn probe_path(read: &mut Reader<'_>, name: &str) -> Option<String> {
    let path = read.required(name)?;
    if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
        read.warn(
            name,
            Some(&path),
            "no request has such a path: it must start with / and end \
                                      before any query",
        );
    }
    Some(path)
}
