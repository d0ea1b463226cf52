//! The dispatcher's meters: names and labels as in Java, their bounds, their removal.

use std::sync::Arc;

use super::*;
use crate::page::Page;
use crate::registry::RegistryOptions;

const DISPATCH: &str = "kn_eventing_dispatch_latency_ms_count";
const PROCESS: &str = "kn_eventing_process_latency_ms_count";
const ATTEMPTS: &str = "kn_eventing_dispatch_in_flight_requests_1";

fn registry() -> Registry {
    Registry::new(RegistryOptions::default())
}

fn trigger() -> EgressName {
    EgressName::new("Trigger", "trig1", "ns1", "knative-trigger-ns1-trig1")
}

fn meters(registry: &Registry, owner: &Owner) -> EgressMeters {
    EgressMeters::new(registry, owner, &trigger(), DispatchOptions::default())
}

fn page(registry: &Registry) -> Page {
    Page::parse(&registry.render())
}

/// Acceptance case 132.
#[test]
fn one_event_has_javas_series_to_the_letter() {
    let registry = registry();
    let meters = meters(&registry, &registry.unnamed_owner());
    let event = meters.event("t1");
    meters.processed(&event, 1);
    meters.dispatched(&event, Some(200), 60);
    let text = registry.render();
    let reference = "kn_trigger_name=\"trig1\",kn_trigger_namespace=\"ns1\",\
                     messaging_consumer_group_name=\"trig1\",";
    for line in [
        format!("{PROCESS}{{cloudevents_type=\"t1\",{reference}}} 1.0\n"),
        format!(
            "{DISPATCH}{{cloudevents_type=\"t1\",http_response_status_code=\"200\",{reference}}} 1.0\n"
        ),
        format!(
            "kn_eventing_dispatch_latency_ms_bucket{{cloudevents_type=\"t1\",\
             http_response_status_code=\"200\",{reference}le=\"100.0\",}} 1.0\n"
        ),
        format!(
            "kn_eventing_dispatch_latency_ms_max{{cloudevents_type=\"t1\",\
             http_response_status_code=\"200\",{reference}}} 60.0\n"
        ),
    ] {
        assert!(text.contains(&line), "{line} in {text}");
    }
}

/// Acceptance case 133.
#[test]
fn no_answer_has_an_empty_status_beside_the_others() {
    let registry = registry();
    let meters = meters(&registry, &registry.unnamed_owner());
    let event = meters.event("t1");
    meters.dispatched(&event, None, 100);
    meters.dispatched(&event, Some(200), 1);
    meters.dispatched(&event, None, 100);
    let page = page(&registry);
    let status = |code| page.value(DISPATCH, &[("http_response_status_code", code)]);
    assert_eq!((status(""), status("200")), (Some(2.0), Some(1.0)));
}

/// Acceptance case 134.
#[test]
fn types_can_be_switched_off() {
    let registry = registry();
    let options = DispatchOptions { disable_type: true, ..DispatchOptions::default() };
    let owner = registry.unnamed_owner();
    let meters = EgressMeters::new(&registry, &owner, &trigger(), options);
    meters.dispatched(&meters.event("t1"), Some(200), 1);
    meters.processed(&meters.event("t2"), 1);
    let page = page(&registry);
    for name in [DISPATCH, PROCESS] {
        assert_eq!(page.value(name, &[("cloudevents_type", "unknown")]), Some(1.0));
    }
}

#[test]
fn discarded_and_skipped_carry_javas_words() {
    let registry = registry();
    let meters = meters(&registry, &registry.unnamed_owner());
    meters.discarded_invalid("no_event");
    meters.discarded_invalid("no_event");
    meters.discarded(&meters.event("t1"), "head_too_large");
    meters.skipped(10_000_000);
    let page = page(&registry);
    let discarded = "kn_eventing_kafka_discarded_events_1_total";
    let by_type = |word| page.value(discarded, &[("cloudevents_type", word)]);
    assert_eq!((by_type("InvalidCloudEvent"), by_type("t1")), (Some(2.0), Some(1.0)));
    let skipped = [("cloudevents_type", "OffsetSkippingCloudEvent"), ("kn_trigger_name", "trig1")];
    assert_eq!(page.value("kn_eventing_kafka_skipped_offsets_1_total", &skipped), Some(1e7));
    let by_reason = |word| page.value("millrace_dispatcher_discarded_total", &[("reason", word)]);
    assert_eq!((by_reason("no_event"), by_reason("head_too_large")), (Some(2.0), Some(1.0)));
}

