//! S1: the smuggling corpus, each case whole, in two pieces, byte by byte and between good requests.
//!
//! Requests that the corpus expects to be accepted are given the headers of an event, so that the body that was read is
//! seen in the record; the others are sent as they are.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use millrace_tests::binaries::root;
use millrace_tests::drivers;
use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::matrix::Variant;
use millrace_tests::rig::unique;
use millrace_tests::schedule::{Run, is_long};
use millrace_tests::wait::{SOON, pass};

use crate::routes::Routes;
use crate::table::corpus::{Case, cases_in, unescape};

/// Cases sent at once: most of the time is spent waiting.
const SENDERS: usize = 8;
/// Places at which a case is cut, in the short form.
const SPLITS: u64 = 4;
/// Long enough that the receiver reads what came before by itself, most of the time.
const BETWEEN_PIECES: Duration = Duration::from_millis(2);

drivers! {
    fn corpus(variant: Variant) {
        let routes = Routes::new(variant, |setup| setup);
        let run = Run::begin("S1");
        let cases = cases_in(&root().join("crates/http1/tests/corpus"));
        assert!(cases.len() >= 120, "only {} cases", cases.len());
        let next = AtomicUsize::new(0);
        let sent: BTreeMap<String, Vec<u8>> = thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(|| {
                let mut owed = Vec::new();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    try_all_ways(case, &routes, &run, &mut owed);
                }
                owed
            })).collect();
            senders.into_iter().flat_map(|sender| sender.join().expect("no case failed")).collect()
        });
        let landed: BTreeMap<String, Vec<u8>> = routes
            .landed()
            .into_iter()
            .map(|record| (record.header("ce_id").unwrap_or_default(), record.value.unwrap_or_default()))
            .collect();
        assert!(sent == landed, "what landed is not what was accepted: {:?}", difference(&sent, &landed));
        routes.assert_canary_unseen();
        println!("{} cases, {} events landed, seed {}", cases.len(), landed.len(), run.seed);
    }
}

/// Adds the events that must land, by their ids.
fn try_all_ways(case: &Case, routes: &Routes, run: &Run, owed: &mut Vec<(String, Vec<u8>)>) {
    let mut attempt = |around: bool, cuts: &dyn Fn(usize) -> Vec<usize>| {
        let exchange = Exchange::of(case, around);
        let cuts = cuts(exchange.bytes.len());
        exchange.hold(routes.port(), &cuts);
        owed.extend(exchange.owed);
    };
    attempt(false, &|_| vec![]);
    attempt(true, &|_| vec![]);
    let place = case.name.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte));
    if is_long() {
        (1..case.bytes.len()).for_each(|at| attempt(false, &|_| vec![at]));
    } else {
        for split in 0..SPLITS {
            attempt(false, &|length| {
                vec![1 + run.seed.below(length as u64 - 1, &[place, split]) as usize]
            });
        }
    }
    // Larger ones take a second for what their smaller kin show as well.
    if case.bytes.len() < 300 {
        attempt(false, &|length| (1..length).collect());
    }
}

/// One case as it is sent, and what must come back.
struct Exchange<'c> {
    case: &'c Case,
    bytes: Vec<u8>,
    /// Statuses of final answers, in order.
    statuses: Vec<u16>,
    interim_max: usize,
    /// Events that are accepted: id and body.
    owed: Vec<(String, Vec<u8>)>,
}

