//! The receiver is killed: goal L2.

use std::time::{Duration, Instant};

use millrace_tests::broker::Broker;
use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::process::Receiver;
use millrace_tests::schedule::Run;
use millrace_tests::wait::{SOON, pass};

use crate::chain::Chain;
use crate::senders::{Front, Load, Senders};
use crate::tally::Word;
use crate::usage::Usage;

/// Goal L2.
#[test]
fn l2_a_killed_receiver_loses_nothing_that_it_accepted() {
    const READY_WITHIN: Duration = Duration::from_secs(1);
    matrix::run(Driver::IoUring, Apache, |variant: Variant| {
        let run = Run::begin("L2");
        let chain = Chain::start(Broker::shared(Apache), variant, "l2", |setup| setup);
        let mut receiver = Receiver::start(&chain.receiver);
        let (front, mut usage) = (Front::of(receiver.port()), Usage::default());
        let senders = Senders::start(&front, &chain.path(), Load::MODEST, &chain.oracles);
        usage.note("receiver", receiver.pid());
        chain.note(&mut usage);
        let (kills, mut slowest) = (run.either(5, 20), Duration::ZERO);
        for turn in 0..kills {
            let least = run.either(300, 2_000);
            pass(Duration::from_millis(least + run.seed.below(2 * least, &[turn])));
            usage.note("receiver", receiver.pid());
            receiver.signal("KILL");
            receiver.wait_exit(SOON);
            let begun = Instant::now();
            // Senders find the old place closed until the new one is ready.
            let before = receiver.port();
            receiver = Receiver::start(&chain.receiver);
            slowest = slowest.max(begun.elapsed());
            front.add(receiver.port());
            front.remove(before);
            senders.wait_for_accepted(20);
        }
        usage.note("receiver", receiver.pid());
        let tally = senders.stop();
        chain.verdict(&run, &tally, &mut usage);
        println!(
            "L2: {kills} kills, ready again after {slowest:.1?} at most (goal: {READY_WITHIN:?})"
        );
        tally.assert_only(&[Word::Status(202), Word::Status(503), Word::Refused, Word::Cut]);
        assert!(
            tally.count(Word::Refused) + tally.count(Word::Cut) > 0,
            "no sender noticed that the receiver was killed"
        );
    });
}
