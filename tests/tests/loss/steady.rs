//! Nothing happens: goal L1.

use millrace_tests::broker::Broker;
use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::process::Receiver;
use millrace_tests::schedule::Run;
use millrace_tests::wait::pass;

use crate::chain::Chain;
use crate::senders::{Front, Load, Senders};
use crate::tally::{Books, Word};
use crate::usage::Usage;

/// Goal L1, at a modest pace: the maximum is for the benches.
#[test]
fn l1_steady_load_loses_doubles_and_swaps_nothing() {
    matrix::run(Driver::Epoll, Apache, |variant: Variant| {
        let run = Run::begin("L1");
        let chain = Chain::start(Broker::shared(Apache), variant, "l1", |setup| setup);
        let receiver = Receiver::start(&chain.receiver);
        let books = Books::open(&receiver);
        let mut usage = Usage::default();
        let senders = Senders::start(
            &Front::of(receiver.port()),
            &chain.path(),
            Load::MODEST,
            &chain.oracles,
        );
        usage.note("receiver", receiver.pid());
        chain.note(&mut usage);
        pass(run.seconds(8.0, 120.0));
        usage.note("receiver", receiver.pid());
        let tally = senders.stop();
        let verdicts = chain.verdict(&run, &tally, &mut usage);
        tally.assert_only(&[Word::Status(202)]);
        books.assert_balance(&receiver, &tally);
        assert_eq!(verdicts.map(|verdict| verdict.duplicates), [0, 0]);
    });
}
