//! A cluster, a producer and a way to wait for reports, for the tests of this crate.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

pub(crate) mod group;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use millrace_kafka::testing::MockCluster;
use millrace_kafka::{Partitioning, Payload, Producer, ProducerOptions, Record, Report, Topic};

pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Rig {
    pub(crate) producer: Producer,
    pub(crate) wake: UnixStream,
    pub(crate) cluster: MockCluster,
}

pub(crate) fn settings(bootstrap: &str) -> ProducerOptions {
    let pairs = [("linger.ms", "0"), ("acks", "all"), ("message.timeout.ms", "20000")];
    ProducerOptions {
        pairs: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        bootstrap: bootstrap.to_owned(),
        client_id: "producer-1".to_owned(),
        partitioning: Partitioning::default(),
        max_block: Duration::from_secs(10),
    }
}

pub(crate) fn producer(settings: &ProducerOptions) -> (Producer, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (Producer::create(settings, theirs.as_fd()).unwrap(), ours)
}

/// A cluster with topic `t` and a producer for it.
pub(crate) fn rig(brokers: i32, partitions: i32, change: impl FnOnce(&mut ProducerOptions)) -> Rig {
    let cluster = MockCluster::start(brokers).unwrap();
    cluster.create_topic("t", partitions).unwrap();
    let mut settings = settings(&cluster.bootstrap_servers());
    change(&mut settings);
    let (producer, wake) = producer(&settings);
    Rig { producer, wake, cluster }
}

impl Rig {
    /// Waits for that many reports, by token, sleeping on the wake-up descriptor only.
    pub(crate) fn reports(&mut self, count: usize) -> BTreeMap<u64, Report> {
        reports(&self.producer, &mut self.wake, count)
    }

    /// Sends single records until the last ones went to all partitions: leaders become known one by
    /// one after the first metadata, and a partition without one is skipped.
    pub(crate) fn wait_for_leaders(&mut self, topic: &Topic) {
        let deadline = Instant::now() + SOON;
        let mut last: VecDeque<i32> = VecDeque::new();
        loop {
            self.producer.produce(topic, Record::default(), Payload::Null, u64::MAX).unwrap();
            topic.rotate();
            let report = self.reports(1).remove(&u64::MAX).unwrap();
            last.push_back(report.outcome.unwrap().partition);
            let count = topic.partitions().unwrap() as usize;
            if last.len() > count {
                last.pop_front();
            }
            if last.iter().collect::<BTreeSet<_>>().len() == count {
                return;
            }
            assert!(Instant::now() < deadline, "the last partitions were {last:?}");
        }
    }
}

pub(crate) fn reports(
    producer: &Producer,
    wake: &mut UnixStream,
    count: usize,
) -> BTreeMap<u64, Report> {
    let deadline = Instant::now() + SOON;
    let mut found = BTreeMap::new();
    loop {
        let polled = producer.poll_reports(100, |report| {
            assert!(found.insert(report.token, report).is_none(), "a record was reported twice");
        });
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < deadline, "{} of {count} reports came", found.len());
        if !polled.more {
            // A read that times out is tried again: the deadline above judges.
            let _ = wake.read(&mut [0_u8; 64]);
        }
    }
}

/// Sends records whose keys and values are these numbers, and waits for their reports.
pub(crate) fn send(rig: &mut Rig, numbers: std::ops::Range<u64>) {
    let topic = rig.producer.topic("t").unwrap();
    let count = (numbers.end - numbers.start) as usize;
    for number in numbers {
        let text = number.to_string();
        let record = Record { key: Some(text.as_bytes()), headers: None };
        let mut payload = Payload::whole(text.as_bytes().to_vec());
        loop {
            match rig.producer.produce(&topic, record_again(&record), payload, number) {
                Ok(_) => break,
                Err(refused) => payload = refused.payload,
            }
        }
    }
    for report in rig.reports(count).into_values() {
        report.outcome.unwrap();
    }
}

fn record_again<'a>(record: &Record<'a>) -> Record<'a> {
    Record { key: record.key, headers: None }
}
