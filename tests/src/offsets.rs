//! Where a partition's log ends.

use std::io;

use crate::wire::{Body, Link};

const LIST_OFFSETS: i16 = 2;
/// The oldest version that Kafka 4 speaks; its fields have fixed widths.
const VERSION: i16 = 1;
const LATEST: i64 = -1;

/// The offset of the next record, whatever lies before it: records, markers of transactions, gaps.
///
/// # Errors
/// When the broker cannot be reached, answers nonsense or refuses.
pub fn end(bootstrap: &str, topic: &str, partition: i32) -> io::Result<i64> {
    let mut body = Body::default();
    // No replica asks.
    body.i32(-1).i32(1).text(Some(topic)).i32(1).i32(partition).i64(LATEST);
    let mut answer = Link::open(bootstrap)?.ask(LIST_OFFSETS, VERSION, &body)?;
    let (_topics, _name, _partitions, _index) =
        (answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
    match answer.i16()? {
        0 => {
            let _timestamp = answer.i64()?;
            answer.i64()
        }
        code => Err(io::Error::other(format!("{topic}-{partition}: Kafka error {code}"))),
    }
}
