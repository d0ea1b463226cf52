//! Every key of a Java producer, so that a mistyped one is told from an unused one. Keys that
//! nobody here acts on are still checked for the type that Java wants.

use millrace_settings::nearest::nearest;

use super::java::{Case, JavaValues};

/// Keys that the other files of this module act on.
const TRANSLATED: &[&str] = &[
    "acks",
    "batch.size",
    "bootstrap.servers",
    "buffer.memory",
    "client.dns.lookup",
    "client.id",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "connections.max.idle.ms",
    "delivery.timeout.ms",
    "enable.idempotence",
    "enable.metrics.push",
    "linger.ms",
    "max.block.ms",
    "max.in.flight.requests.per.connection",
    "max.request.size",
    "metadata.max.age.ms",
    "metadata.recovery.strategy",
    "partitioner.class",
    "partitioner.ignore.keys",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retries",
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
    "transactional.id",
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
    ("key.serializer", Type::Text),
    ("metadata.max.idle.ms", Type::Whole(5000, i64::MAX)),
    ("metadata.recovery.rebootstrap.trigger.ms", Type::Whole(0, i64::MAX)),
    ("metric.reporters", Type::Text),
    ("metrics.num.samples", Type::Whole(1, i64::MAX)),
    ("metrics.recording.level", Type::Word(&["INFO", "DEBUG", "TRACE"])),
    ("metrics.sample.window.ms", Type::Whole(0, i64::MAX)),
    ("partitioner.adaptive.partitioning.enable", Type::Boolean),
    ("partitioner.availability.timeout.ms", Type::Whole(0, i64::MAX)),
    ("socket.connection.setup.timeout.max.ms", ANY),
    ("transaction.timeout.ms", ANY),
    ("value.serializer", Type::Text),
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
    for entry in java.properties().entries() {
        let key = entry.key.as_str();
        let find = |table: &'static [(&'static str, Type)]| table.iter().find(|row| row.0 == key);
        if TRANSLATED.contains(&key) {
            continue;
        }
        if let Some((_, wanted)) = find(QUIET) {
            check(java, key, *wanted);
        } else if let Some((_, wanted)) = find(UNUSED) {
            check(java, key, *wanted);
            java.warn(key, "has no effect here");
        } else {
            java.warn_unknown(key, nearest(key, names()));
        }
    }
    if java.is_set("bootstrap.servers") {
        java.warn("bootstrap.servers", "has no effect: each resource names its own servers");
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    let quiet = QUIET.iter().map(|row| row.0);
    TRANSLATED.iter().copied().chain(quiet).chain(UNUSED.iter().map(|row| row.0))
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
