//! The consumer's file (platform.md 4.3, 4.7), and how much is fetched ahead.
//!
//! # Fetching ahead
//!
//! Each assigned partition has a queue of its own, and librdkafka's two thresholds then hold for
//! each of them (`rd_kafka_toppar_fetch_decide`): a partition is fetched while its queue has fewer
//! than `queued.min.messages` records and less than `queued.max.messages.kbytes`. One answer of up to
//! `max.partition.fetch.bytes` may come on top. A partition over a threshold is looked at again only
//! after `fetch.queue.backoff.ms`, whether or not somebody has read meanwhile.
//!
//! With the shipped `max.poll.records=50` and `max.partition.fetch.bytes=65536`:
//!
//! * Standing still, a partition holds at most 100 + 64 records of 1 KiB, each with some 500 bytes of
//!   librdkafka's own: 250 KiB, so 2,000 of them stay below 500 MiB. Pausing a partition frees that.
//! * A reader of 50 records a millisecond uses up 100 records in the backoff of 2 ms, and the next 64
//!   come in one round trip.
//! * While it stands still, its broker thread wakes every 2 ms; a pause ends that too.
//!
//! Few consumers should have what one partition can give; many share the machine, and what lies in their
//! queues adds up. So of more than four each fetches less ahead ([`ConsumerSettings::queued_among`]): of 20
//! or more a partition with at least 20 records waits, which is still some 60 records in each round trip.
//! 20 consumers of 12 partitions with a slow subscriber, peak of the process: 130 MB with 100 records, 103
//! with 50, 76 with 20, 78 with 16, 74 with 8, where the one answer that may come on top is all that is left.
//!
//! Measured with `examples/consumer_figures.rs` (debug build, brokers in the same process, two shared
//! cores; an order of size): 51,000 to 240,000 records/s from one partition; 20 consumers of 10
//! partitions each standing still: 196 KiB a partition and 126 ms of CPU a second, 28 ms when paused.
//!
//! # One fetch at a time
//!
//! librdkafka has one fetch request under way to each broker, as Java has. When the only partitions
//! that may be fetched are empty ones, the broker keeps that request for `fetch.max.wait.ms`, and a
//! partition whose queue has drained meanwhile waits with it. With Java's 500 ms a partition beside an
//! empty one on the same broker would get some 164 records in half a second. A new record ends the
//! wait at once in any case, so a shorter wait costs only requests: it is held at 100 ms. Measured as
//! above with a reader of at most 10 records a millisecond: 1,850 records/s with 500 ms, 4,100 with
//! 100 ms, 6,600 with 10 ms.
//!
//! Requests of hundreds of idle consumers are a load of their own, so that of more than a hundred each
//! waits a millisecond for each of them, up to what the file says: together they ask a broker about a
//! thousand times a second ([`ConsumerSettings::fetch_wait_among`]).

use std::time::Duration;

use millrace_settings::{Finding, Properties, Report};

use super::java::{Case, Client, JavaValues};
use super::{FileSecurity, milliseconds, security};
use super::{INT_MAX, STATISTICS_INTERVAL_MS, Translated, connections, known, listed};

/// What is fetched ahead when the file says nothing about how many records a poll takes.
const POLL_RECORDS_ASSUMED: i64 = 50;
/// Bounds of `queued.min.messages`, which is twice `max.poll.records`, for so few consumers.
const QUEUED_RECORDS: (i64, i64) = (100, 1000);
const QUEUED_WHOLE_FOR: i64 = 4;
/// The least of any number of consumers.
const QUEUED_LEAST: i64 = 20;
/// `queued.max.messages.kbytes`.
const QUEUED_KBYTES: i64 = 128;
/// `fetch.queue.backoff.ms`.
const QUEUE_BACKOFF_MS: i64 = 2;
/// Longest `fetch.wait.max.ms` while there are few consumers.
const FETCH_WAIT_MS_MAX: i64 = 100;

/// What librdkafka takes for it.
const LIBRDKAFKA_WAIT_MS_MAX: i64 = 300_000;

/// What one consumer client is made with, but for its servers, group and credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// librdkafka's keys and values, without `bootstrap.servers` and `group.id`. Holds
    /// `security.protocol=plaintext`; credentials override it.
    pub librdkafka: Vec<(String, String)>,
    /// Records that one poll takes, as far as the file says so (`max.poll.records`): bounds what
    /// is in flight, and the tokens of the rate limiter. Unset, Java assumes 50 for bounds and 500
    /// for the poll interval (dispatcher.md 4.1).
    pub max_poll_records: Option<u32>,
    /// Time between two commits (`auto.commit.interval.ms`).
    pub auto_commit_interval: Duration,
    /// Java's `max.poll.interval.ms`, in milliseconds. The caller computes its own.
    pub max_poll_interval_ms: u64,
    /// Whether records that are no CloudEvents become some
    /// (`cloudevent.invalid.transformer.enabled`).
    pub transformer_enabled: bool,
    /// Part of the source of such an event (`cloudevent.invalid.kind.plural`); empty when not set.
    pub invalid_kind_plural: String,
    /// How long one request to a broker may take (`request.timeout.ms`).
    pub request_timeout: Duration,
    /// How long a fetch that finds nothing may wait at the broker (`fetch.max.wait.ms`), in
    /// milliseconds.
    pub fetch_max_wait_ms: i64,
    /// Records from which on a partition fetches no more (`queued.min.messages`).
    pub queued_records: i64,
    /// `client.id` of the file; unset means `consumer-<group>-1`, as Java names them.
    pub client_id: Option<String>,
    /// TLS and SASL keys of the file, for clients whose credentials ask for them.
    pub security: FileSecurity,
}

