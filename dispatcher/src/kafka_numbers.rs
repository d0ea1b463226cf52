//! librdkafka's statistics as the Java client's metrics (platform.md 8.4).
//!
//! Consumers that go by one client id (`client.id` in the properties file) share their numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_kafka::librdkafka_version;
use millrace_kafka::statistics::ConsumerStatistics;
use millrace_observe::names::{
    KAFKA_ASSIGNED, KAFKA_BYTES_CONSUMED, KAFKA_COMMIT_LATENCY_AVG, KAFKA_COMMITS,
    KAFKA_CONSUMER_CONNECTIONS, KAFKA_LAG, KAFKA_LAG_MAX, KAFKA_REBALANCES, KAFKA_RECORDS_CONSUMED,
};
use millrace_observe::{Family, KafkaClientStats, KafkaSample, KafkaScope, Registry};

/// librdkafka's statistics of one consumer.
pub(crate) struct Document {
    pub(crate) client_id: Box<str>,
    pub(crate) member: u64,
    pub(crate) json: String,
    pub(crate) commits: Commits,
}

/// Commits that were answered, and how long all of them took together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Commits {
    pub(crate) answered: u64,
    pub(crate) took: Duration,
}

impl Commits {
    pub(crate) fn add(&mut self, more: Commits) {
        self.answered = self.answered.saturating_add(more.answered);
        self.took = self.took.saturating_add(more.took);
    }
}

/// What the consumers have said last.
pub(crate) struct KafkaNumbers {
    registry: Registry,
    clients: BTreeMap<Box<str>, BTreeMap<u64, (ConsumerStatistics, Commits)>>,
}

impl KafkaNumbers {
    pub(crate) fn new(registry: &Registry) -> KafkaNumbers {
        KafkaNumbers { registry: registry.clone(), clients: BTreeMap::new() }
    }

    /// Takes the newest statistics of a consumer.
    pub(crate) fn take(&mut self, document: Document) {
        let Document { client_id, member, json, commits } = document;
        match ConsumerStatistics::parse(&json) {
            Ok(statistics) => {
                let members = self.clients.entry(client_id.clone()).or_default();
                members.insert(member, (statistics, commits));
                self.show(&client_id);
            }
            Err(error) => tracing::debug!(%error, "A Kafka client's statistics cannot be read."),
        }
    }

    /// A consumer is gone.
    pub(crate) fn forget(&mut self, client_id: &str, member: u64) {
        let Some(members) = self.clients.get_mut(client_id) else { return };
        members.remove(&member);
        if members.is_empty() {
            self.clients.remove(client_id);
            self.registry.forget_kafka_client(client_id);
        } else {
            self.show(client_id);
        }
    }

    fn show(&self, client_id: &str) {
        let Some(members) = self.clients.get(client_id) else { return };
        let mut merged = ConsumerStatistics::default();
        let mut commits = Commits::default();
        for (statistics, of_one) in members.values() {
            merged.merge(statistics);
            commits.add(*of_one);
        }
        self.registry.kafka_client(KafkaClientStats {
            client_id: client_id.to_owned(),
            kafka_version: format!("librdkafka-{}", librdkafka_version()),
            samples: samples(&merged, commits),
        });
    }
}

fn samples(numbers: &ConsumerStatistics, commits: Commits) -> Vec<KafkaSample> {
    let client = |family: &'static Family, value: u64| KafkaSample {
        family,
        scope: KafkaScope::Client,
        value: value as f64,
    };
    let mut samples = vec![
        client(&KAFKA_RECORDS_CONSUMED, numbers.records_consumed),
        client(&KAFKA_BYTES_CONSUMED, numbers.bytes_consumed),
        client(&KAFKA_ASSIGNED, numbers.assigned_partitions),
        client(&KAFKA_REBALANCES, numbers.rebalances),
        client(&KAFKA_COMMITS, commits.answered),
        client(&KAFKA_CONSUMER_CONNECTIONS, numbers.connections),
    ];
    if commits.answered > 0 {
        samples.push(KafkaSample {
            family: &KAFKA_COMMIT_LATENCY_AVG,
            scope: KafkaScope::Client,
            value: commits.took.as_secs_f64() * 1000.0 / commits.answered as f64,
        });
    }
    samples.extend(numbers.lag_max().map(|lag| client(&KAFKA_LAG_MAX, lag)));
    samples.extend(numbers.lag.iter().map(|((topic, partition), &lag)| KafkaSample {
        family: &KAFKA_LAG,
        scope: KafkaScope::Partition { topic: topic.clone(), partition: *partition },
        value: lag as f64,
    }));
    samples
}
