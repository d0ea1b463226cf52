//! Every environment variable of the receiver: name, default, meaning, unit and range
//! (platform.md 2, receiver.md 1.2). Those without a Java counterpart are marked "ours".

mod features;
mod ignored;
mod observability;
mod table;

#[cfg(test)]
mod tests;

use std::{net::IpAddr, path::PathBuf, time::Duration};

use millrace_settings::{Reader, Report, Source};
use millrace_shard::{CoreRequest, DriverChoice};

pub(crate) use features::Features;
pub(crate) use observability::Observability;
pub(crate) use table::{VARIABLES, Variable};

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
/// File of Kafka producer properties.
pub(crate) const PRODUCER_CONFIG_FILE_PATH: &str = "PRODUCER_CONFIG_FILE_PATH";
/// The contract file.
pub(crate) const DATA_PLANE_CONFIG_FILE_PATH: &str = "DATA_PLANE_CONFIG_FILE_PATH";
/// Directory of `config-observability`.
pub(crate) const CONFIG_OBSERVABILITY_PATH: &str = "CONFIG_OBSERVABILITY_PATH";
/// Directory of `config-features`; missing means no features.
pub(crate) const CONFIG_FEATURES_PATH: &str = "CONFIG_FEATURES_PATH";
/// Seconds that start-up steps may take.
pub(crate) const WAIT_STARTUP_SECONDS: &str = "WAIT_STARTUP_SECONDS";
/// true: histograms get the fine buckets in addition.
pub(crate) const METRICS_PUBLISH_QUANTILES: &str = "METRICS_PUBLISH_QUANTILES";
/// true: the event type label is always `unknown`.
pub(crate) const METRICS_DISABLE_EVENT_TYPE_TAG: &str = "METRICS_DISABLE_EVENT_TYPE_TAG";
/// true: no `kafka_*` metrics.
pub(crate) const DISABLE_KAFKA_CLIENTS_METRICS: &str = "DISABLE_KAFKA_CLIENTS_METRICS";
/// Address that the metrics server binds to.
pub(crate) const METRICS_HOST: &str = "METRICS_HOST";
/// Certificate of the metrics server; with the key, metrics are served over TLS only.
pub(crate) const METRICS_PEM_CERT_PATH: &str = "METRICS_PEM_CERT_PATH";
/// Key of the metrics server.
pub(crate) const METRICS_PEM_KEY_PATH: &str = "METRICS_PEM_KEY_PATH";

/// Ours: true takes batches of events (`application/cloudevents-batch+json`).
pub(crate) const INGRESS_BATCH_ENABLED: &str = "INGRESS_BATCH_ENABLED";
/// Ours: status for an event larger than `max.request.size`: 413, or 503 as Java.
pub(crate) const INGRESS_TOO_LARGE_STATUS: &str = "INGRESS_TOO_LARGE_STATUS";
/// Ours: number of data threads, or `auto` for one per usable core.
pub(crate) const SHARDS: &str = "SHARDS";
/// Ours: `io_uring`, `epoll`, or `auto` for the first that works.
pub(crate) const IO_DRIVER: &str = "IO_DRIVER";
/// Ours: seconds to go on serving while not ready after SIGTERM.
pub(crate) const DRAIN_GRACE_SECONDS: &str = "DRAIN_GRACE_SECONDS";
/// Ours: open connections of one shard; further ones are closed at once.
pub(crate) const INGRESS_MAX_CONNECTIONS: &str = "INGRESS_MAX_CONNECTIONS";
/// Ours: seconds from the first byte of a head to its last.
pub(crate) const INGRESS_HEAD_TIMEOUT_SECONDS: &str = "INGRESS_HEAD_TIMEOUT_SECONDS";
/// Ours: seconds from the end of a head to the end of its body.
pub(crate) const INGRESS_BODY_TIMEOUT_SECONDS: &str = "INGRESS_BODY_TIMEOUT_SECONDS";
/// Ours: logback file whose levels are honoured.
pub(crate) const LOGGING_CONFIG_PATH: &str = "LOGGING_CONFIG_PATH";
/// Ours: level, or levels by name, above those of the logback file.
pub(crate) const LOG_LEVEL: &str = "LOG_LEVEL";
/// Ours: `json` or `text`.
pub(crate) const LOG_FORMAT: &str = "LOG_FORMAT";
/// Ours: seconds between looks at the contract file when no change is notified.
pub(crate) const CONTRACT_POLL_SECONDS: &str = "CONTRACT_POLL_SECONDS";
/// Ours: microseconds that a record may wait for company when `linger.ms` is 0.
pub(crate) const PRODUCER_BATCH_DELAY_US: &str = "PRODUCER_BATCH_DELAY_US";

/// What the environment says, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Env {
    pub(crate) ingress_port: u16,
    pub(crate) liveness_probe_path: String,
    pub(crate) readiness_probe_path: String,
    pub(crate) httpserver_config: PathBuf,
    pub(crate) producer_config: PathBuf,
    pub(crate) contract: PathBuf,
    pub(crate) observability: PathBuf,
    /// `None` is a cluster without feature flags.
    pub(crate) features: Option<PathBuf>,
    pub(crate) wait_startup: Duration,
    pub(crate) metrics: MetricsEnv,
    pub(crate) batch_enabled: bool,
    pub(crate) too_large: TooLargeStatus,
    pub(crate) shards: CoreRequest,
    pub(crate) io_driver: DriverChoice,
    pub(crate) drain_grace: Duration,
    /// Of one shard.
    pub(crate) connections_max: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) logging_config: PathBuf,
    pub(crate) contract_poll: Duration,
    pub(crate) batch_delay: Duration,
}

