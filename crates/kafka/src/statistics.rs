//! librdkafka's statistics document, reduced to the metrics that we publish
//! (platform.md 8.4, receiver.md 9.3).
//!
//! Not in the document and so not here: `record_error_total` ([`crate::Producer::failed_total`]), and
//! the free bytes of the process-wide budget ([`crate::budget::ByteBudget`]).

mod consumer;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use consumer::ConsumerStatistics;

/// The statistics of one producer, or of several after [`ProducerStatistics::merge`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProducerStatistics {
    /// Records sent to brokers, retries included (`record_send_total`).
    pub records_sent: u64,
    /// Requests sent again (`record_retry_total`).
    pub retries: u64,
    /// Microseconds between a request and its answer, in the last interval
    /// (`request_latency_avg`, `request_latency_max`; Java's unit is milliseconds).
    pub request_latency_us: Average,
    /// Bytes of a batch, in the last interval (`batch_size_avg`).
    pub batch_bytes: Average,
    /// Microseconds that a record waited in the client, in the last interval
    /// (`record_queue_time_avg`; Java's unit is milliseconds).
    pub queue_time_us: Average,
    /// Bytes of records in the client.
    pub queued_bytes: u64,
    /// Records in the client.
    pub queued_records: u64,
    /// Connections that are up (`connection_count_total`).
    pub connections: u64,
    /// When the oldest of the clients was made, in milliseconds since the epoch
    /// (`app_info_start_time_ms`).
    pub start_time_ms: u64,
    /// Records sent to brokers by topic (`topic_record_send_total{topic}`).
    pub records_sent_by_topic: BTreeMap<String, u64>,
    /// Requests by broker id (`node_request_total{node_id}`).
    pub requests_by_node: BTreeMap<i32, u64>,
}

/// A mean that can be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Average {
    /// Sum of the values.
    pub sum: u64,
    /// How many there were.
    pub count: u64,
    /// The largest.
    pub max: u64,
}

/// The document is not what librdkafka 2.12 writes.
#[derive(Debug, thiserror::Error)]
#[error("librdkafka's statistics cannot be read, its metrics stay as they were: {0}")]
pub struct StatisticsError(#[from] serde_json::Error);

impl ProducerStatistics {
    /// Reads a document of [`crate::Producer::take_statistics`]. Not for a shard: it takes a
    /// millisecond for some hundred partitions.
    ///
    /// # Errors
    /// When it is not such a document.
    pub fn parse(json: &str) -> Result<Self, StatisticsError> {
        Ok(serde_json::from_str::<Document>(json)?.reduce())
    }

    /// Adds the numbers of another producer, for instance of the same client id on another shard.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.records_sent, other.records_sent);
        add(&mut self.retries, other.retries);
        self.request_latency_us.merge(other.request_latency_us);
        self.batch_bytes.merge(other.batch_bytes);
        self.queue_time_us.merge(other.queue_time_us);
        add(&mut self.queued_bytes, other.queued_bytes);
        add(&mut self.queued_records, other.queued_records);
        add(&mut self.connections, other.connections);
        self.start_time_ms = match (self.start_time_ms, other.start_time_ms) {
            (0, time) | (time, 0) => time,
            (one, another) => one.min(another),
        };
        for (topic, count) in &other.records_sent_by_topic {
            // Looked up first: the name is cloned only for a topic not seen before.
            match self.records_sent_by_topic.get_mut(topic) {
                Some(sum) => add(sum, *count),
                None => {
                    self.records_sent_by_topic.insert(topic.clone(), *count);
                }
            }
        }
        for (&node, count) in &other.requests_by_node {
            add(self.requests_by_node.entry(node).or_default(), *count);
        }
    }
}

impl Average {
    /// The mean, `None` when there were no values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    fn merge(&mut self, other: Self) {
        add(&mut self.sum, other.sum);
        add(&mut self.count, other.count);
        self.max = self.max.max(other.max);
    }
}

fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

