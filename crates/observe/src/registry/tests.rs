//! Sums over threads, writers that go, and the page as a whole.

use super::*;
use crate::kafka::{KafkaSample, KafkaScope};
use crate::page::Page;

fn registry() -> Registry {
    Registry::new(RegistryOptions::default())
}

fn page(registry: &Registry) -> Page {
    Page::parse(&registry.render())
}

#[test]
fn counters_of_all_shards_are_summed_also_when_shards_end() {
    let registry = registry();
    let stays = registry.counter(&names::REQUESTS, &[("status", "202")]);
    stays.add(5);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let counter = registry.counter(&names::REQUESTS, &[("status", "202")]);
            scope.spawn(move || (0..1_000).for_each(|_| counter.inc()));
        }
    });
    registry.counter(&names::REQUESTS, &[("status", "503")]).inc();
    for _ in 0..2 {
        let page = page(&registry);
        assert_eq!(page.value(names::REQUESTS.name, &[("status", "202")]), Some(3_005.0));
        assert_eq!(page.value(names::REQUESTS.name, &[("status", "503")]), Some(1.0));
    }
    stays.inc();
    let page = page(&registry);
    assert_eq!(page.value(names::REQUESTS.name, &[("status", "202")]), Some(3_006.0));
}

/// A contract update may replace handles for ever; the registry must not grow with it.
#[test]
fn replaced_handles_leave_one_entry() {
    let registry = registry();
    for _ in 0..10_000 {
        registry.counter(&names::CONNECTIONS_ACCEPTED, &[]).inc();
    }
    assert!(lock(&registry.0.pending).len() < PENDING_MAX);
    assert_eq!(page(&registry).value(names::CONNECTIONS_ACCEPTED.name, &[]), Some(10_000.0));
    let families = lock(&registry.0.families);
    let (_, series) = &families[names::CONNECTIONS_ACCEPTED.name];
    assert_eq!(series.values().next().unwrap().len(), 1);
}

#[test]
fn gauges_are_summed_and_go_with_their_writer() {
    let registry = registry();
    let one = registry.gauge(&names::CONNECTIONS_OPEN, &[]);
    let two = registry.gauge(&names::CONNECTIONS_OPEN, &[]);
    one.set(7);
    two.add(4);
    two.add(-1);
    assert_eq!(page(&registry).value(names::CONNECTIONS_OPEN.name, &[]), Some(10.0));
    drop(one);
    assert_eq!(page(&registry).value(names::CONNECTIONS_OPEN.name, &[]), Some(3.0));
    drop(two);
    assert_eq!(page(&registry).value(names::CONNECTIONS_OPEN.name, &[]), None);
}

#[test]
fn shared_cells_observed_numbers_and_infos() {
    let registry = registry();
    let shared = registry.shared_counter(&names::CONTRACT_UPDATES, &[("outcome", "applied")]);
    let gauge = registry.shared_gauge(&names::CONTRACT_GENERATION, &[]);
    gauge.set(-1);
    gauge.add(3);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1_000).for_each(|_| shared.inc()));
        }
    });
    registry.observe(&names::BYTES_IN_FLIGHT, &[], || 12.5);
    registry.info(&names::IO_DRIVER, &[("reason", "seccomp: \"no\""), ("driver", "epoll")]);
    let page = page(&registry);
    assert_eq!(page.value(names::CONTRACT_UPDATES.name, &[("outcome", "applied")]), Some(4_000.0));
    assert_eq!(page.value(names::CONTRACT_GENERATION.name, &[]), Some(2.0));
    assert_eq!(page.value(names::BYTES_IN_FLIGHT.name, &[]), Some(12.5));
    let labels = [("driver", "epoll"), ("reason", "seccomp: \"no\"")];
    assert_eq!(page.value(names::IO_DRIVER.name, &labels), Some(1.0));
}

#[test]
fn suppressed_and_dropped_lines_are_always_shown() {
    let page = page(&registry());
    assert!(page.value(names::LOG_LINES_SUPPRESSED.name, &[]).is_some());
    assert!(page.value(names::LOG_LINES_DROPPED.name, &[]).is_some());
}

#[test]
fn types_on_the_page_are_those_of_the_table() {
    let registry = registry();
    registry.gauge(&names::SHARDS, &[]).set(2);
    registry.kafka_client(client("producer-1", 3.0));
    for (name, kind) in &page(&registry).types {
        let family = names::ALL.iter().find(|family| family.name == name).expect("in the table");
        assert_eq!(kind, family.kind.as_str());
    }
}

fn client(id: &str, sent: f64) -> KafkaClientStats {
    let sample = |family, scope, value| KafkaSample { family, scope, value };
    KafkaClientStats {
        client_id: id.to_owned(),
        kafka_version: "librdkafka-2.0.0".to_owned(),
        samples: vec![
            sample(&names::KAFKA_RECORD_SEND, KafkaScope::Client, sent),
            sample(&names::KAFKA_TOPIC_RECORD_SEND, KafkaScope::Topic("t".into()), sent),
            sample(&names::KAFKA_NODE_REQUEST, KafkaScope::Node(-1), 9.0),
        ],
    }
}

#[test]
fn kafka_clients_show_their_latest_numbers() {
    let registry = registry();
    registry.kafka_client(client("producer-1", 3.0));
    registry.kafka_client(client("producer-2", 1.0));
    registry.kafka_client(client("producer-1", 4.0));
    let text = registry.render();
    assert!(text.contains(
        "\nkafka_producer_topic_record_send_total{client_id=\"producer-1\",\
         kafka_version=\"librdkafka-2.0.0\",topic=\"t\",} 4.0\n"
    ));
    let shown = Page::parse(&text);
    let node = [("client_id", "producer-2"), ("node_id", "-1")];
    assert_eq!(shown.value("kafka_producer_node_request_total", &node), Some(9.0));
    assert_eq!(shown.sum("kafka_producer_record_send_total"), 5.0);
    registry.forget_kafka_client("producer-1");
    assert_eq!(page(&registry).sum("kafka_producer_record_send_total"), 1.0);
}

#[test]
fn kafka_clients_can_be_left_out() {
    let options = RegistryOptions { kafka_clients: false, ..RegistryOptions::default() };
    let registry = Registry::new(options);
    registry.kafka_client(client("producer-1", 3.0));
    assert!(!registry.render().contains("kafka_producer"));
}

/// A shard that registers while the page is made is neither held up for long nor lost.
#[test]
fn registrations_during_scrapes_all_arrive() {
    let registry = registry();
    std::thread::scope(|scope| {
        let shards: Vec<_> = (0..3)
            .map(|shard| {
                let registry = registry.clone();
                scope.spawn(move || {
                    let reasons = (0..200).map(|n| format!("{shard}-{n}"));
                    let counter = |reason: String| {
                        let counter = registry.counter(&names::REFUSED, &[("reason", &reason)]);
                        counter.inc();
                        counter
                    };
                    reasons.map(counter).count()
                })
            })
            .collect();
        while !shards.iter().all(|shard| shard.is_finished()) {
            page(&registry);
        }
    });
    assert_eq!(page(&registry).sum(names::REFUSED.name), 600.0);
}
