//! A receiver with the two routes of the smuggling corpus: `/ok`, and `/canary`, which nothing may reach.

use millrace_tests::broker::Broker;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::http::Request;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Receiver;
use millrace_tests::records::{Record, Tail};
use millrace_tests::rig::unique;
use millrace_tests::setup::Setup;
use millrace_tests::wait::{SOON, until};

/// The receiver, and what landed.
pub(crate) struct Routes {
    pub(crate) receiver: Receiver,
    topic: String,
    canary_topic: String,
    tail: Tail,
}

impl Routes {
    pub(crate) fn new(variant: Variant, change: impl FnOnce(Setup) -> Setup) -> Self {
        let broker = Broker::shared(variant.broker);
        let (topic, canary_topic) = (format!("ok-{}", unique()), format!("canary-{}", unique()));
        let resource = |name: &str, topic: &str| {
            broker.create_topic(topic, 1);
            Resource::new("Broker", "ns", name, topic, broker.bootstrap())
                .set("/ingress/path", format!("/{name}"))
        };
        let contract = Contract::new(1)
            .with(resource("ok", &topic))
            .with(resource("canary", &canary_topic))
            .to_bytes();
        let receiver = Receiver::start(&change(Setup::new(variant.driver).contract(contract)));
        let tail = Tail::of(broker.bootstrap());
        Self { receiver, topic, canary_topic, tail }
    }

    pub(crate) fn port(&self) -> u16 {
        self.receiver.port()
    }

    /// All records of `/ok`, complete: a mark sent last has landed behind them in the one partition.
    pub(crate) fn landed(&self) -> Vec<Record> {
        let records = self.all_with_mark("/ok", &self.topic);
        self.receiver.try_exit().inspect(|status| panic!("the receiver ended with {status}"));
        records
    }

    pub(crate) fn assert_canary_unseen(&self) {
        let reached = self.all_with_mark("/canary", &self.canary_topic);
        assert!(reached.is_empty(), "the canary was reached: {reached:?}");
    }

    /// Without the mark, nor those of calls before.
    fn all_with_mark(&self, path: &str, topic: &str) -> Vec<Record> {
        let mark = format!("mark-{}", unique());
        let request = Request::minimal(path, &mark).set("ce-type", "mark");
        assert_eq!(self.receiver.status(&request), 202);
        let mut all = until("the mark to land", SOON, || {
            let all = self.tail.all(topic);
            let landed = all.iter().any(|record| record.header("ce_id").as_deref() == Some(&mark));
            landed.then_some(all)
        });
        all.retain(|record| record.header("ce_type").as_deref() != Some("mark"));
        all
    }
}
