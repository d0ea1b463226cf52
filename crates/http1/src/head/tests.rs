//! Tests of heads beyond what the smuggling corpus holds: answers, reuse, bounds, bytes.

use super::*;

const EVENT: &[u8] = b"POST /ns/a?x=1 HTTP/1.1\r\nHost: h.svc\r\nce-id: 1\r\nCE-ID: 2\r\n\
    Content-Type:application/json \r\nX-Empty:\r\nContent-Length: 2\r\n\r\n{}";

fn parse(bytes: &[u8]) -> Result<Head, Refusal> {
    let mut head = Head::new();
    let length = head.parse(bytes, &Limits::default())?;
    assert!(length.is_some(), "incomplete: {}", bytes.escape_ascii());
    Ok(head)
}

fn parse_fields(fields: &str) -> Result<Head, Refusal> {
    parse(format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n").as_bytes())
}

#[test]
fn an_event_is_read_in_full() {
    let head = parse(EVENT).unwrap();
    assert_eq!(head.method(), Method::Post);
    assert_eq!(head.version(), Version::Http11);
    assert_eq!(head.path(EVENT), b"/ns/a");
    assert_eq!(head.host(EVENT), Some(&b"h.svc"[..]));
    assert_eq!(head.framing(), BodyFraming::Length(2));
    assert_eq!(head.header(EVENT, "Ce-Id"), Some(&b"1"[..]));
    assert_eq!(head.header(EVENT, "content-type"), Some(&b"application/json"[..]));
    assert_eq!(head.header(EVENT, "x-empty"), Some(&b""[..]));
    assert_eq!(head.header(EVENT, "none"), None);
    let names: Vec<_> = head.headers(EVENT).map(|(name, _)| name).collect();
    let expected: [&[u8]; 6] =
        [b"Host", b"ce-id", b"CE-ID", b"Content-Type", b"X-Empty", b"Content-Length"];
    assert_eq!(names, expected);
    assert_eq!(head.headers(EVENT).len(), 6);
}

#[test]
fn length_of_the_head_does_not_depend_on_what_follows() {
    let mut head = Head::new();
    let limits = Limits::default();
    let length = EVENT.len() - 2;
    for end in 0..length {
        assert_eq!(head.parse(&EVENT[..end], &limits), Ok(None), "{end}");
    }
    for end in length..=EVENT.len() {
        assert_eq!(head.parse(&EVENT[..end], &limits), Ok(Some(length)), "{end}");
    }
}

#[test]
fn the_buffer_may_move_and_grow() {
    let head = parse(EVENT).unwrap();
    let mut moved = EVENT.to_vec();
    moved.reserve_exact(1 << 20);
    moved.extend_from_slice(b"more");
    assert!(head.headers(EVENT).eq(head.headers(&moved)));
    assert_eq!(head.path(&moved), b"/ns/a");
}

#[test]
fn a_shorter_buffer_gives_nothing_instead_of_a_panic() {
    let head = parse(EVENT).unwrap();
    for end in 0..EVENT.len() {
        let short = &EVENT[..end];
        let _path = head.path(short);
        let _host = head.host(short);
        assert_eq!(head.headers(short).count(), 6);
    }
}

#[test]
fn the_next_head_forgets_the_last() {
    let limits = Limits::default();
    let mut head = Head::new();
    head.parse(EVENT, &limits).unwrap().unwrap();
    let second = b"GET /healthz HTTP/1.0\r\n\r\n";
    assert_eq!(head.parse(second, &limits), Ok(Some(second.len())));
    assert_eq!(head.method(), Method::Get);
    assert_eq!(head.framing(), BodyFraming::Empty);
    assert_eq!(head.host(second), None);
    assert_eq!(head.headers(second).count(), 0);
    // After a refusal, and after a head that was given up.
    assert_eq!(head.parse(b"bad\r\n", &limits), Err(Refusal::RequestLine));
    assert_eq!(head.parse(second, &limits), Ok(Some(second.len())));
    assert_eq!(head.parse(b"POST /ns", &limits), Ok(None));
    head.reset();
    assert_eq!(head.parse(second, &limits), Ok(Some(second.len())));
}

#[test]
fn host_of_the_target_wins() {
    let table: &[(&str, &str)] = &[
        ("POST /a HTTP/1.1\r\nHost: h:80\r\n\r\n", "h:80"),
        ("POST http://t/a HTTP/1.1\r\nHost: h\r\n\r\n", "t"),
        ("POST http://t:80/a HTTP/1.1\r\nHost: t\r\n\r\n", "t:80"),
        ("POST http://H/a HTTP/1.1\r\nHost: h\r\n\r\n", "h"),
        ("POST http://t/a HTTP/1.0\r\n\r\n", "t"),
        ("POST /a HTTP/1.1\r\nHost:\r\n\r\n", ""),
    ];
    for (bytes, host) in table {
        let head = parse(bytes.as_bytes()).unwrap();
        assert_eq!(head.host(bytes.as_bytes()), Some(host.as_bytes()), "{bytes}");
    }
}

#[test]
fn keeping_the_connection() {
    use Ending::{Close, KeepAlive, KeepAliveHttp10};
    let table = [
        ("1.1", "", KeepAlive),
        ("1.1", "Connection: close\r\n", Close),
        ("1.1", "Connection: Keep-Alive\r\n", KeepAlive),
        ("1.1", "Connection: keep-alive, Close\r\n", Close),
        ("1.1", "Connection: ,, close\t,\r\n", Close),
        ("1.1", "Connection: a\r\nconnection: CLOSE\r\n", Close),
        ("1.1", "Connection: closed\r\n", KeepAlive),
        ("1.1", "Connection:\r\n", KeepAlive),
        ("1.1", "Connection: cl ose\r\n", Close),
        ("1.1", "Proxy-Connection: close\r\n", KeepAlive),
        ("1.0", "", Close),
        ("1.0", "Connection: keep-alive\r\n", KeepAliveHttp10),
        ("1.0", "Connection: KEEP-ALIVE, close\r\n", Close),
    ];
    for (version, fields, ending) in table {
        let bytes = format!("POST / HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
        let head = parse(bytes.as_bytes()).unwrap();
        assert_eq!(head.ending(true), ending, "{bytes}");
        assert_eq!(head.ending(false), Close, "{bytes}");
    }
}

#[test]
fn expectations() {
    let table = [
        ("Expect: 100-continue\r\nContent-Length: 1\r\n", Ok(true)),
        ("Expect: 100-CONTINUE\r\nTransfer-Encoding: chunked\r\n", Ok(true)),
        ("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n", Ok(true)),
        ("Expect: 100-continue\r\n", Ok(false)),
        ("Content-Length: 1\r\n", Ok(false)),
        ("Expect:\r\nContent-Length: 1\r\n", Err(Refusal::Expectation)),
        ("Expect: 100-continue\r\nExpect: x\r\n", Err(Refusal::Expectation)),
    ];
    for (fields, expected) in table {
        assert_eq!(parse_fields(fields).map(|head| head.expects_continue()), expected, "{fields}");
    }
}

#[test]
fn each_byte_is_judged_wherever_it_stands() {
    // Long enough for each vector path of the parser, at each offset within one.
    for byte in 0..=255u8 {
        for at in 0..70 {
            let mut line = b"POST / HTTP/1.1\r\nHost: h\r\n".to_vec();
            let in_value = [vec![b'v'; at], vec![byte], vec![b'v'; 70 - at]].concat();
            let in_name = [vec![b'n'; at], vec![byte], vec![b'n'; 70 - at]].concat();
            let base = line.len();
            line.extend_from_slice(b"a: ");
            line.extend_from_slice(&in_value);
            line.extend_from_slice(b"\r\n\r\n");
            let good = byte == b'\t' || !byte.is_ascii_control();
            assert_eq!(parse(&line).is_ok(), good, "{byte:#x} at {at} in a value");
            line.truncate(base);
            line.extend_from_slice(&in_name);
            line.extend_from_slice(b": v\r\n\r\n");
            // A colon ends the name, unless it is its first byte.
            let good = is_token(&[byte]) || (byte == b':' && at > 0);
            assert_eq!(parse(&line).is_ok(), good, "{byte:#x} at {at} in a name");
        }
    }
}

#[test]
fn bounds_hold_at_n_and_break_at_n_plus_1() {
    let limits =
        Limits { line_max: 20, headers_bytes_max: 30, headers_max: 3, ..Limits::default() };
    let line = |length: usize| format!("GET /{} HTTP/1.0", "p".repeat(length - 14));
    let table = [
        (format!("{}\r\n\r\n", line(19)), Ok(())),
        (format!("{}\r\n\r\n", line(20)), Ok(())),
        (format!("{}\r\n\r\n", line(21)), Err(Refusal::RequestLineTooLong)),
        (format!("{}\r\na: {}\r\n\r\n", line(20), "v".repeat(26)), Ok(())),
        (format!("{}\r\na: {}\r\n\r\n", line(20), "v".repeat(27)), Ok(())),
        (format!("{}\r\na: {}\r\n\r\n", line(20), "v".repeat(28)), Err(Refusal::HeadersTooLarge)),
        (format!("{}\r\n{}\r\n", line(20), "a: b\r\n".repeat(3)), Ok(())),
        (format!("{}\r\n{}\r\n", line(20), "a: b\r\n".repeat(4)), Err(Refusal::TooManyHeaders)),
        (format!("\r\n{}\r\na:{}\r\na: \r\na:\r\n\r\n", line(20), "v".repeat(23)), Ok(())),
    ];
    for (bytes, expected) in table {
        let parsed = Head::new().parse(bytes.as_bytes(), &limits).map(|length| {
            assert_eq!(length, Some(bytes.len()));
            assert!(bytes.len() <= limits.head_bytes_max());
        });
        assert_eq!(parsed, expected, "{bytes}");
    }
}

#[test]
fn an_endless_line_is_refused_without_its_end() {
    let limits = Limits::default();
    let long = [&b"GET /"[..], &vec![b'p'; limits.line_max]].concat();
    assert_eq!(Head::new().parse(&long, &limits), Err(Refusal::RequestLineTooLong));
    let start = b"GET / HTTP/1.1\r\na: ";
    let long = [&start[..], &vec![b'v'; limits.headers_bytes_max]].concat();
    assert_eq!(Head::new().parse(&long, &limits), Err(Refusal::HeadersTooLarge));
    assert!(long.len() < limits.head_bytes_max());
}
