//! The broker is killed, or stands still: goals L4 and L5.

use std::time::{Duration, Instant};

use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::process::Receiver;
use millrace_tests::schedule::Run;
use millrace_tests::wait::{SOON, pass};

use crate::chain::Chain;
use crate::fragile::{DELIVERY_TIMEOUT, fragile, impatient};
use crate::senders::{Front, Load, Senders};
use crate::tally::{Books, Tally, Told, Word};
use crate::usage::Usage;

/// How much later than that an answer may be on a machine that is busy with a broker's start.
const SLACK: Duration = Duration::from_secs(15);

/// Goal L4.
#[test]
fn l4_a_broker_that_dies_and_comes_back_costs_nothing_accepted() {
    const REFUSED_WITHIN: Duration = Duration::from_secs(3);
    const ACCEPTS_WITHIN: Duration = Duration::from_secs(10);
    matrix::run(Driver::IoUring, Apache, |variant: Variant| {
        let fragile = fragile();
        let broker = &fragile.broker;
        let run = Run::begin("L4");
        let chain = Chain::start(broker, variant, "l4", impatient);
        let receiver = Receiver::start(&chain.receiver);
        let books = Books::open(&receiver);
        let (front, mut usage) = (Front::of(receiver.port()), Usage::default());
        let senders = Senders::start(&front, &chain.path(), Load::MODEST, &chain.oracles);
        usage.note("receiver", receiver.pid());
        chain.note(&mut usage);
        let mut outages = Vec::new();
        for turn in 0..run.either(1, 5) {
            pass(Duration::from_millis(500 + run.seed.below(1_500, &[turn])));
            broker.down();
            let down = Instant::now();
            // What was sent before, and once more by each.
            senders.wait_for_refused(2 * Load::MODEST.clients as usize);
            pass(run.seconds(0.0, 10.0).saturating_sub(down.elapsed()));
            let rising = Instant::now();
            broker.up();
            outages.push((down, rising, Instant::now()));
            senders.wait_for_accepted(50);
        }
        usage.note("receiver", receiver.pid());
        let tally = senders.stop();
        chain.verdict(&run, &tally, &mut usage);
        tally.assert_only(&[Word::Status(202), Word::Status(503)]);
        books.assert_balance(&receiver, &tally);
        for (down, rising, open) in outages {
            let within = |told: &&Told| told.sent >= down && told.ended() <= rising;
            let while_down = Tally(tally.0.iter().filter(within).copied().collect());
            let accepted = |told: &&Told| told.word == Word::Status(202) && told.ended() >= open;
            let first = tally.0.iter().filter(accepted).map(Told::ended).min();
            let first = first.expect("the loop above waited for it").duration_since(open);
            println!(
                "L4: down for {:.1?}, {while_down}, after {:.1?} at most (goal: {REFUSED_WITHIN:?}); \
                 first 202 {first:.1?} after the port was open (goal: {ACCEPTS_WITHIN:?})",
                open.duration_since(down),
                while_down.slowest(),
            );
            assert!(while_down.count(Word::Status(503)) > 0, "nobody was refused: {while_down}");
            while_down.assert_only(&[Word::Status(503)]);
            assert!(while_down.slowest() < DELIVERY_TIMEOUT + SLACK);
            assert!(first < SOON, "the first 202 came after {first:?}");
        }
    });
}

/// Goal L5.
#[test]
fn l5_a_broker_that_stands_still_costs_nothing_accepted() {
    const LATEST: Duration = DELIVERY_TIMEOUT.saturating_add(Duration::from_secs(1));
    matrix::run(Driver::Epoll, Apache, |variant: Variant| {
        let fragile = fragile();
        let broker = &fragile.broker;
        let run = Run::begin("L5");
        let chain = Chain::start(broker, variant, "l5", impatient);
        let receiver = Receiver::start(&chain.receiver);
        let books = Books::open(&receiver);
        let (front, mut usage) = (Front::of(receiver.port()), Usage::default());
        let senders = Senders::start(&front, &chain.path(), Load::MODEST, &chain.oracles);
        usage.note("receiver", receiver.pid());
        chain.note(&mut usage);
        let stops: &[u64] = run.either(&[1, 5], &[1, 5, 30]);
        for (turn, seconds) in (0..).zip(stops) {
            pass(Duration::from_millis(500 + run.seed.below(1_500, &[turn])));
            broker.pause();
            pass(Duration::from_secs(*seconds));
            broker.resume();
            senders.wait_for_accepted(50);
        }
        usage.note("receiver", receiver.pid());
        let tally = senders.stop();
        chain.verdict(&run, &tally, &mut usage);
        println!(
            "L5: stopped for {stops:?} s; the latest answer after {:.1?} (goal: {LATEST:?})",
            tally.slowest()
        );
        tally.assert_only(&[Word::Status(202), Word::Status(503)]);
        books.assert_balance(&receiver, &tally);
        assert!(tally.slowest() < DELIVERY_TIMEOUT + SLACK);
    });
}
