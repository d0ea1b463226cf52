//! A receiver on a Kafka cluster with the fixture of receiver.md 12, and what lands there.

use std::collections::BTreeSet;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::broker::{Broker, BrokerKind};
use crate::contract::{Contract, Topics, fixture};
use crate::http::{Answer, Request};
use crate::matrix::{Driver, Variant};
use crate::process::Receiver;
use crate::records::{Record, Tail};
use crate::setup::Setup;

/// Everything a case needs: send through `receiver`, look at `tail`.
pub struct Rig {
    pub receiver: Receiver,
    pub topics: Topics,
    pub tail: Tail,
    /// The contract the receiver started with.
    pub contract: Contract,
}

impl Rig {
    /// The rig that all cases of a variant share which only send and look. It is never stopped or changed.
    pub fn shared(variant: Variant) -> &'static Self {
        static RIGS: [OnceLock<Rig>; 4] = [const { OnceLock::new() }; 4];
        let [first, second, third, fourth] = &RIGS;
        let slot = match (variant.driver, variant.broker) {
            (Driver::IoUring, BrokerKind::Embedded) => first,
            (Driver::Epoll, BrokerKind::Embedded) => second,
            (Driver::IoUring, BrokerKind::Apache) => third,
            (Driver::Epoll, BrokerKind::Apache) => fourth,
        };
        slot.get_or_init(|| Self::own(variant, |setup| setup))
    }

    /// A receiver of the case's own, on the shared cluster, with its own topics.
    pub fn own(variant: Variant, change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::on(Broker::shared(variant.broker), variant, change)
    }

    /// A receiver of the case's own on a cluster of its choice.
    pub fn on(broker: &Broker, variant: Variant, change: impl FnOnce(Setup) -> Setup) -> Self {
        let topics = Topics::new(&unique());
        for topic in topics.all() {
            broker.create_topic(topic, 3);
        }
        let contract = fixture(&topics, broker.bootstrap());
        let setup = change(Setup::new(variant.driver).contract(contract.to_bytes()));
        let receiver = Receiver::start(&setup);
        let tail = Tail::of(broker.bootstrap());
        Self { receiver, topics, tail, contract }
    }

    pub fn exchange(&self, request: &Request) -> Answer {
        self.receiver.exchange(request)
    }

    pub fn status(&self, request: &Request) -> u16 {
        self.receiver.status(request)
    }

    /// Sends an event to `/ns/a`, wants 202, and returns its record.
    pub fn record_of(&self, request: &Request, id: &str) -> Record {
        self.accepted(request);
        self.tail.one(&self.topics.a, id)
    }

    /// Sends an event to `/ns/s`, wants 202, and returns its record.
    pub fn structured_record_of(&self, request: &Request, id: &str) -> Record {
        self.accepted(request);
        self.tail.one(&self.topics.s, id)
    }

    pub fn accepted(&self, request: &Request) {
        self.answers(request, 202);
    }

    /// Sends a request and wants this status and an empty body.
    pub fn answers(&self, request: &Request, status: u16) {
        let answer = self.exchange(request);
        assert_eq!(
            answer.status,
            status,
            "answer {answer:?} to {}",
            String::from_utf8_lossy(&request.to_bytes())
        );
        assert!(answer.body.is_empty(), "a body in {answer:?}");
    }

    /// Asserts that the event left no record: marks sent after it to each partition have landed, it has not.
    pub fn left_no_record(&self, id: &str) {
        let mut marked = BTreeSet::new();
        for key in 0.. {
            let mark = unique();
            let record = self.record_of(
                &Request::minimal("/ns/a", &mark).header("ce-partitionkey", key.to_string()),
                &mark,
            );
            marked.insert(record.partition);
            if marked.len() == 3 {
                break;
            }
        }
        for topic in self.topics.all() {
            assert_eq!(self.tail.now(topic, id), Vec::new(), "event {id} left a record in {topic}");
        }
    }
}

/// A name that no other test, and no earlier run on the same broker, has used; fit for ids and topics.
pub fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
