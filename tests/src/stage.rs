//! A dispatcher on a Kafka cluster with subscribers, and the cases on it.
//!
//! Joining a group takes three seconds on librdkafka's mock, so all cases that only send and look share one dispatcher
//! a variant: its contract has the egresses of all of them from the start, each case has a topic, groups and endpoints
//! of its own. Cases that stop, change or starve something [`prepare`](Stage::prepare) a stage of their own.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::broker::{Broker, BrokerKind};
use crate::contract::Contract;
use crate::groups::Groups;
use crate::matrix::{Driver, Variant};
use crate::metrics::Samples;
use crate::plan::{Egress, NAMESPACE, Plan};
use crate::process::Dispatcher;
use crate::producer::{self, NewRecord};
use crate::records::Tail;
use crate::setup::Setup;
use crate::subscriber::{Endpoint, Subscriber};
use crate::wait::{SOON, until, within};

/// Whose properties file the dispatcher has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Broker,
    /// `read_committed`, and plain records become events.
    Source,
}

/// A case as the `cases!` macro declares it.
pub struct Declared {
    pub name: &'static str,
    pub kind: Kind,
    pub plan: fn(Plan) -> Plan,
}

/// A running dispatcher and what is around it.
pub struct Stage {
    pub dispatcher: Dispatcher,
    pub subscriber: Subscriber,
    pub groups: Groups,
    pub tail: Tail,
    /// The contract it started with.
    pub contract: Contract,
    /// How it was started; another dispatcher started like this is in the same groups.
    pub setup: Setup,
    plans: BTreeMap<String, Plan>,
    bootstrap: String,
}

impl Stage {
    /// The stage that all declared cases of a variant and a kind share. It is never stopped or changed.
    pub fn shared(variant: Variant, kind: Kind, declared: &[&[Declared]]) -> &'static Self {
        static STAGES: [OnceLock<Stage>; 8] = [const { OnceLock::new() }; 8];
        let slot = usize::from(variant.driver == Driver::Epoll)
            + 2 * usize::from(variant.broker == BrokerKind::Apache)
            + 4 * usize::from(kind == Kind::Source);
        STAGES[slot].get_or_init(|| {
            let of_kind = declared.iter().copied().flatten().filter(|case| case.kind == kind);
            let stage = Self::prepare(variant, kind);
            of_kind.fold(stage, |stage, case| stage.with(case.name, case.plan)).start()
        })
    }

    /// A stage of the case's own, on the shared cluster.
    pub fn prepare(variant: Variant, kind: Kind) -> StageSetup<'static> {
        Self::prepare_on(Broker::shared(variant.broker), variant, kind)
    }

    /// A stage of the case's own on a cluster of its choice.
    pub fn prepare_on(broker: &Broker, variant: Variant, kind: Kind) -> StageSetup<'_> {
        let setup = Setup::dispatcher(variant.driver);
        let setup = match kind {
            Kind::Broker => setup,
            Kind::Source => setup
                .env("SERVICE_NAME", "kafka-source-dispatcher")
                .consumer("auto.offset.reset", "earliest")
                .consumer("isolation.level", "read_committed")
                .consumer("cloudevent.invalid.transformer.enabled", "true")
                .consumer("cloudevent.invalid.kind.plural", "kafkasources"),
        };
        StageSetup { broker, setup, subscriber: Subscriber::start(), plans: Vec::new() }
    }

    /// The case of that name.
    pub fn case(&self, name: &str) -> Case<'_> {
        let plan = self.plans.get(name).unwrap_or_else(|| panic!("no plan {name} on this stage"));
        Case { stage: self, plan: plan.clone() }
    }

    /// The address of its Kafka.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

/// A stage before its dispatcher starts.
pub struct StageSetup<'b> {
    broker: &'b Broker,
    setup: Setup,
    pub subscriber: Subscriber,
    plans: Vec<Plan>,
}

impl StageSetup<'_> {
    /// Changes how the dispatcher is started.
    pub fn setup(mut self, change: impl FnOnce(Setup) -> Setup) -> Self {
        self.setup = change(self.setup);
        self
    }

    /// Adds the topic and egresses of a case.
    pub fn with(mut self, name: &str, plan: impl FnOnce(Plan) -> Plan) -> Self {
        let fresh = Plan::new(name, self.broker.bootstrap(), &self.subscriber.url());
        self.plans.push(plan(fresh));
        self
    }

    /// Makes the topics, commits where the groups begin, and starts the dispatcher.
    pub fn start(self) -> Stage {
        self.start_with(Dispatcher::start)
    }

    /// [`Self::start`] with another way to start the dispatcher, such as `Dispatcher::launch`.
    pub fn start_with(self, start: impl FnOnce(&Setup) -> Dispatcher) -> Stage {
        self.start_as(|_| {}, start)
    }

    /// [`Self::start`] with a contract that is changed before: topics and groups are there all the same.
    pub fn start_with_contract(self, change: impl FnOnce(&mut Contract)) -> Stage {
        self.start_as(change, Dispatcher::start)
    }

    fn start_as(
        self,
        change: impl FnOnce(&mut Contract),
        start: impl FnOnce(&Setup) -> Dispatcher,
    ) -> Stage {
        let bootstrap = self.broker.bootstrap().to_owned();
        let groups = Groups::of(&bootstrap);
        let mut contract = Contract::new(1);
        for plan in &self.plans {
            self.broker.create_topic(&plan.topic, plan.partitions);
            let partitions = usize::try_from(plan.partitions).expect("a count");
            // A group that began beyond the end of the log would be sent elsewhere.
            let before = usize::try_from(plan.begin_at.unwrap_or(0)).expect("an offset");
            if before > 0 {
                let records = vec![NewRecord::plain("before the group's begin"); before];
                for partition in 0..plan.partitions {
                    producer::send(&bootstrap, &plan.topic, partition, &records);
                }
            }
            for egress in &plan.egresses {
                if let Some(offset) = plan.begin_at {
                    groups.begin_at(&egress.group, &plan.topic, &vec![offset; partitions]);
                }
            }
            contract = contract.with(plan.to_resource());
        }
        change(&mut contract);
        let setup = self.setup.contract(contract.to_bytes());
        let dispatcher = start(&setup);
        Stage {
            dispatcher,
            subscriber: self.subscriber,
            groups,
            tail: Tail::of(&bootstrap),
            contract,
            setup,
            plans: self.plans.into_iter().map(|plan| (plan.name.clone(), plan)).collect(),
            bootstrap,
        }
    }
}

