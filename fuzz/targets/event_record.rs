//! Kafka records: lines `name: value` up to an empty line (no colon: a null value), then the value.
#![no_main]

mod events;

use libfuzzer_sys::fuzz_target;
use millrace_event::{
    Additions, Event, Failure, KeyType, Overrides, PlainSource, Record, Scratch, decode_record,
    decode_record_or_plain,
};

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let mut headers: Vec<(&[u8], Option<&[u8]>)> = Vec::new();
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if line.is_empty() {
            break;
        }
        headers.push(match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], Some(line[colon + 1..].trim_ascii())),
            None => (line, None),
        });
    }
    let record = Record {
        topic: "t",
        partition: 1,
        offset: input.len() as i64,
        timestamp_ms: 0,
        key: rest.get(..8),
        headers: headers.iter().copied(),
        value: Some(rest),
    };
    let overrides = Overrides::default();
    let failure = Failure::with_response("d", 500, rest, std::iter::empty());
    let (mut scratch, mut other) = (Scratch::new(), Scratch::new());
    for failure in [None, Some(&failure)] {
        let additions = Additions { overrides: &overrides, failure };
        let judged = decode_record(record.clone(), &additions, &mut scratch);
        for key_type in [KeyType::String, KeyType::Integer, KeyType::Double, KeyType::ByteArray] {
            let source = PlainSource::new("n", "p", "s", key_type).expect("no part is blank");
            let event = decode_record_or_plain(record.clone(), &source, &additions, &mut other);
            let lines = header_lines(&event);
            if let Ok(event) = &judged {
                assert_eq!(header_lines(event), lines);
            }
        }
        if let Ok(event) = judged {
            events::check_round_trip(&event, rest);
        }
    }
});

/// The request's headers, each of which must be a line that HTTP allows.
fn header_lines(event: &Event<'_>) -> Vec<u8> {
    let mut lines = Vec::new();
    event.write_http_headers(&mut lines);
    let text = std::str::from_utf8(&lines).expect("headers are ASCII");
    for line in text.split_terminator("\r\n") {
        let (name, _) = line.split_once(": ").expect("a name and a value");
        assert!(name.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric()));
        assert!(line.bytes().all(|byte| byte == b'\t' || (0x20..=0x7e).contains(&byte)));
    }
    lines
}