impl ConsumerSettings {
    /// `fetch.wait.max.ms`, in milliseconds, for one of so many consumers of this process; see the
    /// head of this file.
    #[must_use]
    pub fn fetch_wait_among(&self, consumers: usize) -> i64 {
        let consumers = i64::try_from(consumers).unwrap_or(i64::MAX);
        self.fetch_max_wait_ms.min(consumers.max(FETCH_WAIT_MS_MAX)).min(LIBRDKAFKA_WAIT_MS_MAX)
    }

    /// `queued.min.messages` for one of so many consumers of this process; see the head of this file.
    #[must_use]
    pub fn queued_among(&self, consumers: usize) -> i64 {
        let consumers = i64::try_from(consumers).unwrap_or(i64::MAX).max(QUEUED_WHOLE_FOR);
        let share = self.queued_records.saturating_mul(QUEUED_WHOLE_FOR) / consumers;
        share.max(QUEUED_LEAST)
    }
}

/// The file holds values with which Java makes no consumer either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no consumer can be made: {}", listed(&self.problems))]
pub struct ConsumerRefused {
    /// Each mistake with its file, line, key and value.
    pub problems: Vec<Finding>,
}

/// Translates the consumer file of resources without credentials. Warnings, and on refusal the
/// errors as well, go to `report`.
pub fn translate_consumer(
    properties: &Properties,
    report: &mut Report,
) -> Result<ConsumerSettings, ConsumerRefused> {
    let mut java = JavaValues::new(properties, report, Client::Consumer);
    known::check_others(&mut java);
    let mut out = Translated::default();
    let max_poll_interval_ms = membership(&mut java, &mut out);
    let (max_poll_records, auto_commit_interval) = ours(&mut java);
    let fetch_max_wait_ms = fetching(&mut java, &mut out);
    let records = max_poll_records.unwrap_or(POLL_RECORDS_ASSUMED).saturating_mul(2);
    let queued_records = records.clamp(QUEUED_RECORDS.0, QUEUED_RECORDS.1);
    out.set("queued.min.messages", queued_records);
    reading(&mut java, &mut out);
    connections(&mut java, &mut out);
    let request = java.long("request.timeout.ms", 30_000, 0..=INT_MAX);
    out.set("socket.timeout.ms", java.held("request.timeout.ms", request, 10..=300_000));
    let client_id = java.text("client.id").filter(|id| !id.is_empty()).map(str::to_owned);
    out.set("statistics.interval.ms", STATISTICS_INTERVAL_MS);
    out.set("security.protocol", "plaintext");
    let security = security::read(&mut java);
    let transformer_enabled = java.boolean("cloudevent.invalid.transformer.enabled", false);
    let plural = java.text("cloudevent.invalid.kind.plural").unwrap_or_default().to_owned();
    java.finish().map_err(|problems| ConsumerRefused { problems })?;
    Ok(ConsumerSettings {
        librdkafka: out.0,
        max_poll_records: max_poll_records.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        auto_commit_interval,
        max_poll_interval_ms,
        transformer_enabled,
        invalid_kind_plural: plural,
        request_timeout: milliseconds(request),
        fetch_max_wait_ms,
        queued_records,
        client_id,
        security,
    })
}

/// How the member appears in its group. Returns the poll interval.
fn membership(java: &mut JavaValues<'_>, out: &mut Translated) -> u64 {
    let session = java.long("session.timeout.ms", 45_000, i64::MIN..=INT_MAX);
    let heartbeat = java.long("heartbeat.interval.ms", 3_000, i64::MIN..=INT_MAX);
    let protocols = ["classic", "consumer"];
    let protocol = java.choice("group.protocol", "classic", &protocols, Case::Any);
    let strategy = strategy(java);
    if protocol == "classic" {
        if heartbeat >= session {
            java.refuse("heartbeat.interval.ms", "must be less than session.timeout.ms");
        }
        let session = java.held("session.timeout.ms", session, 1..=3_600_000);
        out.set("session.timeout.ms", session);
        let heartbeat = java.held("heartbeat.interval.ms", heartbeat, 1..=3_600_000);
        out.set("heartbeat.interval.ms", heartbeat);
        out.set("partition.assignment.strategy", strategy);
    } else {
        // The brokers decide about all three.
        out.set("group.protocol", protocol);
        if let Some(assignor) = java.text("group.remote.assignor") {
            out.set("group.remote.assignor", assignor);
        }
        for key in ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"]
        {
            if java.is_set(key) {
                java.refuse(key, "cannot be set with group.protocol=consumer");
            }
        }
    }
    if let Some(id) = java.text("group.instance.id") {
        if id.is_empty() {
            java.refuse("group.instance.id", "must not be empty; leave it out");
        } else {
            java.warn("group.instance.id", "every consumer of this file gets the same one");
            out.set("group.instance.id", id);
        }
    }
    java.long("max.poll.interval.ms", 300_000, 1..=INT_MAX).unsigned_abs()
}

