//! The contract changes again and again while events flow: goal L9.

mod file;
mod probes;
mod timeline;

use std::time::Duration;

use millrace_tests::broker::Broker;
use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::plan::{Egress, Plan};
use millrace_tests::process::{Receiver, Running};
use millrace_tests::rig::unique;
use millrace_tests::schedule::{Run, Seed};
use millrace_tests::wait::{SOON, pass, until};
use serde_json::{Value, json};

use crate::chain::Chain;
use crate::senders::{EVENT_TYPE, Front, Load, Senders};
use crate::tally::Word;
use crate::usage::Usage;
use file::{ContractFile, Way};
use probes::Probes;
use timeline::Timeline;

/// Ingresses that come and go beside the one that stays.
const OTHERS: usize = 6;
/// One in so many updates adds or removes an egress: that makes or ends a consumer.
const EGRESS_EACH: u64 = 8;
/// One in so many files is torn.
const TORN_EACH: u64 = 12;

/// Goal L9.
#[test]
fn l9_updates_of_the_contract_cost_no_event_and_no_answer() {
    matrix::run(Driver::IoUring, Apache, |variant: Variant| {
        let run = Run::begin("L9");
        let chain = Chain::start(Broker::shared(Apache), variant, "l9", |setup| setup);
        let receiver = Receiver::start(&chain.receiver);
        let (front, mut usage) = (Front::of(receiver.port()), Usage::default());
        let senders = Senders::start(&front, &chain.path(), Load::MODEST, &chain.oracles);
        usage.note("receiver", receiver.pid());
        chain.note(&mut usage);
        let mut writer = Writer::new(&run, &chain, &receiver);
        let timeline = Timeline::beginning_with(writer.drawn(0).paths);
        let probed = std::thread::scope(|scope| {
            let probes = Probes::start(scope, &receiver, &timeline);
            let updates = run.either(60, 1_000);
            for turn in 1..=updates {
                writer.write(turn, &timeline);
                pass(Duration::from_millis(60 + run.seed.below(80, &[turn, 9])));
            }
            writer.in_force(updates + 1);
            probes.stop()
        });
        let torn = writer.torn;
        writer.assert_last_is_served(&timeline);
        usage.note("receiver", receiver.pid());
        let tally = senders.stop();
        let verdicts = chain.verdict(&run, &tally, &mut usage);
        let [malformed, empty] = ["malformed", "empty"].map(|outcome| read(&receiver, outcome));
        println!(
            "L9: {} updates, {torn} torn files ({malformed} reported, {empty} seen empty), {probed}",
            timeline.last()
        );
        tally.assert_only(&[Word::Status(202)]);
        assert_eq!(verdicts.map(|verdict| verdict.duplicates), [0, 0], "an update repeats nothing");
        assert!((1..=writer.in_place).contains(&malformed), "reported {malformed} times");
        assert!((1..=malformed).contains(&lines_of_malformed(&receiver)), "more lines than faults");
    });
}

/// Writes the contracts of both programs: the same resource with other filters and policies, and others beside it.
struct Writer<'c> {
    seed: Seed,
    chain: &'c Chain,
    receiver: &'c Receiver,
    plan: Plan,
    /// The topic of the others, which no egress reads.
    others: String,
    files: [ContractFile; 2],
    /// An egress that comes and goes, as it was drawn last.
    extra: Option<u64>,
    torn: usize,
    /// Files that were written where they stand, torn ones among them: they may be read half done.
    in_place: usize,
}

/// What one generation has.
struct Drawn {
    /// The paths of the other ingresses.
    paths: Vec<String>,
    receiver: Contract,
}

impl<'c> Writer<'c> {
    fn new(run: &Run, chain: &'c Chain, receiver: &'c Receiver) -> Self {
        let programs: [&Running; 2] = [receiver, &chain.stage.dispatcher];
        let files = programs.map(|program| ContractFile::at(program.contract().directory()));
        let (plan, others) = (chain.case().plan, unique());
        Broker::shared(Apache).create_topic(&others, 1);
        Self {
            seed: run.seed,
            chain,
            receiver,
            plan,
            others,
            files,
            extra: None,
            torn: 0,
            in_place: 0,
        }
    }

