//! Names, labels and values on the metrics page: D132 to D134, P57 to P61.

use std::collections::BTreeSet;
use std::time::Duration;

use millrace_tests::matrix::Variant;
use millrace_tests::metrics::Samples;
use millrace_tests::producer::NewRecord;
use millrace_tests::stage::{DISPATCH_COUNT, Kind, Stage};
use millrace_tests::subscriber::{Answer, Gate};
use millrace_tests::wait::{SOON, until};
use millrace_tests::{cases, drivers, ports};
use serde_json::json;

const PROCESS_COUNT: &str = "kn_eventing_process_latency_ms_count";
const QUEUE_LENGTH: &str = "kn_eventing_kafka_executor_queue_length_1";
const QUEUE_COUNT: &str = "kn_eventing_kafka_executor_queue_latency_ms_count";
const IN_FLIGHT: &str = "kn_eventing_dispatch_in_flight_requests_1";
/// In milliseconds; dashboards ask for these.
const BOUNDS: [&str; 7] = ["50.0", "100.0", "500.0", "1000.0", "5000.0", "10000.0", "+Inf"];

/// The labels' names of all series of that name and this trigger.
fn label_names(samples: &Samples, name: &str, trigger: &str) -> BTreeSet<String> {
    let series = samples
        .all(name, &[])
        .filter(|sample| sample.labels.values().any(|value| value == trigger));
    series.flat_map(|sample| sample.labels.keys().cloned()).collect()
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

cases! { Broker;
    fn d132_latencies_of_one_event(case) {
        case.send(&[NewRecord::event("1")]);
        case.settles(1);
        // The group's name in labels is that of the trigger, not Kafka's.
        let trigger = case.egress().name.as_str();
        let group = ("messaging_consumer_group_name", trigger);
        case.metric_becomes(DISPATCH_COUNT, &[("cloudevents_type", "t1"), ("http_response_status_code", "200"), group], 1.0);
        case.metric_becomes(PROCESS_COUNT, &[("cloudevents_type", "t1"), group], 1.0);
        let samples = case.stage.dispatcher.scrape();
        assert_eq!(label_names(&samples, DISPATCH_COUNT, trigger), names(&[
            "cloudevents_type", "http_response_status_code", "kn_trigger_name", "kn_trigger_namespace", "messaging_consumer_group_name",
        ]));
        assert_eq!(label_names(&samples, PROCESS_COUNT, trigger), names(&[
            "cloudevents_type", "kn_trigger_name", "kn_trigger_namespace", "messaging_consumer_group_name",
        ]));
        for meter in ["kn_eventing_dispatch_latency_ms", "kn_eventing_process_latency_ms"] {
            let bucket = format!("{meter}_bucket");
            let own = case.labels();
            let own = [(own[0].0, own[0].1.as_str())];
            let bounds: Vec<_> = samples.all(&bucket, &own).map(|sample| sample.labels["le"].as_str()).collect();
            assert_eq!(bounds, BOUNDS, "{meter}");
            assert_eq!(case.metric(&samples, &bucket, &[("le", "+Inf")]), 1.0, "{meter}");
            for part in ["sum", "max"] {
                let name = format!("{meter}_{part}");
                assert_eq!(samples.all(&name, &own).count(), 1, "{name}");
            }
        }
    }

    /// In Java the kind that comes second is lost (dispatcher.md W19).
    fn d133_p058_with_and_without_an_answer(case, |plan| plan.egress(|egress| egress.config(json!({ "timeout": "100" })))) {
        case.subscriber().in_turn(vec![Answer::status(200).after(Duration::from_secs(1)), Answer::status(200)]);
        case.send(&[NewRecord::event("1")]);
        case.settles(1);
        case.send(&[NewRecord::event("2")]);
        case.settles(2);
        case.metric_becomes(DISPATCH_COUNT, &[("http_response_status_code", "")], 1.0);
        case.metric_becomes(DISPATCH_COUNT, &[("http_response_status_code", "200")], 1.0);
    }

    fn p058_refused_connection(case, |plan| plan
        .egress(|egress| egress.set("/destination", format!("http://127.0.0.1:{}", ports::free())))
        .and("healthy", |egress| egress)
    ) {
        case.send(&[NewRecord::event("1")]);
        case.settles(1);
        case.settles_for(case.and("healthy"), 0, 1);
        case.metric_becomes(DISPATCH_COUNT, &[("http_response_status_code", "")], 1.0);
        let healthy = case.and("healthy").name.as_str();
        until("the other one's latency", SOON, || {
            let labels = [("kn_trigger_name", healthy), ("http_response_status_code", "200")];
            (case.stage.dispatcher.scrape().sum(DISPATCH_COUNT, &labels) == 1.0).then_some(())
        });
    }

    fn p057_kinds_of_references(case, |plan| plan
        .and("channel", |egress| egress.set("/reference/kind", "KafkaChannel"))
        .and("source", |egress| egress.set("/reference/kind", "KafkaSource"))
        .and("namespaced", |egress| egress.set("/reference", json!({ "uuid": "u", "namespace": "ns1", "name": "p057-namespaced" })))
    ) {
        case.send(&[NewRecord::event("1")]);
        for egress in &case.plan.egresses {
            case.settles_for(egress, 0, 1);
        }
        let own = |suffix: &str| case.and(suffix).name.clone();
        for (prefix, name) in [
            ("kn_trigger", case.egress().name.clone()), ("kn_kafkachannel", own("channel")), ("kn_kafkasource", own("source")),
            ("kn_", "p057-namespaced".into()),
        ] {
            let [name_label, namespace_label] = ["name", "namespace"].map(|part| format!("{prefix}_{part}"));
            let labels = [(name_label.as_str(), name.as_str()), (&namespace_label, "ns1"), ("messaging_consumer_group_name", &name)];
            until(&format!("{labels:?}"), SOON, || {
                (case.stage.dispatcher.scrape().sum(DISPATCH_COUNT, &labels) == 1.0).then_some(())
            });
        }
    }

    fn p060_requests_in_flight(case, |plan| plan.egress(|egress| egress.dead_letter())) {
        let [gate, sink] = [Gate::closed(), Gate::closed()];
        case.subscriber().always(Answer::status(400).behind(&gate));
        case.dead_letters().always(Answer::status(200).behind(&sink));
        case.send(&(0..7).map(|number| NewRecord::event(&number.to_string())).collect::<Vec<_>>());
        case.busy(7);
        let target = |name| [("messaging_destination_template", name), ("messaging_operation_name", "send"), ("messaging_operation_type", "send")];
        case.metric_becomes(IN_FLIGHT, &target("subscriber"), 7.0);
        gate.open();
        case.dead_letters().wait(7);
        case.metric_becomes(IN_FLIGHT, &target("deadLetterSink"), 7.0);
        assert_eq!(case.metric(&case.stage.dispatcher.scrape(), IN_FLIGHT, &target("subscriber")), 0.0);
        sink.open();
        case.settles(7);
        assert_eq!(case.metric(&case.stage.dispatcher.scrape(), IN_FLIGHT, &[]), 0.0);
    }

    /// dispatcher.md 8.4: only where the contract asks for them.
    fn d132_queues_of_ordered_partitions(case, |plan| plan
        .egress(|egress| egress.ordered().set("/featureFlags", json!({ "enableOrderedExecutorMetrics": true })))
        .and("quiet", |egress| egress.ordered())
    ) {
        let gate = Gate::closed();
        case.subscriber().always(Answer::status(200).behind(&gate));
        let events: Vec<_> = (0..5).map(|number| NewRecord::event(&number.to_string())).collect();
        case.send(&events);
        case.busy(1);
        let place = [("messaging_destination_name", case.plan.topic.as_str()), ("messaging_destination_partition_id", "0")];
        case.metric_becomes(QUEUE_LENGTH, &place, 4.0);
        gate.open();
        case.settles(5);
        case.metric_becomes(QUEUE_LENGTH, &place, 0.0);
        case.metric_becomes(QUEUE_COUNT, &place, 5.0);
        let quiet = &case.plan.egresses[1];
        case.settles_for(quiet, 0, 5);
        let samples = case.stage.dispatcher.scrape();
        assert!(label_names(&samples, QUEUE_LENGTH, &quiet.name).is_empty());
    }

    /// platform.md 8.4. The client tells its numbers every 15 s.
    fn p058_numbers_of_the_kafka_client(case) {
        case.send(&[NewRecord::event("1")]);
        case.settles(1);
        let client = format!("consumer-{}-1", case.egress().group);
        let labels = [("client_id", client.as_str())];
        until("the client's numbers", 3 * SOON, || {
            let samples = case.stage.dispatcher.scrape();
            let told = |name: &str| samples.sum(&format!("kafka_consumer_{name}"), &labels);
            let all = told("fetch_manager_records_consumed_total") == 1.0
                && told("coordinator_assigned_partitions") == 1.0
                && told("coordinator_commit_total") >= 1.0
                && told("coordinator_commit_latency_avg") > 0.0
                && told("connection_count_total") >= 1.0;
            all.then_some(())
        });
    }
}

drivers! {
    fn d134_event_type_label_is_switched_off(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| setup.env("METRICS_DISABLE_EVENT_TYPE_TAG", "true"))
            .with("d134", |plan| plan)
            .start();
        let case = stage.case("d134");
        case.send(&[NewRecord::event("1")]);
        case.settles(1);
        case.metric_becomes(DISPATCH_COUNT, &[("cloudevents_type", "unknown")], 1.0);
        let types = |name: &str| -> BTreeSet<String> {
            stage.dispatcher.scrape().all(name, &[]).map(|sample| sample.labels["cloudevents_type"].clone()).collect()
        };
        for name in [DISPATCH_COUNT, PROCESS_COUNT] {
            assert_eq!(types(name), names(&["unknown"]), "{name}");
        }
    }

    fn p059_series_go_with_their_trigger(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker).with("p059", |plan| plan).with("p059-stays", |plan| plan).start();
        let (gone, stays) = (stage.case("p059"), stage.case("p059-stays"));
        for case in [&gone, &stays] {
            case.send(&[NewRecord::event("1")]);
            case.settles(1);
            case.metric_becomes(DISPATCH_COUNT, &[], 1.0);
        }
        stage.dispatcher.swap_contract(stage.contract.next().without(gone.plan.to_resource().uid()).to_bytes());
        until("no series of the trigger", SOON, || {
            let samples = stage.dispatcher.scrape();
            let mine = samples.0.iter().filter(|sample| sample.labels.values().any(|value| *value == gone.egress().name));
            (mine.count() == 0).then_some(())
        });
        stays.metric_becomes(DISPATCH_COUNT, &[], 1.0);
    }

    /// Whoever invents types must not fill the memory or the page.
    fn p061_event_types_without_end(variant: Variant) {
        const TYPES: usize = 4_000;
        let stage = Stage::prepare(variant, Kind::Broker)
            // Nobody is asked: the filter counts them all the same.
            .with("p061", |plan| plan.egress(|egress| egress.filter(json!({ "id": "none" }))))
            .start();
        let case = stage.case("p061");
        for from in (0..TYPES).step_by(500) {
            let events = (from..from + 500).map(|number| NewRecord::event("1").set("ce_type", format!("type-{number}")));
            case.send(&events.collect::<Vec<_>>());
        }
        case.settles(i64::try_from(TYPES).unwrap());
        case.metric_becomes(PROCESS_COUNT, &[], TYPES as f64);
        let series = stage.dispatcher.scrape().all(PROCESS_COUNT, &[]).count();
        assert!((2..=1_100).contains(&series), "{series} series");
    }
}
