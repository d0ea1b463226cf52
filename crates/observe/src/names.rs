//! Every metric: name, type, unit, labels, meaning, in one table.
//!
//! The `kn_` and `kafka_` names are those of the Java data plane (platform.md 8.2 and 8.4) and
//! stay as odd as they are, because dashboards use them. The `millrace_` names are ours: base
//! units, `_total` for counters. Names and labels are interface: change none without need.

use std::fmt::Write as _;

/// What a family counts, as Prometheus sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, `_count`, `_sum`, and a gauge `<name>_max` over the last three minutes.
    Histogram,
}

impl Kind {
    /// The word of the `# TYPE` line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric name with all that is fixed about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The name in the Prometheus page.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Unit of the value, in words.
    pub unit: &'static str,
    /// Label names; `<kind>` stands for the lower-cased kind of the resource.
    pub labels: &'static [&'static str],
    /// One sentence, also the `# HELP` line.
    pub help: &'static str,
}

/// The table as markdown, for `docs/metrics.md`.
pub fn describe() -> String {
    let mut out =
        String::from("| Name | Type | Unit | Labels | Meaning |\n|---|---|---|---|---|\n");
    for family in ALL {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            family.name,
            family.kind.as_str(),
            family.unit,
            labels.join(", "),
            family.help
        );
    }
    out
}