    /// The receiver's contract of a turn; none of the others is there in the one it starts with.
    fn drawn(&self, turn: u64) -> Drawn {
        let mut contract = Contract { generation: turn + 1, ..self.chain.contract.clone() };
        let mut paths = Vec::new();
        for other in (0..OTHERS).filter(|_| turn > 0) {
            let name = format!("other-{other}");
            let bootstrap = self.chain.stage.bootstrap();
            let resource = Resource::new("Broker", "ns", &name, &self.others, bootstrap);
            // Each stays for a while, so that probes meet it between two changes.
            match self.seed.below(4, &[turn / 4, other as u64]) {
                0 => {}
                // Asks for a token, which this version cannot check: closed.
                1 => contract = contract.with(resource.set("/ingress/audience", "somebody")),
                _ => {
                    contract = contract.with(resource);
                    paths.push(probes::path(other));
                }
            }
        }
        if turn.is_multiple_of(2) {
            contract.resources.reverse();
        }
        let retry = self.seed.below(5, &[turn, 1]);
        let uid = self.chain.contract.resources[0].uid().to_owned();
        let contract = contract.edit(&uid, |it| it.put("/egressConfig", json!({ "retry": retry })));
        Drawn { paths, receiver: contract }
    }

    /// The dispatcher's: all filters let all events pass.
    fn dispatcher(&mut self, turn: u64) -> Contract {
        let draw = |bound, what| self.seed.below(bound, &[turn, what]);
        let (filter, retry, backoff) = (draw(4, 2), draw(4, 3), 100 + draw(900, 4));
        let change = |egress: &mut Egress| {
            let changed = egress.clone().dialects(filters(filter));
            *egress = changed.retry(u32::try_from(retry).unwrap(), backoff);
        };
        self.plan.egresses.iter_mut().for_each(change);
        if turn.is_multiple_of(EGRESS_EACH) {
            self.extra = self.extra.is_none().then_some(turn);
        }
        let plan = self.plan.clone();
        let plan = match self.extra {
            Some(since) => plan.also("l9-extra", |egress| {
                // The same one as long as it stays.
                let group = format!("{}-extra-{since}", self.plan.topic);
                egress.set("/uid", group.clone()).set("/consumerGroup", group)
            }),
            None => plan,
        };
        Contract { generation: turn + 1, resources: vec![plan.to_resource()] }
    }

    fn write(&mut self, turn: u64, timeline: &Timeline) {
        let way = match self.seed.below(3, &[turn, 5]) {
            _ if turn.is_multiple_of(TORN_EACH) => Way::Torn,
            0 => Way::InPlace,
            1 => Way::Renamed,
            _ => Way::Swapped,
        };
        self.torn += usize::from(way == Way::Torn);
        self.in_place += usize::from(matches!(way, Way::Torn | Way::InPlace));
        let (Drawn { paths, receiver }, dispatcher) = (self.drawn(turn), self.dispatcher(turn));
        timeline.write(turn, paths);
        let contents = [receiver, dispatcher].map(|contract| contract.to_bytes());
        let programs: [&Running; 2] = [self.receiver, &self.chain.stage.dispatcher];
        for ((file, program), bytes) in self.files.iter_mut().zip(programs).zip(&contents) {
            file.write(way, program.contract(), bytes);
        }
    }

    /// Waits until both programs say that this generation is in force.
    fn in_force(&self, generation: u64) {
        let programs: [&Running; 2] = [self.receiver, &self.chain.stage.dispatcher];
        for program in programs {
            until("the last generation to be in force", SOON, || {
                (timeline::generation(program) == generation).then_some(())
            });
        }
    }

    /// In the end what the last file says is what is served.
    fn assert_last_is_served(&self, timeline: &Timeline) {
        let there = timeline.paths(timeline.last());
        for other in 0..OTHERS {
            let path = probes::path(other);
            let wanted = if there.contains(&path) { 202 } else { 404 };
            until(&format!("{wanted} from {path}"), SOON, || {
                (self.receiver.status(&probes::request(other, &path)) == wanted).then_some(())
            });
        }
    }
}

/// Filters that let all events of the oracle pass.
pub(crate) fn filters(turn: u64) -> Value {
    match turn {
        0 => json!([]),
        1 => json!([{ "exact": { "attributes": { "type": EVENT_TYPE } } }]),
        2 => json!([{ "prefix": { "attributes": { "type": "lo" } } }]),
        _ => json!([{ "cesql": { "expression": format!("type = '{EVENT_TYPE}'") } }]),
    }
}

/// How many contract files had this outcome.
fn read(receiver: &Receiver, outcome: &str) -> usize {
    receiver.scrape().sum("millrace_contract_updates_total", &[("outcome", outcome)]) as usize
}

fn lines_of_malformed(receiver: &Receiver) -> usize {
    let logs = receiver.logs();
    logs.iter().filter(|line| line.to_string().contains("cannot be parsed")).count()
}
