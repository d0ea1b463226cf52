//! The producer: one librdkafka client, owned by one shard, that borrows payloads and gives them back.
//!
//! Life of a record: [`Producer::produce`] takes its payload; some time later the wake-up descriptor
//! becomes readable and [`Producer::poll_reports`] hands the payload back together with what became
//! of the record. Every record taken is reported exactly once, at the latest by [`Producer::close`].

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::error::{CreateError, DeliveryError, Refused};
use crate::ffi::client::{Client, News, Settled};
use crate::ffi::code;
use crate::ffi::conf::Config;
use crate::ffi::headers::Headers;
use crate::properties::ProducerSettings;
use crate::topic::{Partitioning, Topic};

/// How long the last drain of a close may wait for reports of purged records.
const PURGED_REPORTS_WITHIN: Duration = Duration::from_secs(5);
/// One step of waiting while closing.
const CLOSING_STEP: Duration = Duration::from_millis(10);

/// What a producer is made from.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// librdkafka's names and values, already translated from the Java names (platform.md 4.2).
    /// Bootstrap servers, client id and what this crate relies on are set over them.
    pub pairs: Vec<(String, String)>,
    /// `host:port`, separated by commas.
    pub bootstrap: String,
    /// Name for logs, metrics and the brokers.
    pub client_id: String,
    /// How partitions are chosen.
    pub partitioning: Partitioning,
    /// `max.block.ms`: how long a record may wait for its topic's metadata. A record that waited
    /// longer is reported as failed, never sent late.
    pub max_block: Duration,
}

/// A client that sends records; `Send`, not `Sync`.
///
/// Dropping it without [`Producer::close`] throws away what is not yet acknowledged, and blocks the
/// thread until librdkafka's threads have ended.
pub struct Producer {
    client: Client,
    partitioning: Partitioning,
    max_block: Duration,
    statistics: Cell<Option<String>>,
    trouble: RefCell<Option<Trouble>>,
    failed_total: Cell<u64>,
}

/// What is sent beside the payload.
#[derive(Debug, Default)]
pub struct Record<'a> {
    /// `None` is a null key. An empty key is a key (receiver.md 4.1).
    pub key: Option<&'a [u8]>,
    /// `None` is the same as no headers.
    pub headers: Option<Headers>,
}

/// The value of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A part of a buffer, sent from where it lies. Must be within the buffer; may be empty, which
    /// is not the same as null.
    Bytes {
        /// Kept unchanged by the producer until the report.
        buffer: Vec<u8>,
        /// The bytes to send.
        range: Range<usize>,
    },
    /// A null value (a tombstone; receiver.md 4.2).
    Null,
}

impl ProducerOptions {
    /// From a translated properties file.
    #[must_use]
    pub fn new(settings: &ProducerSettings, bootstrap: &str, client_id: &str) -> Self {
        Self {
            pairs: settings.librdkafka.clone(),
            bootstrap: bootstrap.to_owned(),
            client_id: client_id.to_owned(),
            partitioning: settings.partitioner.into(),
            max_block: settings.max_block,
        }
    }
}

impl Payload {
    /// The whole buffer.
    #[must_use]
    pub fn whole(buffer: Vec<u8>) -> Self {
        let range = 0..buffer.len();
        Self::Bytes { buffer, range }
    }

    /// The buffer, to be used again; empty for a null value.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        match self {
            Self::Bytes { buffer, .. } => buffer,
            Self::Null => Vec::new(),
        }
    }
}

/// Where a record taken by [`Producer::produce`] is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// In the queue of its partition.
    Queued,
    /// Waiting for the topic's metadata, at most `max.block.ms`. When that time is over it will not
    /// be sent any more, but its report may come later, at most after `delivery.timeout.ms`: the
    /// caller may answer at its own `max.block.ms` without waiting for it.
    AwaitsMetadata,
}

/// What became of a record.
#[derive(Debug)]
pub struct Report {
    /// As given to [`Producer::produce`].
    pub token: u64,
    /// As given to [`Producer::produce`].
    pub payload: Payload,
    /// Acknowledged as `acks` demands, or why not.
    pub outcome: Result<Delivered, DeliveryError>,
}