macro_rules! families {
    ($($id:ident: $kind:ident $name:literal $unit:literal [$($label:literal),*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub static $id: Family = Family {
                name: $name, kind: Kind::$kind, unit: $unit, labels: &[$($label),*], help: $help,
            };
        )+
        /// All families, in the order of the documentation.
        pub static ALL: &[&Family] = &[$(&$id),+];
    };
}

families! {
    // The receiver's own meter in Java (receiver.md 9.2).
    DISPATCH_LATENCY: Histogram "kn_eventing_dispatch_latency_ms" "milliseconds"
        ["cloudevents_type", "http_response_status_code", "kn_<kind>_name", "kn_<kind>_namespace"]
        "The time spent dispatching an event to Kafka";

    // The dispatcher's meters in Java (dispatcher.md 13). The group is the reference's name.
    EGRESS_LATENCY: Histogram "kn_eventing_dispatch_latency_ms" "milliseconds"
        ["cloudevents_type", "http_response_status_code", "kn_<kind>_name", "kn_<kind>_namespace",
         "messaging_consumer_group_name"]
        "Dispatcher: from the end of filtering to the subscriber's outcome, with retries and reply; status empty without an answer";
    PROCESS_LATENCY: Histogram "kn_eventing_process_latency_ms" "milliseconds"
        ["cloudevents_type", "kn_<kind>_name", "kn_<kind>_namespace",
         "messaging_consumer_group_name"]
        "From taking a record to the end of filtering, whether it passed or not";
    ATTEMPTS_IN_FLIGHT: Gauge "kn_eventing_dispatch_in_flight_requests_1" "requests"
        ["kn_<kind>_name", "kn_<kind>_namespace", "messaging_consumer_group_name",
         "messaging_destination_template", "messaging_operation_name", "messaging_operation_type"]
        "Requests to subscriber, deadLetterSink or reply under way, without waits for retries";
    DISCARDED: Counter "kn_eventing_kafka_discarded_events_1_total" "records"
        ["cloudevents_type", "kn_<kind>_name", "kn_<kind>_namespace",
         "messaging_consumer_group_name"]
        "Records thrown away: no CloudEvents, under InvalidCloudEvent, or not to be filtered or sent";
    SKIPPED: Counter "kn_eventing_kafka_skipped_offsets_1_total" "offsets"
        ["cloudevents_type", "kn_<kind>_name", "kn_<kind>_namespace",
         "messaging_consumer_group_name"]
        "Offsets without a record: compaction and transactions";
    QUEUE_LATENCY: Histogram "kn_eventing_kafka_executor_queue_latency_ms" "milliseconds"
        ["kn_<kind>_name", "kn_<kind>_namespace", "messaging_consumer_group_name",
         "messaging_destination_name", "messaging_destination_partition_id"]
        "Ordered and asked for by enableOrderedExecutorMetrics: from taking a record to its end";
    QUEUE_LENGTH: Gauge "kn_eventing_kafka_executor_queue_length_1" "records"
        ["kn_<kind>_name", "kn_<kind>_namespace", "messaging_consumer_group_name",
         "messaging_destination_name", "messaging_destination_partition_id"]
        "Ordered and asked for by enableOrderedExecutorMetrics: records taken and not begun";

    // Dispatcher, on the shards. The group is Kafka's group.id.
    RECORDS_IN_FLIGHT: Gauge "millrace_dispatcher_records_in_flight" "records"
        ["consumer_group", "name", "namespace"]
        "Records taken from Kafka and not settled, waits for retries included";
    RECORDS_BEGUN: Counter "millrace_dispatcher_records_total" "records"
        ["consumer_group", "name", "namespace"] "Records taken from Kafka to be filtered and delivered";
    RECORDS_ENDED: Counter "millrace_dispatcher_records_ended_total" "records"
        ["consumer_group", "fate", "name", "namespace"]
        "What became of them: delivered, filtered, discarded, dead_lettered, lost, or abandoned to whoever owns the partition next";
    RETRIES: Counter "millrace_dispatcher_retries_total" "requests"
        ["consumer_group", "name", "namespace", "target"]
        "Requests sent again, by target: subscriber, deadLetterSink or reply";
    DEAD_LETTERED: Counter "millrace_dispatcher_dead_lettered_total" "events"
        ["consumer_group", "name", "namespace"] "Events that the dead letter sink took";
    LOST: Counter "millrace_dispatcher_lost_total" "events"
        ["consumer_group", "name", "namespace", "reason"]
        "Events committed though neither subscriber nor dead letter sink took them, by reason";
    HELD: Counter "millrace_dispatcher_held_total" "events"
        ["consumer_group", "name", "namespace"]
        "Events not committed for that (DEAD_LETTER_ON_FAILURE=hold)";
    THROWN_AWAY: Counter "millrace_dispatcher_discarded_total" "records"
        ["consumer_group", "name", "namespace", "reason"]
        "Records thrown away, by reason";

    // Dispatcher, on the groups thread.
    EGRESSES: Gauge "millrace_dispatcher_egresses" "egresses" ["state"]
        "Egresses by state: running, ending, refused, or waiting for others of their Kafka to join first";
    LAG: Gauge "millrace_dispatcher_lag_records" "records"
        ["consumer_group", "partition", "topic"]
        "Records behind the end of a partition; partitions beyond the bound of series together as other";
    PARTITIONS: Gauge "millrace_dispatcher_partitions" "partitions"
        ["consumer_group", "name", "namespace"] "Partitions assigned to this process";
    PARTITIONS_STALLED: Gauge "millrace_dispatcher_partitions_stalled" "partitions"
        ["consumer_group", "name", "namespace"]
        "Of these, partitions with a record that has waited for nobody, or a lane that has not moved, for STALL_AFTER_SECONDS";
    OLDEST_RECORD: Gauge "millrace_dispatcher_oldest_record_age_seconds" "seconds"
        ["consumer_group", "name", "namespace"]
        "Since the oldest record that is not settled was taken";
    COMMITS: Counter "millrace_dispatcher_commits_total" "requests" ["outcome"]
        "Offset commits, by outcome: ok or failed";
    REBALANCES: Counter "millrace_dispatcher_rebalances_total" "rebalances" ["event"]
        "Changes of assignment, by event: assign, revoke or lost";
    CONSUMER_ERRORS: Counter "millrace_dispatcher_consumer_errors_total" "errors" []
        "Errors that Kafka consumers reported; they go on by themselves";

    // Receiver.
    REQUESTS_RECEIVED: Counter "millrace_receiver_requests_received_total" "requests" []
        "Requests whose head was read or refused";
    REQUESTS_UNANSWERED: Counter "millrace_receiver_requests_unanswered_total" "requests" []
        "Requests whose sender went away in the middle of the body";
    REQUESTS: Counter "millrace_receiver_requests_total" "requests" ["status"]
        "Requests answered, by HTTP status";
    REFUSED: Counter "millrace_receiver_refused_total" "requests" ["reason"]
        "Requests refused before Kafka was asked, by reason";
    EVENTS_ACCEPTED: Counter "millrace_receiver_events_accepted_total" "events" ["mode"]
        "Events of requests answered 202, by mode: single or batch";
    RECORDS: Counter "millrace_receiver_records_total" "records" ["outcome"]
        "Records given to the Kafka client, by delivery report: acknowledged or failed";
    RECORDS_UNCLAIMED: Counter "millrace_receiver_records_unclaimed_total" "records" []
        "Records acknowledged whose request was not answered 202: too late, or others of its batch failed";
    REQUESTS_IN_FLIGHT: Gauge "millrace_receiver_requests_in_flight" "requests" []
        "Requests read but not yet answered";
    BYTES_IN_FLIGHT: Gauge "millrace_receiver_in_flight_bytes" "bytes" []
        "Event bytes held until the brokers acknowledge them";
    BYTES_IN_FLIGHT_LIMIT: Gauge "millrace_receiver_in_flight_limit_bytes" "bytes" []
        "Bound of millrace_receiver_in_flight_bytes (buffer.memory); beyond it requests wait, then get 503";

    // Connections.
    CONNECTIONS_OPEN: Gauge "millrace_connections_open" "connections" []
        "Client connections open now";
    CONNECTIONS_ACCEPTED: Counter "millrace_connections_accepted_total" "connections" []
        "Client connections accepted";
    CONNECTIONS_REFUSED: Counter "millrace_connections_refused_total" "connections" []
        "Client connections closed at once because the bound of open connections was met";
    CONNECTIONS_HANDED_OVER: Counter "millrace_connections_handed_over_total" "connections" []
        "Client connections given to a shard with fewer of them";

    // Shards and I/O.
    SHARDS: Gauge "millrace_shards" "threads" [] "Data threads running";
    IO_DRIVER: Gauge "millrace_io_driver_info" "always 1" ["driver", "reason"]
        "Which I/O driver the shards use, and why";

    // Producers.
    PRODUCERS: Gauge "millrace_producers" "clients" [] "Kafka producer clients open now";
    PRODUCER_QUEUE_RECORDS: Gauge "millrace_producer_queue_records" "records" []
        "Records given to the Kafka client and not yet acknowledged";

    // Contract.
    CONTRACT_UPDATES: Counter "millrace_contract_updates_total" "updates" ["outcome"]
        "Contract files read, by outcome";
    CONTRACT_GENERATION: Gauge "millrace_contract_generation" "generation" []
        "Generation of the contract in force";
    RESOURCES: Gauge "millrace_resources" "resources" ["state"]
        "Resources of the contract, served or rejected";

    // Our own bounds.
    EVENT_TYPES_OVERFLOW: Counter "millrace_event_types_overflow_total" "events" []
        "Events counted under type unknown because the bound of distinct event types was met";
    LOG_LINES_SUPPRESSED: Counter "millrace_log_lines_suppressed_total" "lines" []
        "Log lines not written because the same line was written less than ten seconds before";
    LOG_LINES_DROPPED: Counter "millrace_log_lines_dropped_total" "lines" []
        "Log lines lost because stdout was slower than we were";

    // Process.
    BUILD_INFO: Gauge "millrace_build_info" "always 1" ["commit", "librdkafka", "version"]
        "What is running";
    PROCESS_CPU: Counter "process_cpu_seconds_total" "seconds" []
        "User and system CPU time of this process";
    PROCESS_RESIDENT: Gauge "process_resident_memory_bytes" "bytes" [] "Resident memory";
    PROCESS_VIRTUAL: Gauge "process_virtual_memory_bytes" "bytes" [] "Virtual memory";
    PROCESS_FDS: Gauge "process_open_fds" "file descriptors" [] "Open file descriptors";
    PROCESS_FDS_MAX: Gauge "process_max_fds" "file descriptors" []
        "Bound of open file descriptors";
    PROCESS_THREADS: Gauge "process_threads" "threads" [] "Threads of this process";
    PROCESS_START: Gauge "process_start_time_seconds" "seconds since 1970" []
        "When this process started";

    // The useful part of the Java client's metrics (platform.md 8.4).
    KAFKA_RECORD_SEND: Counter "kafka_producer_record_send_total" "records"
        ["client_id", "kafka_version"] "Records sent";
    KAFKA_RECORD_ERROR: Counter "kafka_producer_record_error_total" "records"
        ["client_id", "kafka_version"] "Records that could not be sent";
    KAFKA_RECORD_RETRY: Counter "kafka_producer_record_retry_total" "requests"
        ["client_id", "kafka_version"] "Requests sent again";
    KAFKA_REQUEST_LATENCY_AVG: Gauge "kafka_producer_request_latency_avg" "milliseconds"
        ["client_id", "kafka_version"] "Mean round trip of a request";
    KAFKA_REQUEST_LATENCY_MAX: Gauge "kafka_producer_request_latency_max" "milliseconds"
        ["client_id", "kafka_version"] "Longest round trip of a request";
    KAFKA_BATCH_SIZE_AVG: Gauge "kafka_producer_batch_size_avg" "bytes"
        ["client_id", "kafka_version"] "Mean size of a batch";
    KAFKA_RECORD_QUEUE_TIME_AVG: Gauge "kafka_producer_record_queue_time_avg" "milliseconds"
        ["client_id", "kafka_version"] "Mean time of a record in the client's queue";
    KAFKA_BUFFER_AVAILABLE: Gauge "kafka_producer_buffer_available_bytes" "bytes"
        ["client_id", "kafka_version"] "Free space in the client's queue";
    KAFKA_BUFFER_TOTAL: Gauge "kafka_producer_buffer_total_bytes" "bytes"
        ["client_id", "kafka_version"] "Bound of the client's queue";
    KAFKA_CONNECTIONS: Counter "kafka_producer_connection_count_total" "connections"
        ["client_id", "kafka_version"] "Connections to brokers that are up";
    KAFKA_TOPIC_RECORD_SEND: Counter "kafka_producer_topic_record_send_total" "records"
        ["client_id", "kafka_version", "topic"] "Records sent, by topic";
    KAFKA_NODE_REQUEST: Counter "kafka_producer_node_request_total" "requests"
        ["client_id", "kafka_version", "node_id"] "Requests sent, by broker";
    KAFKA_LAG: Gauge "kafka_consumer_fetch_manager_records_lag" "records"
        ["client_id", "kafka_version", "partition", "topic"] "Records behind the end, by partition";
    KAFKA_LAG_MAX: Gauge "kafka_consumer_fetch_manager_records_lag_max" "records"
        ["client_id", "kafka_version"] "Records behind the end, of the partition most behind";
    KAFKA_RECORDS_CONSUMED: Counter "kafka_consumer_fetch_manager_records_consumed_total" "records"
        ["client_id", "kafka_version"] "Records fetched";
    KAFKA_BYTES_CONSUMED: Counter "kafka_consumer_fetch_manager_bytes_consumed_total" "bytes"
        ["client_id", "kafka_version"] "Bytes of records fetched";
    KAFKA_ASSIGNED: Gauge "kafka_consumer_coordinator_assigned_partitions" "partitions"
        ["client_id", "kafka_version"] "Partitions assigned";
    KAFKA_REBALANCES: Counter "kafka_consumer_coordinator_rebalance_total" "rebalances"
        ["client_id", "kafka_version"] "Rebalances";
    KAFKA_COMMITS: Counter "kafka_consumer_coordinator_commit_total" "requests"
        ["client_id", "kafka_version"] "Offset commits";
    KAFKA_COMMIT_LATENCY_AVG: Gauge "kafka_consumer_coordinator_commit_latency_avg" "milliseconds"
        ["client_id", "kafka_version"] "Mean time of an offset commit to its answer";
    KAFKA_CONSUMER_CONNECTIONS: Counter "kafka_consumer_connection_count_total" "connections"
        ["client_id", "kafka_version"] "Connections to brokers that are up";
    KAFKA_START_TIME: Gauge "kafka_app_info_start_time_ms" "milliseconds since 1970"
        ["client_id", "kafka_version"] "When the client was made";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_labels_sorted() {
        let mut seen = BTreeSet::new();
        // Both programs have this one, each with labels of its own.
        let of_both = |family: &&&Family| !std::ptr::eq(**family, &EGRESS_LATENCY);
        for family in ALL.iter().filter(of_both) {
            assert!(seen.insert(family.name.to_owned()), "{} twice", family.name);
            if family.kind == Kind::Histogram {
                assert!(seen.insert(format!("{}_max", family.name)), "{}_max twice", family.name);
            }
        }
        assert_eq!(EGRESS_LATENCY.name, DISPATCH_LATENCY.name);
        for family in ALL {
            assert!(family.labels.is_sorted(), "labels of {}", family.name);
        }
    }

    #[test]
    fn our_names_follow_the_naming_rules() {
        for family in ALL.iter().filter(|family| family.name.starts_with("millrace_")) {
            let name = family.name;
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
            assert!(family.unit != "bytes" || name.ends_with("_bytes"), "{name}");
        }
    }

    #[test]
    fn documentation_has_a_row_for_each_family() {
        let page = describe();
        assert_eq!(page.lines().count(), ALL.len() + 2);
        assert!(
            page.lines().all(|line| line.matches(" | ").count() == 4 || line.starts_with("|---"))
        );
        assert!(page.contains(
            "| `millrace_receiver_refused_total` | counter | requests | `reason` | Requests refused"
        ));
    }
}
