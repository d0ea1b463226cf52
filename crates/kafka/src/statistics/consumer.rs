//! The consumer metrics of librdkafka's statistics document (platform.md 8.4).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Broker, StatisticsError, add, unsigned};

/// The statistics of one consumer, or of several after [`ConsumerStatistics::merge`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerStatistics {
    /// Records taken from the brokers (`records_consumed_total`).
    pub records_consumed: u64,
    /// Bytes of their values and keys (`bytes_consumed_total`).
    pub bytes_consumed: u64,
    /// Rebalances seen (`rebalance_total`).
    pub rebalances: u64,
    /// Partitions assigned now (`assigned_partitions`).
    pub assigned_partitions: u64,
    /// Connections that are up (`connection_count_total`).
    pub connections: u64,
    /// Records between the committed offset and the partition's end, by topic and partition, where
    /// known (`records_lag`).
    pub lag: BTreeMap<(String, i32), u64>,
}

impl ConsumerStatistics {
    /// Reads a document of [`crate::GroupEvent::Statistics`]. Takes a millisecond for some hundred
    /// partitions.
    ///
    /// # Errors
    /// When it is not such a document.
    pub fn parse(json: &str) -> Result<Self, StatisticsError> {
        Ok(serde_json::from_str::<Document>(json)?.reduce())
    }

    /// Adds the numbers of another consumer. A partition's lag is the greater of both.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.records_consumed, other.records_consumed);
        add(&mut self.bytes_consumed, other.bytes_consumed);
        add(&mut self.rebalances, other.rebalances);
        add(&mut self.assigned_partitions, other.assigned_partitions);
        add(&mut self.connections, other.connections);
        for (place, &lag) in &other.lag {
            let known = self.lag.entry(place.clone()).or_default();
            *known = lag.max(*known);
        }
    }

    /// The greatest lag of a partition (`records_lag_max`).
    #[must_use]
    pub fn lag_max(&self) -> Option<u64> {
        self.lag.values().copied().max()
    }
}

/// The part of the document that is used; everything is optional, as for producers.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Document {
    rxmsgs: i64,
    rxmsg_bytes: i64,
    brokers: BTreeMap<String, Broker>,
    topics: BTreeMap<String, Topic>,
    cgrp: Group,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Topic {
    partitions: BTreeMap<String, Partition>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Partition {
    partition: i32,
    /// -1 when not known.
    consumer_lag: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Group {
    rebalance_cnt: i64,
    assignment_size: i64,
}

impl Document {
    fn reduce(self) -> ConsumerStatistics {
        let up = self.brokers.values().filter(|broker| broker.state == "UP").count();
        let mut lag = BTreeMap::new();
        for (name, topic) in self.topics {
            for partition in topic.partitions.into_values() {
                let known = partition.consumer_lag.and_then(|lag| u64::try_from(lag).ok());
                // librdkafka keeps records of no partition under -1.
                if let (Some(records), 0..) = (known, partition.partition) {
                    lag.insert((name.clone(), partition.partition), records);
                }
            }
        }
        ConsumerStatistics {
            records_consumed: unsigned(self.rxmsgs),
            bytes_consumed: unsigned(self.rxmsg_bytes),
            rebalances: unsigned(self.cgrp.rebalance_cnt),
            assigned_partitions: unsigned(self.cgrp.assignment_size),
            connections: up as u64,
            lag,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cut down from a document of librdkafka 2.12.1.
    const DOCUMENT: &str = r#"{"name":"c#consumer-1","type":"consumer","rxmsgs":15,
        "rxmsg_bytes":700,"brokers":{"a:9092/1":{"nodeid":1,"state":"UP"},
        "GroupCoordinator":{"nodeid":1,"state":"UP"},"b:9092/2":{"state":"DOWN"}},
        "topics":{"t":{"topic":"t","partitions":{
          "0":{"partition":0,"consumer_lag":7,"consumer_lag_stored":-1},
          "1":{"partition":1,"consumer_lag":-1},"-1":{"partition":-1,"consumer_lag":-1}}}},
        "cgrp":{"state":"up","join_state":"steady","rebalance_age":5,"rebalance_cnt":2,
          "assignment_size":3}}"#;

    #[test]
    fn document_is_reduced() {
        let numbers = ConsumerStatistics::parse(DOCUMENT).unwrap();
        let expected = ConsumerStatistics {
            records_consumed: 15,
            bytes_consumed: 700,
            rebalances: 2,
            assigned_partitions: 3,
            connections: 2,
            lag: [(("t".to_owned(), 0), 7)].into(),
        };
        assert_eq!(numbers, expected);
        assert_eq!(numbers.lag_max(), Some(7));
    }

    #[test]
    fn merging_adds_counts_and_keeps_the_greater_lag() {
        let mut numbers = ConsumerStatistics::parse(DOCUMENT).unwrap();
        let mut other = numbers.clone();
        other.lag.insert(("t".to_owned(), 0), 9);
        other.lag.insert(("u".to_owned(), 4), 1);
        numbers.merge(&other);
        assert_eq!((numbers.records_consumed, numbers.assigned_partitions), (30, 6));
        assert_eq!(numbers.lag.len(), 2);
        assert_eq!(numbers.lag_max(), Some(9));
    }

    #[test]
    fn missing_and_odd_numbers_do_no_harm() {
        assert_eq!(ConsumerStatistics::parse("{}").unwrap(), ConsumerStatistics::default());
        assert!(ConsumerStatistics::parse("[").is_err());
        assert_eq!(ConsumerStatistics::default().lag_max(), None);
    }
}
