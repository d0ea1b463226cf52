//! Variables as rows of a table, for `check` and for people.

use super::*;

/// One variable as people should know it.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// As it is set.
    pub name: &'static str,
    /// What holds when it is not set; `None` if it must be set, empty if nothing holds then.
    pub default: Option<&'static str>,
    /// Meaning, unit and range.
    pub meaning: &'static str,
}

/// One that must be set.
pub const fn required(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default: None, meaning }
}

/// One with a default, which is empty where nothing holds.
pub const fn optional(
    name: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Variable {
    Variable { name, default: Some(default), meaning }
}

/// Those that have an effect on both programs, in the order in which they are read.
pub const COMMON: &[Variable] = &[
    required(PRODUCER_CONFIG_FILE_PATH, "file of Kafka producer properties"),
    required(DATA_PLANE_CONFIG_FILE_PATH, "contract file"),
    required(CONFIG_OBSERVABILITY_PATH, "directory of config-observability"),
    required(WAIT_STARTUP_SECONDS, "seconds that start-up steps may take, 1 to 3600"),
    optional(METRICS_PUBLISH_QUANTILES, "false", "true: fine histogram buckets in addition"),
    optional(METRICS_DISABLE_EVENT_TYPE_TAG, "false", "true: event type label always unknown"),
    optional(DISABLE_KAFKA_CLIENTS_METRICS, "false", "true: no kafka_* metrics"),
    optional(METRICS_HOST, "0.0.0.0", "address that the metrics server binds to"),
    optional(METRICS_PEM_CERT_PATH, "", "certificate of the metrics server; not available yet"),
    optional(METRICS_PEM_KEY_PATH, "", "key of the metrics server; not available yet"),
    optional(SHARDS, "auto", "ours; data threads, 1 to 1024, or auto: one per usable core"),
    optional(IO_DRIVER, "auto", "ours; io_uring, epoll, or auto: the first that works"),
    optional(LOGGING_CONFIG_PATH, "/etc/logging/config.xml", "ours; logback file with levels"),
    optional(LOG_LEVEL, "", "ours; level such as debug, above those of the logback file"),
    optional(LOG_FORMAT, "", "ours; json or text; not set: text on a terminal, else json"),
    optional(CONTRACT_POLL_SECONDS, "10", "ours; seconds between contract looks, 1 to 3600"),
];
