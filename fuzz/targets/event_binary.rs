//! Binary mode: lines `name: value` up to an empty line, then the body.
#![no_main]

mod events;

use libfuzzer_sys::fuzz_target;
use millrace_event::{Scratch, decode_http, decode_http_within};

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let mut headers: Vec<(&[u8], &[u8])> = Vec::new();
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { break };
        headers.push((&line[..colon], line[colon + 1..].trim_ascii()));
    }
    let (mut scratch, mut other) = (Scratch::new(), Scratch::new());
    // With the head in one piece, with the half of it, and without.
    let separate = decode_http(headers.iter().copied(), rest, &mut scratch);
    for head in [&input[..input.len() - rest.len()], &input[..input.len() / 2]] {
        let within = decode_http_within(head, headers.iter().copied(), rest, &mut other);
        assert_eq!(format!("{within:?}"), format!("{separate:?}"));
    }
    if let Ok(event) = separate {
        events::check_round_trip(&event, rest);
    }
});
