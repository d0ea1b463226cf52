//! Bad and odd events (reliability.md S6): each comes out as its table says, without a panic, in every mode.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its input has failed")]

mod table;

use millrace_event::{
    ContentMode, Event, EventError, RecordValue, Scratch, decode_batch, decode_http, is_batch,
};
use table::{EventCase, Seen, Want, Wanted, cases};

#[test]
fn there_are_many_bad_events() {
    let all = [cases("binary.events"), cases("structured.events"), cases("batch.events")].concat();
    let refused = all.iter().filter(|case| matches!(case.wanted, Wanted::Refused(_))).count();
    assert!(refused >= 60, "only {refused} of {} are bad", all.len());
}

#[test]
fn binary_events() {
    cases("binary.events").iter().for_each(check);
}

#[test]
fn structured_events() {
    cases("structured.events").iter().for_each(check);
}

#[test]
fn batches() {
    for case in cases("batch.events") {
        let kind = case.headers.iter().find(|(name, _)| name == b"content-type").unwrap();
        assert!(is_batch(&kind.1), "{}", case.name);
        let mut seen = 0;
        let outcome = decode_batch(&case.body, &mut Scratch::new(), |_| seen += 1);
        match (&case.wanted, outcome) {
            (Wanted::Accepted(wants), Ok(count)) => {
                assert!(
                    matches!(wants[..], [Want::Events(wanted)] if wanted == count && wanted == seen),
                    "{}: {count}",
                    case.name
                );
            }
            (Wanted::Refused(label), Err(error)) => {
                assert_eq!((error.reason(), seen), (&**label, 0), "{}: {error}", case.name);
            }
            (wanted, outcome) => panic!("{}: {outcome:?}, wanted {wanted:?}", case.name),
        }
        // Where batches are off, all of them are refused alike.
        assert_eq!(decode(&case, &mut |_| {}).unwrap_err().reason(), "unsupported_format");
    }
}

fn check(case: &EventCase) {
    let mut seen = None;
    let outcome = decode(case, &mut |event| seen = Some(record(event, &case.body)));
    match (&case.wanted, outcome) {
        (Wanted::Accepted(_), Ok(())) => case.check(&seen.unwrap()),
        (Wanted::Refused(label), Err(error)) => {
            assert_eq!(error.reason(), label, "{}: {error}", case.name);
            let message = error.to_string();
            assert!(message.len() < 400, "{}: a message of {} bytes", case.name, message.len());
        }
        (wanted, outcome) => panic!("{}: {outcome:?}, wanted {wanted:?}", case.name),
    }
}

fn decode(case: &EventCase, look: &mut dyn FnMut(&Event<'_>)) -> Result<(), EventError> {
    let mut scratch = Scratch::new();
    let headers = case.headers.iter().map(|(name, value)| (&name[..], &value[..]));
    decode_http(headers, &case.body, &mut scratch).map(|event| {
        // The structured form must come out, too, whatever was accepted.
        event.record(ContentMode::Structured, &mut |_, _| {});
        look(&event);
    })
}

fn record(event: &Event<'_>, body: &[u8]) -> Seen {
    let mut headers = Vec::new();
    let value = event.record(ContentMode::Binary, &mut |name, value| {
        headers.push((name.to_owned(), value.to_vec()));
    });
    let value = match value {
        RecordValue::Null => None,
        RecordValue::Body(range) => Some(body[range].to_vec()),
        RecordValue::Owned(bytes) => Some(bytes),
    };
    Seen { headers, key: event.key().map(<[u8]>::to_vec), value }
}