/// librdkafka's names for Java's assignors, in the file's order.
///
/// `StickyAssignor`, which the shipped files name, has no counterpart (platform.md 4.7). `range`
/// stands for it: a group whose Java members list it beside the sticky one can be taken over
/// without a stop, and it is what Java members without a setting agree on.
fn strategy(java: &mut JavaValues<'_>) -> String {
    let key = "partition.assignment.strategy";
    // Java's default lists cooperative-sticky as well, which librdkafka does not mix with range.
    let Some(text) = java.text(key).filter(|text| !text.is_empty()) else {
        return "range".to_owned();
    };
    let mut names: Vec<&str> = Vec::new();
    let mut sticky = false;
    for class in text.split(',').map(str::trim).filter(|class| !class.is_empty()) {
        let name = match class.rsplit('.').next().unwrap_or_default() {
            "RangeAssignor" | "range" => "range",
            "RoundRobinAssignor" | "roundrobin" => "roundrobin",
            "CooperativeStickyAssignor" | "cooperative-sticky" => "cooperative-sticky",
            "StickyAssignor" | "sticky" => {
                sticky = true;
                continue;
            }
            _ => {
                java.warn(
                    key,
                    format!("{class} is a Java class that cannot be run here; left out"),
                );
                continue;
            }
        };
        let mixed = names.first().is_some_and(|first| {
            (*first == "cooperative-sticky") != (name == "cooperative-sticky")
        });
        if mixed {
            java.warn(key, format!("{name} cannot be combined with {}; left out", names[0]));
        } else if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() && sticky {
        java.inform(
            key,
            "range is used: the Kafka client has no sticky assignor. It cannot join a group that \
             still has Java members with the sticky one alone",
        );
        names.push("range");
    }
    if names.is_empty() {
        java.refuse(key, "names no assignor of Kafka; use RangeAssignor");
    }
    names.join(",")
}

/// What the dispatcher acts on by itself.
fn ours(java: &mut JavaValues<'_>) -> (Option<i64>, Duration) {
    let records = java.long("max.poll.records", 500, 1..=INT_MAX);
    let records = java.is_set("max.poll.records").then_some(records);
    let interval = java.long("auto.commit.interval.ms", 5_000, 0..=INT_MAX);
    if java.boolean("enable.auto.commit", true) && java.is_set("enable.auto.commit") {
        java.warn("enable.auto.commit", "ignored: offsets are committed when events are delivered");
    }
    (records, milliseconds(interval))
}

/// Gives the file's `fetch.max.wait.ms`.
fn fetching(java: &mut JavaValues<'_>, out: &mut Translated) -> i64 {
    let least = java.long("fetch.min.bytes", 1, 0..=INT_MAX);
    out.set("fetch.min.bytes", java.held("fetch.min.bytes", least.max(1), 1..=100_000_000));
    let most = java.long("fetch.max.bytes", 52_428_800, 0..=INT_MAX);
    let most = java.held("fetch.max.bytes", most, 1000..=1_000_000_000);
    out.set("fetch.max.bytes", most);
    // librdkafka wants it to be no larger; it has no meaning for a consumer otherwise.
    out.set("message.max.bytes", most.min(1_000_000));
    let partition = java.long("max.partition.fetch.bytes", 1_048_576, 0..=INT_MAX);
    let partition = java.held("max.partition.fetch.bytes", partition.max(1), 1..=1_000_000_000);
    out.set("fetch.message.max.bytes", partition);
    let wait = java.long("fetch.max.wait.ms", 500, 0..=INT_MAX);
    out.set("fetch.wait.max.ms", wait.min(FETCH_WAIT_MS_MAX));

    out.set("queued.max.messages.kbytes", QUEUED_KBYTES);
    out.set("fetch.queue.backoff.ms", QUEUE_BACKOFF_MS);
    wait
}

fn reading(java: &mut JavaValues<'_>, out: &mut Translated) {
    let resets = ["latest", "earliest", "none"];
    let reset = java.choice("auto.offset.reset", "latest", &resets, Case::Exact);
    out.set("auto.offset.reset", if reset == "none" { "error" } else { reset });
    // Set in any case: librdkafka's defaults differ from Java's.
    let levels = ["read_uncommitted", "read_committed"];
    out.set("isolation.level", java.choice("isolation.level", levels[0], &levels, Case::Exact));
    out.set("check.crcs", java.boolean("check.crcs", true));
    out.set("allow.auto.create.topics", java.boolean("allow.auto.create.topics", true));
    if let Some(rack) = java.text("client.rack").filter(|rack| !rack.is_empty()) {
        out.set("client.rack", rack);
    }
}

#[cfg(test)]
mod tests;
