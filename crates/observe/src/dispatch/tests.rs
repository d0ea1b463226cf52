//! The legacy meter: its exact page, its bounds, its removal.

use std::time::{Duration, Instant};

use super::DispatchStatus::{Accepted, BadRequest, Unavailable};
use super::*;
use crate::page::Page;
use crate::registry::RegistryOptions;

const COUNT: &str = "kn_eventing_dispatch_latency_ms_count";
const OVERFLOW: &str = "millrace_event_types_overflow_total";

fn registry() -> Registry {
    Registry::new(RegistryOptions::default())
}

fn broker(registry: &Registry, uid: &str, options: DispatchOptions) -> DispatchLatency {
    DispatchLatency::new(registry, &registry.owner(uid), "Broker", "b", "ns", options)
}

fn page(registry: &Registry) -> Page {
    Page::parse(&registry.render())
}

fn series(registry: &Registry, event_type: &str, status: &str) -> Option<f64> {
    let labels = [("cloudevents_type", event_type), ("http_response_status_code", status)];
    page(registry).value(COUNT, &labels)
}

#[test]
fn page_is_javas_to_the_letter() {
    let registry = registry();
    let latency = broker(&registry, "uid", DispatchOptions::default());
    latency.record("t", Accepted, 3);
    latency.record("t", Accepted, 120);
    latency.record("t", Accepted, 12_000_000);
    latency.record("ignored", BadRequest, 0);
    let text = registry.render();
    let ours: String = text
        .split_inclusive('\n')
        .filter(|line| line.contains("kn_eventing_dispatch_latency_ms"))
        .collect();
    assert_eq!(ours, include_str!("golden.txt"));
    Page::parse(&text);
}

#[test]
fn nothing_before_the_first_event() {
    let registry = registry();
    let _latency = broker(&registry, "uid", DispatchOptions::default());
    assert!(!registry.render().contains("kn_eventing"));
}

#[test]
fn label_names_follow_the_kind() {
    for (kind, name, namespace) in [
        ("Broker", "kn_broker_name", "kn_broker_namespace"),
        ("KafkaChannel", "kn_kafkachannel_name", "kn_kafkachannel_namespace"),
        ("KafkaSink", "kn_kafkasink_name", "kn_kafkasink_namespace"),
        ("", "kn__name", "kn__namespace"),
        ("Od d=\"", "kn_od_d___name", "kn_od_d___namespace"),
    ] {
        let registry = registry();
        let owner = registry.owner("uid");
        let options = DispatchOptions::default();
        let latency = DispatchLatency::new(&registry, &owner, kind, "n\"1\\", "s\n", options);
        latency.record("t", Unavailable, 1);
        let labels = [(name, "n\"1\\"), (namespace, "s\n"), ("http_response_status_code", "503")];
        assert_eq!(page(&registry).value(COUNT, &labels), Some(1.0), "{kind}");
    }
}

#[test]
fn type_label_can_be_switched_off() {
    let registry = registry();
    let options = DispatchOptions { disable_type: true, ..DispatchOptions::default() };
    let latency = broker(&registry, "uid", options);
    latency.record("a", Accepted, 1);
    latency.record("b", Accepted, 1);
    assert_eq!(series(&registry, "unknown", "202"), Some(2.0));
    assert_eq!(page(&registry).value(OVERFLOW, &[]), Some(0.0));
}

#[test]
fn shards_are_summed_and_their_largest_shown() {
    let registry = registry();
    for (shard, ms) in [(0, 10), (1, 700), (2, 60)] {
        let latency = broker(&registry, "uid", DispatchOptions::default());
        for _ in 0..=shard {
            latency.record("t", Accepted, ms);
        }
        // The handle goes, what it counted stays: a counter must not go down.
    }
    for _ in 0..2 {
        let page = page(&registry);
        assert_eq!(page.value(COUNT, &[]), Some(6.0));
        assert_eq!(page.value("kn_eventing_dispatch_latency_ms_sum", &[]), Some(1_590.0));
        assert_eq!(page.value("kn_eventing_dispatch_latency_ms_max", &[]), Some(700.0));
        let bucket = "kn_eventing_dispatch_latency_ms_bucket";
        assert_eq!(page.value(bucket, &[("le", "50.0")]), Some(1.0));
        assert_eq!(page.value(bucket, &[("le", "100.0")]), Some(4.0));
    }
}

