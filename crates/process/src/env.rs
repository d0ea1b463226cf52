//! The environment variables that both programs read: name, default, meaning, unit and range
//! (platform.md 2). Those without a Java counterpart are marked "ours".

mod ignored;
pub mod table;

#[cfg(test)]
mod tests;

use std::{net::IpAddr, path::PathBuf, time::Duration};

use millrace_settings::Reader;
use millrace_shard::{CoreRequest, DriverChoice};

pub use table::{COMMON, Variable, optional, required};

/// File of Kafka producer properties.
pub const PRODUCER_CONFIG_FILE_PATH: &str = "PRODUCER_CONFIG_FILE_PATH";
/// The contract file.
pub const DATA_PLANE_CONFIG_FILE_PATH: &str = "DATA_PLANE_CONFIG_FILE_PATH";
/// Directory of `config-observability`.
pub const CONFIG_OBSERVABILITY_PATH: &str = "CONFIG_OBSERVABILITY_PATH";
/// Seconds that start-up steps may take.
pub const WAIT_STARTUP_SECONDS: &str = "WAIT_STARTUP_SECONDS";
/// true: histograms get the fine buckets in addition.
pub const METRICS_PUBLISH_QUANTILES: &str = "METRICS_PUBLISH_QUANTILES";
/// true: the event type label is always `unknown`.
pub const METRICS_DISABLE_EVENT_TYPE_TAG: &str = "METRICS_DISABLE_EVENT_TYPE_TAG";
/// true: no `kafka_*` metrics.
pub const DISABLE_KAFKA_CLIENTS_METRICS: &str = "DISABLE_KAFKA_CLIENTS_METRICS";
/// Address that the metrics server binds to.
pub const METRICS_HOST: &str = "METRICS_HOST";
/// Certificate of the metrics server; with the key, metrics are served over TLS only.
pub const METRICS_PEM_CERT_PATH: &str = "METRICS_PEM_CERT_PATH";
/// Key of the metrics server.
pub const METRICS_PEM_KEY_PATH: &str = "METRICS_PEM_KEY_PATH";
/// Ours: number of data threads, or `auto` for one per usable core.
pub const SHARDS: &str = "SHARDS";
/// Ours: `io_uring`, `epoll`, or `auto` for the first that works.
pub const IO_DRIVER: &str = "IO_DRIVER";
/// Ours: logback file whose levels are honoured.
pub const LOGGING_CONFIG_PATH: &str = "LOGGING_CONFIG_PATH";
/// Ours: level, or levels by name, above those of the logback file.
pub const LOG_LEVEL: &str = "LOG_LEVEL";
/// Ours: `json` or `text`.
pub const LOG_FORMAT: &str = "LOG_FORMAT";
/// Ours: seconds between looks at the contract file when no change is notified.
pub const CONTRACT_POLL_SECONDS: &str = "CONTRACT_POLL_SECONDS";

/// What the environment says to both, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommonEnv {
    /// File of Kafka producer properties.
    pub producer_config: PathBuf,
    /// The contract file.
    pub contract: PathBuf,
    /// Directory of `config-observability`.
    pub observability: PathBuf,
    /// Bound of start-up steps.
    pub wait_startup: Duration,
    /// What is exported, and how.
    pub metrics: MetricsEnv,
    /// Data threads.
    pub shards: CoreRequest,
    /// How they do I/O.
    pub io_driver: DriverChoice,
    /// Logback file.
    pub logging_config: PathBuf,
    /// Between looks at the contract file.
    pub contract_poll: Duration,
}

/// What the environment says about metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsEnv {
    /// Where the page is served.
    pub host: IpAddr,
    /// TLS was asked for. It is not available, and plain text is not what was asked for.
    pub tls: bool,
    /// Fine histogram buckets.
    pub publish_quantiles: bool,
    /// No event types in labels.
    pub disable_event_type: bool,
    /// No `kafka_*` metrics.
    pub disable_kafka_clients: bool,
}

impl CommonEnv {
    /// Reads all of it. `None` if the process cannot run with it: the report then says why, all
    /// mistakes at once. Warns about variables of the Java program that have no effect here.
    pub fn read(read: &mut Reader<'_>) -> Option<Self> {
        ignored::warn(read);
        // Every field is read before any is missed, so that one run shows all mistakes.
        let producer_config = read.required(PRODUCER_CONFIG_FILE_PATH);
        let contract = read.required(DATA_PLANE_CONFIG_FILE_PATH);
        let observability = read.required(CONFIG_OBSERVABILITY_PATH);
        let wait_startup = read.required_int(WAIT_STARTUP_SECONDS, 1..=3600).map(seconds);
        let metrics = MetricsEnv::read(read);
        let shards = shards(read);
        let drivers = [
            ("auto", DriverChoice::Auto),
            ("io_uring", DriverChoice::IoUring),
            ("epoll", DriverChoice::Epoll),
        ];
        let io_driver = read.one_of(IO_DRIVER, &drivers, DriverChoice::Auto);
        let logging_config = read.optional(LOGGING_CONFIG_PATH);
        let contract_poll = read.int_or(CONTRACT_POLL_SECONDS, 10, 1..=3600).map(seconds);
        Some(Self {
            producer_config: producer_config?.into(),
            contract: contract?.into(),
            observability: observability?.into(),
            wait_startup: wait_startup?,
            metrics: metrics?,
            shards: shards?,
            io_driver: io_driver?,
            logging_config: logging_config
                .unwrap_or_else(|| "/etc/logging/config.xml".to_owned())
                .into(),
            contract_poll: contract_poll?,
        })
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

fn shards(read: &mut Reader<'_>) -> Option<CoreRequest> {
    match read.optional(SHARDS) {
        Some(text) if !text.eq_ignore_ascii_case("auto") => {
            let count = read.int_or(SHARDS, 1, 1..=1024)?;
            usize::try_from(count).ok().map(CoreRequest::Count)
        }
        _ => Some(CoreRequest::Auto),
    }
}

/// A checked number of seconds as a duration.
pub fn seconds(value: i64) -> Duration {
    Duration::from_secs(value.unsigned_abs())
}
