//! Java client properties translated to librdkafka's, with Java's defaults and Java's
//! refusals (platform.md 4.1 to 4.4; receiver.md 5.1; dispatcher.md 4).
//!
//! Wrong values are a value, not an exit: the resources that need the client fail, the process
//! and its other resources live on.

mod consumer;
mod jaas;
mod java;
mod known;
mod security;

#[cfg(test)]
mod tests;

use std::time::Duration;

use millrace_settings::{Finding, Properties, Report};

pub use consumer::{ConsumerRefused, ConsumerSettings, translate_consumer};
use java::{Case, Client, JavaValues};
pub use security::FileSecurity;

/// How often librdkafka hands out its statistics, which feed the `kafka_*` metrics.
const STATISTICS_INTERVAL_MS: i64 = 15_000;
/// librdkafka keeps unkeyed records on one partition for so long. Java switches by bytes.
const STICKY_LINGER_MS: i64 = 10;
const INT_MAX: i64 = i32::MAX as i64;
/// librdkafka's bound for idempotent producers, and Java's.
const IDEMPOTENT_IN_FLIGHT_MAX: i64 = 5;

/// What one producer client is made with, but for its servers and credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerSettings {
    /// librdkafka's keys and values, without `bootstrap.servers`. Holds
    /// `security.protocol=plaintext`; credentials override it. `linger.ms` is Java's value,
    /// which may be 0: whoever batches adaptively puts its own there.
    pub librdkafka: Vec<(String, String)>,
    /// Bytes of records that may wait in all (`buffer.memory`).
    pub buffer_memory: u64,
    /// How long one record may wait for room or for its topic's metadata (`max.block.ms`).
    pub max_block: Duration,
    /// Largest record in bytes, headers included (`max.request.size`). librdkafka's own bound
    /// is never below 1000, so the caller has to enforce this one.
    pub max_request_size: u32,
    /// From handing over a record to its final outcome (`delivery.timeout.ms`).
    pub delivery_timeout: Duration,
    /// How long one request to a broker may take (`request.timeout.ms`).
    pub request_timeout: Duration,
    /// Java's `linger.ms`.
    pub linger: Duration,
    /// Bytes of one batch, 0 for no batching (`batch.size`).
    pub batch_size: u32,
    /// Who chooses the partition.
    pub partitioner: Partitioner,
    /// `acks=0`: brokers acknowledge nothing, so success only means "sent".
    pub acks_zero: bool,
    /// Name of the compression: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub compression: String,
    /// Whether brokers drop duplicates of retried batches.
    pub idempotence: bool,
    /// `client.id` of the file; unset means one name for each client, as Java numbers them.
    pub client_id: Option<String>,
    /// TLS and SASL keys of the file, for clients whose credentials ask for them.
    pub security: FileSecurity,
}

/// How a record without explicit partition finds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Partitioner {
    /// murmur2 of the key, as Java; without key, one partition for a while.
    Default,
    /// Each partition in turn, keys ignored. librdkafka has none: the producer chooses.
    RoundRobin,
    /// Keys ignored, one partition for a while.
    Random,
}

/// The file holds values with which Java makes no producer either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no producer can be made: {}", listed(&self.problems))]
pub struct ProducerRefused {
    /// Each mistake with its file, line, key and value.
    pub problems: Vec<Finding>,
}

/// Translates the producer file of resources without credentials. Warnings, and on refusal the
/// errors as well, go to `report`.
pub fn translate_producer(
    properties: &Properties,
    report: &mut Report,
) -> Result<ProducerSettings, ProducerRefused> {
    let mut java = JavaValues::new(properties, report, Client::Producer);
    known::check_others(&mut java);
    let mut out = Translated::default();
    let timing = timing(&mut java, &mut out);
    let (acks_zero, idempotence) = acknowledgement(&mut java, &mut out);
    let (buffer_memory, max_request_size, batch_size) = sizes(&mut java, &mut out);
    let compression = compression(&mut java, &mut out);
    let partitioner = partitioner(&mut java, &mut out);
    connections(&mut java, &mut out);
    let client_id = java.text("client.id").filter(|id| !id.is_empty()).map(str::to_owned);
    if let Some(id) = &client_id {
        out.set("client.id", id);
    }
    out.set("statistics.interval.ms", STATISTICS_INTERVAL_MS);
    out.set("security.protocol", "plaintext");
    let security = security::read(&mut java);
    java.finish().map_err(|problems| ProducerRefused { problems })?;
    Ok(ProducerSettings {
        librdkafka: out.0,
        buffer_memory,
        max_block: timing.max_block,
        max_request_size,
        delivery_timeout: timing.delivery,
        request_timeout: timing.request,
        linger: timing.linger,
        batch_size,
        partitioner,
        acks_zero,
        compression,
        idempotence,
        client_id,
        security,
    })
}