#[test]
fn maximum_fades_after_three_minutes() {
    let registry = registry();
    let start = Instant::now();
    let latency = broker(&registry, "uid", DispatchOptions::default());
    latency.record("t", Accepted, 900);
    let at = |seconds| {
        registry.tick(start + Duration::from_secs(seconds));
        page(&registry).value("kn_eventing_dispatch_latency_ms_max", &[])
    };
    assert_eq!(at(0), Some(900.0));
    assert_eq!(at(170), Some(900.0));
    assert_eq!(at(190), Some(0.0));
    latency.record("t", Accepted, 5);
    assert_eq!(at(190), Some(5.0));
}

/// P61 and receiver.md 8.2 (d): the number of series is bounded, no event goes uncounted.
#[test]
fn hundred_thousand_types_stay_bounded() {
    let registry = registry();
    std::thread::scope(|scope| {
        for shard in 0..4 {
            let registry = registry.clone();
            scope.spawn(move || {
                let latency = broker(&registry, "uid", DispatchOptions::default());
                for n in 0..25_000 {
                    latency.record(&format!("type-{}", n + shard * 25_000), Accepted, 1);
                }
            });
        }
    });
    let page = page(&registry);
    assert_eq!(page.sum(COUNT), 100_000.0);
    assert_eq!(page.count(COUNT), 1_001);
    let unknown = page.value(COUNT, &[("cloudevents_type", "unknown")]);
    assert_eq!(unknown, page.value(OVERFLOW, &[]));
    assert_eq!(unknown, Some(99_000.0));
}

#[test]
fn type_admitted_on_one_shard_counts_on_all_after_the_bound() {
    let registry = registry();
    let options = DispatchOptions { types_max: 2, ..DispatchOptions::default() };
    let [first, second] = [0, 1].map(|_| broker(&registry, "uid", options));
    for event_type in ["a", "b", "c"] {
        first.record(event_type, Accepted, 1);
    }
    for event_type in ["b", "c", "a"] {
        second.record(event_type, Accepted, 1);
    }
    assert_eq!(series(&registry, "a", "202"), Some(2.0));
    assert_eq!(series(&registry, "b", "202"), Some(2.0));
    assert_eq!(series(&registry, "c", "202"), None);
    assert_eq!(series(&registry, "unknown", "202"), Some(2.0));
}

#[test]
fn bound_of_the_process_is_given_back_with_the_resource() {
    let options = RegistryOptions { event_types_max: 3, ..RegistryOptions::default() };
    let registry = Registry::new(options);
    let first = broker(&registry, "1", DispatchOptions::default());
    for event_type in ["a", "b"] {
        first.record(event_type, Accepted, 1);
    }
    let second = broker(&registry, "2", DispatchOptions::default());
    for event_type in ["c", "d"] {
        second.record(event_type, Accepted, 1);
    }
    assert_eq!(series(&registry, "c", "202"), Some(1.0));
    assert_eq!(series(&registry, "d", "202"), None);
    registry.remove_owner("1");
    registry.remove_owner("1");
    let third = broker(&registry, "3", DispatchOptions::default());
    for event_type in ["e", "f", "g"] {
        third.record(event_type, Accepted, 1);
    }
    assert_eq!(series(&registry, "f", "202"), Some(1.0));
    assert_eq!(series(&registry, "g", "202"), None, "only two places came back");
}

#[test]
fn long_type_is_not_kept() {
    let registry = registry();
    let latency = broker(&registry, "uid", DispatchOptions::default());
    latency.record(&"x".repeat(513), Accepted, 1);
    latency.record(&"x".repeat(512), Accepted, 1);
    assert_eq!(series(&registry, "unknown", "202"), Some(1.0));
    assert_eq!(series(&registry, &"x".repeat(512), "202"), Some(1.0));
}

