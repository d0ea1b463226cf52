//! All variables in one table, for `dispatcher check` and for people.

use millrace_process::env::{COMMON, Variable, optional, required};

use super::*;

/// All that have an effect, in the order in which they are read. Any other variable is ignored.
pub(crate) fn variables() -> Vec<Variable> {
    OWN.iter().chain(COMMON).copied().collect()
}

const OWN: &[Variable] = &[
    required(CONSUMER_CONFIG_FILE_PATH, "file of Kafka consumer properties"),
    required(WEBCLIENT_CONFIG_FILE_PATH, "file of HTTP client options"),
    required(EGRESSES_INITIAL_CAPACITY, "1 to 2147483647; a hint without effect here"),
    required(SERVICE_NAMESPACE, "namespace of the system's secrets"),
    optional(
        CESQL_STRICT,
        "false",
        "ours; true: a CESQL error, or a result that is no Boolean, does not pass; false: as Java",
    ),
    optional(
        RETRY_AFTER_MAX_MS,
        "",
        "ours; longest Retry-After of a 429 or 503 that is waited for, in ms, to 86400000; 0 or \
         not set: no notice is taken of any, as Java",
    ),
    optional(
        BACKOFF_MAX_MS,
        "",
        "ours; longest wait before a retry in ms, to 86400000; 0 or not set: no bound, as Java",
    ),
    optional(
        BACKOFF_JITTER,
        "0",
        "ours; share of each wait that is left to chance, 0 to 1; 0: none, as Java",
    ),
    optional(
        DEAD_LETTER_ON_FAILURE,
        "commit",
        "ours; record that neither subscriber nor dead letter sink took: commit its offset (the \
         event is lost, as Java), or hold: it is delivered again after a rebalance or restart",
    ),
    optional(
        DRAIN_SECONDS,
        "20",
        "ours; seconds for what is in flight when the process or an egress ends, 0 to 3600; 4 s \
         more go to committing: stay below the pod's grace",
    ),
    optional(
        REVOKE_DRAIN_SECONDS,
        "5",
        "ours; seconds for what is in flight when a partition goes to another member, 0 to 300",
    ),
    optional(RESOLVE_INTERVAL_SECONDS, "25", "ours; seconds an answer of the DNS holds, 1 to 3600"),
    optional(
        STALL_AFTER_SECONDS,
        "60",
        "ours; a partition with a record that waits for nobody (no subscriber within its timeout, no \
         retry's delay) for so many seconds, 1 to 86400, counts as stalled and is named in the log",
    ),
    optional(
        RESPONSE_BODY_MAX_BYTES,
        "4194304",
        "ours; bytes of a reply event, 1024 to 1073741824; a larger one fails the delivery",
    ),
    optional(HEALTHY_FILE, "/tmp/healthy", "ours; file that exists while the pod is ready"),
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
            section_is_fresh(&page, "## Dispatcher", &rows(OWN)).unwrap(),
            "docs/config.md is stale: UPDATE=1 cargo test -p millrace-dispatcher"
        );
    }
}
