//! Writes events to all partitions of a topic at a set pace and makes them owed once Kafka has acknowledged them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::oracle::{Id, Oracle};
use crate::producer::{self, NewRecord};

/// How much is written, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Events of one batch; each batch goes to the next partition.
    pub batch: u64,
    /// From batch to batch, by a schedule that is made up for when a write was late.
    pub every: Duration,
}

/// A writer in the background. The key of an id is its partition and the number its offset, so nobody else may write to
/// the topic.
pub struct Feed {
    ended: Arc<AtomicBool>,
    writer: JoinHandle<Vec<i64>>,
}

impl Feed {
    /// Owes all events to each of the oracles: one for each egress on the topic.
    pub fn start(bootstrap: &str, topic: &str, partitions: u32, pace: Pace, to: &[Oracle]) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (over, oracles) = (Arc::clone(&ended), to.to_vec());
        let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
        let writer = thread::spawn(move || {
            let started = Instant::now();
            let mut ends = vec![0; partitions as usize];
            for (turn, partition) in (1..).zip((0..partitions).cycle()) {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let end = &mut ends[partition as usize];
                write(&bootstrap, &topic, partition, *end, pace.batch, &oracles);
                *end += pace.batch;
                thread::sleep((pace.every * turn).saturating_sub(started.elapsed()));
            }
            ends.into_iter().map(u64::cast_signed).collect()
        });
        Self { ended, writer }
    }

    /// Ends it, once what it is about is written, and returns the end of each partition.
    ///
    /// # Panics
    /// When Kafka refused a write: the rig is broken then.
    pub fn stop(self) -> Vec<i64> {
        self.ended.store(true, Ordering::Relaxed);
        self.writer.join().expect("Kafka takes all that is written")
    }
}

/// Writes one batch, whose first event has this offset.
///
/// # Panics
/// When Kafka refuses, or somebody else has written to the partition.
pub fn write(bootstrap: &str, topic: &str, partition: u32, first: u64, count: u64, to: &[Oracle]) {
    let ids: Vec<Id> = (first..first + count).map(|number| Id { key: partition, number }).collect();
    for oracle in to {
        ids.iter().for_each(|id| oracle.sent(*id));
    }
    let records: Vec<_> = ids.iter().map(|id| NewRecord::event(&id.to_string())).collect();
    let place = i32::try_from(partition).expect("a partition");
    let offset = producer::send(bootstrap, topic, place, &records);
    assert_eq!(u64::try_from(offset), Ok(first), "somebody else writes to {topic}-{partition}");
    for oracle in to {
        ids.iter().for_each(|id| oracle.owe(*id));
    }
}
