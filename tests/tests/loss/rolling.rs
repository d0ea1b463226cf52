//! Receivers and dispatchers are restarted in good order: goals L7 and L8.

use std::time::Duration;

use millrace_tests::broker::Broker;
use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::fleet::Fleet;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::process::Receiver;
use millrace_tests::schedule::Run;
use millrace_tests::wait::{SOON, pass, until};

use crate::chain::Chain;
use crate::senders::{Front, Load, Senders};
use crate::tally::Word;
use crate::usage::Usage;

/// Goal L7: two receivers, and a platform that sends new connections to the ready ones.
#[test]
fn l7_clients_that_honour_close_see_no_restart() {
    matrix::run(Driver::Epoll, Apache, |variant: Variant| {
        let run = Run::begin("L7");
        // Each connection has to be used within the grace: senders do so several times a second.
        let grace = |setup: millrace_tests::setup::Setup| setup.env("DRAIN_GRACE_SECONDS", "3");
        let chain = Chain::start(Broker::shared(Apache), variant, "l7", grace);
        let mut receivers = [0, 1].map(|_| Receiver::start(&chain.receiver));
        let (front, mut usage) = (Front::default(), Usage::default());
        receivers.iter().for_each(|receiver| front.add(receiver.port()));
        let senders = Senders::start(&front, &chain.path(), Load::MODEST, &chain.oracles);
        usage.note("receiver", receivers[0].pid());
        chain.note(&mut usage);
        let restarts = run.either(3, 40);
        for turn in 0..restarts {
            pass(Duration::from_millis(run.seed.below(500, &[turn])));
            let receiver = &mut receivers[usize::try_from(turn % 2).unwrap()];
            usage.note("receiver", receiver.pid());
            receiver.signal("TERM");
            until("readiness to end", SOON, || (!is_ready(receiver.port())).then_some(()));
            front.remove(receiver.port());
            let status = receiver.wait_exit(SOON);
            assert_eq!(status.code(), Some(0), "{}", receiver.printed());
            *receiver = Receiver::start(&chain.receiver);
            front.add(receiver.port());
            senders.wait_for_accepted(50);
        }
        usage.note("receiver", receivers[0].pid());
        let tally = senders.stop();
        let verdicts = chain.verdict(&run, &tally, &mut usage);
        println!("L7: {restarts} restarts");
        tally.assert_only(&[Word::Status(202)]);
        assert_eq!(verdicts.map(|verdict| verdict.duplicates), [0, 0], "nothing was sent twice");
    });
}

/// Goal L8: two dispatchers in the same groups.
#[test]
fn l8_restarted_dispatchers_repeat_next_to_nothing() {
    matrix::run(Driver::IoUring, Apache, |variant: Variant| {
        let run = Run::begin("L8");
        let chain = Chain::start(Broker::shared(Apache), variant, "l8", |setup| setup);
        let receiver = Receiver::start(&chain.receiver);
        let (front, mut usage) = (Front::of(receiver.port()), Usage::default());
        let groups: Vec<String> =
            chain.case().plan.egresses.iter().map(|egress| egress.group.clone()).collect();
        let mut fleet = Fleet::of(&chain.stage);
        let settle = |fleet: &mut Fleet<'_>| {
            groups.iter().for_each(|group| {
                chain.stage.groups.settles_with(group, 2, SOON);
            });
            fleet.measure();
        };
        fleet.join();
        settle(&mut fleet);
        let senders = Senders::start(&front, &chain.path(), Load::MODEST, &chain.oracles);
        usage.note("receiver", receiver.pid());
        let restarts = run.either(4, 40);
        for turn in 0..restarts {
            pass(Duration::from_millis(500 + run.seed.below(1_000, &[turn])));
            let longest_there = fleet.running()[0];
            fleet.leave(longest_there);
            fleet.join();
            settle(&mut fleet);
            senders.wait_for_accepted(50);
        }
        usage.note("receiver", receiver.pid());
        let tally = senders.stop();
        let verdicts = chain.verdict(&run, &tally, &mut usage);
        println!("L8: {restarts} restarts, dispatchers: {}", fleet.footprints());
        tally.assert_only(&[Word::Status(202)]);
        for verdict in verdicts {
            let (again, all) = (verdict.duplicates, verdict.delivered);
            assert!(again * 100 <= all, "{again} of {all} came twice: more than 1 %");
        }
    });
}

fn is_ready(port: u16) -> bool {
    Connection::try_open(port).is_ok_and(|mut connection| {
        connection.send(&Request::get("/readyz").to_bytes());
        connection.answer_within(SOON).is_ok_and(|answer| answer.status == 200)
    })
}
