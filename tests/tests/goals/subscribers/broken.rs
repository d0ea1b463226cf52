//! F2: answers that break off, lie, dawdle, flood or never come: the right outcome, memory that stays flat, and no
//! connection used again after a broken answer.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_tests::drivers;
use millrace_tests::footprint::Footprint;
use millrace_tests::matrix::Variant;
use millrace_tests::plan::Egress;
use millrace_tests::producer::NewRecord;
use millrace_tests::schedule::{Run, is_long};
use millrace_tests::sockets;
use millrace_tests::stage::{Case, Kind, Stage};
use millrace_tests::wait::within;
use serde_json::json;

use super::hostile::{Act, ClosedPort, Server, Then};
use super::{by_id, reasons, shuffled};

/// For one attempt. Good answers come at once; only silence and drips last as long.
const TIMEOUT_MS: &str = "4000";
const PARTITIONS: i32 = 12;
/// Of what the server answers while the request's body is still on its way.
const LARGE: usize = 96 << 10;
const FLOOD: usize = 100 << 20;
/// As `RESPONSE_BODY_MAX_BYTES`.
const REPLY_BYTES_MAX: &str = "65536";
/// What three egresses of 50 records each may take beside what the dispatcher has at its start.
const RSS_GROWTH_KIB_MAX: u64 = 32 << 10;
/// A whole answer with a body of 20 bytes. Whoever wants the body needs the last byte of it.
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234567890123456789";
/// Its head.
const HEAD_BYTES: usize = ANSWER.len() - 20;
const CUTS: usize = 50;

/// What is to become of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    Delivered,
    /// No answer, whatever was sent: another attempt, then the dead letter sink, without a status.
    Unanswered,
    /// A success that cannot be taken: at once to the dead letter sink, without a status.
    Useless,
    /// Two attempts that were answered 500.
    Refused,
}
use Expected::{Delivered, Refused, Unanswered, Useless};

/// A way to answer, and what follows for whoever wants replies and for whoever does not.
struct Way {
    name: String,
    act: Act,
    wanted: Expected,
    discarded: Expected,
    /// Sent twice within an attempt if it met a kept connection that ended without a byte.
    may_repeat: bool,
    count: usize,
}

fn way(name: &str, act: Act, wanted: Expected, discarded: Expected) -> Way {
    Way { name: name.to_owned(), act, wanted, discarded, may_repeat: false, count: 1 }
}

/// The same for both.
fn both(name: &str, act: Act, expected: Expected) -> Way {
    way(name, act, expected.clone(), expected)
}

fn ways(count: usize) -> Vec<Way> {
    let silent = |bytes: &str| Act::new(bytes, Then::Wait);
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let interim = "HTTP/1.1 102 Processing\r\n\r\n";
    let huge = |status: &str| Act {
        filler: FLOOD,
        ..silent(&format!("HTTP/1.1 {status}\r\nContent-Length: {FLOOD}\r\n\r\n"))
    };
    let paced = |act: Act, pace| Act { pace: Some(Duration::from_millis(pace)), ..act };
    let framing = |lines: &str| silent(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nab"));
    let mut ways = vec![
        both("good", Act::new(ok, Then::GoOn), Delivered),
        both("silence", silent(""), Unanswered),
        both("drip", paced(Act::new(ok, Then::GoOn), 1), Delivered),
        both(
            "endless-drip",
            paced(silent(&format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(4000))), 20),
            Unanswered,
        ),
        way("huge", huge("200 OK"), Useless, Delivered),
        both("huge-error", huge("500 No"), Refused),
        both("early", Act { early: true, ..Act::new(ok, Then::GoOn) }, Delivered),
        both("closes", Act::new(ok, Then::Close), Delivered),
        both("surplus", silent(&format!("{ok}{ok}")), Delivered),
        both("few-interim", Act::new(interim.repeat(3) + ok, Then::GoOn), Delivered),
        both("interim-flood", silent(&interim.repeat(10_000)), Unanswered),
        both("ssh", silent("SSH-2.0-OpenSSH_9.9\r\n"), Unanswered),
        both("tls", silent("\u{15}\u{3}\u{3}\0\u{2}\u{2}F"), Unanswered),
        both("http2", silent("HTTP/2.0 200 OK\r\n\r\n"), Unanswered),
        both(
            "long-line",
            silent(&format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(5_000))),
            Unanswered,
        ),
        both(
            "large-head",
            silent(&format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(9_000))),
            Unanswered,
        ),
        both(
            "two-framings",
            framing("Content-Length: 2\r\nTransfer-Encoding: chunked"),
            Unanswered,
        ),
        both("two-lengths", framing("Content-Length: 2\r\nContent-Length: 3"), Unanswered),
        both("odd-length", framing("Content-Length: 0x2"), Unanswered),
    ];
    ways.iter_mut().for_each(|way| way.count = count);
    let cuts = (0..CUTS).flat_map(cuts_at).map(|way| Way { count: count.div_ceil(CUTS), ..way });
    ways.extend(cuts);
    ways
}

