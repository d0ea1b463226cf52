//! Every key of a Java producer and consumer, so that a mistyped one is told from an unused one. Keys that
//! nobody here acts on are still checked for the type that Java wants.

use millrace_settings::nearest::nearest;

use super::java::{Case, Client, JavaValues};

/// Keys of both kinds of clients that the other files of this module act on.
const TRANSLATED: &[&str] = &[
    "bootstrap.servers",
    "client.dns.lookup",
    "client.id",
    "connections.max.idle.ms",
    "enable.metrics.push",
    "metadata.max.age.ms",
    "metadata.recovery.strategy",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.mechanism",
    "sasl.oauthbearer.token.endpoint.url",
    "security.protocol",
    "send.buffer.bytes",
    "socket.connection.setup.timeout.ms",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// The same of producers only.
const TRANSLATED_PRODUCER: &[&str] = &[
    "acks",
    "batch.size",
    "buffer.memory",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delivery.timeout.ms",
    "enable.idempotence",
    "linger.ms",
    "max.block.ms",
    "max.in.flight.requests.per.connection",
    "max.request.size",
    "partitioner.class",
    "partitioner.ignore.keys",
    "retries",
    "transactional.id",
];

/// The same of consumers only.
const TRANSLATED_CONSUMER: &[&str] = &[
    "allow.auto.create.topics",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "client.rack",
    "cloudevent.invalid.kind.plural",
    "cloudevent.invalid.transformer.enabled",
    "enable.auto.commit",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "partition.assignment.strategy",
    "session.timeout.ms",
];

/// The type that Java wants of a value that is not used here.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Boolean,
    /// A whole number with its least and greatest value.
    Whole(i64, i64),
    /// A number with its least and greatest value.
    Double(f64, f64),
    /// One of these, in this case.
    Word(&'static [&'static str]),
}

const ANY: Type = Type::Whole(i64::MIN, i64::MAX);

/// Without effect here, and harmlessly so: no word about them.
const QUIET: &[(&str, Type)] = &[
    ("auto.include.jmx.reporter", Type::Boolean),
    ("interceptor.classes", Type::Text),
    ("metadata.recovery.rebootstrap.trigger.ms", Type::Whole(0, i64::MAX)),
    ("metric.reporters", Type::Text),
    ("metrics.num.samples", Type::Whole(1, i64::MAX)),
    ("metrics.recording.level", Type::Word(&["INFO", "DEBUG", "TRACE"])),
    ("metrics.sample.window.ms", Type::Whole(0, i64::MAX)),
    ("socket.connection.setup.timeout.max.ms", ANY),
];

/// The same of producers only.
const QUIET_PRODUCER: &[(&str, Type)] = &[
    ("key.serializer", Type::Text),
    ("metadata.max.idle.ms", Type::Whole(5000, i64::MAX)),
    ("partitioner.adaptive.partitioning.enable", Type::Boolean),
    ("partitioner.availability.timeout.ms", Type::Whole(0, i64::MAX)),
    ("transaction.timeout.ms", ANY),
    ("value.serializer", Type::Text),
];

/// The same of consumers only. No call of ours waits for a broker, so there is no use for
/// `default.api.timeout.ms`; topics are subscribed to by name only.
const QUIET_CONSUMER: &[(&str, Type)] = &[
    ("default.api.timeout.ms", Type::Whole(0, i64::MAX)),
    ("exclude.internal.topics", Type::Boolean),
    ("key.deserializer", Type::Text),
    ("value.deserializer", Type::Text),
];

