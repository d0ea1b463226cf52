//! Where a partition's log ends.

use std::io;

use crate::wire::{Body, Link};

const LIST_OFFSETS: i16 = 2;
/// The oldest version that knows of transactions; its fields have fixed widths.
const VERSION: i16 = 2;
const LATEST: i64 = -1;

/// The offset of the next record, whatever lies before it: records, markers of transactions, gaps. `None` while a
/// transaction is open: its marker, which a producer does not wait for, is still to come.
///
/// # Errors
/// When the broker cannot be reached, answers nonsense or refuses.
pub fn end(bootstrap: &str, topic: &str, partition: i32) -> io::Result<Option<i64>> {
    let [all, committed] = [0, 1].map(|isolation| last(bootstrap, topic, partition, isolation));
    let (all, committed) = (all?, committed?);
    Ok((all == committed).then_some(all))
}

/// `isolation`: 0 for all that is there, 1 for what lies before the first open transaction.
fn last(bootstrap: &str, topic: &str, partition: i32, isolation: u8) -> io::Result<i64> {
    let mut body = Body::default();
    // No replica asks.
    body.i32(-1).raw(&[isolation]);
    body.i32(1).text(Some(topic)).i32(1).i32(partition).i64(LATEST);
    let mut answer = Link::open(bootstrap)?.ask(LIST_OFFSETS, VERSION, &body)?;
    let (_throttle, _topics, _name, _partitions, _index) =
        (answer.i32()?, answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
    match answer.i16()? {
        0 => {
            let _timestamp = answer.i64()?;
            answer.i64()
        }
        code => Err(io::Error::other(format!("{topic}-{partition}: Kafka error {code}"))),
    }
}
