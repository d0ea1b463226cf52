//! The network between all parties breaks again and again: goal L10.

use std::time::Duration;

use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::process::Receiver;
use millrace_tests::proxy::{Fault, Proxy};
use millrace_tests::schedule::Run;
use millrace_tests::wait::pass;

use crate::fragile::fragile;
use crate::rest::{self, Held};
use crate::senders::{Front, Load, Senders};
use crate::tally::Word;
use crate::usage::Usage;

/// Goal L10.
#[test]
fn l10_a_broken_network_loses_nothing_and_leaves_nothing_behind() {
    matrix::run(Driver::IoUring, Apache, |variant: Variant| {
        let fragile = fragile();
        let run = Run::begin("L10");
        let (chain, sink) = fragile.chain(variant, "l10");
        let receiver = Receiver::start(&chain.receiver);
        let clients = Proxy::to(receiver.port());
        let (front, mut usage) = (Front::of(clients.port()), Usage::default());
        let senders = Senders::start(&front, &chain.path(), Load::MODEST, &chain.oracles);
        let [of_receiver, of_dispatcher] = &fragile.ways;
        let ways = [
            ("clients to receiver", &clients),
            ("receiver to Kafka", of_receiver),
            ("dispatcher to Kafka", of_dispatcher),
            ("dispatcher to subscribers", &sink),
        ];
        let dispatcher = &chain.stage.dispatcher;
        let counts_before = ways.map(|(_, way)| way.counts());
        let held_before = [Held::by(&receiver, &[]), Held::by(dispatcher, &[&sink])];
        usage.note("receiver", receiver.pid());
        chain.note(&mut usage);
        let faults = run.either(60, 1_000);
        for turn in 0..faults {
            let (_, way) = ways[usize::try_from(run.seed.below(4, &[turn, 0])).unwrap()];
            way.inflict(Fault::drawn(run.seed, &[turn, 1]));
            pass(Duration::from_millis(100 + run.seed.below(400, &[turn, 2])));
            if turn % 20 == 19 {
                senders.wait_for_accepted(20);
            }
        }
        ways.iter().for_each(|(_, way)| way.heal());
        senders.wait_for_accepted(50);
        usage.note("receiver", receiver.pid());
        let tally = senders.stop();
        chain.verdict(&run, &tally, &mut usage);
        let mut broken = 0;
        for ((name, way), before) in ways.iter().zip(counts_before) {
            println!("L10 {name}: {}, {} open", way.counts(), way.open());
            broken += way.counts().faults() - before.faults();
        }
        println!("L10: {broken} breaks of {faults} faults");
        assert!(broken * 2 > faults, "only {broken} of {faults} faults came to anything");
        tally.assert_only(&[Word::Status(202), Word::Status(503), Word::Cut]);
        let [receiver_before, dispatcher_before] = held_before;
        rest::assert_at_rest("receiver", &receiver, rest::OF_RECEIVER, receiver_before, &[]);
        rest::assert_at_rest(
            "dispatcher",
            dispatcher,
            rest::OF_DISPATCHER,
            dispatcher_before,
            &[&sink],
        );
        rest::assert_no_dead_connections("receiver", &receiver, of_receiver);
        rest::assert_no_dead_connections("dispatcher", dispatcher, of_dispatcher);
        rest::assert_no_dead_connections("dispatcher", dispatcher, &sink);
    });
}
