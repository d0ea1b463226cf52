//! Every commit of a group in the order in which it was written: a real Kafka keeps them in a topic of its own.
//!
//! What a commit overwrites is still there while the topic is not compacted, which takes a segment far larger than any
//! run writes.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use millrace_kafka::testing::{TestConsumer, TestRecord};

use crate::wait::SOON;

const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// Of a record's key; higher ones are of other things than commits.
const COMMIT_KEY_VERSION_MAX: i16 = 1;

/// One commit of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    pub partition: i32,
    /// Of the next record to read.
    pub offset: i64,
    /// When the broker wrote it, milliseconds since the epoch.
    pub at_ms: i64,
}

/// All commits of a group for a topic since the cluster began. Real clusters only.
///
/// # Panics
/// When the cluster cannot be read.
pub fn of_group(bootstrap: &str, group: &str, topic: &str) -> Vec<Commit> {
    let consumer = TestConsumer::new(bootstrap).expect("a client on loopback");
    let records = consumer.read_all(OFFSETS_TOPIC, SOON * 2).expect("the topic of offsets");
    records.iter().filter_map(|record| commit(record, group, topic)).collect()
}

/// `None` for what is no commit of that group and topic, or takes one back.
fn commit(record: &TestRecord, group: &str, topic: &str) -> Option<Commit> {
    let mut key = Reader(record.key.as_deref()?);
    if key.i16()? > COMMIT_KEY_VERSION_MAX || key.text()? != group || key.text()? != topic {
        return None;
    }
    let partition = key.i32()?;
    let mut value = Reader(record.value.as_deref()?);
    let (_version, offset) = (value.i16()?, value.i64()?);
    Some(Commit { partition, offset, at_ms: record.timestamp_ms })
}

/// Big-endian numbers and strings with their length before them.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = usize::try_from(self.i16()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }
}

/// The first commit that is lower than one before it of the same partition: the later, then the earlier.
pub fn first_step_back(commits: &[Commit]) -> Option<(Commit, Commit)> {
    commits.iter().enumerate().find_map(|(at, later)| {
        let before = commits.iter().take(at);
        let higher = |it: &&Commit| it.partition == later.partition && it.offset > later.offset;
        before.rev().find(higher).map(|earlier| (*later, *earlier))
    })
}

/// The committed offset of a partition at a moment, as a consumer that asked then was told; `None` before the first.
pub fn in_force(commits: &[Commit], partition: i32, at_ms: i64) -> Option<i64> {
    let of_partition = commits.iter().filter(|commit| commit.partition == partition);
    of_partition.take_while(|commit| commit.at_ms <= at_ms).last().map(|commit| commit.offset)
}

/// A moment of this process by the clock that commits carry.
pub fn epoch_ms(moment: Instant) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let then = now.saturating_sub(moment.elapsed());
    i64::try_from(then.as_millis()).expect("before the year 292278994")
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn commit_of(partition: i32, offset: i64, at_ms: i64) -> Commit {
        Commit { partition, offset, at_ms }
    }

    #[test]
    fn a_record_of_the_offsets_topic_is_read() {
        // Laid out as Kafka's OffsetCommitKey 1 and OffsetCommitValue 3.
        let text = |text: &str| [&[0, text.len() as u8], text.as_bytes()].concat();
        let key = [vec![0, 1], text("g"), text("t"), vec![0, 0, 0, 2]].concat();
        let value = [&[0, 3][..], &7_i64.to_be_bytes(), &[0xff; 4], &[0, 0], &[0; 8]].concat();
        let record = TestRecord {
            partition: 0,
            offset: 0,
            timestamp_ms: 9,
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
        };
        assert_eq!(commit(&record, "g", "t"), Some(commit_of(2, 7, 9)));
        assert_eq!(commit(&record, "g", "u"), None);
        assert_eq!(commit(&TestRecord { value: None, ..record }, "g", "t"), None);
    }

    #[test]
    fn steps_back_are_found_and_the_last_one_counts() {
        let commits =
            [commit_of(0, 5, 1), commit_of(1, 2, 2), commit_of(0, 6, 3), commit_of(0, 4, 4)];
        assert_eq!(first_step_back(&commits), Some((commits[3], commits[2])));
        assert_eq!(first_step_back(&commits[..3]), None);
        assert_eq!(in_force(&commits, 0, 2), Some(5));
        assert_eq!(in_force(&commits, 0, 9), Some(4));
        assert_eq!(in_force(&commits, 1, 1), None);
    }
}