/// An answer that breaks off behind so many bytes.
fn cuts_at(at: usize) -> [Way; 2] {
    let part = &ANSWER[..at];
    let head = if at < HEAD_BYTES { Unanswered } else { Delivered };
    let cut = way(&format!("cut{at}"), Act::new(part, Then::Close), Unanswered, head);
    // What came before a reset may be lost with it: only who needs the rest knows the outcome.
    let reset = both(&format!("reset{at}"), Act::new(part, Then::Reset), Unanswered);
    [cut, reset].map(|way| Way { may_repeat: at == 0, ..way })
}

/// The egresses: one that wants replies, one that does not.
const WANTS: &str = "";
const DISCARDS: &str = "discards";

fn check(case: &Case<'_>, suffix: &str, server: &Server, ways: &[Way]) {
    let egress = if suffix.is_empty() { case.egress() } else { case.and(suffix) };
    let letters = by_id(case.stage.subscriber.endpoint(&format!("{}.dls", egress.name)).received());
    let attempts: BTreeMap<_, _> = server.attempts();
    for way in ways {
        let expected = if suffix == WANTS { &way.wanted } else { &way.discarded };
        for number in 0..way.count {
            let id = format!("{}.{number}", way.name);
            let told = letters.get(&id).map(|letters| {
                assert_eq!(letters.len(), 1, "{id}: {letters:?}");
                reasons(&letters[0])
            });
            let dest = Some(egress.destination().to_owned());
            let told_of_500 = || Some("QUFB".repeat(341) + "QQ==");
            let (count, letter) = match expected {
                Delivered => (1, None),
                Unanswered => (2, Some([dest, None, None])),
                Useless => (1, Some([dest, None, None])),
                Refused => (2, Some([dest, Some("500".to_owned()), told_of_500()])),
            };
            // A reset behind the head may or may not take the head with it.
            let either = suffix == DISCARDS
                && way.name.starts_with("reset")
                && way.act.bytes.len() >= HEAD_BYTES;
            if either && told.is_none() {
                continue;
            }
            assert_eq!(told, letter, "{id} {suffix}");
            let came = attempts.get(&id).copied().unwrap_or(0);
            let most = if way.may_repeat { 2 * count } else { count };
            assert!((count..=most).contains(&came), "{id} {suffix} came {came} times");
        }
    }
    assert_eq!(server.wrong(), Vec::<String>::new(), "{suffix}");
}

