//! A JSON batch: many events in one body, accepted or refused as a whole.

use crate::error::EventError;
use crate::event::Event;
use crate::json::{NESTING_MAX, Scanner};
use crate::scratch::Scratch;
use crate::structured::{decode_object, first_token};

/// Decodes a body of type `application/cloudevents-batch+json` and hands out its events in
/// order; returns how many. Ranges that an event's record reports count from the start of this
/// whole `body`. The Java receiver refuses batches (receiver.md 3.1), so this stands behind a
/// setting.
///
/// Every event is checked before the first is handed out: the body is read twice, which costs
/// time but no memory.
///
/// # Errors
/// [`EventError::InBatch`] for the first invalid event, [`EventError::Json`] when the body is
/// not an array. Then no event has been handed out.
pub fn decode_batch(
    body: &[u8],
    scratch: &mut Scratch,
    mut each: impl FnMut(&Event<'_>),
) -> Result<usize, EventError> {
    walk(body, scratch, |_| {})?;
    walk(body, scratch, &mut each)
}

fn walk(
    body: &[u8],
    scratch: &mut Scratch,
    mut each: impl FnMut(&Event<'_>),
) -> Result<usize, EventError> {
    let mut scanner = Scanner::new(body, 0);
    scanner.move_to(first_token(body));
    if !scanner.eat(b'[') {
        return Err(EventError::Json { why: "expected an array of events", at: scanner.at() });
    }
    scanner.skip_blanks();
    if scanner.eat(b']') {
        return Ok(0);
    }
    let mut count: usize = 0;
    loop {
        scanner.skip_blanks();
        let (event, end) = decode_object(body, scanner.at(), NESTING_MAX - 1, scratch)
            .map_err(|error| EventError::InBatch { index: count, error: Box::new(error) })?;
        each(&event);
        count = count.saturating_add(1);
        scanner.move_to(end);
        scanner.skip_blanks();
        if scanner.eat(b']') {
            return Ok(count);
        }
        if !scanner.eat(b',') {
            let why = "expected a comma or the end of the batch";
            return Err(EventError::Json { why, at: scanner.at() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordValue;

    const ONE: &str = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}"#;
    const TWO: &str =
        r#"{"specversion":"1.0","id":"2","source":"/s","type":"t","data_base64":"aGk="}"#;

    fn ids(body: &str) -> Result<Vec<String>, EventError> {
        let mut ids = Vec::new();
        let count = decode_batch(body.as_bytes(), &mut Scratch::new(), |event| {
            ids.push(event.id().into())
        })?;
        assert_eq!(count, ids.len());
        Ok(ids)
    }

    #[test]
    fn events_come_in_order() {
        assert_eq!(ids("[]").unwrap(), Vec::<String>::new());
        assert_eq!(ids(&format!("\u{feff} [ {ONE} , {TWO} ] rest")).unwrap(), ["1", "2"]);
    }

    #[test]
    fn one_bad_event_refuses_all_before_the_first_is_seen() {
        for bad in ["{}", "1", "[]", "", "{\"specversion\":\"1.0\",\"id\":\"3\"}"] {
            let body = format!("[{ONE},{TWO},{bad}]");
            let mut seen = 0;
            let outcome = decode_batch(body.as_bytes(), &mut Scratch::new(), |_| seen += 1);
            assert!(matches!(outcome, Err(EventError::InBatch { index: 2, .. })), "{outcome:?}");
            assert_eq!(seen, 0);
        }
        for broken in ["", "{}", ONE, "[", &format!("[{ONE}"), &format!("[{ONE}{TWO}]")] {
            assert!(ids(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn ranges_count_from_the_start_of_the_batch() {
        let body = format!("[{TWO}, {ONE}]");
        let mut values = Vec::new();
        decode_batch(body.as_bytes(), &mut Scratch::new(), |event| {
            values.push(event.record(crate::ContentMode::Binary, &mut |_, _| {}));
        })
        .unwrap();
        assert_eq!(values[0], RecordValue::Owned(b"hi".to_vec()));
        let RecordValue::Body(range) = values[1].clone() else { panic!("{values:?}") };
        assert_eq!(&body[range], "{\"a\":1}");
    }
}
