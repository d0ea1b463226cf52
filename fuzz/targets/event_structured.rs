//! Structured mode and batches: the input is the body, which another parser judges too.
#![no_main]

mod events;

use libfuzzer_sys::fuzz_target;
use millrace_event::{EventError, Scratch, decode_batch, decode_http};
use serde_json::value::RawValue;

fuzz_target!(|body: &[u8]| {
    let mut scratch = Scratch::new();
    let json = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut other = serde_json::Deserializer::from_slice(json).into_iter::<&RawValue>();
    let is_object = matches!(other.next(), Some(Ok(raw)) if raw.get().starts_with('{'));
    match decode_http(events::STRUCTURED.iter().copied(), body, &mut scratch) {
        Ok(event) => {
            assert!(is_object, "accepted what is no JSON object");
            events::check_round_trip(&event, body);
        }
        Err(EventError::Json { why, .. }) => {
            assert!(!is_object || why.contains("nested"), "refused a JSON object: {why}");
        }
        Err(_) => {}
    }
    let mut scratch = Scratch::new();
    let mut seen = 0;
    let outcome = decode_batch(body, &mut scratch, |event| {
        seen += 1;
        events::binary_record(event, body);
    });
    assert_eq!(outcome.unwrap_or(0), seen);
});