/// The part of the document that is used. Everything is optional, so that another version of
/// librdkafka costs single metrics and not all.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Document {
    /// Seconds since the epoch.
    time: i64,
    /// Microseconds since the client was made.
    age: i64,
    msg_cnt: i64,
    msg_size: i64,
    txmsgs: i64,
    brokers: BTreeMap<String, Broker>,
    topics: BTreeMap<String, Topic>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Broker {
    /// -1 for what is not a broker of the cluster (bootstrap addresses, the group coordinator).
    nodeid: i32,
    state: String,
    tx: i64,
    txretries: i64,
    int_latency: Window,
    rtt: Window,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Topic {
    batchsize: Window,
    partitions: BTreeMap<String, Partition>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Partition {
    txmsgs: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Window {
    sum: i64,
    cnt: i64,
    max: i64,
}

impl Document {
    fn reduce(self) -> ProducerStatistics {
        let mut numbers = ProducerStatistics {
            records_sent: unsigned(self.txmsgs),
            queued_bytes: unsigned(self.msg_size),
            queued_records: unsigned(self.msg_cnt),
            start_time_ms: unsigned(
                self.time.saturating_mul(1_000).saturating_sub(self.age / 1_000),
            ),
            ..ProducerStatistics::default()
        };
        for broker in self.brokers.into_values() {
            add(&mut numbers.retries, unsigned(broker.txretries));
            numbers.request_latency_us.merge(broker.rtt.into());
            numbers.queue_time_us.merge(broker.int_latency.into());
            numbers.connections += u64::from(broker.state == "UP");
            if broker.nodeid >= 0 {
                add(
                    numbers.requests_by_node.entry(broker.nodeid).or_default(),
                    unsigned(broker.tx),
                );
            }
        }
        for (name, topic) in self.topics {
            numbers.batch_bytes.merge(topic.batchsize.into());
            let sent = topic.partitions.values().map(|partition| unsigned(partition.txmsgs));
            numbers.records_sent_by_topic.insert(name, sent.fold(0, u64::saturating_add));
        }
        numbers
    }
}

impl From<Window> for Average {
    fn from(window: Window) -> Self {
        Self { sum: unsigned(window.sum), count: unsigned(window.cnt), max: unsigned(window.max) }
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cut down from a document of librdkafka 2.12.1.
    const DOCUMENT: &str = r#"{"name":"p#producer-1","client_id":"p","type":"producer",
        "ts":5016483227792,"time":1527060869,"age":4500000,"replyq":0,"msg_cnt":22,
        "msg_size":704,"msg_max":0,"msg_size_max":1073741824,"tx":3,"txmsgs":30,
        "brokers":{
          "a:9092/2":{"name":"a:9092/2","nodeid":2,"state":"UP","tx":320,"txretries":2,
            "int_latency":{"min":86,"max":59375,"avg":23726,"sum":5694616,"cnt":240},
            "rtt":{"min":1580,"max":3389,"avg":2349,"sum":79868,"cnt":34}},
          "b:9092/3":{"nodeid":3,"state":"CONNECT","tx":1,"txretries":1,
            "rtt":{"min":1,"max":5000,"avg":2,"sum":132,"cnt":66}},
          "a:9092/bootstrap":{"nodeid":-1,"state":"UP","tx":7}},
        "topics":{"t":{"topic":"t","batchsize":{"min":9,"max":99,"avg":6,"sum":60,"cnt":10},
            "partitions":{"0":{"partition":0,"txmsgs":20},"1":{"txmsgs":10},"-1":{"txmsgs":0}}}}}"#;

    #[test]
    fn document_is_reduced() {
        let numbers = ProducerStatistics::parse(DOCUMENT).unwrap();
        assert_eq!(numbers.records_sent, 30);
        assert_eq!(numbers.retries, 3);
        assert_eq!(numbers.connections, 2);
        assert_eq!((numbers.queued_bytes, numbers.queued_records), (704, 22));
        assert_eq!(numbers.start_time_ms, 1_527_060_864_500);
        assert_eq!(numbers.request_latency_us, Average { sum: 80_000, count: 100, max: 5_000 });
        assert_eq!(numbers.request_latency_us.mean(), Some(800.0));
        assert_eq!(numbers.batch_bytes.mean(), Some(6.0));
        assert_eq!(numbers.queue_time_us.max, 59_375);
        assert_eq!(numbers.records_sent_by_topic, [("t".to_owned(), 30)].into());
        assert_eq!(numbers.requests_by_node, [(2, 320), (3, 1)].into());
    }

    #[test]
    fn merging_adds_counts_and_weighs_means() {
        let mut numbers = ProducerStatistics::default();
        let one = ProducerStatistics::parse(DOCUMENT).unwrap();
        numbers.merge(&one);
        assert_eq!(numbers, one);
        numbers.merge(&one);
        assert_eq!(numbers.records_sent, 60);
        assert_eq!(numbers.request_latency_us.mean(), one.request_latency_us.mean());
        assert_eq!(numbers.records_sent_by_topic["t"], 60);
        assert_eq!(numbers.start_time_ms, one.start_time_ms);
    }

    #[test]
    fn missing_and_odd_numbers_do_no_harm() {
        assert_eq!(ProducerStatistics::parse("{}").unwrap(), ProducerStatistics::default());
        let odd = r#"{"txmsgs":-5,"age":9223372036854775807,"new":[{}]}"#;
        assert_eq!(ProducerStatistics::parse(odd).unwrap().records_sent, 0);
        assert!(ProducerStatistics::parse("no json").is_err());
        assert_eq!(Average::default().mean(), None);
    }
}