struct Timing {
    max_block: Duration,
    delivery: Duration,
    request: Duration,
    linger: Duration,
}

fn timing(java: &mut JavaValues<'_>, out: &mut Translated) -> Timing {
    let linger = java.long("linger.ms", 0, 0..=i64::MAX).min(INT_MAX);
    let request = java.long("request.timeout.ms", 30_000, 0..=INT_MAX);
    let least = (linger + request).min(INT_MAX);
    let mut delivery = java.long("delivery.timeout.ms", 120_000, 0..=INT_MAX);
    if delivery < least {
        // Java raises its own default, but takes a value that was written for meant.
        if java.is_set("delivery.timeout.ms") {
            let sum = "linger.ms + request.timeout.ms";
            java.refuse("delivery.timeout.ms", format!("must be at least {sum} = {least}"));
        }
        delivery = least;
    }
    // 0 would be "for ever" to librdkafka, "at once" to Java.
    let message_timeout = delivery.max(1);
    out.set("message.timeout.ms", message_timeout);
    out.set("linger.ms", java.held("linger.ms", linger, 0..=900_000).min(message_timeout - 1));
    // Java's limit holds for any request and is also what the broker is told; librdkafka
    // splits the two.
    out.set("request.timeout.ms", java.held("request.timeout.ms", request, 1..=900_000));
    out.set("socket.timeout.ms", java.held("request.timeout.ms", request, 10..=300_000));

    let max_block = java.long("max.block.ms", 60_000, 0..=i64::MAX);
    // An unknown topic may still be on its way; Java asks for it as long as a send may block.
    out.set("topic.metadata.propagation.max.ms", max_block.clamp(0, 3_600_000));
    Timing {
        max_block: milliseconds(max_block),
        delivery: milliseconds(delivery),
        request: milliseconds(request),
        linger: milliseconds(linger),
    }
}

/// `acks`, idempotence and what depends on them. Java switches its default idempotence off
/// when another value conflicts with it, but refuses the conflict when it was asked for.
fn acknowledgement(java: &mut JavaValues<'_>, out: &mut Translated) -> (bool, bool) {
    let acks = java.choice("acks", "all", &["all", "-1", "0", "1"], Case::Exact);
    let retries = java.long("retries", INT_MAX, 0..=INT_MAX);
    let in_flight = java.long("max.in.flight.requests.per.connection", 5, 1..=INT_MAX);
    let mut idempotence = java.boolean("enable.idempotence", true);
    let conflicts = [
        (retries == 0, "needs retries above 0"),
        (!matches!(acks, "all" | "-1"), "needs acks=all"),
        (
            in_flight > IDEMPOTENT_IN_FLIGHT_MAX,
            "needs max.in.flight.requests.per.connection of at most 5",
        ),
    ];
    for (_, need) in conflicts.iter().filter(|(conflict, _)| idempotence && *conflict) {
        if java.is_set("enable.idempotence") {
            java.refuse("enable.idempotence", format!("idempotence {need}"));
        }
    }
    idempotence &= conflicts.iter().all(|(conflict, _)| !conflict);
    if acks == "0" {
        java.warn(
            "acks",
            "brokers acknowledge nothing: events answered 202 may be lost; use acks=all",
        );
    }
    if let Some(id) = java.text("transactional.id") {
        if id.is_empty() {
            java.refuse("transactional.id", "must not be empty; leave it out");
        } else if java.is_set("enable.idempotence") && !java.boolean("enable.idempotence", true) {
            java.refuse("transactional.id", "cannot be set with enable.idempotence=false");
        } else {
            java.warn("transactional.id", "ignored: events are not sent in transactions");
        }
    }
    out.set("acks", acks);
    out.set("retries", retries);
    let in_flight = java.held("max.in.flight.requests.per.connection", in_flight, 1..=1_000_000);
    out.set("max.in.flight.requests.per.connection", in_flight);
    out.set("enable.idempotence", idempotence);
    (acks == "0", idempotence)
}

