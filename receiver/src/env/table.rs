//! All variables in one table, for `receiver check` and for people.

use super::*;

/// One variable as people should know it.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// What holds when it is not set; `None` if it must be set.
    pub(crate) default: Option<&'static str>,
    /// Meaning, unit and range.
    pub(crate) meaning: &'static str,
}

const fn required(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default: None, meaning }
}

const fn optional(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default: Some(default), meaning }
}

/// All that have an effect. Any other variable is ignored.
pub(crate) const VARIABLES: &[Variable] = &[
    required(INGRESS_PORT, "port of plain HTTP, 0 to 65535; 0 lets the system choose"),
    required(INGRESS_TLS_PORT, "port of HTTPS, 0 to 65535; HTTPS is not available yet"),
    required(LIVENESS_PROBE_PATH, "exact path of the liveness probe"),
    required(READINESS_PROBE_PATH, "exact path of the readiness probe"),
    required(HTTPSERVER_CONFIG_FILE_PATH, "file of HTTP server options"),
    required(PRODUCER_CONFIG_FILE_PATH, "file of Kafka producer properties"),
    required(DATA_PLANE_CONFIG_FILE_PATH, "contract file"),
    required(CONFIG_OBSERVABILITY_PATH, "directory of config-observability"),
    optional(CONFIG_FEATURES_PATH, "", "directory of config-features; missing: no features"),
    required(WAIT_STARTUP_SECONDS, "seconds that start-up steps may take, 1 to 3600"),
    optional(METRICS_PUBLISH_QUANTILES, "false", "true: fine histogram buckets in addition"),
    optional(METRICS_DISABLE_EVENT_TYPE_TAG, "false", "true: event type label always unknown"),
    optional(DISABLE_KAFKA_CLIENTS_METRICS, "false", "true: no kafka_* metrics"),
    optional(METRICS_HOST, "0.0.0.0", "address that the metrics server binds to"),
    optional(METRICS_PEM_CERT_PATH, "", "certificate of the metrics server; not available yet"),
    optional(METRICS_PEM_KEY_PATH, "", "key of the metrics server; not available yet"),
    optional(INGRESS_BATCH_ENABLED, "false", "ours; true: batches of events are taken"),
    optional(INGRESS_TOO_LARGE_STATUS, "413", "ours; status for too large events, 413 or 503"),
    optional(SHARDS, "auto", "ours; data threads, 1 to 1024, or auto: one per usable core"),
    optional(IO_DRIVER, "auto", "ours; io_uring, epoll, or auto: the first that works"),
    optional(DRAIN_GRACE_SECONDS, "10", "ours; seconds of serving after SIGTERM, 0 to 20"),
    optional(INGRESS_MAX_CONNECTIONS, "10000", "ours; connections of one shard, 1 to 1000000"),
    optional(INGRESS_HEAD_TIMEOUT_SECONDS, "10", "ours; seconds for one head, 1 to 3600"),
    optional(INGRESS_BODY_TIMEOUT_SECONDS, "60", "ours; seconds for one body, 1 to 86400"),
    optional(LOGGING_CONFIG_PATH, "/etc/logging/config.xml", "ours; logback file with levels"),
    optional(LOG_LEVEL, "", "ours; level such as debug, above those of the logback file"),
    optional(LOG_FORMAT, "", "ours; json or text; not set: text on a terminal, else json"),
    optional(CONTRACT_POLL_SECONDS, "10", "ours; seconds between contract looks, 1 to 3600"),
    optional(
        PRODUCER_BATCH_DELAY_US,
        "500",
        "ours; microseconds a record may wait for company at linger.ms=0, 0 to 100000",
    ),
];

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    const HEAD: &str = "# Settings of the receiver\n\n\
        All by environment, with the names of the Java data plane; those marked \"ours\" have no \
        counterpart there. `receiver check` prints what is in effect and every mistake. The properties \
        files and directories that they name are those of the stock manifests.\n\n\
        | Variable | Default | Meaning |\n|---|---|---|\n";

    /// `UPDATE=1 cargo test` writes the page anew.
    #[test]
    fn the_settings_page_is_fresh() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.md");
        let mut fresh = String::from(HEAD);
        for Variable { name, default, meaning } in VARIABLES {
            let default = match default {
                None => "required".to_owned(),
                Some("") => "not set".to_owned(),
                Some(default) => format!("`{default}`"),
            };
            writeln!(fresh, "| `{name}` | {default} | {meaning} |").unwrap();
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&page, &fresh).unwrap();
        }
        let written = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(
            written == fresh,
            "docs/config.md is stale: UPDATE=1 cargo test -p millrace-receiver"
        );
    }
}
