//! V3: what the running programs export is what docs/metrics.md says, name for name, with type and labels, and nothing is
//! documented that no program exports; the names of the Java programs (platform.md 8.2 and 8.4) are among them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use millrace_tests::binaries;
use millrace_tests::drivers;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix::Variant;
use millrace_tests::metrics::Samples;
use millrace_tests::producer::{self, NewRecord};
use millrace_tests::rig::{Rig, unique};
use millrace_tests::schedule::Run;
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::subscriber::Answer;
use millrace_tests::wait::within;
use serde_json::json;

/// Numbers of the Kafka clients come every 15 s.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a histogram's lines end with, besides its gauge `_max`, which is a family of its own.
const PARTS: [&str; 3] = ["_bucket", "_count", "_sum"];

/// Names with type and labels that dashboards made for the Java programs ask for; the kind of resource is left open.
const JAVA: &[(&str, &str, &[&str])] = &[
    ("kn_eventing_dispatch_latency_ms", "histogram", &[TYPE, STATUS, NAME, NAMESPACE]),
    ("kn_eventing_dispatch_latency_ms", "histogram", &[TYPE, STATUS, NAME, NAMESPACE, GROUP]),
    ("kn_eventing_process_latency_ms", "histogram", &[TYPE, NAME, NAMESPACE, GROUP]),
    (
        "kn_eventing_dispatch_in_flight_requests_1",
        "gauge",
        &[
            NAME,
            NAMESPACE,
            GROUP,
            "messaging_destination_template",
            "messaging_operation_name",
            "messaging_operation_type",
        ],
    ),
    ("kn_eventing_kafka_discarded_events_1_total", "counter", &[TYPE, NAME, NAMESPACE, GROUP]),
    ("kn_eventing_kafka_skipped_offsets_1_total", "counter", &[TYPE, NAME, NAMESPACE, GROUP]),
    (
        "kn_eventing_kafka_executor_queue_latency_ms",
        "histogram",
        &[NAME, NAMESPACE, GROUP, DESTINATION, PARTITION_ID],
    ),
    (
        "kn_eventing_kafka_executor_queue_length_1",
        "gauge",
        &[NAME, NAMESPACE, GROUP, DESTINATION, PARTITION_ID],
    ),
    ("kafka_consumer_fetch_manager_records_lag", "gauge", &[CLIENT, VERSION, "partition", "topic"]),
    ("kafka_consumer_fetch_manager_records_lag_max", "gauge", &[CLIENT, VERSION]),
    ("kafka_consumer_fetch_manager_records_consumed_total", "counter", &[CLIENT, VERSION]),
    ("kafka_consumer_fetch_manager_bytes_consumed_total", "counter", &[CLIENT, VERSION]),
    ("kafka_consumer_coordinator_assigned_partitions", "gauge", &[CLIENT, VERSION]),
    ("kafka_consumer_coordinator_rebalance_total", "counter", &[CLIENT, VERSION]),
    ("kafka_consumer_coordinator_commit_total", "counter", &[CLIENT, VERSION]),
    ("kafka_consumer_coordinator_commit_latency_avg", "gauge", &[CLIENT, VERSION]),
    ("kafka_consumer_connection_count_total", "counter", &[CLIENT, VERSION]),
    ("kafka_producer_record_send_total", "counter", &[CLIENT, VERSION]),
    ("kafka_producer_record_error_total", "counter", &[CLIENT, VERSION]),
    ("kafka_producer_record_retry_total", "counter", &[CLIENT, VERSION]),
    ("kafka_producer_request_latency_avg", "gauge", &[CLIENT, VERSION]),
    ("kafka_producer_request_latency_max", "gauge", &[CLIENT, VERSION]),
    ("kafka_producer_batch_size_avg", "gauge", &[CLIENT, VERSION]),
    ("kafka_producer_record_queue_time_avg", "gauge", &[CLIENT, VERSION]),
    ("kafka_producer_buffer_available_bytes", "gauge", &[CLIENT, VERSION]),
    ("kafka_producer_buffer_total_bytes", "gauge", &[CLIENT, VERSION]),
    ("kafka_producer_topic_record_send_total", "counter", &[CLIENT, VERSION, "topic"]),
    ("kafka_producer_connection_count_total", "counter", &[CLIENT, VERSION]),
    ("kafka_app_info_start_time_ms", "gauge", &[CLIENT, VERSION]),
];
const TYPE: &str = "cloudevents_type";
const STATUS: &str = "http_response_status_code";
const NAME: &str = "kn_<kind>_name";
const NAMESPACE: &str = "kn_<kind>_namespace";
const GROUP: &str = "messaging_consumer_group_name";
const DESTINATION: &str = "messaging_destination_name";
const PARTITION_ID: &str = "messaging_destination_partition_id";
const CLIENT: &str = "client_id";
const VERSION: &str = "kafka_version";

/// A name with its type and the labels of one of its series.
type Shape = (String, String, BTreeSet<String>);

