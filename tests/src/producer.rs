//! Puts records into a cluster exactly as told: partition, key, null values, null headers, time, even lying batches.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::checksum::{crc32, crc32c};
use crate::wait::{SOON, within};
use crate::wire::{Body, Link};

const PRODUCE: i16 = 0;
/// The oldest version that Kafka 4 speaks; its fields have fixed widths.
const VERSION: i16 = 3;
const TIMEOUT_MS: i32 = 15_000;
/// A topic made a moment ago is unknown, or without a leader.
const NOT_YET: [i16; 3] = [3, 5, 6];
/// Bits of a batch's attributes.
const GZIP: i16 = 1;

/// A record to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    pub key: Option<Vec<u8>>,
    /// `None` is a null value.
    pub value: Option<Vec<u8>>,
    /// In this order; a value may be null.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Milliseconds since the epoch; now if not said.
    pub timestamp_ms: Option<i64>,
}

impl NewRecord {
    /// A record without headers and key.
    pub fn plain(value: impl AsRef<[u8]>) -> Self {
        Self { value: Some(value.as_ref().to_vec()), ..Self::default() }
    }

    /// The "CE" of dispatcher.md 18: a binary event with a JSON body, of the caller's id.
    pub fn event(id: &str) -> Self {
        Self::plain(r#"{"a":1}"#)
            .header("ce_specversion", "1.0")
            .header("ce_id", id)
            .header("ce_source", "/s")
            .header("ce_type", "t1")
            .header("content-type", "application/json")
    }

    /// A structured event in JSON.
    pub fn structured(json: impl AsRef<[u8]>) -> Self {
        Self::plain(json).header("content-type", "application/cloudevents+json")
    }

    /// Adds a header, also one that is there already.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_ref().to_vec(), Some(value.as_ref().to_vec())));
        self
    }

    pub fn null_header(mut self, name: &str) -> Self {
        self.headers.push((name.into(), None));
        self
    }

    /// Replaces all headers of that name by one.
    pub fn set(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).header(name, value)
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _)| present != name.as_bytes());
        self
    }

    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(key.as_ref().to_vec());
        self
    }

    pub fn value(mut self, value: impl AsRef<[u8]>) -> Self {
        self.value = Some(value.as_ref().to_vec());
        self
    }

    pub fn null_value(mut self) -> Self {
        self.value = None;
        self
    }

    pub fn at(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }
}

/// Writes one batch into a partition and returns the offset of its first record.
///
/// # Panics
/// When the broker cannot be reached or refuses: the rig is broken then.
pub fn send(bootstrap: &str, topic: &str, partition: i32, records: &[NewRecord]) -> i64 {
    let count = i32::try_from(records.len()).expect("a batch is small");
    let batch =
        batch(records, Shape { last_offset_delta: count - 1, record_count: count, attributes: 0 });
    append(bootstrap, topic, partition, &batch)
        .unwrap_or_else(|error| panic!("writing {count} records to {topic}-{partition}: {error}"))
}

/// Writes one record whose batch takes up `width` offsets, as a compacted log has them after the record at its front.
///
/// Only librdkafka's mock takes it: a real broker counts the records of a batch.
pub fn send_before_a_gap(
    bootstrap: &str,
    topic: &str,
    partition: i32,
    record: &NewRecord,
    width: i32,
) -> i64 {
    let shape = Shape { last_offset_delta: width - 1, record_count: width, attributes: GZIP };
    append(bootstrap, topic, partition, &batch(std::slice::from_ref(record), shape))
        .unwrap_or_else(|error| panic!("writing a wide batch to {topic}-{partition}: {error}"))
}

