//! The record batches of a partition as they lie in the log: what a consumer's records no longer show.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const FETCH: i16 = 1;
/// The oldest version that Kafka 4 speaks; its fields have fixed widths.
const VERSION: i16 = 4;
const BYTES_MAX: i32 = 8 * 1024 * 1024;
/// From a batch's start to the end of its `batchLength`.
const BATCH_PREFIX: usize = 12;
/// From a batch's start to its first record.
const BATCH_HEAD: usize = 61;

/// How the records of a batch are compressed: the lowest three bits of its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    pub codec: Codec,
    pub records: i32,
}

/// All batches of a partition that is led by the broker at `bootstrap`, from its beginning.
///
/// # Errors
/// When the broker cannot be reached, answers nonsense or refuses.
pub fn of_partition(bootstrap: &str, topic: &str, partition: i32) -> io::Result<Vec<Batch>> {
    let mut stream = TcpStream::connect(bootstrap)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let unreadable = || io::Error::other(format!("{topic}-{partition}: an answer out of form"));
    let (mut all, mut offset) = (Vec::new(), 0);
    loop {
        stream.write_all(&request(topic, partition, offset)?)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?;
        let mut answer = vec![0; length.min(16 * 1024 * 1024)];
        stream.read_exact(&mut answer)?;
        let (error, log) = log_of(&answer, topic).ok_or_else(unreadable)?;
        if error != 0 {
            return Err(io::Error::other(format!("{topic}-{partition}: Kafka error {error}")));
        }
        // The mock gives one batch an answer, Kafka as many as fit.
        let (batches, next) = batches(log).ok_or_else(unreadable)?;
        match next {
            Some(next) if next > offset => offset = next,
            _ => return Ok(all),
        }
        all.extend(batches);
    }
}

fn request(topic: &str, partition: i32, offset: i64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    body.extend(FETCH.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(1_i32.to_be_bytes()); // correlation id
    body.extend(text("millrace-tests")?);
    body.extend((-1_i32).to_be_bytes()); // no replica
    body.extend(0_i32.to_be_bytes()); // wait, ms
    body.extend(0_i32.to_be_bytes()); // bytes at least
    body.extend(BYTES_MAX.to_be_bytes());
    body.push(0); // read uncommitted
    body.extend(1_i32.to_be_bytes()); // topics
    body.extend(text(topic)?);
    body.extend(1_i32.to_be_bytes()); // partitions
    body.extend(partition.to_be_bytes());
    body.extend(offset.to_be_bytes());
    body.extend(BYTES_MAX.to_be_bytes());
    let mut request = i32::try_from(body.len()).map_err(io::Error::other)?.to_be_bytes().to_vec();
    request.append(&mut body);
    Ok(request)
}

fn text(text: &str) -> io::Result<Vec<u8>> {
    let length = i16::try_from(text.len()).map_err(io::Error::other)?;
    Ok([length.to_be_bytes().as_slice(), text.as_bytes()].concat())
}

/// The partition's error code and its log: correlation id, throttle time, one topic, one partition.
fn log_of<'a>(answer: &'a [u8], topic: &str) -> Option<(i16, &'a [u8])> {
    // Two numbers, a count and the length before the name; a count and the partition's number behind it.
    let at = 4 + 4 + 4 + 2 + topic.len() + 4 + 4;
    let error = i16::from_be_bytes(answer.get(at..at + 2)?.try_into().ok()?);
    // High watermark and last stable offset; then the aborted transactions, a list that may be null.
    let aborted = usize::try_from(int(answer, at + 18)?).unwrap_or(0);
    let at = at + 22 + aborted * 16;
    let length = usize::try_from(int(answer, at)?).unwrap_or(0);
    Some((error, answer.get(at + 4..at + 4 + length)?))
}

/// The whole batches, and the offset behind the last of them.
fn batches(mut log: &[u8]) -> Option<(Vec<Batch>, Option<i64>)> {
    let (mut batches, mut next) = (Vec::new(), None);
    while log.len() >= BATCH_HEAD {
        let length = usize::try_from(int(log, 8)?).ok()?;
        // The last one may be cut by the limit on bytes.
        let Some(rest) = log.get(BATCH_PREFIX + length..) else { break };
        let codec = match log.get(22)? & 7 {
            0 => Codec::None,
            1 => Codec::Gzip,
            2 => Codec::Snappy,
            3 => Codec::Lz4,
            4 => Codec::Zstd,
            _ => return None,
        };
        batches.push(Batch { codec, records: int(log, 57)? });
        let first = i64::from_be_bytes(log.get(..8)?.try_into().ok()?);
        next = Some(first + i64::from(int(log, 23)?) + 1);
        log = rest;
    }
    Some((batches, next))
}

fn int(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
