//! Everything breaks at random, for as long as it is told: goal L11.
//!
//! `MILLRACE_CHAOS_SECONDS` says how long; the seed fixes what happens, and each step is printed with its time.

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant};

use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::commits;
use millrace_tests::contract::Resource;
use millrace_tests::fleet::{self, Fleet};
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::plan::Egress;
use millrace_tests::process::Receiver;
use millrace_tests::proxy::{Fault, Proxy};
use millrace_tests::schedule::Run;
use millrace_tests::wait::{SOON, pass};

use crate::chain::Chain;
use crate::fragile::{Fragile, fragile};
use crate::rest::{self, Held};
use crate::senders::{Front, Load, Senders};
use crate::takeovers::Takeovers;
use crate::tally::Word;
use crate::updates;
use crate::usage::Usage;

const SECONDS: &str = "MILLRACE_CHAOS_SECONDS";
/// Of one program. Many a process lives for seconds only, and its first moments take the most.
const PEAK_RSS_KIB_MAX: u64 = 128 * 1024;

/// Goal L11.
#[test]
fn l11_chaos_loses_nothing() {
    matrix::run(Driver::Epoll, Apache, |variant: Variant| {
        let fragile = fragile();
        let run = Run::begin("L11");
        let lasts = match env::var(SECONDS) {
            Ok(text) => Duration::from_secs(text.parse().expect("a number of seconds")),
            Err(_) => run.seconds(45.0, 600.0),
        };
        let (chain, sink) = fragile.chain(variant, "l11");
        for egress in &chain.case().plan.egresses {
            chain.case().subscriber_of(egress).keep_none();
        }
        let mut chaos = Chaos::begin(&run, &chain, &fragile, &sink);
        let senders = Senders::start(&chaos.front, &chain.path(), Load::MODEST, &chain.oracles);
        chaos.note();
        let ends = Instant::now() + lasts;
        for turn in 0.. {
            pass(Duration::from_millis(200 + run.seed.below(1_800, &[turn, 0])));
            if Instant::now() >= ends {
                break;
            }
            chaos.act(turn);
            if turn % 10 == 9 {
                senders.wait_for_accepted(20);
            }
        }
        chaos.calm();
        senders.wait_for_accepted(50);
        let tally = senders.stop();
        let verdicts = chain.verdict(&run, &tally, &mut chaos.usage);
        println!("L11: {lasts:.0?} of {:?}; dispatchers: {}", chaos.did, chaos.fleet.footprints());
        for (name, way) in chaos.ways() {
            println!("L11 {name}: {}", way.counts());
        }
        let [_, ordered] = &chain.case().plan.egresses[..] else { panic!("two egresses") };
        let all =
            commits::of_group(chain.stage.bootstrap(), &ordered.group, &chain.case().plan.topic);
        assert_eq!(commits::first_step_back(&all), None, "a commit lower than one before it");
        println!("L11: {}, {} commits", Takeovers::judge(&chain.places(), &all), all.len());
        println!("L11: {} and {} came twice", verdicts[0].duplicates, verdicts[1].duplicates);
        tally.assert_only(&[Word::Status(202), Word::Status(503), Word::Cut, Word::Refused]);
        chaos.assert_at_rest();
    });
}

/// What is broken, and how often it was.
struct Chaos<'c> {
    run: &'c Run,
    chain: &'c Chain,
    fragile: &'c Fragile,
    sink: &'c Proxy,
    front: Front,
    receiver: Receiver,
    /// Before the receiver.
    clients: Proxy,
    /// What the receiver had when it was new.
    new_receiver: Held,
    fleet: Fleet<'c>,
    generation: u64,
    usage: Usage,
    did: BTreeMap<&'static str, usize>,
}

impl<'c> Chaos<'c> {
    /// With one receiver and two dispatchers.
    fn begin(run: &'c Run, chain: &'c Chain, fragile: &'c Fragile, sink: &'c Proxy) -> Self {
        let receiver = Receiver::start(&chain.receiver);
        let clients = Proxy::to(receiver.port());
        let mut fleet = Fleet::of(&chain.stage);
        fleet.join();
        Self {
            run,
            chain,
            fragile,
            sink,
            front: Front::of(clients.port()),
            new_receiver: Held::by(&receiver, &[&fragile.ways[0]]),
            receiver,
            clients,
            fleet,
            generation: 1,
            usage: Usage::default(),
            did: BTreeMap::new(),
        }
    }

    fn draw(&self, bound: u64, turn: u64, what: u64) -> u64 {
        self.run.seed.below(bound, &[turn, what])
    }

