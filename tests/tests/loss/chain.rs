//! The whole way of an event: sender, receiver, topic, dispatcher, and a subscriber for each order of delivery that
//! tells its oracle.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_kafka::testing::TestConsumer;
use millrace_tests::broker::Broker;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::fleet;
use millrace_tests::matrix::Variant;
use millrace_tests::oracle::{Id, Oracle, Verdict};
use millrace_tests::plan::Plan;
use millrace_tests::records::event_id;
use millrace_tests::schedule::Run;
use millrace_tests::setup::Setup;
use millrace_tests::stage::{Case, Kind, Stage};
use millrace_tests::subscriber::{Answer, Endpoint};
use millrace_tests::wait::SOON;

use crate::senders::body;
use crate::tally::Tally;
use crate::usage::Usage;

const PARTITIONS: i32 = 4;

/// See the head of this file. The receiver is the caller's: it may be killed, or be two.
pub(crate) struct Chain {
    pub(crate) stage: Stage,
    /// Of the unordered egress, then of the ordered one.
    pub(crate) oracles: [Oracle; 2],
    /// How the receiver is started.
    pub(crate) receiver: Setup,
    /// What the receiver starts with: one ingress, at [`Self::path`].
    pub(crate) contract: Contract,
    name: &'static str,
    spoiled: Spoiled,
}

/// Ids that came with another body than they were sent with.
type Spoiled = Arc<Mutex<Vec<Id>>>;

impl Chain {
    /// Starts all but the receiver.
    pub(crate) fn start(
        broker: &Broker,
        variant: Variant,
        name: &'static str,
        receiver: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        let stage = Stage::prepare_on(broker, variant, Kind::Broker)
            .setup(|setup| setup.consumer("auto.commit.interval.ms", "1000"))
            .with(name, both_orders)
            .start();
        let (oracles, spoiled) = ([Oracle::default(), Oracle::default()], Spoiled::default());
        let case = stage.case(name);
        for (egress, oracle) in case.plan.egresses.iter().zip(&oracles) {
            watch(&case.subscriber_of(egress), oracle, &spoiled);
        }
        // Members that come after the first records would begin at the topic's end but for the stage's commit at 0.
        case.plan.egresses.iter().for_each(|egress| {
            stage.groups.settles_with(&egress.group, 1, SOON);
        });
        let ingress = Resource::new("Broker", "ns", name, &case.plan.topic, stage.bootstrap());
        let contract = Contract::new(1).with(ingress);
        let receiver = receiver(Setup::new(variant.driver).contract(contract.to_bytes()));
        Self { oracles, receiver, contract, name, spoiled, stage }
    }

    /// The path of the ingress.
    pub(crate) fn path(&self) -> String {
        format!("/ns/{}", self.name)
    }

    pub(crate) fn case(&self) -> Case<'_> {
        self.stage.case(self.name)
    }

    /// Notes what the dispatcher takes, but for its pool of connections, which has bounds of its own.
    pub(crate) fn note(&self, usage: &mut Usage) {
        let pool = self.stage.subscriber.open_connections();
        usage.note_beside("dispatcher", self.stage.dispatcher.pid(), pool);
    }

    /// Waits for quiet, prints what was counted and holds it to the promise: all that was accepted is in the topic,
    /// came whole to both subscribers, and in order to the one that asked for it.
    pub(crate) fn verdict(&self, run: &Run, tally: &Tally, usage: &mut Usage) -> [Verdict; 2] {
        self.oracles
            .iter()
            .for_each(|it| it.settle(run.seconds(1.0, 10.0), Duration::from_secs(120)));
        self.note(usage);
        let verdicts = self.oracles.each_ref().map(Oracle::verdict);
        for (order, verdict) in ["unordered", "ordered"].iter().zip(&verdicts) {
            println!("{} {order}: {verdict}; {tally}; {usage}; seed {}", run.name, run.seed);
        }
        verdicts.iter().for_each(Verdict::assert_nothing_lost);
        let [_, ordered] = &verdicts;
        ordered.assert_in_order();
        let spoiled = self.spoiled.lock().unwrap();
        assert!(spoiled.is_empty(), "with another body than sent: {:?}", spoiled.iter().take(20));
        self.assert_all_in_topic();
        usage.assert_flat();
        verdicts
    }

    /// What subscribers got is in Kafka as well: the books of the oracle against the log itself.
    fn assert_all_in_topic(&self) {
        let consumer = TestConsumer::new(self.stage.bootstrap()).unwrap();
        let records = consumer.read_all(&self.case().plan.topic, SOON).unwrap();
        let landed: BTreeSet<String> = records.iter().filter_map(event_id).collect();
        let [unordered, _] = &self.oracles;
        assert_eq!(landed.len(), unordered.delivered(), "different events in the topic, delivered");
    }
}

fn both_orders(plan: Plan) -> Plan {
    plan.partitions(PARTITIONS).and("ordered", |egress| egress.ordered())
}

fn watch(endpoint: &Endpoint, oracle: &Oracle, spoiled: &Spoiled) {
    let (oracle, spoiled) = (oracle.clone(), Arc::clone(spoiled));
    endpoint.answers(move |request, _| {
        let id = request.header("ce-id").unwrap_or_default();
        let id: Id = id.parse().unwrap_or_else(|reason| panic!("{reason}: {request:?}"));
        if request.body != body(id) {
            spoiled.lock().unwrap().push(id);
        }
        oracle.attempted(id, fleet::sender(request), request.arrived);
        oracle.done(id);
        Answer::status(200)
    });
}