fn sizes(java: &mut JavaValues<'_>, out: &mut Translated) -> (u64, u32, u32) {
    let buffer = java.long("buffer.memory", 33_554_432, 0..=i64::MAX);
    let request = java.long("max.request.size", 1_048_576, 0..=INT_MAX);
    let batch = java.long("batch.size", 16_384, 0..=INT_MAX);
    // Only bytes are bounded, as in Java; the number of records is not.
    out.set("queue.buffering.max.messages", 0);
    // Rounded up: the byte budget is to be the tighter bound, for it lets a record wait, while a
    // full client refuses at once.
    out.set("queue.buffering.max.kbytes", (buffer.saturating_add(1023) / 1024).clamp(1, INT_MAX));
    // Below 1000 our own bound is the tighter one, so nothing is lost by holding it there.
    out.set("message.max.bytes", request.clamp(1000, 1_000_000_000));
    if request > 1_000_000_000 {
        java.held("max.request.size", request, 1000..=1_000_000_000);
    }
    out.set("batch.size", batch.max(1));
    (buffer.unsigned_abs(), saturated(request.min(1_000_000_000)), saturated(batch))
}

fn compression(java: &mut JavaValues<'_>, out: &mut Translated) -> String {
    let names = ["none", "gzip", "snappy", "lz4", "zstd"];
    let name = java.choice("compression.type", "none", &names, Case::Exact);
    // Java checks the levels of all three, whichever is in use.
    let gzip = java.long("compression.gzip.level", -1, -1..=9);
    if gzip == 0 {
        java.refuse("compression.gzip.level", "must be from 1 to 9, or -1 for the default");
    }
    let lz4 = java.long("compression.lz4.level", 9, 1..=17);
    let zstd = java.long("compression.zstd.level", 3, -131_072..=22);
    out.set("compression.type", name);
    let level = match name {
        "gzip" => gzip,
        // Java's default level 9 stands for its fast compressor, not for the ninth level.
        "lz4" if lz4 == 9 => -1,
        "lz4" => java.held("compression.lz4.level", lz4, 1..=12),
        "zstd" => java.held("compression.zstd.level", zstd, -1..=12),
        _ => -1,
    };
    if level != -1 {
        out.set("compression.level", level);
    }
    name.to_owned()
}

fn partitioner(java: &mut JavaValues<'_>, out: &mut Translated) -> Partitioner {
    let keys_ignored = java.boolean("partitioner.ignore.keys", false);
    let package = "org.apache.kafka.clients.producer.";
    let class = java.text("partitioner.class").unwrap_or_default();
    let chosen = match class.strip_prefix(package) {
        None if class.is_empty() => Partitioner::Default,
        // Java's default partitioner hashed keys; it ignored the switch below.
        Some("internals.DefaultPartitioner") => Partitioner::Default,
        Some("RoundRobinPartitioner") => Partitioner::RoundRobin,
        Some("UniformStickyPartitioner") => Partitioner::Random,
        _ => {
            java.refuse(
                "partitioner.class",
                "a Java class cannot be run here; leave it out, or use RoundRobinPartitioner \
                 or UniformStickyPartitioner of org.apache.kafka.clients.producer",
            );
            Partitioner::Default
        }
    };
    let chosen = if class.is_empty() && keys_ignored { Partitioner::Random } else { chosen };
    // librdkafka's own default is CRC32: keys would move to other partitions.
    let random = chosen == Partitioner::Random;
    out.set("partitioner", if random { "random" } else { "murmur2_random" });
    out.set("sticky.partitioning.linger.ms", STICKY_LINGER_MS);
    chosen
}