    fn act(&mut self, turn: u64) {
        let what = match self.draw(20, turn, 1) {
            0 => self.renew_receiver("KILL", "receiver killed"),
            1 => self.renew_receiver("TERM", "receiver restarted"),
            2 => {
                let victim = self.one_of_fleet(turn);
                self.fleet.kill(victim);
                self.fleet.join();
                "dispatcher killed"
            }
            3 => {
                let leaver = self.one_of_fleet(turn);
                self.fleet.leave(leaver);
                self.fleet.join();
                "dispatcher restarted"
            }
            4 => {
                self.fragile.broker.down();
                pass(Duration::from_millis(self.draw(3_000, turn, 2)));
                self.fragile.broker.up();
                "broker killed"
            }
            5 => {
                self.fragile.broker.pause();
                pass(Duration::from_millis(500 + self.draw(4_500, turn, 2)));
                self.fragile.broker.resume();
                "broker stopped"
            }
            6..9 => self.update_contracts(turn),
            _ => {
                let ways = self.ways();
                let (_, way) = ways[usize::try_from(self.draw(4, turn, 2)).unwrap()];
                way.inflict(Fault::drawn(self.run.seed, &[turn, 3]));
                "network broken"
            }
        };
        println!("L11 {:7.1?}: {what}", self.run.started.elapsed());
        *self.did.entry(what).or_default() += 1;
        self.note();
    }

    fn ways(&self) -> [(&'static str, &Proxy); 4] {
        let [of_receiver, of_dispatcher] = &self.fragile.ways;
        [
            ("clients to the last receiver", &self.clients),
            ("receivers to Kafka", of_receiver),
            ("dispatchers to Kafka", of_dispatcher),
            ("dispatchers to subscribers", self.sink),
        ]
    }

    fn one_of_fleet(&self, turn: u64) -> u32 {
        let running = self.fleet.running();
        running[usize::try_from(self.draw(running.len() as u64, turn, 4)).unwrap()]
    }

    fn renew_receiver(&mut self, signal: &str, what: &'static str) -> &'static str {
        self.receiver.signal(signal);
        let status = self.receiver.wait_exit(SOON);
        if signal == "TERM" {
            assert_eq!(status.code(), Some(0), "{}", self.receiver.printed());
        }
        self.receiver = Receiver::start(&self.chain.receiver);
        let before = std::mem::replace(&mut self.clients, Proxy::to(self.receiver.port()));
        self.front.add(self.clients.port());
        self.front.remove(before.port());
        self.new_receiver = Held::by(&self.receiver, &[&self.fragile.ways[0]]);
        what
    }

    /// Another ingress comes or goes, and the egresses get other filters and policies, through which all events pass.
    fn update_contracts(&mut self, turn: u64) -> &'static str {
        self.generation += 1;
        let mut contract = self.chain.contract.clone();
        contract.generation = self.generation;
        let case = self.chain.case();
        if self.draw(2, turn, 5) == 0 {
            let kafka = self.fragile.ways[0].address();
            let other = Resource::new("Broker", "ns", "l11-other", &case.plan.topic, &kafka);
            contract = contract.with(other);
        }
        self.receiver.swap_contract(contract.to_bytes());
        let mut plan = case.plan.clone();
        let filters = updates::filters(self.draw(4, turn, 6));
        let backoff = 50 + self.draw(100, turn, 7);
        let change = |egress: &mut Egress| {
            *egress = egress.clone().dialects(filters.clone()).retry(20, backoff);
        };
        plan.egresses.iter_mut().for_each(change);
        let mut contract = self.chain.stage.contract.clone();
        contract.generation = self.generation;
        contract.resources = vec![plan.to_resource()];
        for number in self.fleet.running() {
            let bytes = fleet::numbered(&contract, number).to_bytes();
            self.fleet.dispatcher(number).swap_contract(bytes);
        }
        "contracts updated"
    }

    fn note(&mut self) {
        self.usage.note("receiver", self.receiver.pid());
        self.fleet.measure();
    }

    /// No fault is left over.
    fn calm(&mut self) {
        self.ways().iter().for_each(|(_, way)| way.heal());
        self.note();
    }

    fn assert_at_rest(&self) {
        let way = &self.fragile.ways[0];
        let gauges = rest::OF_RECEIVER;
        rest::assert_at_rest("receiver", &self.receiver, gauges, self.new_receiver, &[way]);
        rest::assert_no_dead_connections("receiver", &self.receiver, way);
        for number in self.fleet.running() {
            let dispatcher = self.fleet.dispatcher(number);
            let held = Held::by(dispatcher, &[self.sink, &self.fragile.ways[1]]);
            let beside = &[self.sink, &self.fragile.ways[1]];
            rest::assert_at_rest("dispatcher", dispatcher, rest::OF_DISPATCHER, held, beside);
        }
        let peak = self.usage.peak_rss_kib().max(self.fleet.peak_rss_kib());
        assert!(peak <= PEAK_RSS_KIB_MAX, "a program took {peak} KiB");
    }
}