/// Without effect here, which somebody may count on.
const UNUSED: &[(&str, Type)] = &[
    ("config.providers", Type::Text),
    ("sasl.client.callback.handler.class", Type::Text),
    ("sasl.kerberos.kinit.cmd", Type::Text),
    ("sasl.kerberos.min.time.before.relogin", ANY),
    ("sasl.kerberos.service.name", Type::Text),
    ("sasl.kerberos.ticket.renew.jitter", Type::Double(f64::MIN, f64::MAX)),
    ("sasl.kerberos.ticket.renew.window.factor", Type::Double(f64::MIN, f64::MAX)),
    ("sasl.login.class", Type::Text),
    ("sasl.login.connect.timeout.ms", ANY),
    ("sasl.login.read.timeout.ms", ANY),
    ("sasl.login.refresh.buffer.seconds", Type::Whole(0, 3600)),
    ("sasl.login.refresh.min.period.seconds", Type::Whole(0, 900)),
    ("sasl.login.refresh.window.factor", Type::Double(0.5, 1.0)),
    ("sasl.login.refresh.window.jitter", Type::Double(0.0, 0.25)),
    ("sasl.login.retry.backoff.max.ms", ANY),
    ("sasl.login.retry.backoff.ms", ANY),
    ("sasl.oauthbearer.clock.skew.seconds", ANY),
    ("sasl.oauthbearer.expected.audience", Type::Text),
    ("sasl.oauthbearer.expected.issuer", Type::Text),
    ("sasl.oauthbearer.header.urlencode", Type::Boolean),
    ("sasl.oauthbearer.jwks.endpoint.refresh.ms", ANY),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", ANY),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", ANY),
    ("sasl.oauthbearer.jwks.endpoint.url", Type::Text),
    ("sasl.oauthbearer.scope.claim.name", Type::Text),
    ("sasl.oauthbearer.sub.claim.name", Type::Text),
    ("security.providers", Type::Text),
    ("ssl.enabled.protocols", Type::Text),
    ("ssl.engine.factory.class", Type::Text),
    ("ssl.keymanager.algorithm", Type::Text),
    ("ssl.protocol", Type::Text),
    ("ssl.provider", Type::Text),
    ("ssl.secure.random.implementation", Type::Text),
    ("ssl.trustmanager.algorithm", Type::Text),
];

/// Warns about keys that have no effect and refuses values of the wrong type among them.
pub(super) fn check_others(java: &mut JavaValues<'_>) {
    let (translated, quiet) = of(java.client());
    for entry in java.properties().entries() {
        let key = entry.key.as_str();
        let find = |table: &'static [(&'static str, Type)]| table.iter().find(|row| row.0 == key);
        if TRANSLATED.contains(&key) || translated.contains(&key) {
            continue;
        }
        if let Some((_, wanted)) = find(QUIET).or_else(|| find(quiet)) {
            check(java, key, *wanted);
        } else if let Some((_, wanted)) = find(UNUSED) {
            check(java, key, *wanted);
            java.warn(key, "has no effect here");
        } else {
            java.warn_unknown(key, nearest(key, names(java.client())));
        }
    }
    if java.is_set("bootstrap.servers") {
        java.warn("bootstrap.servers", "has no effect: each resource names its own servers");
    }
}

/// The tables of one kind of client.
fn of(client: Client) -> (&'static [&'static str], &'static [(&'static str, Type)]) {
    match client {
        Client::Producer => (TRANSLATED_PRODUCER, QUIET_PRODUCER),
        Client::Consumer => (TRANSLATED_CONSUMER, QUIET_CONSUMER),
    }
}

fn names(client: Client) -> impl Iterator<Item = &'static str> {
    let (translated, quiet) = of(client);
    let typed = [QUIET, quiet, UNUSED].into_iter().flatten().map(|row| row.0);
    TRANSLATED.iter().chain(translated).copied().chain(typed)
}

fn check(java: &mut JavaValues<'_>, key: &str, wanted: Type) {
    match wanted {
        Type::Text => {}
        Type::Boolean => {
            java.boolean(key, false);
        }
        Type::Whole(least, most) => {
            java.long(key, 0, least..=most);
        }
        Type::Double(least, most) => java.check_double(key, least..=most),
        Type::Word(words) => {
            java.choice(key, "", words, Case::Exact);
        }
    }
}
