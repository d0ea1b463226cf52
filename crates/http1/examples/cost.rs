//! Prints what a head and a body cost in nanoseconds: `cargo run --release --example cost`.

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
    let body = "x".repeat(1024);
    let with_length = format!("{HEAD}Content-Length: 1024\r\n\r\n{body}");
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n400\r\n{body}\r\n0\r\n\r\n");
    measure("length", with_length.as_bytes());
    measure("chunked", chunked.as_bytes());
}

/// Best and median of several rounds, each over many requests.
fn measure(name: &str, request: &[u8]) {
    const ROUNDS: usize = 15;
    const REQUESTS: u32 = 100_000;
    let limits = Limits::default();
    let mut head = Head::new();
    let mut rounds = [0f64; ROUNDS];
    for (part, whole) in [("head", false), ("head and body", true)] {
        for round in &mut rounds {
            let mut buf = request.to_vec();
            let start = Instant::now();
            for _ in 0..REQUESTS {
                let length = head.parse(black_box(&buf), &limits).ok().flatten().unwrap_or(0);
                assert!(head.method() == Method::Post && head.path(&buf).len() == 24);
                if whole {
                    let body = BodyReader::new(head.framing(), &limits)
                        .and_then(|mut reader| reader.feed(&mut buf, length));
                    assert!(matches!(body, Ok(Progress::Done { .. })));
                    black_box(&body).as_ref().ok();
                }
            }
            *round = start.elapsed().as_nanos() as f64 / f64::from(REQUESTS);
        }
        rounds.sort_by(f64::total_cmp);
        println!("{name}, {part}: best {:.0} ns, median {:.0} ns", rounds[0], rounds[ROUNDS / 2]);
    }
}