/// What the environment says about metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetricsEnv {
    pub(crate) host: IpAddr,
    /// TLS was asked for. It is not available, and plain text is not what was asked for.
    pub(crate) tls: bool,
    pub(crate) publish_quantiles: bool,
    pub(crate) disable_event_type: bool,
    pub(crate) disable_kafka_clients: bool,
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
        ignored::warn(&mut reader);
        let read = &mut reader;
        // Every field is read before any is missed, so that one run shows all mistakes.
        let ingress_port = port(read, INGRESS_PORT);
        let ingress_tls_port = port(read, INGRESS_TLS_PORT);
        let liveness_probe_path = probe_path(read, LIVENESS_PROBE_PATH);
        let readiness_probe_path = probe_path(read, READINESS_PROBE_PATH);
        let httpserver_config = read.required(HTTPSERVER_CONFIG_FILE_PATH);
        let producer_config = read.required(PRODUCER_CONFIG_FILE_PATH);
        let contract = read.required(DATA_PLANE_CONFIG_FILE_PATH);
        let observability = read.required(CONFIG_OBSERVABILITY_PATH);
        let features = read.optional(CONFIG_FEATURES_PATH).map(PathBuf::from);
        let wait_startup = read.required_int(WAIT_STARTUP_SECONDS, 1..=3600).map(seconds);
        let metrics = MetricsEnv::read(read);
        let batch_enabled = read.flag(INGRESS_BATCH_ENABLED);
        let statuses =
            [("413", TooLargeStatus::ContentTooLarge), ("503", TooLargeStatus::ServiceUnavailable)];
        let too_large = read.one_of(INGRESS_TOO_LARGE_STATUS, &statuses, statuses[0].1);
        let shards = shards(read);
        let drivers = [
            ("auto", DriverChoice::Auto),
            ("io_uring", DriverChoice::IoUring),
            ("epoll", DriverChoice::Epoll),
        ];
        let io_driver = read.one_of(IO_DRIVER, &drivers, DriverChoice::Auto);
        // The whole drain has 25 s; what is left of it is for the requests in flight.
        let drain_grace = read.int_or(DRAIN_GRACE_SECONDS, 10, 0..=20).map(seconds);
        let connections_max = read.int_or(INGRESS_MAX_CONNECTIONS, 10_000, 1..=1_000_000);
        let head_timeout = read.int_or(INGRESS_HEAD_TIMEOUT_SECONDS, 10, 1..=3600).map(seconds);
        let body_timeout = read.int_or(INGRESS_BODY_TIMEOUT_SECONDS, 60, 1..=86_400).map(seconds);
        let logging_config = read.optional(LOGGING_CONFIG_PATH);
        let contract_poll = read.int_or(CONTRACT_POLL_SECONDS, 10, 1..=3600).map(seconds);
        let batch_delay = read.int_or(PRODUCER_BATCH_DELAY_US, 500, 0..=100_000);
        // Nothing listens on it yet, but a mistake in it is one in Java, too.
        ingress_tls_port?;
        Some(Self {
            ingress_port: ingress_port?,
            liveness_probe_path: liveness_probe_path?,
            readiness_probe_path: readiness_probe_path?,
            httpserver_config: httpserver_config?.into(),
            producer_config: producer_config?.into(),
            contract: contract?.into(),
            observability: observability?.into(),
            features,
            wait_startup: wait_startup?,
            metrics: metrics?,
            batch_enabled,
            too_large: too_large?,
            shards: shards?,
            io_driver: io_driver?,
            drain_grace: drain_grace?,
            connections_max: usize::try_from(connections_max?).ok()?,
            head_timeout: head_timeout?,
            body_timeout: body_timeout?,
            logging_config: logging_config
                .unwrap_or_else(|| "/etc/logging/config.xml".to_owned())
                .into(),
            contract_poll: contract_poll?,
            batch_delay: Duration::from_micros(batch_delay?.unsigned_abs()),
        })
        .filter(|_| !report.has_errors())
    }
}

impl MetricsEnv {
    fn read(read: &mut Reader<'_>) -> Option<Self> {
        let host_text = read.optional(METRICS_HOST).unwrap_or_else(|| "0.0.0.0".to_owned());
        let host = millrace_shard::listen::parse_host(&host_text);
        if let Err(error) = &host {
            read.error(METRICS_HOST, Some(&host_text), error.to_string());
        }
        let certificate = read.optional(METRICS_PEM_CERT_PATH);
        let tls = certificate.is_some() && read.optional(METRICS_PEM_KEY_PATH).is_some();
        if tls {
            let message = "metrics over TLS are not available yet, so none are served; \
                           unset it to serve them in plain text";
            read.warn(METRICS_PEM_CERT_PATH, certificate.as_deref(), message);
        }
        Some(Self {
            host: host.ok()?,
            tls,
            publish_quantiles: read.flag(METRICS_PUBLISH_QUANTILES),
            disable_event_type: read.flag(METRICS_DISABLE_EVENT_TYPE_TAG),
            disable_kafka_clients: read.flag(DISABLE_KAFKA_CLIENTS_METRICS),
        })
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

fn shards(read: &mut Reader<'_>) -> Option<CoreRequest> {
    match read.optional(SHARDS) {
        Some(text) if !text.eq_ignore_ascii_case("auto") => {
            let count = read.int_or(SHARDS, 1, 1..=1024)?;
            usize::try_from(count).ok().map(CoreRequest::Count)
        }
        _ => Some(CoreRequest::Auto),
    }
}

fn seconds(value: i64) -> Duration {
    Duration::from_secs(value.unsigned_abs())
}
