//! Reads topics back without a consumer group: whole, or as records land.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{TestRecord, TestingError};
use crate::ffi::consumer::{Consumer, Reading, Start, Step};

/// How long one metadata or watermark request may take before it is asked again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between two questions for a topic that is not there yet.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Reads topics of a cluster; commits nothing and joins no group.
pub struct TestConsumer(Consumer);

/// Where [`TestConsumer::tail`] begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// The oldest record kept.
    Beginning,
    /// Only records that land from now on.
    End,
}

impl TestConsumer {
    /// A reader of the cluster behind these `host:port` pairs.
    ///
    /// # Errors
    /// When librdkafka cannot make its client.
    pub fn new(bootstrap: &str) -> Result<Self, TestingError> {
        Ok(Self(Consumer::new(bootstrap)?))
    }

    /// Every record of the topic, from the oldest kept to the end as it is at the call, sorted by
    /// partition and offset. A topic that does not exist is waited for.
    ///
    /// # Errors
    /// When the time is over first.
    pub fn read_all(&self, topic: &str, within: Duration) -> Result<Vec<TestRecord>, TestingError> {
        let deadline = Instant::now() + within;
        let mut reading = self.open(topic)?;
        let partitions = wait_for_partitions(&reading, topic, deadline)?;
        let mut ends: HashMap<i32, i64> = HashMap::new();
        for partition in 0..partitions {
            let (low, high) = self.wait_for_watermarks(topic, partition, deadline)?;
            if high > low {
                ends.insert(partition, high);
                start(&mut reading, topic, partition, Start::Beginning)?;
            }
        }
        let mut records = Vec::new();
        let mut trouble = "records are missing".to_owned();
        while !ends.is_empty() {
            match step(&reading, topic, deadline, records.len(), &trouble)? {
                Some(Step::Record(record)) => {
                    let Some(&end) = ends.get(&record.partition) else { continue };
                    if record.offset + 1 >= end {
                        ends.remove(&record.partition);
                    }
                    if record.offset < end {
                        records.push(record);
                    }
                }
                Some(Step::EndOfPartition { partition, offset })
                    if ends.get(&partition).is_some_and(|&end| offset >= end) =>
                {
                    ends.remove(&partition);
                }
                Some(Step::Failed(reason)) => trouble = reason,
                Some(Step::EndOfPartition { .. }) | None => {}
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        Ok(records)
    }

    /// Waits until the topic holds at least that many records and returns all that were read by
    /// then, sorted by partition and offset.
    ///
    /// # Errors
    /// When the time is over first; the error says how many there were.
    pub fn read_until(
        &self,
        topic: &str,
        count: usize,
        within: Duration,
    ) -> Result<Vec<TestRecord>, TestingError> {
        let deadline = Instant::now() + within;
        let mut tail = self.tail_within(topic, ReadFrom::Beginning, deadline)?;
        let mut records = Vec::new();
        while records.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            match tail.next(left) {
                Some(record) => records.push(record),
                None => {
                    return Err(TestingError::Deadline {
                        topic: topic.to_owned(),
                        read: records.len(),
                        reason: format!("{count} were expected"),
                    });
                }
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        Ok(records)
    }

    /// Records as they land. A topic that does not exist is waited for.
    ///
    /// # Errors
    /// When the topic has not appeared within the time.
    pub fn tail(
        &self,
        topic: &str,
        from: ReadFrom,
        within: Duration,
    ) -> Result<Tail<'_>, TestingError> {
        self.tail_within(topic, from, Instant::now() + within)
    }

    fn tail_within(
        &self,
        topic: &str,
        from: ReadFrom,
        deadline: Instant,
    ) -> Result<Tail<'_>, TestingError> {
        let mut reading = self.open(topic)?;
        let from = match from {
            ReadFrom::Beginning => Start::Beginning,
            ReadFrom::End => Start::End,
        };
        for partition in 0..wait_for_partitions(&reading, topic, deadline)? {
            start(&mut reading, topic, partition, from)?;
        }
        Ok(Tail(reading))
    }

    fn open(&self, topic: &str) -> Result<Reading<'_>, TestingError> {
        self.0.read(topic).map_err(|reason| TestingError::Refused {
            what: format!("reading topic {topic}"),
            reason,
        })
    }

    fn wait_for_watermarks(
        &self,
        topic: &str,
        partition: i32,
        deadline: Instant,
    ) -> Result<(i64, i64), TestingError> {
        retry(topic, deadline, |timeout| self.0.watermarks(topic, partition, timeout))
    }
}

/// Records of one topic in the order of their arrival here.
pub struct Tail<'c>(Reading<'c>);

impl Tail<'_> {
    /// The next record, or `None` when none came within the time.
    pub fn next(&mut self, within: Duration) -> Option<TestRecord> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.0.next(left) {
                Some(Step::Record(record)) => return Some(record),
                Some(Step::EndOfPartition { .. } | Step::Failed(_)) => {}
                None if Instant::now() >= deadline => return None,
                None => {}
            }
        }
    }
}

fn wait_for_partitions(
    reading: &Reading<'_>,
    topic: &str,
    deadline: Instant,
) -> Result<i32, TestingError> {
    retry(topic, deadline, |timeout| reading.partitions(timeout))
}

fn start(
    reading: &mut Reading<'_>,
    topic: &str,
    partition: i32,
    from: Start,
) -> Result<(), TestingError> {
    reading
        .start(partition, from)
        .map_err(|reason| TestingError::Refused { what: format!("reading topic {topic}"), reason })
}

fn step(
    reading: &Reading<'_>,
    topic: &str,
    deadline: Instant,
    read: usize,
    trouble: &str,
) -> Result<Option<Step>, TestingError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(TestingError::Deadline {
            topic: topic.to_owned(),
            read,
            reason: trouble.to_owned(),
        });
    }
    Ok(reading.next(left))
}

/// Asks again until there is an answer or the time is over.
fn retry<T>(
    topic: &str,
    deadline: Instant,
    mut ask: impl FnMut(Duration) -> Result<T, String>,
) -> Result<T, TestingError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match ask(left.min(REQUEST_TIMEOUT)) {
            Ok(answer) => return Ok(answer),
            Err(reason) if left.is_zero() => {
                return Err(TestingError::Deadline { topic: topic.to_owned(), read: 0, reason });
            }
            Err(_) => std::thread::sleep(RETRY_PAUSE.min(left)),
        }
    }
}
