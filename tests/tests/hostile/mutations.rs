//! The smuggling corpus with seeded changes, in random pieces: nobody knows the right answer any more, but there must be
//! one, a whole one, and the receiver must be as well as before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use millrace_tests::binaries::root;
use millrace_tests::drivers;
use millrace_tests::footprint::Footprint;
use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::matrix::Variant;
use millrace_tests::schedule::Run;
use millrace_tests::wait::{SOON, until};

use crate::mutate::{Random, mutate};
use crate::routes::Routes;
use crate::smuggling::with_events;
use crate::table::corpus::cases_in;

const SENDERS: usize = 8;
/// What the Kafka clients may open in the meantime.
const CLIENT_FILES_MAX: usize = 8;
/// All that a receiver may say to bytes from a stranger.
const STATUSES: [u16; 12] = [100, 200, 202, 400, 404, 405, 408, 413, 414, 417, 431, 505];

drivers! {
    fn answers_stay_whole_and_the_receiver_well(variant: Variant) {
        let routes = Routes::new(variant, |setup| setup);
        let run = Run::begin("S1, changed");
        let cases: Vec<Vec<u8>> = cases_in(&root().join("crates/http1/tests/corpus"))
            .into_iter()
            .filter(|case| case.bytes.len() < 1024)
            .map(|case| with_events(&case.bytes).0)
            .collect();
        let count = run.either(2_000, 200_000);
        let next = AtomicU64::new(0);
        let send_some = || {
            let mut answers: BTreeMap<u16, u64> = BTreeMap::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return answers;
                }
                let mut random = Random::new(run.seed.draw(&[number]));
                let bytes = mutate(&cases, &mut random);
                for status in exchange(routes.port(), &bytes, &mut random) {
                    *answers.entry(status).or_default() += 1;
                }
            }
        };
        let footprint = || Footprint::of(routes.receiver.pid()).expect("the receiver runs");
        let honest = Request::minimal("/ok", "honest").set("ce-type", "mark");
        assert_eq!(routes.receiver.status(&honest), 202);
        let before = footprint();
        let answers = thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(send_some)).collect();
            let mut all: BTreeMap<u16, u64> = BTreeMap::new();
            for (status, more) in senders.into_iter().flat_map(|sender| sender.join().expect("no answer was broken")) {
                *all.entry(status).or_default() += more;
            }
            all
        });
        println!("{count} changed cases, answers by status {answers:?}, seed {}", run.seed);
        assert!(answers.contains_key(&202) && answers.contains_key(&400), "only {answers:?}");
        assert_eq!(routes.receiver.try_exit(), None, "the receiver ended");
        assert_eq!(routes.receiver.status(&honest), 202);
        until("the connections to be gone", SOON, || (footprint().open_files <= before.open_files + CLIENT_FILES_MAX).then_some(()));
        println!("before: {before}; after: {}", footprint());
        assert!(footprint().peak_rss_kib < 256 * 1024, "{}", footprint());
    }
}

/// The statuses that come back before the receiver closes.
fn exchange(port: u16, bytes: &[u8], random: &mut Random) -> Vec<u16> {
    let mut connection = Connection::open(port);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(1 + random.below(rest.len()));
        connection.send(piece);
        rest = later;
    }
    connection.finish_sending();
    let mut statuses = Vec::new();
    loop {
        match connection.answer_within(SOON) {
            Ok(answer) => {
                assert!(
                    STATUSES.contains(&answer.status),
                    "{answer:?} to {}",
                    bytes.escape_ascii()
                );
                statuses.push(answer.status);
            }
            Err(NoAnswer::Closed(rest)) if rest.is_empty() => return statuses,
            Err(error) => panic!("{error:?} after {statuses:?} to {}", bytes.escape_ascii()),
        }
    }
}
