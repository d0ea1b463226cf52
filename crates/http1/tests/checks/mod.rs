//! What must hold for any bytes at all. Shared by the property tests and the fuzz targets.

use millrace_http1::{BodyFraming, BodyReader, Head, Limits, Progress, Refusal};

use crate::answers;
use crate::connection::{Connection, Routes};

/// A head is read the same at once and byte by byte, within its bounds, and what it gives out
/// is clean.
pub(crate) fn head(bytes: &[u8]) {
    let limits = Limits::default();
    let mut head = Head::new();
    let whole = head.parse(bytes, &limits);
    match whole {
        Ok(Some(length)) => {
            assert!(length <= bytes.len() && length <= limits.head_bytes_max());
            assert!(bytes[..length].ends_with(b"\r\n\r\n"));
            check_parts(&head, bytes);
        }
        Ok(None) => assert!(bytes.len() < limits.head_bytes_max()),
        Err(_) => {}
    }
    let mut slow = Head::new();
    let step = (0..=bytes.len()).map(|end| slow.parse(&bytes[..end], &limits));
    let stepped = step.into_iter().find(|step| *step != Ok(None)).unwrap_or(Ok(None));
    assert_eq!(whole, stepped, "{}", bytes.escape_ascii());
    if matches!(whole, Ok(Some(_))) {
        assert!(head.headers(bytes).eq(slow.headers(bytes)));
        assert_eq!(
            (head.framing(), head.path(bytes), head.host(bytes), head.keep_alive()),
            (slow.framing(), slow.path(bytes), slow.host(bytes), slow.keep_alive()),
        );
    }
}

fn check_parts(head: &Head, bytes: &[u8]) {
    let path = head.path(bytes);
    assert!(!path.is_empty() && path.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'?'));
    for (name, value) in head.headers(bytes) {
        assert!(!name.is_empty() && name.iter().all(u8::is_ascii_graphic));
        assert!(value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control()));
        assert_eq!(value, value.trim_ascii());
        assert!(head.header(bytes, std::str::from_utf8(name).unwrap()).is_some());
    }
}

/// A chunked body is read the same at once and byte by byte, and is never larger than what came.
pub(crate) fn chunks(bytes: &[u8]) {
    let limits = Limits { body_max: 4096, ..Limits::default() };
    let whole = read_chunked(&[bytes], &limits);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(whole, read_chunked(&single, &limits), "{}", bytes.escape_ascii());
    if let Ok(Some((body, rest))) = whole {
        assert!(body.len() as u64 <= limits.body_max);
        assert!(body.len() + rest.len() < bytes.len());
        assert!(bytes.ends_with(&rest));
    }
}

/// The body and what is left behind it; `None` when the body is not complete.
pub(crate) type Decoded = Option<(Vec<u8>, Vec<u8>)>;

pub(crate) fn read_chunked(pieces: &[&[u8]], limits: &Limits) -> Result<Decoded, Refusal> {
    const BEFORE: &[u8] = b"head";
    let mut buf = BEFORE.to_vec();
    let mut reader = BodyReader::new(BodyFraming::Chunked, limits)?;
    for (at, piece) in pieces.iter().enumerate() {
        buf.extend_from_slice(piece);
        if let Progress::Done { body, next } = reader.feed(&mut buf, BEFORE.len())? {
            assert!(buf.starts_with(BEFORE), "bytes before the body were touched");
            let later = pieces[at + 1..].concat();
            let rest = [&buf[next..], &later].concat();
            return Ok(Some((buf[body].to_vec(), rest)));
        }
        assert!(buf.len() as u64 <= BEFORE.len() as u64 + limits.body_max);
        assert!(reader.missing() > 0);
    }
    Ok(None)
}

/// A connection sees the same requests however the bytes are cut, and keeps little of them.
pub(crate) fn connection(bytes: &[u8]) {
    for routes in [Routes::Receiver, Routes::Everything] {
        let limits = Limits { body_max: 4096, ..Limits::default() };
        let mut whole = Connection::new(routes, limits);
        whole.receive(bytes);
        let mut slow = Connection::new(routes, limits);
        let bound = limits.head_bytes_max() as u64 + limits.body_max;
        for byte in bytes.chunks(1) {
            slow.receive(byte);
            assert!(slow.buffered() as u64 <= bound);
        }
        assert_eq!(
            (&whole.outcomes, whole.open, whole.is_inside_request(), whole.canary_seen),
            (&slow.outcomes, slow.open, slow.is_inside_request(), slow.canary_seen),
            "{}",
            bytes.escape_ascii()
        );
    }
}

/// An answer comes out the same at once and byte by byte, and no more of it is kept than asked.
pub(crate) fn response(bytes: &[u8]) {
    let limits = Limits { line_max: 256, headers_bytes_max: 512, ..Limits::default() };
    let mut lengths = Vec::new();
    for keep in [0, 5, usize::MAX] {
        let whole = answers::read([bytes], keep, &limits);
        let slow = answers::read(bytes.chunks(1), keep, &limits);
        assert_eq!(whole, slow, "{}", bytes.escape_ascii());
        if let Ok(Some(answer)) = whole {
            assert!((200..=999).contains(&answer.status));
            lengths.push(answer.body.len() as u64 + answer.dropped);
        }
    }
    assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]), "{lengths:?}");
}
