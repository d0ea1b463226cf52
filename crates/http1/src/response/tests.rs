//! Tests of answers: what they mean, bounds, broken ones, and every place to split them.

use proptest::prelude::*;

use super::*;

const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nce-id: 1\r\nCE-Type:t \r\nContent-Length: 2\r\n\r\n{}";

fn parse(bytes: &[u8]) -> Result<ResponseHead, BadResponse> {
    let mut head = ResponseHead::new();
    let length = head.parse(bytes, &Limits::default())?;
    assert!(length.is_some(), "incomplete: {}", bytes.escape_ascii());
    Ok(head)
}

fn parse_fields(status: &str, fields: &str) -> Result<ResponseHead, BadResponse> {
    parse(format!("{status}\r\n{fields}\r\n").as_bytes())
}

/// What a whole answer comes to: status, body, whether it was cut, whether the connection is good.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    status: u16,
    body: Vec<u8>,
    dropped: u64,
    reusable: bool,
}

/// Reads an answer from pieces, as a connection does.
fn read<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    keep: usize,
) -> Result<Option<Read>, BadResponse> {
    let limits = Limits::default();
    let mut head = ResponseHead::new();
    let mut buf = Vec::new();
    let mut reading: Option<(ResponseBody, usize)> = None;
    let mut done = None;
    for piece in pieces {
        if done.is_some() {
            // Bytes behind a complete answer.
            done = done.map(|good: bool| good && piece.is_empty());
            continue;
        }
        buf.extend_from_slice(piece);
        while reading.is_none() {
            match head.parse(&buf, &limits)? {
                Some(start) if head.is_interim() => drop(buf.drain(..start)),
                Some(start) => reading = Some((ResponseBody::new(&head, keep, &limits), start)),
                None => break,
            }
        }
        if let Some((body, start)) = &mut reading
            && let BodyProgress::Done { surplus } = body.feed(&mut buf, *start)?
        {
            done = Some(!surplus);
        }
    }
    let Some((body, start)) = reading else { return Ok(None) };
    if done.is_none() {
        body.end_of_stream()?;
    }
    Ok(Some(Read {
        status: head.status(),
        body: buf[start..start + body.kept()].to_vec(),
        dropped: body.dropped(),
        reusable: done == Some(true) && head.keep_alive(),
    }))
}

#[test]
fn a_reply_is_read_in_full() {
    let head = parse(REPLY).unwrap();
    assert_eq!((head.status(), head.version()), (200, Version::Http11));
    assert_eq!(head.framing(), ResponseFraming::Length(2));
    assert_eq!(head.header(REPLY, "ce-type"), Some(&b"t"[..]));
    assert_eq!(head.header(REPLY, "none"), None);
    let names: Vec<_> = head.headers(REPLY).map(|(name, _)| name).collect();
    assert_eq!(names, [&b"ce-id"[..], b"CE-Type", b"Content-Length"]);
}

#[test]
fn status_lines() {
    let table: &[(&str, Result<u16, BadResponse>)] = &[
        ("HTTP/1.1 200 OK", Ok(200)),
        ("HTTP/1.1 200 ", Ok(200)),
        ("HTTP/1.1 200", Ok(200)),
        ("HTTP/1.0 404 Not \u{e9}", Ok(404)),
        ("HTTP/1.1 999 odd", Ok(999)),
        ("HTTP/1.1 099 low", Err(BadResponse::StatusLine)),
        ("HTTP/1.1 20 OK", Err(BadResponse::StatusLine)),
        ("HTTP/1.1 2000 OK", Err(BadResponse::StatusLine)),
        ("HTTP/1.1  200 OK", Err(BadResponse::StatusLine)),
        ("HTTP/1.1 +20 OK", Err(BadResponse::StatusLine)),
        ("HTTP/1.1 200\tOK", Err(BadResponse::StatusLine)),
        ("HTTP/1.1 200 O\0K", Err(BadResponse::StatusLine)),
        ("HTTP/1.1", Err(BadResponse::StatusLine)),
        ("HTTP/1.1200 OK", Err(BadResponse::StatusLine)),
        ("HTTP/11 200 OK", Err(BadResponse::StatusLine)),
        ("HTTP/1.2 200 OK", Err(BadResponse::Version)),
        ("HTTP/2.0 200 OK", Err(BadResponse::Version)),
        ("http/1.1 200 OK", Err(BadResponse::StatusLine)),
        (" HTTP/1.1 200 OK", Err(BadResponse::StatusLine)),
        ("", Err(BadResponse::StatusLine)),
        ("SSH-2.0-OpenSSH", Err(BadResponse::StatusLine)),
        ("HTTP/1.1 101 Switching Protocols", Err(BadResponse::Switching)),
    ];
    for (line, expected) in table {
        let status = parse_fields(line, "").map(|head| head.status());
        assert_eq!(status, *expected, "{line}");
    }
}

#[test]
fn other_protocols_are_refused_at_once() {
    for start in [&b"\x15\x03\x03"[..], b"220 ", b"H2", b"\r\n", b"\0"] {
        let parsed = ResponseHead::new().parse(start, &Limits::default());
        assert_eq!(parsed, Err(BadResponse::StatusLine), "{}", start.escape_ascii());
    }
}

