//! A receiver with one ingress on a topic of its own, what it takes, and what has landed.

use std::collections::BTreeSet;

use millrace_kafka::testing::TestConsumer;
use millrace_tests::broker::Broker;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::footprint::Footprint;
use millrace_tests::matrix::Driver;
use millrace_tests::process::Receiver;
use millrace_tests::records::event_id;
use millrace_tests::rig::unique;
use millrace_tests::setup::Setup;
use millrace_tests::wait::SOON;

const PARTITIONS: i32 = 4;
/// What a receiver may take beyond `buffer.memory` and what it takes when idle: connections, librdkafka's requests,
/// what the allocator keeps.
const BESIDE_KIB: u64 = 64 * 1024;

/// See the head of this file.
pub(crate) struct Place {
    pub(crate) receiver: Receiver,
    topic: String,
    bootstrap: String,
    buffer_kib: u64,
    idle: Footprint,
}

impl Place {
    /// With room for so many KiB of events that wait for Kafka.
    pub(crate) fn new(
        broker: &Broker,
        driver: Driver,
        name: &str,
        buffer_kib: u64,
        change: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        let topic = format!("{name}-{}", unique());
        broker.create_topic(&topic, PARTITIONS);
        let bootstrap = broker.bootstrap().to_owned();
        let ingress = Resource::new("Broker", "ns", name, &topic, &bootstrap);
        let setup = Setup::new(driver).contract(Contract::new(1).with(ingress).to_bytes());
        let setup = setup.producer("buffer.memory", &(buffer_kib * 1024).to_string());
        let receiver = Receiver::start(&change(setup));
        let idle = Footprint::of(receiver.pid()).unwrap();
        Self { receiver, topic, bootstrap, buffer_kib, idle }
    }

    /// Ids of events in the topic.
    pub(crate) fn landed(&self) -> BTreeSet<String> {
        let consumer = TestConsumer::new(&self.bootstrap).unwrap();
        let records = consumer.read_all(&self.topic, SOON * 3).unwrap();
        records.iter().filter_map(event_id).collect()
    }

    /// What it took, for people.
    ///
    /// # Panics
    /// When it was more than it may.
    pub(crate) fn assert_bounded(&self) -> String {
        let now = Footprint::of(self.receiver.pid()).unwrap();
        let most = self.idle.peak_rss_kib + self.buffer_kib + BESIDE_KIB;
        assert!(now.peak_rss_kib <= most, "{now}, at most {most} KiB were allowed");
        format!("{} at rest, at last {now}", self.idle)
    }
}