/// R154 and P59, also for what a shard records after the removal.
#[test]
fn series_vanish_with_their_resource() {
    let registry = registry();
    let gone = broker(&registry, "gone", DispatchOptions::default());
    let owner = registry.owner("stays");
    let options = DispatchOptions::default();
    let stays = DispatchLatency::new(&registry, &owner, "Broker", "other", "ns", options);
    for latency in [&gone, &stays] {
        latency.record("t", Accepted, 1);
        latency.record("t", BadRequest, 1);
    }
    assert_eq!(page(&registry).count(COUNT), 4);
    registry.remove_owner("gone");
    gone.record("t", Accepted, 1);
    gone.record("new", Accepted, 1);
    gone.record("t", Unavailable, 1);
    let left = page(&registry);
    assert_eq!(left.count(COUNT), 2);
    assert!(left.value(COUNT, &[("kn_broker_name", "b")]).is_none());
    // A resource that comes back starts anew, whatever old shards still hold.
    let back = broker(&registry, "gone", DispatchOptions::default());
    back.record("t", Accepted, 1);
    gone.record("t", Accepted, 1);
    assert_eq!(page(&registry).value(COUNT, &[("kn_broker_name", "b")]), Some(1.0));
}

#[test]
fn resources_with_the_same_reference_are_summed_and_part_ways() {
    let registry = registry();
    let [one, two] = ["1", "2"].map(|uid| broker(&registry, uid, DispatchOptions::default()));
    one.record("t", Accepted, 1);
    two.record("t", Accepted, 1);
    assert_eq!(series(&registry, "t", "202"), Some(2.0));
    registry.remove_owner("1");
    assert_eq!(series(&registry, "t", "202"), Some(1.0));
}

#[test]
fn fine_buckets_on_demand() {
    let options = RegistryOptions { publish_quantiles: true, ..RegistryOptions::default() };
    let registry = Registry::new(options);
    broker(&registry, "uid", DispatchOptions::default()).record("t", Accepted, 30);
    let page = page(&registry);
    let bucket = "kn_eventing_dispatch_latency_ms_bucket";
    assert_eq!(page.value(bucket, &[("le", "26.0")]), Some(0.0));
    assert_eq!(page.value(bucket, &[("le", "31.0")]), Some(1.0));
    assert_eq!(page.value(bucket, &[("le", "50.0")]), Some(1.0));
    assert_eq!(page.value(bucket, &[("le", "4.2273788502251054E18")]), Some(1.0));
    // 276 of Micrometer, and the six bounds of ours that are not among them.
    assert_eq!(page.count(bucket), 276 + 6);
}

/// The receiver looks a type up while it holds the event, and counts when the brokers answered.
#[test]
fn series_can_be_looked_up_before_the_answer() {
    let registry = registry();
    let options = DispatchOptions { types_max: 1, ..DispatchOptions::default() };
    let latency = broker(&registry, "uid", options);
    let [first, second] = ["a", "b"].map(|event_type| latency.series(event_type));
    latency.record_series(&second, Unavailable, 1);
    latency.record_series(&first, Accepted, 1);
    latency.record_series(&first, Unavailable, 1);
    latency.record_bad(1);
    assert_eq!(series(&registry, "a", "202"), Some(1.0));
    assert_eq!(series(&registry, "a", "503"), Some(1.0));
    assert_eq!(series(&registry, "unknown", "503"), Some(1.0));
    assert_eq!(series(&registry, "unknown", "400"), Some(1.0));
    assert_eq!(page(&registry).value(OVERFLOW, &[]), Some(1.0));
    registry.remove_owner("uid");
    latency.record_series(&first, Accepted, 1);
    assert_eq!(page(&registry).count(COUNT), 0);
}

#[test]
fn switched_off_registry_keeps_nothing() {
    let options = RegistryOptions { enabled: false, ..RegistryOptions::default() };
    let registry = Registry::new(options);
    let latency = broker(&registry, "uid", DispatchOptions::default());
    latency.record("t", Accepted, 1);
    assert!(latency.types.is_empty());
    assert!(!registry.render().contains("kn_eventing"));
}