/// Where an acknowledged record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Its partition.
    pub partition: i32,
    /// Its offset; negative when the brokers told none (`acks=0`).
    pub offset: i64,
}

/// What [`Producer::poll_reports`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polled {
    /// Reports handed out.
    pub reports: usize,
    /// The budget ended it. There may be more and no wake-up will tell, so poll again soon.
    pub more: bool,
}

/// The last error that the client told about itself, not about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it is.
    pub error: DeliveryError,
    /// librdkafka's sentence.
    pub text: String,
    /// The client is of no more use.
    pub fatal: bool,
}

/// What [`Producer::close`] leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// Records that were not acknowledged; each was reported as [`FailureKind::Closed`] or with the
    /// error that it met before.
    ///
    /// [`FailureKind::Closed`]: crate::FailureKind::Closed
    pub undelivered: usize,
}

impl Producer {
    /// Makes a client. To be called on a plain thread: it reads certificate files and starts
    /// threads, which inherit the caller's CPU affinity. It does not wait for a connection.
    ///
    /// A byte is written to a duplicate of `wake` when the first report is waiting after
    /// [`Producer::poll_reports`] has found none; so poll once before the first wait, for what may
    /// have come before the wake-ups were set up. It should be non-blocking, and a socket rather
    /// than a file so that both kinds of shard drivers can read its other end.
    ///
    /// # Errors
    /// When librdkafka refuses a setting, or there is no broker address.
    pub fn create(settings: &ProducerOptions, wake: BorrowedFd<'_>) -> Result<Self, CreateError> {
        if settings.bootstrap.split(',').all(|broker| broker.trim().is_empty()) {
            return Err(CreateError::NoBootstrap);
        }
        crate::log::start();
        let mut conf = Config::new();
        let max_block_ms = settings.max_block.as_millis().clamp(1, 3_600_000).to_string();
        for (key, value) in [
            // What waits is bounded by bytes, not by a count (platform.md 4.1).
            ("queue.buffering.max.messages", "0"),
            ("topic.metadata.propagation.max.ms", &max_block_ms),
        ] {
            conf.set(key, value)?;
        }
        for (key, value) in &settings.pairs {
            conf.set(key, value)?;
        }
        for (key, value) in [
            ("bootstrap.servers", settings.bootstrap.as_str()),
            ("client.id", &settings.client_id),
            // Our partitioner chooses for records without a key too.
            ("sticky.partitioning.linger.ms", "0"),
            // Every buffer comes back by its report.
            ("delivery.report.only.error", "false"),
        ] {
            conf.set(key, value)?;
        }
        Ok(Self {
            client: Client::new(conf, wake)?,
            partitioning: settings.partitioning,
            max_block: settings.max_block,
            statistics: Cell::new(None),
            trouble: RefCell::new(None),
            failed_total: Cell::new(0),
        })
    }

    /// A handle for a topic, which starts asking for its partitions. Does not block. The same name
    /// gives the same topic again.
    ///
    /// # Errors
    /// When the name cannot be a topic's.
    pub fn topic(&self, name: &str) -> Result<Topic, CreateError> {
        self.client.topic(name, self.partitioning, self.max_block)
    }

    /// Tells that the topic is not needed any more, so that the client stops asking for it. All
    /// handles of that name end; records in flight are still delivered and reported.
    pub fn release(&self, topic: &Topic) {
        self.client.release(topic);
    }

    /// Takes a record. The payload is sent from where it lies and comes back with the report that
    /// carries `token`. Does not block.
    ///
    /// # Errors
    /// When the record is too large, the queue is full, the topic is known not to exist, the client
    /// is broken, or the handle is of another producer or released. There will be no report.
    pub fn produce(
        &self,
        topic: &Topic,
        record: Record<'_>,
        payload: Payload,
        token: u64,
    ) -> Result<Placed, Refused> {
        match self.client.produce(topic, record.key, record.headers, payload, token) {
            Ok(true) => Ok(Placed::Queued),
            Ok(false) => Ok(Placed::AwaitsMetadata),
            Err((payload, code)) => Err(Refused { payload, error: DeliveryError::from_code(code) }),
        }
    }

