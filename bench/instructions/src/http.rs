//! HTTP: what a server does with a request, what a client does with an answer.

use std::hint::black_box;

use millrace_http1::response::{BodyProgress, ResponseBody, ResponseHead};
use millrace_http1::{BodyReader, Ending, Head, Limits, Progress, encode};

use crate::case::Case;

const REQUEST: &str = "POST /knative-eventing/broker HTTP/1.1\r\n\
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

const ANSWER: &str = "HTTP/1.1 200 OK\r\n\
    content-type: application/json\r\n\
    ce-specversion: 1.0\r\n\
    ce-id: 0c6f3d2e-7a39-4f0e-9f3c-6a4d1a0b6c55\r\n\
    ce-source: /subscribers/one\r\n\
    ce-type: com.example.answer\r\n\
    date: Sat, 01 Aug 2026 12:00:00 GMT\r\n";

/// As a slow network hands a head over.
const PIECE: usize = 64;

pub(crate) fn cases() -> Vec<Case> {
    let body = "x".repeat(1024);
    let with_length = format!("{REQUEST}Content-Length: 1024\r\n\r\n{body}");
    let chunked = format!("{REQUEST}Transfer-Encoding: chunked\r\n\r\n400\r\n{body}\r\n0\r\n\r\n");
    let reply = format!("{ANSWER}content-length: 1024\r\n\r\n{body}");
    vec![
        request_head("request head", usize::MAX, with_length.clone()),
        request_head("request head in pieces", PIECE, with_length.clone()),
        request("request with a length", with_length),
        request("request in chunks", chunked),
        answer_out("answer written with headers"),
        answer("answer 202", "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()),
        answer("answer with a reply", reply),
    ]
}

/// What the receiver asks a head for, of bytes that come so many at a time.
fn request_head(name: &'static str, piece: usize, bytes: String) -> Case {
    let (mut head, limits) = (Head::new(), Limits::default());
    Case::new(name, move || {
        let bytes = black_box(bytes.as_bytes());
        let mut there = 0_usize;
        loop {
            there = there.saturating_add(piece).min(bytes.len());
            let buffer = bytes.get(..there).unwrap_or_default();
            if head.parse(buffer, &limits).expect("the head is valid").is_some() {
                break;
            }
        }
        black_box((head.method(), head.path(bytes), head.host(bytes), head.framing()));
    })
}

/// Head and body, with the copy into the connection's buffer that stands for the read.
fn request(name: &'static str, bytes: String) -> Case {
    let (mut head, limits, mut buffer) = (Head::new(), Limits::default(), Vec::new());
    Case::new(name, move || {
        buffer.clear();
        buffer.extend_from_slice(black_box(bytes.as_bytes()));
        let start = head.parse(&buffer, &limits).expect("the head is valid");
        let body = BodyReader::new(head.framing(), &limits).expect("the body is not too large");
        let progress = { body }.feed(&mut buffer, start.expect("the head is whole"));
        assert!(matches!(progress, Ok(Progress::Done { .. })));
        black_box(&buffer);
    })
}

/// The answer to a probe, which has headers of its own; all others are ready-made bytes.
fn answer_out(name: &'static str) -> Case {
    let mut out = Vec::new();
    Case::new(name, move || {
        out.clear();
        let headers: [(_, &[u8]); 2] = [("allow", b"POST, OPTIONS"), ("retry-after", b"1")];
        encode::write_answer(&mut out, black_box(405), Ending::KeepAlive, black_box(&headers));
        black_box(&out);
    })
}

/// What the dispatcher reads of a subscriber's answer.
fn answer(name: &'static str, bytes: String) -> Case {
    let (mut head, limits, mut buffer) = (ResponseHead::new(), Limits::default(), Vec::new());
    Case::new(name, move || {
        buffer.clear();
        buffer.extend_from_slice(black_box(bytes.as_bytes()));
        let start = head.parse(&buffer, &limits).expect("the head is valid");
        let mut body = ResponseBody::new(&head, 64 * 1024, &limits);
        let progress = body.feed(&mut buffer, start.expect("the head is whole"));
        assert_eq!(progress, Ok(BodyProgress::Done { surplus: false }));
        black_box((head.status(), head.keep_alive(), head.header(&buffer, "retry-after")));
    })
}
