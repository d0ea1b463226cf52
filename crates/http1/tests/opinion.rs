//! hyper as a second opinion (reliability.md S2), on requests and on answers: what hyper refuses
//! we refuse, and what both accept ends at the same byte, with the same path or status and the
//! same body. We may refuse more.
//!
//! One documented difference: hyper counts chunk extensions and trailers with other bounds
//! (16 KiB), so bodies beyond those are not compared.

#![allow(clippy::unwrap_used)] // A test that cannot read its input has failed.

mod answers;
mod cases;
mod connection;
mod mutate;
mod peer;

use std::fs;
use std::path::Path;

use cases::cases;
use mutate::{Random, mutate};
use peer::{compare_answers, compare_requests};

#[test]
fn corpus_gets_no_more_from_us_than_from_hyper() {
    for case in cases() {
        compare_requests(&case.name, &case.bytes);
    }
}

#[test]
fn answers_get_no_more_from_us_than_from_hyper() {
    for (name, bytes) in cases_of_answers() {
        compare_answers(&name, &bytes);
    }
}

/// Found by the fuzz target: hyper bounds the number of trailer lines as well, not their bytes alone.
#[test]
fn as_many_trailer_lines_as_header_lines_are_taken() {
    for (lines, taken) in [(127, true), (128, true), (129, false)] {
        let body = format!("1\r\na\r\n0\r\n{}\r\n", "a: b\r\n".repeat(lines));
        let head = "Host: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        let request = format!("POST / HTTP/1.1\r\n{head}{body}");
        assert_eq!(compare_requests("lines", request.as_bytes()), usize::from(taken), "{lines}");
        let answer = format!("HTTP/1.1 200 OK\r\n{head}{body}");
        assert_eq!(compare_answers("lines", answer.as_bytes()), taken, "{lines}");
    }
}

#[test]
fn mutations_get_no_more_from_us_than_from_hyper() {
    let cases: Vec<_> =
        cases().into_iter().map(|case| case.bytes).filter(|bytes| bytes.len() < 1024).collect();
    compare_mutations("request", &cases, |name, bytes| compare_requests(name, bytes) > 0);
}

#[test]
fn mutated_answers_get_no_more_from_us_than_from_hyper() {
    let cases: Vec<_> = cases_of_answers().into_iter().map(|(_, bytes)| bytes).collect();
    compare_mutations("answer", &cases, compare_answers);
}

/// 10,000 by default, a million with `MILLRACE_LONG=1`. `MILLRACE_SEED` repeats a run, or begins at
/// the mutation that a failure names.
fn compare_mutations(what: &str, cases: &[Vec<u8>], compare: impl Fn(&str, &[u8]) -> bool) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let count = if number("MILLRACE_LONG") == Some(1) { 1_000_000 } else { 10_000 };
    let first = number("MILLRACE_SEED").unwrap_or(1);
    println!("{what}s: MILLRACE_SEED={first}, {count} mutations");
    let mut accepted = 0;
    for seed in (first..).take(count) {
        let bytes = mutate(cases, &mut Random::new(seed));
        if compare(&format!("{what}, MILLRACE_SEED={seed}"), &bytes) {
            accepted += 1;
        }
    }
    let refused = count - accepted;
    // The comparison says something only if both outcomes are common.
    assert!(
        accepted > count / 20 && refused > count / 20,
        "{accepted} {what}s accepted, {refused} refused"
    );
}

/// The seeds of the fuzz target for answers.
fn cases_of_answers() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/http_response");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap())
        })
        .collect();
    cases.sort();
    assert!(cases.len() >= 20, "only {} answers", cases.len());
    cases
}