#[test]
fn attempts_are_shown_by_target_and_summed_over_shards() {
    let registry = registry();
    let owner = registry.unnamed_owner();
    let shards = [meters(&registry, &owner), meters(&registry, &owner)];
    for shard in &shards {
        shard.attempts_in_flight(Target::Subscriber, 1);
        shard.attempts_in_flight(Target::Subscriber, 1);
        shard.attempts_in_flight(Target::Subscriber, -1);
    }
    shards[0].attempts_in_flight(Target::DeadLetterSink, 1);
    shards[1].attempts_in_flight(Target::Reply, 1);
    let page = page(&registry);
    for (target, operation, value) in
        [("subscriber", "send", 2.0), ("deadLetterSink", "send", 1.0), ("reply", "reply", 1.0)]
    {
        let labels = [
            ("messaging_destination_template", target),
            ("messaging_operation_name", operation),
            ("messaging_operation_type", "send"),
        ];
        assert_eq!(page.value(ATTEMPTS, &labels), Some(value), "{target}");
    }
}

/// platform.md 8.2 (c): subscriptions of one channel share all labels.
#[test]
fn one_of_two_with_the_same_reference_takes_only_its_own_along() {
    let registry = registry();
    let channel = |group| EgressName::new("KafkaChannel", "ch", "ns", group);
    let options = DispatchOptions::default();
    let owners = [registry.unnamed_owner(), registry.unnamed_owner()];
    let [one, two] = ["g1", "g2"].map(channel);
    let one = EgressMeters::new(&registry, &owners[0], &one, options);
    let two = EgressMeters::new(&registry, &owners[1], &two, options);
    for meters in [&one, &two] {
        meters.dispatched(&meters.event("t"), Some(200), 1);
        meters.attempts_in_flight(Target::Subscriber, 1);
        meters.begun();
        meters.skipped(3);
    }
    let name = [("kn_kafkachannel_name", "ch")];
    let before = page(&registry);
    assert_eq!(before.value(DISPATCH, &name), Some(2.0));
    assert_eq!(before.value(ATTEMPTS, &name), Some(2.0));
    registry.retire(&owners[0]);
    one.dispatched(&one.event("new"), Some(500), 1);
    let after = page(&registry);
    assert_eq!(after.value(DISPATCH, &name), Some(1.0));
    assert_eq!(after.value(ATTEMPTS, &name), Some(1.0));
    let records = "millrace_dispatcher_records_in_flight";
    assert_eq!(after.value(records, &[("consumer_group", "g1")]), None);
    assert_eq!(after.value(records, &[("consumer_group", "g2")]), Some(1.0));
    registry.retire(&owners[1]);
    assert!(!registry.render().contains("kafkachannel"));
}

#[test]
fn statuses_of_a_wild_subscriber_are_bounded_and_all_counted() {
    let registry = registry();
    let meters = meters(&registry, &registry.unnamed_owner());
    for event_type in ["a", "b"] {
        let event = meters.event(event_type);
        for status in 200..600 {
            meters.dispatched(&event, Some(status), 1);
        }
    }
    let page = page(&registry);
    assert_eq!(page.sum(DISPATCH), 800.0);
    assert_eq!(page.count(DISPATCH), 2 * STATUSES_MAX + 400 - STATUSES_MAX);
    assert_eq!(page.value("millrace_event_types_overflow_total", &[]), Some(768.0));
}

#[test]
fn outcomes_are_counted_under_the_kafka_group() {
    let registry = registry();
    let meters = meters(&registry, &registry.unnamed_owner());
    meters.retried(Target::Subscriber);
    meters.retried(Target::Subscriber);
    meters.retried(Target::DeadLetterSink);
    meters.dead_lettered();
    meters.held();
    meters.lost("no_dead_letter_sink");
    let page = page(&registry);
    let group = ("consumer_group", "knative-trigger-ns1-trig1");
    for (name, more, value) in [
        ("retries", ("target", "subscriber"), 2.0),
        ("retries", ("target", "deadLetterSink"), 1.0),
        ("dead_lettered", ("namespace", "ns1"), 1.0),
        ("held", ("name", "trig1"), 1.0),
        ("lost", ("reason", "no_dead_letter_sink"), 1.0),
    ] {
        let name = format!("millrace_dispatcher_{name}_total");
        assert_eq!(page.value(&name, &[group, more]), Some(value), "{name} {more:?}");
    }
}

