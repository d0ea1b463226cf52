//! Prints what a head and a body cost in nanoseconds: `cargo run --release --example cost`.
//! With a number, so many requests a round: few for counting instructions under valgrind.

use std::hint::black_box;
use std::time::Instant;

use millrace_http1::{BodyReader, Head, Limits, Method, Progress};

const HEAD: &str = "POST /knative-eventing/broker HTTP/1.1\r\n\
    Host: kafka-broker-ingress.knative-eventing.svc.cluster.local\r\n\
    User-Agent: Go-http-client/1.1\r\n\
    Content-Type: application/json\r\n\
    Ce-Specversion: 1.0\r\n\
    Ce-Id: 0c6f3d2e-7a39-4f0e-9f3c-6a4d1a0b6c55\r\n\
    Ce-Source: /apis/v1/namespaces/default/pingsources/one\r\n\
    Ce-Type: dev.knative.sources.ping\r\n\
    Ce-Time: 2026-08-01T12:00:00.000000000Z\r\n\
    Ce-Partitionkey: 17\r\n\
    Accept-Encoding: gzip\r\n";

fn main() {
    let requests = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1000);
    let body = "x".repeat(1024);
    let with_length = format!("{HEAD}Content-Length: 1024\r\n\r\n{body}");
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n400\r\n{body}\r\n0\r\n\r\n");
    measure(requests, "length", with_length.as_bytes());
    measure(requests, "chunked", chunked.as_bytes());
}

/// Best and median of many rounds.
fn measure(requests: u32, name: &str, request: &[u8]) {
    // Short rounds, so that on a busy machine some run undisturbed.
    const ROUNDS: usize = 501;
    let limits = Limits::default();
    let mut head = Head::new();
    let mut rounds = [0f64; ROUNDS];
    for (part, whole) in [("head", false), ("head and body", true)] {
        for round in &mut rounds {
            let mut buf = request.to_vec();
            let start = Instant::now();
            for _ in 0..requests {
                let length = head.parse(black_box(&buf), &limits).ok().flatten().unwrap_or(0);
                assert!(head.method() == Method::Post && head.path(&buf).len() == 24);
                if whole {
                    let body = BodyReader::new(head.framing(), &limits)
                        .and_then(|mut reader| reader.feed(&mut buf, length));
                    assert!(matches!(body, Ok(Progress::Done { .. })));
                    black_box(&body).as_ref().ok();
                }
            }
            *round = start.elapsed().as_nanos() as f64 / f64::from(requests);
        }
        rounds.sort_by(f64::total_cmp);
        println!("{name}, {part}: best {:.0} ns, median {:.0} ns", rounds[0], rounds[ROUNDS / 2]);
    }
}