fn append(bootstrap: &str, topic: &str, partition: i32, batch: &[u8]) -> io::Result<i64> {
    let mut body = Body::default();
    body.text(None).i16(-1).i32(TIMEOUT_MS);
    body.i32(1).text(Some(topic)).i32(1).i32(partition).bytes(batch);
    let attempt = || -> io::Result<Result<i64, i16>> {
        let mut answer = Link::open(bootstrap)?.ask(PRODUCE, VERSION, &body)?;
        let (_topics, _name, _partitions, _index) =
            (answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
        Ok(match answer.i16()? {
            0 => Ok(answer.i64()?),
            code => Err(code),
        })
    };
    let decided = within(SOON, || match attempt() {
        Ok(Err(code)) if NOT_YET.contains(&code) => None,
        Ok(Ok(offset)) => Some(Ok(offset)),
        Ok(Err(code)) => Some(Err(io::Error::other(format!("Kafka error {code}")))),
        Err(error) => Some(Err(error)),
    });
    decided.unwrap_or_else(|| Err(io::Error::other("the partition never got a leader")))
}

/// What a batch says of itself.
struct Shape {
    last_offset_delta: i32,
    record_count: i32,
    attributes: i16,
}

/// A record batch of format 2.
fn batch(records: &[NewRecord], shape: Shape) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = i64::try_from(now.as_millis()).expect("before the year 292278994");
    let times: Vec<i64> = records.iter().map(|record| record.timestamp_ms.unwrap_or(now)).collect();
    let first = times.first().copied().unwrap_or(now);
    let mut encoded = Vec::new();
    for ((delta, record), time) in (0_i64..).zip(records).zip(&times) {
        let record = encode(record, time - first, delta);
        varint(&mut encoded, signed(record.len()));
        encoded.extend(record);
    }
    if shape.attributes == GZIP {
        encoded = gzip_stored(&encoded);
    }
    let mut checked = Body::default();
    checked.i16(shape.attributes).i32(shape.last_offset_delta);
    checked.i64(first).i64(times.iter().copied().max().unwrap_or(first));
    // No producer id, no epoch, no sequence.
    checked.i64(-1).i16(-1).i32(-1).i32(shape.record_count).raw(&encoded);
    let mut batch = Body::default();
    // What `batchLength` counts begins with the leader's epoch: 4 bytes, then the format and the checksum.
    let length = i32::try_from(checked.0.len() + 9).expect("a batch is small");
    batch.i64(0).i32(length).i32(-1).raw(&[2]);
    batch.raw(&crc32c(&checked.0).to_be_bytes()).raw(&checked.0);
    batch.0
}

fn encode(record: &NewRecord, time_delta: i64, offset_delta: i64) -> Vec<u8> {
    let mut bytes = vec![0];
    varint(&mut bytes, time_delta);
    varint(&mut bytes, offset_delta);
    nullable(&mut bytes, record.key.as_deref());
    nullable(&mut bytes, record.value.as_deref());
    varint(&mut bytes, signed(record.headers.len()));
    for (name, value) in &record.headers {
        nullable(&mut bytes, Some(name));
        nullable(&mut bytes, value.as_deref());
    }
    bytes
}

fn nullable(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    varint(bytes, value.map_or(-1, |value| signed(value.len())));
    bytes.extend_from_slice(value.unwrap_or_default());
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).expect("lengths are small")
}

/// Zigzag, seven bits a byte, lowest first.
fn varint(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest > 0x7f {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// RFC 1952 around one block that is not compressed: the codec is what lets the mock believe a count.
fn gzip_stored(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("one small record");
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    bytes.extend(length.to_le_bytes());
    bytes.extend((!length).to_le_bytes());
    bytes.extend(content);
    bytes.extend(crc32(content).to_le_bytes());
    bytes.extend(u32::from(length).to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_zigzag() {
        let encoded = |value| {
            let mut bytes = Vec::new();
            varint(&mut bytes, value);
            bytes
        };
        assert_eq!(encoded(0), [0]);
        assert_eq!(encoded(-1), [1]);
        assert_eq!(encoded(63), [126]);
        assert_eq!(encoded(64), [0x80, 1]);
        assert_eq!(encoded(i64::MIN), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    }
}