#[test]
fn framing_of_an_answer_to_post() {
    use ResponseFraming::{Chunked, Empty, Length, UntilClose};
    let malformed = |refusal| Err(BadResponse::Malformed(refusal));
    let table = [
        ("1.1 200", "", Ok((UntilClose, false))),
        ("1.0 200", "Connection: keep-alive\r\n", Ok((UntilClose, false))),
        ("1.1 200", "Content-Length: 0\r\n", Ok((Empty, true))),
        ("1.1 200", "Content-Length: 7\r\n", Ok((Length(7), true))),
        ("1.1 200", "Content-Length: 7\r\nConnection: close\r\n", Ok((Length(7), false))),
        ("1.0 200", "Content-Length: 7\r\n", Ok((Length(7), false))),
        ("1.0 200", "Content-Length: 7\r\nConnection: Keep-Alive\r\n", Ok((Length(7), true))),
        ("1.1 500", "Transfer-Encoding: Chunked\r\n", Ok((Chunked, true))),
        ("1.1 204", "", Ok((Empty, true))),
        ("1.1 304", "", Ok((Empty, true))),
        ("1.1 204", "Content-Length: 0\r\n", Ok((Empty, true))),
        ("1.1 204", "Content-Length: 5\r\n", Ok((Empty, false))),
        ("1.1 204", "Transfer-Encoding: chunked\r\n", Ok((Empty, false))),
        ("1.1 304", "Content-Length: 5\r\n", Ok((Empty, false))),
        ("1.1 200", "Content-Length: +7\r\n", malformed(Refusal::ContentLength)),
        ("1.1 200", "Content-Length: 7, 7\r\n", malformed(Refusal::ContentLength)),
        ("1.1 200", "Content-Length: 99999999999999999999\r\n", malformed(Refusal::ContentLength)),
        (
            "1.1 200",
            "Content-Length: 7\r\nContent-Length: 7\r\n",
            malformed(Refusal::ContentLengthRepeated),
        ),
        (
            "1.1 200",
            "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
            malformed(Refusal::TransferEncodingAndLength),
        ),
        (
            "1.1 204",
            "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
            malformed(Refusal::TransferEncodingAndLength),
        ),
        ("1.1 200", "Transfer-Encoding: gzip\r\n", malformed(Refusal::TransferEncoding)),
        ("1.1 200", "Transfer-Encoding: gzip, chunked\r\n", malformed(Refusal::TransferEncoding)),
        ("1.0 200", "Transfer-Encoding: chunked\r\n", malformed(Refusal::TransferEncodingInHttp10)),
        ("1.1 200", "Content-Length : 7\r\n", malformed(Refusal::HeaderName)),
        ("1.1 200", " folded: 7\r\n", malformed(Refusal::HeaderName)),
        ("1.1 200", "no colon\r\n", malformed(Refusal::HeaderName)),
        ("1.1 200", "a: b\0\r\n", malformed(Refusal::HeaderValue)),
        ("1.1 200", "a: b\r c\r\n", malformed(Refusal::HeaderValue)),
        ("1.1 200", "a: b\n", malformed(Refusal::BareLineFeed)),
    ];
    for (status, fields, expected) in table {
        let line = format!("HTTP/{status} x");
        let parsed = parse_fields(&line, fields).map(|head| (head.framing(), head.keep_alive()));
        assert_eq!(parsed, expected, "{line} {fields}");
    }
}

#[test]
fn keep_alive_names_a_time() {
    let table = [
        ("", None),
        ("Keep-Alive: timeout=5\r\n", Some(5)),
        ("Keep-Alive: max=100, TIMEOUT = 7 \r\n", Some(7)),
        ("Keep-Alive: timeout=0\r\n", Some(0)),
        ("Keep-Alive: timeout=-1\r\n", None),
        ("Keep-Alive: timeout=\r\n", None),
        ("Keep-Alive: timeouts=3\r\n", None),
        ("Keep-Alive: timeout=3\r\nKeep-Alive: timeout=9\r\n", Some(3)),
    ];
    for (fields, expected) in table {
        let head = parse_fields("HTTP/1.1 200 OK", fields).unwrap();
        assert_eq!(head.keep_alive_timeout_s(), expected, "{fields}");
    }
}

