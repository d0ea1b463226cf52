//! hyper as a second opinion (reliability.md S2): what hyper refuses we refuse, and what both
//! accept has the same path and body. We may refuse more.
//!
//! One documented difference: hyper counts chunk extensions and trailers with other bounds
//! (16 KiB), so bodies beyond those are not compared.

#![allow(clippy::unwrap_used)] // A test that cannot read its input has failed.

mod cases;
mod connection;

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use cases::{Case, cases};
use connection::{Connection, Outcome, Routes};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use millrace_http1::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Path and body of a request that was read to its end. CONNECT has a host for a path, which
/// hyper does not give as one.
type Accepted = (Vec<u8>, Vec<u8>);

#[test]
fn corpus_gets_no_more_from_us_than_from_hyper() {
    for case in cases() {
        compare(&case.name, &case.bytes);
    }
}

/// 3,000 by default; the nightly run sets `MILLRACE_MUTATIONS=1000000`.
#[test]
fn mutations_get_no_more_from_us_than_from_hyper() {
    let count: u64 = std::env::var("MILLRACE_MUTATIONS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(3000);
    let cases: Vec<_> = cases().into_iter().filter(|case| case.bytes.len() < 1024).collect();
    let (mut accepted, mut refused) = (0u64, 0u64);
    for seed in 1..=count {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let case = &cases[random.below(cases.len())];
        let mut bytes = case.bytes.clone();
        for _ in 0..=random.below(3) {
            mutate(&mut bytes, &cases, &mut random);
        }
        match compare(&format!("{}, seed {seed}", case.name), &bytes) {
            0 => refused += 1,
            _ => accepted += 1,
        }
    }
    // The comparison says something only if both outcomes are common.
    assert!(
        accepted > count / 20 && refused > count / 20,
        "{accepted} accepted, {refused} refused"
    );
}

/// How many requests we accepted.
fn compare(name: &str, bytes: &[u8]) -> usize {
    let ours = ours(bytes);
    let hypers = hypers(bytes);
    assert!(
        hypers.starts_with(&ours),
        "{name}: we see {ours:?}, hyper sees {hypers:?} in {}",
        bytes.escape_ascii()
    );
    ours.len()
}

fn ours(bytes: &[u8]) -> Vec<Accepted> {
    let mut connection = Connection::new(Routes::Everything, Limits::default());
    connection.receive(bytes);
    let accepted = connection.outcomes.into_iter().filter_map(|outcome| match outcome {
        Outcome::Accepted { path, body } => Some((path, body)),
        _ => None,
    });
    accepted
        .map(|(path, body)| if path.starts_with(b"/") { (path, body) } else { (vec![], body) })
        .collect()
}

fn hypers(bytes: &[u8]) -> Vec<Accepted> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let service = service_fn(|request| answer(request, seen.clone()));
        let serve = async {
            // An error is how hyper says that it refuses.
            let _refused = hyper::server::conn::http1::Builder::new()
                .half_close(true)
                .max_headers(Limits::default().headers_max)
                .serve_connection(TokioIo::new(server), service)
                .await;
        };
        let (mut from_server, mut to_server) = tokio::io::split(client);
        let write = async {
            // hyper may close before it has read all.
            let _closed = to_server.write_all(bytes).await;
            let _closed = to_server.shutdown().await;
        };
        let read = async {
            let mut answers = Vec::new();
            from_server.read_to_end(&mut answers).await.unwrap();
        };
        tokio::join!(serve, write, read);
    });
    seen.take()
}

/// Answers 404 to all, so that CONNECT and Upgrade change nothing.
async fn answer(
    request: Request<Incoming>,
    seen: Rc<RefCell<Vec<Accepted>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let path = match head.uri.path() {
        _ if head.method == Method::CONNECT => "",
        "*" => "",
        path => path,
    };
    if let Ok(body) = body.collect().await {
        seen.borrow_mut().push((path.as_bytes().to_vec(), body.to_bytes().to_vec()));
    }
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}

fn mutate(bytes: &mut Vec<u8>, others: &[Case], random: &mut Random) {
    const INSERTS: &[&[u8]] = &[
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\t",
        b"\0",
        b":",
        b";",
        b",",
        b"\"",
        b"0",
        b"1",
        b"0x",
        b"+",
        b"\x0b",
        b"\x7f",
        b"\x80",
        b"chunked",
        b"Content-Length: 1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
        b"Connection: keep-alive\r\n",
        b"HTTP/1.0",
        b"Expect: 100-continue\r\n",
        b"http://h",
        b"?",
        b"%",
        b"[",
        b"@",
    ];
    let at = random.below(bytes.len() + 1);
    let length = random.below(8).min(bytes.len() - at);
    match random.below(6) {
        0 => drop(bytes.drain(at..at + length)),
        1 => drop(bytes.splice(at..at, INSERTS[random.below(INSERTS.len())].iter().copied())),
        2 => drop(bytes.splice(at..at + length.min(1), [random.below(256) as u8])),
        3 => {
            let copy = bytes[at..at + length].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => {
            let other = &others[random.below(others.len())].bytes;
            let from = random.below(other.len());
            bytes.splice(at.., other[from..].iter().copied());
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}

/// xorshift64: the same seed gives the same bytes on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}