/// Longest `topic.metadata.refresh.interval.ms`. A join waits for metadata and has no time of its own
/// for that: when the one request fails, as when hundreds of consumers start on a busy broker, the
/// member stands outside its group until the next refresh, which Java's `metadata.max.age.ms` would put
/// five minutes away. A producer was seen not to send to some partitions for a minute after their
/// broker had stood still, which KRaft takes for a partition without a leader.
const REFRESH_MS_MAX: i64 = 20_000;

/// What both kinds of clients have in common.
fn connections(java: &mut JavaValues<'_>, out: &mut Translated) {
    let retry_max = java.long("retry.backoff.max.ms", 1000, 0..=i64::MAX);
    let retry = java.long("retry.backoff.ms", 100, 0..=i64::MAX);
    let retry_max = java.held("retry.backoff.max.ms", retry_max, 1..=300_000);
    out.set("retry.backoff.ms", java.held("retry.backoff.ms", retry, 1..=300_000).min(retry_max));
    out.set("retry.backoff.max.ms", retry_max);

    let lookups = ["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"];
    let lookup = java.choice("client.dns.lookup", lookups[0], &lookups, Case::Exact);
    out.set("client.dns.lookup", lookup);

    // Java sets it on every connection, and no property of its takes that back: a peer that vanished
    // without a word is noticed by the system even where nothing is sent.
    out.set("socket.keepalive.enable", true);

    let idle = java.long("connections.max.idle.ms", 540_000, i64::MIN..=i64::MAX);
    out.set("connections.max.idle.ms", idle.clamp(0, INT_MAX));

    // Java forces a refresh after this time; librdkafka has one key for the refresh and one
    // for when it stops to believe what it has. It needs the refresh sooner than Java does, see
    // `REFRESH_MS_MAX`.
    let age = java.long("metadata.max.age.ms", 300_000, 0..=i64::MAX);
    let age = java.held("metadata.max.age.ms", age, 1..=3_600_000);
    out.set("topic.metadata.refresh.interval.ms", age.min(REFRESH_MS_MAX));
    out.set("metadata.max.age.ms", age * 3);

    let first = java.long("reconnect.backoff.ms", 50, 0..=i64::MAX);
    // With only the first one set, Java does not grow the wait.
    let default_max = if java.is_set("reconnect.backoff.ms") { first } else { 1000 };
    let most = java.long("reconnect.backoff.max.ms", default_max, 0..=i64::MAX);
    let most = java.held("reconnect.backoff.max.ms", most, 0..=3_600_000);
    out.set("reconnect.backoff.ms", first.min(most));
    out.set("reconnect.backoff.max.ms", most);

    let key = "socket.connection.setup.timeout.ms";
    let setup = java.long(key, 10_000, i64::MIN..=i64::MAX);
    out.set(key, java.held(key, setup, 1000..=INT_MAX));

    // Java fixes both sizes by default; the system's own tuning serves better, so they are
    // only set when the file does. -1 asks for the system's.
    for (key, name) in [
        ("send.buffer.bytes", "socket.send.buffer.bytes"),
        ("receive.buffer.bytes", "socket.receive.buffer.bytes"),
    ] {
        let bytes = java.long(key, -1, -1..=INT_MAX).max(0);
        out.set(name, java.held(key, bytes, 0..=100_000_000));
    }
    if java.is_set("enable.metrics.push") {
        out.set("enable.metrics.push", java.boolean("enable.metrics.push", true));
    }
    if java.is_set("metadata.recovery.strategy") {
        let strategies = ["none", "rebootstrap"];
        let key = "metadata.recovery.strategy";
        out.set(key, java.choice(key, "none", &strategies, Case::Any));
    }
}

/// librdkafka's configuration as it grows.
#[derive(Default)]
struct Translated(Vec<(String, String)>);

impl Translated {
    fn set(&mut self, key: &str, value: impl ToString) {
        self.0.push((key.to_owned(), value.to_string()));
    }
}

fn listed(problems: &[Finding]) -> String {
    problems.iter().map(Finding::to_string).collect::<Vec<_>>().join("; ")
}

/// Never negative where it is called: the ranges above see to that.
fn milliseconds(value: i64) -> Duration {
    Duration::from_millis(value.max(0).unsigned_abs())
}

fn saturated(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}