    /// Hands out at most `budget` reports. Does not block. The callback may produce.
    pub fn poll_reports(&self, budget: usize, mut each: impl FnMut(Report)) -> Polled {
        self.poll(budget, Duration::ZERO, &mut each)
    }

    /// Records taken and not yet reported.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.client.in_flight()
    }

    /// Records reported as failed, in all (`record_error_total`, platform.md 8.4).
    #[must_use]
    pub fn failed_total(&self) -> u64 {
        self.failed_total.get()
    }

    /// The newest statistics document of librdkafka, once; see [`crate::statistics`]. There is one
    /// every `statistics.interval.ms`.
    pub fn take_statistics(&self) -> Option<String> {
        self.statistics.take()
    }

    /// The last error about the client itself, for instance that all brokers are down.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.borrow().clone()
    }

    /// Sends what is left for at most `within`, fails the rest, hands out every report and ends the
    /// client. Blocks: to be called on a plain thread only.
    pub fn close(self, within: Duration, mut each: impl FnMut(Report)) -> Closed {
        let mut undelivered = 0_usize;
        let mut count = |report: Report| {
            undelivered += usize::from(report.outcome.is_err());
            each(report);
        };
        self.finish(within, &mut count);
        Closed { undelivered }
    }

    fn finish(&self, within: Duration, each: &mut dyn FnMut(Report)) {
        let deadline = Instant::now() + within;
        while self.in_flight() > 0 && Instant::now() < deadline {
            // The flush flag lets the broker threads send without lingering.
            self.client.flush(Duration::from_millis(1));
            self.poll(usize::MAX, CLOSING_STEP, each);
        }
        if self.in_flight() == 0 {
            return;
        }
        self.client.purge();
        let deadline = Instant::now() + PURGED_REPORTS_WITHIN;
        while self.in_flight() > 0 && Instant::now() < deadline {
            self.poll(usize::MAX, CLOSING_STEP, each);
        }
    }

    fn poll(&self, budget: usize, timeout: Duration, each: &mut dyn FnMut(Report)) -> Polled {
        let mut reports = 0_usize;
        let more = self.client.poll(budget, timeout, &mut |news| match news {
            News::Settled(settled) => {
                reports += 1;
                let report = report(settled);
                if report.outcome.is_err() {
                    self.failed_total.set(self.failed_total.get().saturating_add(1));
                }
                each(report);
            }
            News::Error { code, text, fatal } => self.note(code, text, fatal),
            News::Statistics(json) => self.statistics.set(Some(json)),
        });
        Polled { reports, more }
    }

    fn note(&self, code: i32, text: String, fatal: bool) {
        crate::log::submit(crate::log::Line {
            level: if fatal { 2 } else { 4 },
            client: self.client.name(),
            facility: "ERROR".to_owned(),
            text: text.clone(),
        });
        let mut trouble = self.trouble.borrow_mut();
        // Nothing that comes later makes a broken client whole.
        if !trouble.as_ref().is_some_and(|trouble| trouble.fatal) {
            *trouble = Some(Trouble { error: DeliveryError::from_code(code), text, fatal });
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // After a close there is nothing left to do here.
        self.finish(Duration::ZERO, &mut |_| {});
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("client", &self.client.name())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

fn report(settled: Settled) -> Report {
    let Settled { token, payload, code, partition, offset } = settled;
    let outcome = if code == code::NO_ERROR {
        Ok(Delivered { partition, offset })
    } else {
        Err(DeliveryError::from_code(code))
    };
    Report { token, payload, outcome }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Sync` as well would make both impls fit and the call ambiguous, so this would not compile.
    #[test]
    fn producer_moves_between_threads_but_is_not_shared() {
        trait NotSync<A> {
            fn holds() -> bool {
                true
            }
        }
        impl<T: ?Sized> NotSync<()> for T {}
        struct Shared;
        impl<T: ?Sized + Sync> NotSync<Shared> for T {}
        fn sent<T: Send>() {}

        sent::<Producer>();
        assert!(<Producer as NotSync<_>>::holds());
    }
}
