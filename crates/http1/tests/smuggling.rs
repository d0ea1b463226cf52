//! The smuggling corpus (reliability.md S1): each case whole, in two pieces, byte by byte, and
//! between two good requests. See `corpus/README.md` for the format.

#![allow(clippy::unwrap_used)] // A test that cannot read its input has failed.

mod cases;
mod connection;

use cases::{Case, cases};
use connection::{Connection, Outcome, Routes};
use millrace_http1::Limits;

const GOOD: &[u8] = b"POST /ok HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\ngood";

#[test]
fn corpus_is_complete() {
    let count = cases().len();
    assert!(count >= 120, "only {count} cases");
}

#[test]
fn cases_come_out_as_written_down() {
    for case in cases() {
        check(&case, &[&case.bytes]);
    }
}

#[test]
fn cases_split_at_every_byte_come_out_the_same() {
    for case in cases() {
        for at in splits(case.bytes.len()) {
            let (before, after) = case.bytes.split_at(at);
            check(&case, &[before, after]);
        }
        let single: Vec<&[u8]> = case.bytes.chunks(1).collect();
        check(&case, &single);
    }
}

#[test]
fn good_requests_around_a_case_are_not_touched() {
    for case in cases() {
        let mut around = Case { bytes: [GOOD, &case.bytes].concat(), ..case };
        around.expected.insert(0, "202 good".to_owned());
        if around.fate == "open" {
            around.bytes.extend_from_slice(GOOD);
            around.expected.push("202 good".to_owned());
        }
        check(&around, &[&around.bytes]);
        let single: Vec<&[u8]> = around.bytes.chunks(1).collect();
        check(&around, &single);
    }
}

/// Every place to cut so many bytes. Within the long runs of one byte that the large cases have,
/// only each 61st: those cuts are all alike, and all of them would take minutes.
fn splits(length: usize) -> impl Iterator<Item = usize> {
    const EDGE: usize = 512;
    (1..length).filter(move |at| *at < EDGE || length - at < EDGE || at % 61 == 0)
}

fn check(case: &Case, pieces: &[&[u8]]) {
    let mut connection = Connection::new(Routes::Receiver, Limits::default());
    for piece in pieces {
        connection.receive(piece);
    }
    let seen: Vec<String> = connection.outcomes.iter().map(line).collect();
    let fate = match (connection.open, connection.is_inside_request()) {
        (false, _) => "closed",
        (true, true) => "waiting",
        (true, false) => "open",
    };
    let name = &case.name;
    let first = pieces.first().map_or(0, |piece| piece.len());
    assert!(!connection.canary_seen, "{name}, first piece {first}: the canary was reached");
    assert_eq!((seen, fate), (case.expected.clone(), &*case.fate), "{name}, first piece {first}");
}

/// An outcome as the case files write it.
fn line(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { body, .. } => format!("202 {}", body.escape_ascii()).trim().to_owned(),
        Outcome::Answered(status) => status.to_string(),
        Outcome::Continue => "100".to_owned(),
        Outcome::Refused(refusal) => format!("{} {}", refusal.status(), refusal.reason()),
    }
}
