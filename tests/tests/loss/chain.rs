//! The whole way of an event: sender, receiver, topic, dispatcher, and a subscriber for each order of delivery that
//! tells its oracle.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_tests::broker::Broker;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::matrix::Variant;
use millrace_tests::oracle::{Attempt, Id, Oracle, Verdict};
use millrace_tests::plan::Plan;
use millrace_tests::schedule::Run;
use millrace_tests::second_opinion::SecondOpinion;
use millrace_tests::setup::Setup;
use millrace_tests::stage::{Case, Kind, Stage, StageSetup};
use millrace_tests::subscriber::{Answer, Endpoint};
use millrace_tests::wait::SOON;
use millrace_tests::{fleet, offsets};

use crate::senders::body;
use crate::tally::Tally;
use crate::usage::Usage;

pub(crate) const PARTITIONS: i32 = 4;

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
    places: Places,
}

/// Ids that came with another body than they were sent with.
type Spoiled = Arc<Mutex<Vec<Id>>>;
/// Attempts at the ordered egress by their record's place: the id is partition and offset.
type Places = Arc<Mutex<Vec<Attempt>>>;

impl Chain {
    /// Starts all but the receiver.
    pub(crate) fn start(
        broker: &Broker,
        variant: Variant,
        name: &'static str,
        receiver: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        let stage = Self::prepare(broker, variant).with(name, both_orders).start();
        Self::on(stage, variant, name, broker.bootstrap(), receiver)
    }

    /// A stage for [`Self::on`]; its plan is to be that of [`both_orders`], and may go other ways.
    pub(crate) fn prepare(broker: &Broker, variant: Variant) -> StageSetup<'_> {
        Stage::prepare_on(broker, variant, Kind::Broker)
            .setup(|setup| setup.consumer("auto.commit.interval.ms", "1000"))
    }

    /// On a stage that runs; the receiver finds Kafka at that address.
    pub(crate) fn on(
        stage: Stage,
        variant: Variant,
        name: &'static str,
        kafka: &str,
        receiver: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        let (oracles, spoiled) = ([Oracle::default(), Oracle::default()], Spoiled::default());
        let places = Places::default();
        let case = stage.case(name);
        for (egress, oracle) in case.plan.egresses.iter().zip(&oracles) {
            let places = (egress.name != name).then_some(&places);
            watch(&case.subscriber_of(egress), oracle, &spoiled, places);
        }
        // Members that come after the first records would begin at the topic's end but for the stage's commit at 0.
        case.plan.egresses.iter().for_each(|egress| {
            stage.groups.settles_with(&egress.group, 1, SOON);
        });
        let ingress = Resource::new("Broker", "ns", name, &case.plan.topic, kafka);
        let contract = Contract::new(1).with(ingress);
        let receiver = receiver(Setup::new(variant.driver).contract(contract.to_bytes()));
        Self { oracles, receiver, contract, name, spoiled, places, stage }
    }

    /// The path of the ingress.
    pub(crate) fn path(&self) -> String {
        format!("/ns/{}", self.name)
    }

    pub(crate) fn case(&self) -> Case<'_> {
        self.stage.case(self.name)
    }

    /// Attempts at the ordered egress so far, by their record's place: the id is partition and offset.
    pub(crate) fn places(&self) -> Vec<Attempt> {
        self.places.lock().unwrap().clone()
    }

    /// Notes what the dispatcher takes, but for its pool of connections, which has bounds of its own; nothing when it
    /// was ended.
    pub(crate) fn note(&self, usage: &mut Usage) {
        if self.stage.dispatcher.try_exit().is_none() {
            let pool = self.stage.subscriber.open_connections();
            usage.note_beside("dispatcher", self.stage.dispatcher.pid(), pool);
        }
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
        self.assert_second_opinion(run);
        usage.assert_flat();
        verdicts
    }

    /// What subscribers got is in Kafka as well, and the groups have committed it: the oracle's books against a reader
    /// that knows nothing of them.
    fn assert_second_opinion(&self, run: &Run) {
        let case = self.case();
        for partition in 0..PARTITIONS {
            let end = offsets::end(self.stage.bootstrap(), &case.plan.topic, partition).unwrap();
            for egress in &case.plan.egresses {
                case.settles_for(egress, partition, end.expect("nobody writes transactions"));
            }
        }
        let groups: Vec<&str> = case.plan.egresses.iter().map(|it| it.group.as_str()).collect();
        let opinion = SecondOpinion::of(self.stage.bootstrap(), &case.plan.topic, &groups);
        if let Some(opinion) = opinion {
            println!("{}: {opinion}", run.name);
            self.oracles.iter().for_each(|oracle| opinion.assert_agrees_with(oracle));
        }
    }
}

/// An unordered egress and an ordered one on a topic of [`PARTITIONS`].
pub(crate) fn both_orders(plan: Plan) -> Plan {
    plan.partitions(PARTITIONS).and("ordered", |egress| egress.ordered())
}

fn watch(endpoint: &Endpoint, oracle: &Oracle, spoiled: &Spoiled, places: Option<&Places>) {
    let (oracle, spoiled, places) = (oracle.clone(), Arc::clone(spoiled), places.cloned());
    endpoint.answers(move |request, _| {
        let id = request.header("ce-id").unwrap_or_default();
        let id: Id = id.parse().unwrap_or_else(|reason| panic!("{reason}: {request:?}"));
        if request.body != body(id) {
            spoiled.lock().unwrap().push(id);
        }
        let (by, at) = (fleet::sender(request), request.arrived);
        if let Some(places) = &places {
            let partition = u32::try_from(request.partition()).unwrap();
            let number = u64::try_from(request.offset()).unwrap();
            places.lock().unwrap().push(Attempt { id: Id { key: partition, number }, by, at });
        }
        oracle.attempted(id, by, at);
        oracle.done(id);
        Answer::status(200)
    });
}