/// The rows of docs/metrics.md, and the `_max` that each histogram has besides.
fn documented() -> BTreeSet<Shape> {
    let text = fs::read_to_string(binaries::root().join("docs/metrics.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let shapes = rows.flat_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, kind, _unit, labels, ..] = cells.as_slice() else { panic!("odd row {row}") };
        let labels = labels.split(", ").map(|label| label.trim_matches('`').to_owned());
        let labels: BTreeSet<String> = labels.filter(|label| !label.is_empty()).collect();
        let name = name.trim_matches('`').to_owned();
        let max = (*kind == "histogram")
            .then(|| (format!("{name}_max"), "gauge".to_owned(), labels.clone()));
        [Some((name, (*kind).to_owned(), labels)), max].into_iter().flatten()
    });
    shapes.collect()
}

/// What a page has: the types as declared, the labels as seen.
fn exported(port: u16) -> BTreeSet<Shape> {
    let page = Connection::open(port).exchange(&Request::get("/metrics"));
    let page = String::from_utf8(page.body).unwrap();
    let types: BTreeMap<&str, &str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')))
        .collect();
    let samples = Samples::read(&page);
    let shapes = samples.0.iter().map(|sample| {
        let name = PARTS
            .iter()
            .filter_map(|part| sample.name.strip_suffix(part))
            .find(|name| types.get(name) == Some(&"histogram"))
            .unwrap_or(&sample.name);
        let kind = types.get(name).unwrap_or_else(|| panic!("no type of {sample:?}"));
        let labels = sample.labels.keys().filter(|label| *label != "le").map(|it| general(it));
        (name.to_owned(), (*kind).to_owned(), labels.collect())
    });
    shapes.collect()
}

/// `kn_broker_name` as the page of documentation has it.
fn general(label: &str) -> String {
    let of = |part: &str| {
        let kind = label.strip_prefix("kn_")?.strip_suffix(part)?.strip_suffix('_')?;
        (!kind.contains('_')).then(|| format!("kn_<kind>_{part}"))
    };
    of("name").or_else(|| of("namespace")).unwrap_or_else(|| label.to_owned())
}

/// A dispatcher to which all has happened that has a number.
fn eventful(variant: Variant, on_last_failure: &str) -> Stage {
    let stage = Stage::prepare(variant, Kind::Broker)
        .setup(|setup| setup.env("DEAD_LETTER_ON_FAILURE", on_last_failure))
        .with("v3", |plan| {
            let flags = json!({ "enableOrderedExecutorMetrics": true });
            plan.egress(|egress| egress.ordered().set("/featureFlags", flags))
                .and("dead", |egress| egress.retry(1, 10).dead_letter())
                .and("refused", |egress| egress.retry(1, 10))
                .and("nowhere", |egress| egress.retry(1, 10).dead_letter())
                .and("reply", |egress| egress.reply_to_topic())
        })
        .start();
    let case = stage.case("v3");
    for name in ["dead", "refused", "nowhere"] {
        case.subscriber_of(case.and(name)).always(Answer::status(500));
    }
    stage.subscriber.endpoint("v3-nowhere.dls").always(Answer::status(500));
    let replies = case.subscriber_of(case.and("reply"));
    replies.in_turn(vec![Answer::event("reply", "reply.type"), Answer::status(200)]);
    case.send(&[NewRecord::plain("no event")]);
    case.send(&[NewRecord::event("1")]);
    producer::send_before_a_gap(stage.bootstrap(), &case.plan.topic, 0, &NewRecord::event("2"), 3);
    case.send(&[NewRecord::event("3")]);
    case.subscriber().wait(3);
    stage
}

fn assert_names(pages: &[u16]) {
    let documented = documented();
    let all = || pages.iter().flat_map(|port| exported(*port)).collect::<BTreeSet<_>>();
    // Some come late: the clients' own numbers, and what is refused for good only after its retries.
    let complete = within(PATIENCE, || documented.is_subset(&all()).then_some(()));
    let exported = all();
    let undocumented: Vec<_> = exported.difference(&documented).collect();
    assert!(undocumented.is_empty(), "exported, but not in docs/metrics.md: {undocumented:#?}");
    let missing: Vec<_> = documented.difference(&exported).collect();
    assert!(complete.is_some(), "in docs/metrics.md, but not exported: {missing:#?}");
    for (name, kind, labels) in JAVA {
        let labels = labels.iter().map(ToString::to_string).collect();
        let promised = ((*name).to_owned(), (*kind).to_owned(), labels);
        assert!(exported.contains(&promised), "Java has {promised:?}");
    }
    println!("v3: {} names and label sets, {} of them Java's", exported.len(), JAVA.len());
}

drivers! {
    fn v3_metric_names(variant: Variant) {
        let _run = Run::begin("v3");
        let rig = Rig::own(variant, |setup| setup);
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        rig.answers(&Request::minimal("/ns/nobody", &unique()), 404);
        rig.answers(&Request::minimal("/ns/a", &unique()).header("Content-Length", "x"), 400);
        let [commits, holds] = ["commit", "hold"].map(|how| eventful(variant, how));
        let pages = [
            rig.receiver.metrics_port(), commits.dispatcher.metrics_port(), holds.dispatcher.metrics_port(),
        ];
        assert_names(&pages);
    }
}

#[test]
fn v3_names_of_labels() {
    assert_eq!(general("kn_broker_name"), NAME);
    assert_eq!(general("kn_kafkachannel_namespace"), NAMESPACE);
    assert_eq!(general("name"), "name");
    assert_eq!(general("client_id"), CLIENT);
    assert!(documented().len() > 60);
}