#[test]
fn bounds_hold_at_n_and_break_at_n_plus_1() {
    let limits =
        Limits { line_max: 20, headers_bytes_max: 30, headers_max: 3, ..Limits::default() };
    let line = |length: usize| format!("HTTP/1.1 200 {}", "p".repeat(length - 13));
    let table = [
        (format!("{}\r\n\r\n", line(20)), Ok(())),
        (format!("{}\r\n\r\n", line(21)), Err(BadResponse::StatusLineTooLong)),
        (format!("{}\r\na: {}\r\n\r\n", line(20), "v".repeat(27)), Ok(())),
        (
            format!("{}\r\na: {}\r\n\r\n", line(20), "v".repeat(28)),
            Err(BadResponse::HeadersTooLarge),
        ),
        (format!("{}\r\n{}\r\n", line(20), "a: b\r\n".repeat(3)), Ok(())),
        (
            format!("{}\r\n{}\r\n", line(20), "a: b\r\n".repeat(4)),
            Err(BadResponse::HeadersTooLarge),
        ),
    ];
    for (bytes, expected) in table {
        let parsed = ResponseHead::new().parse(bytes.as_bytes(), &limits).map(|length| {
            assert_eq!(length, Some(bytes.len()));
            assert!(bytes.len() <= limits.head_bytes_max());
        });
        assert_eq!(parsed, expected, "{bytes}");
    }
    let endless = [&b"HTTP/1.1 200 "[..], &[b'p'; 8]].concat();
    let refused = ResponseHead::new().parse(&endless, &limits);
    assert_eq!(refused, Err(BadResponse::StatusLineTooLong));
}

#[test]
fn the_next_head_forgets_the_last() {
    let limits = Limits::default();
    let mut head = ResponseHead::new();
    head.parse(REPLY, &limits).unwrap().unwrap();
    let second = b"HTTP/1.0 500 no\r\n\r\n";
    assert_eq!(head.parse(second, &limits), Ok(Some(second.len())));
    assert_eq!((head.status(), head.headers(second).count()), (500, 0));
    assert_eq!(head.parse(b"x", &limits), Err(BadResponse::StatusLine));
    assert_eq!(head.parse(REPLY, &limits), Ok(Some(REPLY.len() - 2)));
    assert_eq!(head.parse(b"HTTP/1.1 2", &limits), Ok(None));
    head.reset();
    assert_eq!(head.parse(second, &limits), Ok(Some(second.len())));
}

type Expected = Result<Option<Read>, BadResponse>;

/// Answers of every shape, with what they come to when 5 bytes are kept.
fn samples() -> Vec<(Vec<u8>, Expected)> {
    let good = |status, body: &[u8], dropped, reusable| {
        Ok(Some(Read { status, body: body.to_vec(), dropped, reusable }))
    };
    let table: Vec<(&[u8], _)> = vec![
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", good(202, b"", 0, true)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", good(204, b"", 0, true)),
        (b"HTTP/1.1 204 No Content\r\n\r\nx", good(204, b"", 0, false)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", good(200, b"hello", 0, true)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhello yo", good(200, b"hello", 3, true)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello", good(200, b"he", 0, false)),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n6;x=y\r\nllo yo\r\n0\r\nt: v\r\n\r\n",
            good(200, b"hello", 3, true),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nHTTP",
            good(200, b"a", 0, false),
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            good(200, b"x", 0, true),
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", good(200, b"until", 8, false)),
        (b"HTTP/1.0 500 no\r\nContent-Length: 2\r\n\r\nab", good(500, b"ab", 0, false)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", Err(BadResponse::EndedEarly)),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            Err(BadResponse::EndedEarly),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
            Err(BadResponse::Malformed(Refusal::ChunkEnd)),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000001\r\n",
            Err(BadResponse::Malformed(Refusal::ChunkSize)),
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Ok(None)),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", Err(BadResponse::Malformed(Refusal::BareLineFeed))),
    ];
    table.into_iter().map(|(bytes, expected)| (bytes.to_vec(), expected)).collect()
}

#[test]
fn split_at_every_byte_and_byte_by_byte() {
    for (bytes, expected) in samples() {
        let name = bytes.escape_ascii().to_string();
        assert_eq!(read([&bytes[..]], 5), expected, "{name}");
        assert_eq!(read(bytes.chunks(1), 5), expected, "{name}");
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(read([first, second], 5), expected, "{name} at {at}");
        }
    }
}

#[test]
fn what_is_not_kept_takes_no_room() {
    let limits = Limits::default();
    let heads = ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n"];
    for head_bytes in heads {
        let mut head = ResponseHead::new();
        let mut buf = head_bytes.as_bytes().to_vec();
        let start = head.parse(&buf, &limits).unwrap().unwrap();
        let mut body = ResponseBody::new(&head, 10, &limits);
        for _ in 0..1_000 {
            buf.extend_from_slice(&[b'x'; 1_000]);
            assert_eq!(body.feed(&mut buf, start), Ok(BodyProgress::NeedMore));
            assert_eq!(buf.len(), start + 10);
        }
        assert!(body.is_full());
        assert_eq!(body.dropped(), 1_000_000 - 10);
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        which in 0usize..64,
        mutations in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        keep in 0usize..12,
    ) {
        let samples = samples();
        let mut bytes = samples[which % samples.len()].0.clone();
        for (at, byte) in mutations {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
        let whole = read([&bytes[..]], keep);
        prop_assert_eq!(read(pieces, keep), whole.clone());
        prop_assert_eq!(read(bytes.chunks(1), keep), whole);
    }

    #[test]
    fn any_bytes_are_answered_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let start = b"HTTP/1.1 200 OK\r\n";
        let _free = read([&bytes[..]], 5);
        let _headed = read([&start[..], &bytes[..]], 5);
    }
}
