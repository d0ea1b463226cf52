//! All variables in one table, for `receiver check` and for people.

use millrace_process::env::{COMMON, Variable, optional, required};

use super::*;

/// All that have an effect, in the order in which they are read. Any other variable is ignored.
pub(crate) fn variables() -> Vec<Variable> {
    OWN.iter().chain(COMMON).copied().collect()
}

const OWN: &[Variable] = &[
    required(INGRESS_PORT, "port of plain HTTP, 0 to 65535; 0 lets the system choose"),
    required(INGRESS_TLS_PORT, "port of HTTPS, 0 to 65535; HTTPS is not available yet"),
    required(LIVENESS_PROBE_PATH, "exact path of the liveness probe"),
    required(READINESS_PROBE_PATH, "exact path of the readiness probe"),
    required(HTTPSERVER_CONFIG_FILE_PATH, "file of HTTP server options"),
    optional(CONFIG_FEATURES_PATH, "", "directory of config-features; missing: no features"),
    optional(INGRESS_BATCH_ENABLED, "false", "ours; true: batches of events are taken"),
    optional(INGRESS_TOO_LARGE_STATUS, "413", "ours; status for too large events, 413 or 503"),
    optional(DRAIN_GRACE_SECONDS, "10", "ours; seconds of serving after SIGTERM, 0 to 20"),
    optional(INGRESS_MAX_CONNECTIONS, "10000", "ours; connections of one shard, 1 to 1000000"),
    optional(INGRESS_HEAD_TIMEOUT_SECONDS, "10", "ours; seconds for one head, 1 to 3600"),
    optional(INGRESS_BODY_TIMEOUT_SECONDS, "60", "ours; seconds for one body, 1 to 86400"),
    optional(
        PRODUCER_BATCH_DELAY_US,
        "500",
        "ours; microseconds a record may wait for company at linger.ms=0, 0 to 100000",
    ),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use millrace_process::page::{rows, section_is_fresh};

    use super::*;

    #[test]
    fn the_settings_page_is_fresh() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.md");
        assert!(
            section_is_fresh(&page, "## Receiver", &rows(OWN)).unwrap(),
            "docs/config.md is stale: UPDATE=1 cargo test -p millrace-receiver"
        );
    }
}