/// One case on a stage: send records to its topic, see what its endpoints get and what its groups commit.
pub struct Case<'s> {
    pub stage: &'s Stage,
    pub plan: Plan,
}

impl Case<'_> {
    /// Writes records to partition 0, as one batch; returns the offset of the first.
    pub fn send(&self, records: &[NewRecord]) -> i64 {
        self.send_to(0, records)
    }

    pub fn send_to(&self, partition: i32, records: &[NewRecord]) -> i64 {
        producer::send(self.stage.bootstrap(), &self.plan.topic, partition, records)
    }

    /// Sends one record, waits for its only request and for `C=1`.
    pub fn request_of(&self, record: NewRecord) -> crate::subscriber::Received {
        self.send(&[record]);
        self.settles(1);
        self.subscriber().one()
    }

    /// The first egress.
    pub fn egress(&self) -> &Egress {
        self.plan.egresses.first().expect("a plan has an egress")
    }

    /// An egress made by [`Plan::and`].
    pub fn and(&self, suffix: &str) -> &Egress {
        let name = format!("{}-{suffix}", self.plan.name);
        let found = self.plan.egresses.iter().find(|egress| egress.name == name);
        found.unwrap_or_else(|| panic!("no egress {name} in the plan"))
    }

    /// The endpoint of an egress's destination.
    pub fn subscriber_of(&self, egress: &Egress) -> Endpoint {
        self.stage.subscriber.endpoint(&egress.name)
    }

    /// The endpoint of the first egress's destination.
    pub fn subscriber(&self) -> Endpoint {
        self.subscriber_of(self.egress())
    }

    /// The endpoint of the first egress's dead letter sink.
    pub fn dead_letters(&self) -> Endpoint {
        self.stage.subscriber.endpoint(&format!("{}.dls", self.egress().name))
    }

    /// The endpoint of the first egress's replies.
    pub fn replies(&self) -> Endpoint {
        self.stage.subscriber.endpoint(&format!("{}.reply", self.egress().name))
    }

    /// `C=n`: waits until the first egress has committed exactly this in partition 0.
    pub fn settles(&self, offset: i64) {
        self.settles_for(self.egress(), 0, offset);
    }

    pub fn settles_for(&self, egress: &Egress, partition: i32, offset: i64) {
        self.stage.groups.settles_at(&egress.group, &self.plan.topic, partition, offset);
    }

    pub fn committed(&self, partition: i32) -> Option<i64> {
        self.stage.groups.committed(&self.egress().group, &self.plan.topic, partition)
    }

    /// Labels by which all series of the first egress are known.
    pub fn labels(&self) -> [(&'static str, String); 2] {
        [
            ("kn_trigger_name", self.egress().name.clone()),
            ("kn_trigger_namespace", NAMESPACE.into()),
        ]
    }

    /// A value of the first egress, by the name of its series and more labels; 0 when there is none.
    pub fn metric(&self, samples: &Samples, name: &str, labels: &[(&str, &str)]) -> f64 {
        let own = self.labels();
        let own = own.iter().map(|(label, value)| (*label, value.as_str()));
        samples.sum(name, &own.chain(labels.iter().copied()).collect::<Vec<_>>())
    }

    /// Waits until a value of the first egress is exactly this.
    pub fn metric_becomes(&self, name: &str, labels: &[(&str, &str)], wanted: f64) {
        let now = || self.metric(&self.stage.dispatcher.scrape(), name, labels);
        let reached = within(SOON, || Some(now()).filter(|value| *value >= wanted));
        let value = reached.unwrap_or_else(now);
        assert!((value - wanted).abs() < 1e-9, "{name}{labels:?} is {value}, not {wanted}");
    }

    /// Events that the first egress threw away as no events at all.
    pub fn discarded(&self) -> f64 {
        self.metric(&self.stage.dispatcher.scrape(), DISCARDED, &[])
    }

    /// Waits for the dispatcher to be in the first egress's group: until then it gets no record. On the mock, whose
    /// groups cannot be looked at, a record of the case's own has to tell.
    pub fn wait_for_members(&self, count: usize) {
        self.stage.groups.settles_with(&self.egress().group, count, SOON);
    }

    /// Waits until the endpoint is busy with exactly so many requests.
    pub fn busy(&self, count: usize) {
        until(&format!("{count} requests under way"), SOON, || {
            (self.subscriber().busy() == count).then_some(())
        });
    }
}

/// Counts records that are no events.
pub const DISCARDED: &str = "kn_eventing_kafka_discarded_events_1_total";
/// Times from the end of filtering to the subscriber's outcome.
pub const DISPATCH_COUNT: &str = "kn_eventing_dispatch_latency_ms_count";
