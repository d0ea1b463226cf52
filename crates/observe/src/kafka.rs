//! Metrics of the Kafka clients, under the names of the Java client (platform.md 8.4).
//!
//! The numbers come as a list from whoever reads the client's statistics; this only shows the
//! latest of each client.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::exposition::{self, Labels};
use crate::names::Family;
use crate::series::Value;

/// What one client last said.
#[derive(Clone, Debug)]
pub struct KafkaClientStats {
    /// Label `client_id`; a second list of the same client replaces the first.
    pub client_id: String,
    /// Label `kafka_version`, as `librdkafka-2.10.0`.
    pub kafka_version: String,
    /// The numbers; a family may come once per topic or node.
    pub samples: Vec<KafkaSample>,
}

/// One number.
#[derive(Clone, Debug)]
pub struct KafkaSample {
    /// One of the `KAFKA_` families of [`crate::names`].
    pub family: &'static Family,
    /// What it is about.
    pub scope: KafkaScope,
    /// In the family's unit.
    pub value: f64,
}

/// What a number is about, beside its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaScope {
    /// The client as a whole.
    Client,
    /// Label `topic`.
    Topic(String),
    /// Label `node_id`: a broker.
    Node(i32),
    /// Labels `topic` and `partition`.
    Partition {
        /// Of the partition.
        topic: String,
        /// Its number.
        partition: i32,
    },
}

pub(crate) struct KafkaClients {
    enabled: bool,
    clients: Mutex<BTreeMap<String, KafkaClientStats>>,
}

impl KafkaClients {
    pub(crate) fn new(enabled: bool) -> Self {
        Self { enabled, clients: Mutex::default() }
    }

    pub(crate) fn replace(&self, stats: KafkaClientStats) {
        if self.enabled {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            clients.insert(stats.client_id.clone(), stats);
        }
    }

    pub(crate) fn forget(&self, client_id: &str) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).remove(client_id);
    }

    pub(crate) fn render(&self, out: &mut String) {
        // A family is one block on the page, so gather by family over all clients. Samples of the
        // same labels keep the last, since the page must not hold a series twice.
        let mut families: BTreeMap<&str, (&Family, BTreeMap<Labels, f64>)> = BTreeMap::new();
        {
            let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            for client in clients.values() {
                for sample in &client.samples {
                    let (_, series) = families
                        .entry(sample.family.name)
                        .or_insert_with(|| (sample.family, BTreeMap::new()));
                    series.insert(client.labels(&sample.scope), sample.value);
                }
            }
        }
        for (family, series) in families.values() {
            let values = series.iter().map(|(labels, value)| (labels, Value::Number(*value)));
            exposition::family(out, family, values, 0);
        }
    }
}

impl KafkaClientStats {
    fn labels(&self, scope: &KafkaScope) -> Labels {
        let client = ("client_id", self.client_id.as_str());
        let version = ("kafka_version", self.kafka_version.as_str());
        match scope {
            KafkaScope::Client => Labels::new(&[client, version]),
            KafkaScope::Topic(topic) => Labels::new(&[client, version, ("topic", topic)]),
            KafkaScope::Partition { topic, partition } => Labels::new(&[
                client,
                version,
                ("partition", &partition.to_string()),
                ("topic", topic),
            ]),
            KafkaScope::Node(id) => Labels::new(&[client, version, ("node_id", &id.to_string())]),
        }
    }
}
