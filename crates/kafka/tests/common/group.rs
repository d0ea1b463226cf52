//! A member of a group whose queues are read by the test itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use millrace_kafka::{
    Committed, Consumer, ConsumerOptions, GroupEvent, GroupTrouble, Message, PartitionQueue,
    TopicPartition, Wake,
};

use super::{Rig, SOON};

/// Counts wake-ups and lets a thread wait for the next.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<u64>,
    changed: Condvar,
}

impl Bell {
    pub(crate) fn wake(self: &Arc<Self>) -> Wake {
        let bell = Arc::clone(self);
        Arc::new(move || {
            *bell.rung.lock().unwrap() += 1;
            bell.changed.notify_all();
        })
    }

    pub(crate) fn rung(&self) -> u64 {
        *self.rung.lock().unwrap()
    }

    /// Waits until it has rung more than `seen` times; false when the time is over first.
    pub(crate) fn wait(&self, seen: u64, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut rung = self.rung.lock().unwrap();
        while *rung <= seen {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            rung = self.changed.wait_timeout(rung, left).unwrap().0;
        }
        true
    }
}

pub(crate) fn options(bootstrap: &str, group: &str) -> ConsumerOptions {
    let pairs = [
        ("auto.offset.reset", "earliest"),
        ("fetch.wait.max.ms", "10"),
        ("session.timeout.ms", "3000"),
        ("heartbeat.interval.ms", "100"),
        ("partition.assignment.strategy", "range"),
        ("queued.min.messages", "100"),
        ("queued.max.messages.kbytes", "128"),
        ("fetch.queue.backoff.ms", "2"),
        ("check.crcs", "true"),
        ("topic.metadata.refresh.interval.ms", "200"),
    ];
    ConsumerOptions {
        pairs: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        bootstrap: bootstrap.to_owned(),
        group_id: group.to_owned(),
        client_id: format!("consumer-{group}-1"),
        max_poll_interval_ms: 300_000,
    }
}

pub(crate) struct Member {
    pub(crate) consumer: Consumer,
    pub(crate) bell: Arc<Bell>,
    pub(crate) queues: BTreeMap<i32, PartitionQueue>,
    /// Revocations are answered by the test when set.
    pub(crate) holds_revocations: bool,
    pub(crate) revoked: Option<Vec<TopicPartition>>,
    pub(crate) assignments: usize,
    pub(crate) committed: Vec<Committed>,
    pub(crate) troubles: Vec<GroupTrouble>,
    pub(crate) statistics: Vec<String>,
    pub(crate) closed: bool,
    pub(crate) messages: Vec<Message>,
}

impl Member {
    pub(crate) fn new(options: &ConsumerOptions, topics: &[&str]) -> Self {
        let bell = Arc::new(Bell::default());
        let consumer = Consumer::create(options, bell.wake()).unwrap();
        consumer.subscribe(topics.iter().copied()).unwrap();
        Self {
            consumer,
            bell,
            queues: BTreeMap::new(),
            holds_revocations: false,
            revoked: None,
            assignments: 0,
            committed: Vec::new(),
            troubles: Vec::new(),
            statistics: Vec::new(),
            closed: false,
            messages: Vec::new(),
        }
    }

    pub(crate) fn of(rig: &Rig, group: &str) -> Self {
        Self::new(&options(&rig.cluster.bootstrap_servers(), group), &["t"])
    }

    /// Serves events and queues once. True when something came.
    pub(crate) fn turn(&mut self) -> bool {
        let mut events = Vec::new();
        self.consumer.poll(100, |event| events.push(event));
        let mut busy = !events.is_empty();
        for event in events {
            self.take(event);
        }
        for queue in self.queues.values_mut() {
            let taken = queue.poll(1000, |got| match got {
                Ok(message) => self.messages.push(message),
                Err(trouble) => self.troubles.push(trouble),
            });
            busy |= taken.count > 0;
        }
        busy
    }

    fn take(&mut self, event: GroupEvent) {
        match event {
            GroupEvent::Assign(places) => {
                let queues = self.consumer.accept(&places, |_| self.bell.wake()).unwrap();
                assert!(queues.len() == places.len() || queues.is_empty());
                self.queues
                    .extend(queues.into_iter().map(|queue| (queue.place().partition, queue)));
                self.assignments += 1;
            }
            GroupEvent::Revoke { partitions, .. } => {
                assert!(self.revoked.is_none(), "a second revocation before the answer");
                self.revoked = Some(partitions);
                if !self.holds_revocations {
                    self.release();
                }
            }
            GroupEvent::CommitDone(rows) => self.committed.extend(rows),
            GroupEvent::Trouble(trouble) => self.troubles.push(trouble),
            GroupEvent::Statistics(json) => self.statistics.push(json),
            GroupEvent::Closed => {
                assert!(!self.closed, "closed twice");
                self.closed = true;
            }
        }
    }

    pub(crate) fn release(&mut self) {
        let places = self.revoked.take().unwrap();
        self.consumer.release(&places).unwrap();
        for place in &places {
            let mut queue = self.queues.remove(&place.partition).unwrap();
            assert!(queue.poll(10, |_| panic!("a record after the release")).released);
        }
    }

    /// Serves until the condition holds, sleeping on wake-ups only.
    pub(crate) fn until(&mut self, what: &str, done: impl FnMut(&mut Self) -> bool) {
        self.until_beside(what, &mut [], done);
    }

    /// The same with other members served too; their wake-ups are found by looking.
    pub(crate) fn until_beside(
        &mut self,
        what: &str,
        others: &mut [&mut Self],
        mut done: impl FnMut(&mut Self) -> bool,
    ) {
        let deadline = Instant::now() + SOON;
        loop {
            let seen = self.bell.rung();
            while self.turn() {}
            let mut busy = false;
            for other in others.iter_mut() {
                busy |= other.turn();
            }
            if done(self) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {:?}", self.troubles);
            if others.is_empty() {
                assert!(self.bell.wait(seen, SOON), "no wake-up: {what}");
            } else if !busy {
                self.bell.wait(seen, Duration::from_millis(10));
            }
        }
    }

    pub(crate) fn until_messages(&mut self, count: usize) {
        self.until("records are missing", |member| member.messages.len() >= count);
        assert_eq!(self.messages.len(), count);
    }

    /// Commits what was read, and waits for the answer.
    pub(crate) fn commit(&mut self) {
        let mut next: BTreeMap<i32, i64> = BTreeMap::new();
        for message in &self.messages {
            next.insert(message.partition(), message.offset() + 1);
        }
        let rows: Vec<_> =
            next.into_iter().map(|(partition, offset)| (place(partition), offset)).collect();
        let before = self.committed.len();
        self.consumer.commit(&rows).unwrap();
        self.until("no answer to a commit", |member| member.committed.len() >= before + rows.len());
    }

    pub(crate) fn close(&mut self) {
        self.consumer.close();
        self.until("the group is not left", |member| member.closed);
    }

    /// The values, which are numbers, in ascending order.
    pub(crate) fn values(&self) -> Vec<u64> {
        let mut values: Vec<u64> = self.messages.iter().map(value).collect();
        values.sort_unstable();
        values
    }
}

pub(crate) fn place(partition: i32) -> TopicPartition {
    TopicPartition { topic: "t".into(), partition }
}

pub(crate) fn value(message: &Message) -> u64 {
    std::str::from_utf8(message.value().unwrap()).unwrap().parse().unwrap()
}