impl<'c> Exchange<'c> {
    /// `around`: behind a good request.
    fn of(case: &'c Case, around: bool) -> Self {
        let accepted: Vec<Vec<u8>> = case
            .expected
            .iter()
            .filter_map(|line| line.strip_prefix("202"))
            .map(|body| {
                let mut bytes = Vec::new();
                unescape(body.strip_prefix(' ').unwrap_or(body), &mut bytes);
                bytes
            })
            .collect();
        // With more headers, these would be beyond the bound that they show to be inclusive. Without them the body is no
        // event: 400, but the connection goes on.
        let at_bound = ["bound-header-count-at", "bound-headers-at"].contains(&&*case.name);
        let mut exchange = Self {
            case,
            bytes: Vec::new(),
            statuses: Vec::new(),
            interim_max: case.expected.iter().filter(|line| *line == "100").count(),
            owed: Vec::new(),
        };
        if around {
            let id = unique();
            exchange.bytes =
                Request::minimal("/ok", &id).set("ce-type", "good").body("good").to_bytes();
            exchange.statuses.push(202);
            exchange.owed.push((id, b"good".to_vec()));
        }
        for line in case.expected.iter().filter(|line| *line != "100") {
            let status: u16 = line.split(' ').next().unwrap().parse().unwrap();
            exchange.statuses.push(if at_bound && status == 202 { 400 } else { status });
        }
        if accepted.is_empty() || at_bound {
            exchange.bytes.extend_from_slice(&case.bytes);
        } else {
            let (bytes, ids) = with_events(&case.bytes);
            assert!(ids.len() >= accepted.len(), "{}: {} events in it", case.name, ids.len());
            exchange.bytes.extend(bytes);
            exchange.owed.extend(ids.into_iter().zip(accepted));
        }
        exchange
    }

    /// Sends it with these cuts, reads the answers, and sees what becomes of the connection.
    fn hold(&self, port: u16, cuts: &[usize]) {
        let what =
            || format!("{}, {} bytes cut at {:?}", self.case.name, self.bytes.len(), cuts.first());
        let mut connection = Connection::open(port);
        let mut from = 0;
        for &cut in cuts {
            connection.send(&self.bytes[from..cut]);
            from = cut;
            if cuts.len() == 1 {
                pass(BETWEEN_PIECES);
            }
        }
        connection.send(&self.bytes[from..]);
        let mut interim = 0;
        let mut next = || loop {
            match connection.answer_within(SOON) {
                Ok(answer) if answer.status == 100 => interim += 1,
                Ok(answer) => break answer.status,
                Err(error) => panic!("{}: no answer: {error:?}", what()),
            }
        };
        let seen: Vec<u16> = self.statuses.iter().map(|_| next()).collect();
        assert_eq!(seen, self.statuses, "{}", what());
        match &*self.case.fate {
            "closed" => {}
            "waiting" => connection.finish_sending(),
            "open" => {
                let answer = connection.exchange(&Request::get("/healthz"));
                assert_eq!(answer.status, 200, "{}: not open", what());
                connection.finish_sending();
            }
            other => panic!("unknown fate {other}"),
        }
        loop {
            match connection.answer_within(SOON) {
                Ok(answer) if answer.status == 100 => interim += 1,
                Err(NoAnswer::Closed(rest)) if rest.is_empty() => break,
                other => panic!("{}: wanted the end, found {other:?}", what()),
            }
        }
        assert!(interim <= self.interim_max, "{}: {interim} interim answers", what());
    }
}

/// The bytes with the headers of an event in each request to `/ok`, and the ids of these events.
pub(crate) fn with_events(bytes: &[u8]) -> (Vec<u8>, Vec<String>) {
    let (mut with, mut ids) = (Vec::new(), Vec::new());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        with.extend_from_slice(line);
        let is_request = line.ends_with(b" HTTP/1.1\r\n") || line.ends_with(b" HTTP/1.0\r\n");
        if is_request && line.windows(3).any(|part| part == b"/ok") {
            let id = unique();
            with.extend_from_slice(
                format!("ce-specversion: 1.0\r\nce-id: {id}\r\nce-source: /s\r\nce-type: t\r\n")
                    .as_bytes(),
            );
            ids.push(id);
        }
    }
    (with, ids)
}

/// Ids whose events are on one side only, or with another body.
fn difference<'m>(
    one: &'m BTreeMap<String, Vec<u8>>,
    other: &'m BTreeMap<String, Vec<u8>>,
) -> Vec<&'m str> {
    let all = one.keys().chain(other.keys());
    all.filter(|id| one.get(*id) != other.get(*id)).map(String::as_str).collect()
}
