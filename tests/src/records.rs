//! Follows topics as records land, so that a test can ask for the record of one event.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub use millrace_kafka::testing::TestRecord as Record;
use millrace_kafka::testing::{ReadFrom, TestConsumer};
use serde_json::Value;

use crate::wait::{SOON, until};

/// What has landed in topics of a cluster, growing as records come. A topic is followed once it is asked for.
pub struct Tail {
    bootstrap: String,
    topics: Mutex<BTreeMap<String, Landed>>,
}

type Landed = Arc<Mutex<Vec<Record>>>;

impl Tail {
    pub fn of(bootstrap: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned(), topics: Mutex::default() }
    }

    /// The records that belong to the event of this id, once there are as many.
    ///
    /// # Panics
    /// When there are not, after a while.
    pub fn of_event(&self, topic: &str, id: &str, count: usize) -> Vec<Record> {
        until(&format!("{count} record(s) of event {id} in {topic}"), SOON, || {
            let found = self.now(topic, id);
            (found.len() >= count).then_some(found)
        })
    }

    /// The one record of the event.
    pub fn one(&self, topic: &str, id: &str) -> Record {
        let mut found = self.of_event(topic, id, 1);
        assert_eq!(found.len(), 1, "records of event {id} in {topic}: {found:?}");
        found.remove(0)
    }

    /// The records of the event that have landed so far.
    pub fn now(&self, topic: &str, id: &str) -> Vec<Record> {
        let landed = self.topic(topic);
        let records = landed.lock().expect("the follower does not panic");
        records.iter().filter(|record| event_id(record).as_deref() == Some(id)).cloned().collect()
    }

    /// All records of the topic so far.
    pub fn all(&self, topic: &str) -> Vec<Record> {
        self.topic(topic).lock().expect("the follower does not panic").clone()
    }

    fn topic(&self, topic: &str) -> Landed {
        let mut topics = self.topics.lock().expect("starting a follower does not panic");
        let landed = topics
            .entry(topic.to_owned())
            .or_insert_with(|| follow(self.bootstrap.clone(), topic.to_owned()));
        Arc::clone(landed)
    }
}

/// The id of the event in a record, in either content mode.
pub fn event_id(record: &Record) -> Option<String> {
    record.header("ce_id").or_else(|| {
        let value: Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
        value["id"].as_str().map(str::to_owned)
    })
}

/// The headers, sorted, for a comparison: their order has no meaning (receiver.md 4.1).
pub fn headers(record: &Record) -> Vec<(String, String)> {
    let text = |value: &Option<Vec<u8>>| {
        String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned()
    };
    let mut headers: Vec<_> =
        record.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    headers.sort();
    headers
}

fn follow(bootstrap: String, topic: String) -> Landed {
    let records = Arc::new(Mutex::new(Vec::new()));
    // The follower ends with the last reader of what it collects.
    let landed = Arc::downgrade(&records);
    thread::spawn(move || {
        let consumer = TestConsumer::new(&bootstrap).expect("a client on loopback");
        let mut tail = consumer.tail(&topic, ReadFrom::Beginning, SOON).expect("the topic exists");
        while let Some(landed) = landed.upgrade() {
            if let Some(record) = tail.next(Duration::from_millis(100)) {
                landed.lock().expect("a reader that panics holds no lock").push(record);
            }
        }
    });
    records
}