#[test]
fn queue_meters_name_topic_and_partition() {
    let registry = registry();
    let meters = meters(&registry, &registry.unnamed_owner());
    let queue = meters.queue("t", 3);
    queue.length(7);
    queue.done(20);
    let labels = [("messaging_destination_name", "t"), ("messaging_destination_partition_id", "3")];
    let shown = page(&registry);
    assert_eq!(shown.value("kn_eventing_kafka_executor_queue_length_1", &labels), Some(7.0));
    let count = "kn_eventing_kafka_executor_queue_latency_ms_count";
    assert_eq!(shown.value(count, &labels), Some(1.0));
    drop(queue);
    let shown = page(&registry);
    assert_eq!(shown.count("kn_eventing_kafka_executor_queue_length_1"), 0);
}

#[test]
fn a_group_shows_its_place_and_its_partitions_come_and_go() {
    let registry = registry();
    let mut groups = GroupMeters::new(&registry);
    groups.egresses("running", 3);
    groups.commit("ok");
    groups.commit("ok");
    groups.rebalance("revoke");
    groups.error();
    let owner = registry.unnamed_owner();
    let mut egress = groups.egress(&owner, &trigger());
    egress.set(4, 1, 90);
    let topic: Arc<str> = "t".into();
    for (partition, records) in [(0, 5), (1, 7), (0, 6)] {
        egress.lag(&topic, partition, records);
    }
    let shown = page(&registry);
    let ours = |name: &str, labels: &[(&str, &str)]| {
        shown.value(&format!("millrace_dispatcher_{name}"), labels)
    };
    assert_eq!(ours("egresses", &[("state", "running")]), Some(3.0));
    assert_eq!(ours("commits_total", &[("outcome", "ok")]), Some(2.0));
    assert_eq!(ours("rebalances_total", &[("event", "revoke")]), Some(1.0));
    assert_eq!(ours("consumer_errors_total", &[]), Some(1.0));
    assert_eq!(ours("partitions", &[("name", "trig1")]), Some(4.0));
    assert_eq!(ours("partitions_stalled", &[]), Some(1.0));
    assert_eq!(ours("oldest_record_age_seconds", &[]), Some(90.0));
    assert_eq!(ours("lag_records", &[("partition", "0"), ("topic", "t")]), Some(6.0));
    egress.forget(&topic, 0);
    let shown = page(&registry);
    assert_eq!(shown.count("millrace_dispatcher_lag_records"), 1);
    registry.retire(&owner);
    assert_eq!(page(&registry).count("millrace_dispatcher_partitions"), 0);
}

#[test]
fn lags_are_bounded_and_what_is_beyond_is_summed() {
    let registry = registry();
    let groups = GroupMeters::new(&registry);
    let owner = registry.unnamed_owner();
    let mut egress = groups.egress(&owner, &trigger());
    let topic: Arc<str> = "t".into();
    for partition in 0..2_010 {
        egress.lag(&topic, partition, 2);
    }
    let name = "millrace_dispatcher_lag_records";
    let shown = page(&registry);
    assert_eq!(shown.count(name), 2_001);
    assert_eq!(shown.value(name, &[("partition", "other")]), Some(20.0));
    for partition in 0..10 {
        egress.forget(&topic, partition);
    }
    egress.lag(&topic, 5_000, 1);
    assert_eq!(page(&registry).value(name, &[("partition", "5000")]), Some(1.0));
}

#[test]
fn a_switched_off_registry_keeps_nothing() {
    let registry = Registry::new(RegistryOptions { enabled: false, ..RegistryOptions::default() });
    let meters = meters(&registry, &registry.unnamed_owner());
    let event = meters.event("t");
    meters.processed(&event, 1);
    meters.dispatched(&event, Some(200), 1);
    meters.discarded_invalid("no_event");
    assert!(meters.types.is_empty());
    assert!(!registry.render().contains("kn_eventing"));
}