drivers! {
    fn f2_broken_answers(variant: Variant) {
        let run = Run::begin("f2");
        let ways = ways(run.either(4, 200));
        let (wants, discards, nobody) = (ClosedPort::take().open(), ClosedPort::take().open(), ClosedPort::take());
        for (server, way) in [&wants, &discards].iter().flat_map(|server| ways.iter().map(move |way| (server, way))) {
            server.on(&way.name, way.act.clone());
        }
        let config = json!({ "timeout": TIMEOUT_MS });
        let to = |url: String| format!("{url}/x");
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| setup.env("RESPONSE_BODY_MAX_BYTES", REPLY_BYTES_MAX).web_client("sendBufferSize", "16384"))
            .with("f2", |plan| plan
                .partitions(PARTITIONS)
                .egress(|egress| egress.retry(1, 20).config(config.clone()).dead_letter().reply_url().set("/destination", to(wants.url())))
                .and(DISCARDS, |egress| egress.retry(1, 20).config(config.clone()).dead_letter().set("/destination", to(discards.url())))
                .and("refused", |egress| egress.retry(1, 20).config(config.clone()).dead_letter().set("/destination", to(nobody.url()))))
            .start();
        let case = stage.case("f2");
        let ids: Vec<_> = ways.iter().flat_map(|way| (0..way.count).map(|number| format!("{}.{number}", way.name))).collect();
        let ids = shuffled(ids, run.seed, 0);
        let mut sent = vec![Vec::new(); usize::try_from(PARTITIONS).unwrap()];
        // Something has been sent to everybody before memory is looked at.
        for (partition, sent) in (0..).zip(&mut sent) {
            let id = format!("warm.{partition}");
            case.send_to(partition, &[NewRecord::event(&id)]);
            sent.push(id);
        }
        settle(&case, &sent);
        let before = Footprint::of(stage.dispatcher.pid()).unwrap();
        for (number, id) in ids.iter().enumerate() {
            let partition = number % sent.len();
            let record = NewRecord::event(id);
            let record = if id.starts_with("early") { record.value(vec![b'x'; LARGE]) } else { record };
            case.send_to(i32::try_from(partition).unwrap(), &[record]);
            sent[partition].push(id.clone());
        }
        settle(&case, &sent);
        check(&case, WANTS, &wants, &ways);
        check(&case, DISCARDS, &discards, &ways);
        let letters = by_id(stage.subscriber.endpoint("f2-refused.dls").received());
        let refused = Some(to(nobody.url()));
        for id in &ids {
            let told: Vec<_> = letters[id].iter().map(reasons).collect();
            assert_eq!(told, [[refused.clone(), None, None]], "{id}");
        }
        assert_eq!(stage.subscriber.endpoint("f2.reply").count(), 0);
        let after = Footprint::of(stage.dispatcher.pid()).unwrap();
        println!("f2: {} events to 3 egresses; before: {before}; after: {after}", ids.len());
        let grown = after.peak_rss_kib.saturating_sub(before.peak_rss_kib);
        assert!(grown < RSS_GROWTH_KIB_MAX, "{grown} KiB more");
        let open = [&wants, &discards].map(|server| sockets::connections(stage.dispatcher.pid(), server.port()).len());
        assert!(open.iter().all(|open| *open <= 100), "{open:?} connections are open");
    }
}

/// Waits until every egress has committed all of what was sent: `sent` holds the ids of each partition.
fn settle(case: &Case<'_>, sent: &[Vec<String>]) {
    let committed = |egress: &Egress, partition: usize| {
        let partition = i32::try_from(partition).unwrap();
        let offset =
            case.stage.groups.committed(&egress.group, &case.plan.topic, partition).unwrap();
        usize::try_from(offset).unwrap()
    };
    let patience = Duration::from_secs(if is_long() { 600 } else { 30 });
    for egress in &case.plan.egresses {
        for (partition, ids) in sent.iter().enumerate() {
            let done =
                within(patience, || (committed(egress, partition) == ids.len()).then_some(()));
            let stuck = || ids.get(committed(egress, partition));
            assert!(done.is_some(), "{} stands before {:?}", egress.name, stuck());
        }
    }
}
