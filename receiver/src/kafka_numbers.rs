//! librdkafka's statistics as the Java client's metrics (platform.md 8.4).
//!
//! The producers of one configuration go by one client id on all shards; their numbers are merged.

use std::collections::BTreeMap;

use millrace_kafka::librdkafka_version;
use millrace_kafka::statistics::{Average, ProducerStatistics};
use millrace_observe::names::{
    KAFKA_BATCH_SIZE_AVG, KAFKA_BUFFER_AVAILABLE, KAFKA_BUFFER_TOTAL, KAFKA_CONNECTIONS,
    KAFKA_NODE_REQUEST, KAFKA_RECORD_ERROR, KAFKA_RECORD_QUEUE_TIME_AVG, KAFKA_RECORD_RETRY,
    KAFKA_RECORD_SEND, KAFKA_REQUEST_LATENCY_AVG, KAFKA_REQUEST_LATENCY_MAX, KAFKA_START_TIME,
    KAFKA_TOPIC_RECORD_SEND,
};
use millrace_observe::{Family, KafkaClientStats, KafkaSample, KafkaScope, Registry};

use crate::housekeeping::Document;

/// What the producers have said last.
pub(crate) struct KafkaNumbers {
    registry: Registry,
    /// `buffer.memory`.
    buffer_bytes: u64,
    clients: BTreeMap<String, BTreeMap<usize, (ProducerStatistics, u64)>>,
}

impl KafkaNumbers {
    pub(crate) fn new(registry: &Registry, buffer_bytes: u64) -> KafkaNumbers {
        KafkaNumbers { registry: registry.clone(), buffer_bytes, clients: BTreeMap::new() }
    }

    /// Takes the newest statistics of one shard's producer.
    pub(crate) fn take(&mut self, document: Document) {
        let Document { client_id, shard, json, failed } = document;
        let statistics = match ProducerStatistics::parse(&json) {
            Ok(statistics) => statistics,
            Err(error) => {
                tracing::debug!(%error, "The Kafka client's statistics cannot be read.");
                return;
            }
        };
        self.clients.entry(client_id.clone()).or_default().insert(shard, (statistics, failed));
        self.show(&client_id);
    }

    /// A producer is closed.
    pub(crate) fn forget(&mut self, client_id: &str, shard: usize) {
        let Some(shards) = self.clients.get_mut(client_id) else { return };
        shards.remove(&shard);
        if shards.is_empty() {
            self.clients.remove(client_id);
            self.registry.forget_kafka_client(client_id);
        } else {
            self.show(client_id);
        }
    }

    fn show(&self, client_id: &str) {
        let Some(shards) = self.clients.get(client_id) else { return };
        let mut merged = ProducerStatistics::default();
        let mut failed = 0_u64;
        for (statistics, failures) in shards.values() {
            merged.merge(statistics);
            failed = failed.saturating_add(*failures);
        }
        self.registry.kafka_client(KafkaClientStats {
            client_id: client_id.to_owned(),
            kafka_version: format!("librdkafka-{}", librdkafka_version()),
            samples: samples(&merged, failed, self.buffer_bytes),
        });
    }
}

fn samples(numbers: &ProducerStatistics, failed: u64, buffer_bytes: u64) -> Vec<KafkaSample> {
    let client = |family: &'static Family, value: f64| KafkaSample {
        family,
        scope: KafkaScope::Client,
        value,
    };
    let mut samples = vec![
        client(&KAFKA_RECORD_SEND, numbers.records_sent as f64),
        client(&KAFKA_RECORD_ERROR, failed as f64),
        client(&KAFKA_RECORD_RETRY, numbers.retries as f64),
        client(&KAFKA_REQUEST_LATENCY_AVG, millis(numbers.request_latency_us)),
        client(&KAFKA_REQUEST_LATENCY_MAX, numbers.request_latency_us.max as f64 / 1_000.0),
        client(&KAFKA_BATCH_SIZE_AVG, numbers.batch_bytes.mean().unwrap_or_default()),
        client(&KAFKA_RECORD_QUEUE_TIME_AVG, millis(numbers.queue_time_us)),
        client(&KAFKA_BUFFER_AVAILABLE, buffer_bytes.saturating_sub(numbers.queued_bytes) as f64),
        client(&KAFKA_BUFFER_TOTAL, buffer_bytes as f64),
        client(&KAFKA_CONNECTIONS, numbers.connections as f64),
        client(&KAFKA_START_TIME, numbers.start_time_ms as f64),
    ];
    for (topic, sent) in &numbers.records_sent_by_topic {
        let scope = KafkaScope::Topic(topic.clone());
        samples.push(KafkaSample { family: &KAFKA_TOPIC_RECORD_SEND, scope, value: *sent as f64 });
    }
    for (node, requests) in &numbers.requests_by_node {
        let scope = KafkaScope::Node(*node);
        samples.push(KafkaSample { family: &KAFKA_NODE_REQUEST, scope, value: *requests as f64 });
    }
    samples
}

/// A mean of microseconds in Java's unit.
fn millis(average: Average) -> f64 {
    average.mean().unwrap_or_default() / 1_000.0
}
