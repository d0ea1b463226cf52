//! The producer file: what is made of it, what is refused, what is said about it.

use std::{collections::BTreeMap, os::fd::AsFd};

use millrace_settings::{Origin, Severity};
use proptest::prelude::*;

use super::*;

/// `[text, whether Java makes a producer with it]`, recorded from kafka-clients 4.1.1 with
/// PLAINTEXT; two rows are set to what 3.9 does: it switches its default idempotence off when
/// `max.in.flight.requests.per.connection` is above 5, and it still knows (and checks)
/// `auto.include.jmx.reporter`.
const RECORDED: &str = include_str!("recorded.jsonl");

/// The producer file as the manifests ship it (platform.md 3.1).
const SHIPPED: &str = "\
key.serializer=org.apache.kafka.common.serialization.StringSerializer
value.serializer=io.cloudevents.kafka.CloudEventSerializer
acks=all
buffer.memory=33554432
# compression.type=snappy
retries=2147483647
batch.size=16384
client.dns.lookup=use_all_dns_ips
connections.max.idle.ms=600000
delivery.timeout.ms=120000
linger.ms=0
max.block.ms=60000
max.request.size=1048576
# partitioner.class=...
receive.buffer.bytes=-1
request.timeout.ms=2000
enable.idempotence=false
max.in.flight.requests.per.connection=5
metadata.max.age.ms=300000
# metric.reporters=...
metrics.num.samples=2
metrics.recording.level=INFO
metrics.sample.window.ms=30000
reconnect.backoff.max.ms=1000
reconnect.backoff.ms=50
retry.backoff.ms=100
# transaction.timeout.ms=60000
# transactional.id=...
";

fn translate(text: &str) -> (Result<ProducerSettings, ProducerRefused>, Report) {
    let properties = Properties::parse(text, Origin::File("p.properties".into())).unwrap();
    let mut report = Report::new();
    let settings = translate_producer(&properties, &mut report);
    (settings, report)
}

fn good(text: &str) -> (ProducerSettings, BTreeMap<String, String>, Report) {
    let (settings, report) = translate(text);
    let settings = settings.unwrap_or_else(|refused| panic!("{refused}"));
    let mut map = BTreeMap::new();
    for (key, value) in &settings.librdkafka {
        assert_eq!(map.insert(key.clone(), value.clone()), None, "{key} stands twice");
    }
    (settings, map, report)
}

#[test]
fn the_shipped_file_gives_what_it_says_without_a_word() {
    let (settings, map, report) = good(SHIPPED);
    assert_eq!(report.findings(), []);
    let expected = [
        ("acks", "all"),
        ("batch.size", "16384"),
        ("client.dns.lookup", "use_all_dns_ips"),
        ("compression.type", "none"),
        ("connections.max.idle.ms", "600000"),
        ("enable.idempotence", "false"),
        ("linger.ms", "0"),
        ("max.in.flight.requests.per.connection", "5"),
        ("message.max.bytes", "1048576"),
        ("message.timeout.ms", "120000"),
        ("metadata.max.age.ms", "900000"),
        ("partitioner", "murmur2_random"),
        ("queue.buffering.max.kbytes", "32768"),
        ("queue.buffering.max.messages", "0"),
        ("reconnect.backoff.max.ms", "1000"),
        ("reconnect.backoff.ms", "50"),
        ("request.timeout.ms", "2000"),
        ("retries", "2147483647"),
        ("retry.backoff.max.ms", "1000"),
        ("retry.backoff.ms", "100"),
        ("security.protocol", "plaintext"),
        ("socket.connection.setup.timeout.ms", "10000"),
        ("socket.keepalive.enable", "true"),
        ("socket.receive.buffer.bytes", "0"),
        ("socket.send.buffer.bytes", "0"),
        ("socket.timeout.ms", "2000"),
        ("statistics.interval.ms", "15000"),
        ("sticky.partitioning.linger.ms", "10"),
        ("topic.metadata.propagation.max.ms", "60000"),
        ("topic.metadata.refresh.interval.ms", "20000"),
    ];
    let found: Vec<(&str, &str)> = map.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(found, expected);
    assert_eq!(settings.buffer_memory, 33_554_432);
    assert_eq!(settings.max_block, Duration::from_secs(60));
    assert_eq!(settings.max_request_size, 1_048_576);
    assert_eq!(settings.delivery_timeout, Duration::from_secs(120));
    assert_eq!(settings.request_timeout, Duration::from_secs(2));
    assert_eq!(settings.linger, Duration::ZERO);
    assert_eq!((settings.batch_size, settings.partitioner), (16_384, Partitioner::Default));
    assert!(!settings.acks_zero && !settings.idempotence && settings.client_id.is_none());
}

#[test]
fn without_a_file_javas_defaults_hold() {
    let (settings, map, report) = good("");
    assert_eq!(report.findings(), []);
    assert_eq!(map["enable.idempotence"], "true");
    assert_eq!(map["request.timeout.ms"], "30000");
    assert_eq!(map["connections.max.idle.ms"], "540000");
    assert_eq!(settings.delivery_timeout, Duration::from_secs(120));
}

#[test]
fn what_java_refuses_is_refused_and_only_that() {
    for row in RECORDED.lines() {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        let text = row[0].as_str().unwrap();
        let (found, report) = translate(text);
        assert_eq!(Some(found.is_ok()), row[1].as_bool(), "for {text:?}: {report}");
        assert_eq!(report.has_errors(), found.is_err(), "for {text:?}: {report}");
    }
}

/// What is translated must also be taken: each value by librdkafka's own check, and all of them
/// together by its creation of a client. Nothing listens on the port.
#[test]
fn the_client_library_takes_whatever_is_not_refused() {
    let recorded = RECORDED.lines().map(|row| {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        row[0].as_str().unwrap().to_owned()
    });
    let most = i64::MAX;
    let extremes = [
        "max.request.size=2147483647\nbatch.size=2147483647".to_owned(),
        "linger.ms=900001\ndelivery.timeout.ms=2147483647".to_owned(),
        "linger.ms=5\nrequest.timeout.ms=0\ndelivery.timeout.ms=5".to_owned(),
        "request.timeout.ms=2147483647\ndelivery.timeout.ms=2147483647".to_owned(),
        format!("retry.backoff.ms={most}\nretry.backoff.max.ms={most}"),
        format!("buffer.memory={most}\nmax.block.ms={most}\nmetadata.max.age.ms={most}"),
        format!("reconnect.backoff.ms={most}\nconnections.max.idle.ms={most}"),
        format!("socket.connection.setup.timeout.ms={most}\nsend.buffer.bytes=2147483647"),
        "compression.type=zstd\ncompression.zstd.level=-5".to_owned(),
        "compression.type=lz4\ncompression.lz4.level=17".to_owned(),
        "compression.type=snappy\nenable.metrics.push=false".to_owned(),
        SHIPPED.to_owned(),
        String::new(),
    ];
    let (_, wake) = std::os::unix::net::UnixStream::pair().unwrap();
    wake.set_nonblocking(true).unwrap();
    let mut made = 0;
    for text in recorded.chain(extremes) {
        let Ok(settings) = translate(&text).0 else { continue };
        let options = crate::ProducerOptions::new(&settings, "127.0.0.1:1", "test");
        let created = crate::Producer::create(&options, wake.as_fd());
        assert!(created.is_ok(), "for {text:?}: {:?}", created.err());
        made += 1;
    }
    assert!(made > 60, "only {made} were made");
}

#[test]
fn a_refusal_names_file_line_key_value_and_what_is_right() {
    let (refused, report) = translate("acks=foo\n\npartitioner.class=org.example.X\nlinger.ms=x");
    let refused = refused.unwrap_err();
    assert_eq!(refused.problems.len(), 3);
    assert_eq!(report.count(Severity::Error), 3);
    let text = refused.to_string();
    for part in [
        "p.properties:1: acks=foo: must be one of all, -1, 0, 1",
        "p.properties:3: partitioner.class=org.example.X: ",
        "p.properties:4: linger.ms=x: must be a whole number of at least 0",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn an_unknown_key_is_one_warning_with_the_nearest_known_key() {
    let (_, map, report) = good("linger.sm=5\nqwertyuiop=1");
    assert_eq!(map["linger.ms"], "0");
    assert_eq!(report.count(Severity::Warning), 2);
    assert_eq!(report.findings()[0].nearest.as_deref(), Some("linger.ms"));
    assert_eq!(report.findings()[1].nearest, None);
}

#[test]
fn values_beyond_the_clients_range_are_held_with_a_word() {
    let table = [
        ("request.timeout.ms=500000\ndelivery.timeout.ms=600000", "socket.timeout.ms", "300000"),
        ("metadata.max.age.ms=9999999", "metadata.max.age.ms", "10800000"),
        ("socket.connection.setup.timeout.ms=5", "socket.connection.setup.timeout.ms", "1000"),
        ("compression.type=zstd\ncompression.zstd.level=22", "compression.level", "12"),
        ("retry.backoff.ms=0", "retry.backoff.ms", "1"),
        ("max.request.size=2000000000", "message.max.bytes", "1000000000"),
    ];
    for (text, key, value) in table {
        let (_, map, report) = good(text);
        assert_eq!(map[key], value, "for {text}");
        assert_eq!(report.count(Severity::Warning), 1, "for {text}: {report}");
    }
}

#[test]
fn values_mean_what_they_mean_in_java() {
    let table = [
        ("linger.ms=5", "linger.ms", "5"),
        ("batch.size=0", "batch.size", "1"),
        ("max.request.size=100", "message.max.bytes", "1000"),
        ("buffer.memory=0", "queue.buffering.max.kbytes", "1"),
        ("buffer.memory=102400", "queue.buffering.max.kbytes", "100"),
        ("buffer.memory=102401", "queue.buffering.max.kbytes", "101"),
        ("buffer.memory=9223372036854775807", "queue.buffering.max.kbytes", "2147483647"),
        ("max.block.ms=9223372036854775807", "topic.metadata.propagation.max.ms", "3600000"),
        ("compression.type=snappy", "compression.type", "snappy"),
        ("compression.type=gzip\ncompression.gzip.level=6", "compression.level", "6"),
        ("compression.type=lz4\ncompression.lz4.level=3", "compression.level", "3"),
        ("reconnect.backoff.ms=5000", "reconnect.backoff.max.ms", "5000"),
        ("reconnect.backoff.ms=99\nreconnect.backoff.max.ms=9", "reconnect.backoff.ms", "9"),
        ("retry.backoff.ms=5000", "retry.backoff.ms", "1000"),
        ("connections.max.idle.ms=-1", "connections.max.idle.ms", "0"),
        ("send.buffer.bytes=4096", "socket.send.buffer.bytes", "4096"),
        ("partitioner.ignore.keys=true", "partitioner", "random"),
        ("acks=1", "enable.idempotence", "false"),
        ("retries=0", "enable.idempotence", "false"),
        ("delivery.timeout.ms=0\nrequest.timeout.ms=0", "message.timeout.ms", "1"),
        ("linger.ms=200000", "message.timeout.ms", "230000"),
        ("client.id= me ", "client.id", "me"),
        ("metadata.recovery.strategy=NONE", "metadata.recovery.strategy", "none"),
    ];
    for (text, key, value) in table {
        let (_, map, _) = good(text);
        assert_eq!(map[key], value, "for {text}");
    }
    assert!(!good("compression.type=lz4").1.contains_key("compression.level"));
}

#[test]
fn partitioners_by_class() {
    let package = "partitioner.class=org.apache.kafka.clients.producer.";
    let table = [
        ("internals.DefaultPartitioner\npartitioner.ignore.keys=true", Partitioner::Default),
        ("RoundRobinPartitioner", Partitioner::RoundRobin),
        ("UniformStickyPartitioner", Partitioner::Random),
    ];
    for (class, expected) in table {
        assert_eq!(good(&format!("{package}{class}")).0.partitioner, expected, "{class}");
    }
}

#[test]
fn acks_zero_and_transactions_are_warned_about() {
    let (settings, map, report) = good("acks=0");
    assert!(settings.acks_zero && map["acks"] == "0");
    assert!(report.to_string().contains("202"), "{report}");
    let (_, map, report) = good("transactional.id=a\ntransaction.timeout.ms=5");
    assert!(!map.contains_key("transactional.id"));
    assert_eq!(report.count(Severity::Warning), 1);
}

#[test]
fn a_protocol_in_the_file_alone_has_no_effect_and_says_so() {
    let (_, map, report) = good("security.protocol=SASL_SSL");
    assert_eq!(map["security.protocol"], "plaintext");
    assert_eq!(report.count(Severity::Warning), 1);
    assert_eq!(good("security.protocol=PLAINTEXT").2.findings(), []);
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn login_lines_become_sasl_settings() {
    let (settings, map, report) = good(
        "sasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=org.apache.kafka.common.security.scram\
         .ScramLoginModule required username=\"me\" password=\"p\\\\\"w\";",
    );
    assert!(!map.contains_key("sasl.password"), "plaintext clients get no SASL keys");
    assert_eq!(
        settings.security.sasl,
        [
            pair("sasl.mechanism", "SCRAM-SHA-512"),
            pair("sasl.username", "me"),
            pair("sasl.password", "p\"w"),
        ]
    );
    assert_eq!(report.findings(), []);
    assert!(!format!("{settings:?}").contains("p\\\"w"), "Debug must not show secrets");

    let (settings, ..) = good(
        "sasl.mechanism=OAUTHBEARER\nsasl.oauthbearer.token.endpoint.url=https://idp/token\n\
         sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule \
         required clientId='id' clientSecret='s' scope=\"a b\";",
    );
    assert_eq!(
        settings.security.sasl[1..],
        [
            pair("sasl.oauthbearer.method", "oidc"),
            pair("sasl.oauthbearer.client.id", "id"),
            pair("sasl.oauthbearer.client.secret", "s"),
            pair("sasl.oauthbearer.scope", "a b"),
            pair("sasl.oauthbearer.token.endpoint.url", "https://idp/token"),
        ]
    );
}

#[test]
fn login_lines_that_need_java_refuse_sasl_clients_only() {
    for text in [
        "sasl.mechanism=AWS_MSK_IAM",
        "sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required;",
        "sasl.jaas.config=org.example.Mine required;",
        "sasl.jaas.config=x.PlainLoginModule required username=\"hunter2\";",
        "sasl.jaas.config=hunter2",
        "sasl.mechanism=OAUTHBEARER\nsasl.login.callback.handler.class=software.amazon.msk.auth\
         .iam.IAMOAuthBearerLoginCallbackHandler\nsasl.jaas.config=x.OAuthBearerLoginModule \
         required awsStsRegion='x';",
    ] {
        let (settings, _, report) = good(text);
        assert_eq!(settings.security.sasl_refused.len(), 1, "for {text}");
        assert_eq!(report.count(Severity::Warning), 1, "for {text}: {report}");
        assert!(!report.to_string().contains("hunter2"));
    }
}

#[test]
fn tls_keys_are_translated() {
    let table: [(&str, &[(&str, &str)]); 7] = [
        ("ssl.truststore.certificates=PEM", &[("ssl.ca.pem", "PEM")]),
        ("ssl.truststore.type=pem\nssl.truststore.location=/ca", &[("ssl.ca.location", "/ca")]),
        (
            "ssl.keystore.certificate.chain=C\nssl.keystore.key=K\nssl.key.password=P",
            &[("ssl.certificate.pem", "C"), ("ssl.key.pem", "K"), ("ssl.key.password", "P")],
        ),
        (
            "ssl.keystore.type=PEM\nssl.keystore.location=/k",
            &[("ssl.certificate.location", "/k"), ("ssl.key.location", "/k")],
        ),
        (
            "ssl.keystore.type=PKCS12\nssl.keystore.location=/k\nssl.keystore.password=P",
            &[("ssl.keystore.location", "/k"), ("ssl.keystore.password", "P")],
        ),
        (
            "ssl.endpoint.identification.algorithm=",
            &[("ssl.endpoint.identification.algorithm", "none")],
        ),
        (
            "ssl.cipher.suites=TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            &[("ssl.cipher.suites", "ECDHE-RSA-AES128-GCM-SHA256")],
        ),
    ];
    for (text, expected) in table {
        let (settings, _, report) = good(text);
        let expected: Vec<_> = expected.iter().map(|(key, value)| pair(key, value)).collect();
        assert_eq!(settings.security.tls, expected, "for {text}");
        assert_eq!(report.findings(), [], "for {text}");
    }
}

#[test]
fn java_key_stores_refuse_tls_clients_with_a_hint() {
    for text in ["ssl.truststore.location=/t.jks", "ssl.keystore.location=/k.jks"] {
        let (settings, _, report) = good(text);
        assert_eq!(settings.security.tls_refused.len(), 1, "for {text}");
        assert!(report.to_string().contains("convert it to PEM"), "{report}");
    }
}

proptest! {
    #[test]
    fn no_value_panics(
        key in proptest::sample::select(vec![
            "acks", "linger.ms", "request.timeout.ms", "delivery.timeout.ms", "batch.size",
            "buffer.memory", "max.block.ms", "metadata.max.age.ms", "retry.backoff.ms",
            "sasl.jaas.config", "ssl.cipher.suites", "partitioner.class", "max.request.size",
            "compression.zstd.level", "reconnect.backoff.ms", "connections.max.idle.ms",
        ]),
        value in "[-+]?[0-9]{0,20}|\\PC{0,40}|[a-z.=\"'\\\\; ]{0,40}",
    ) {
        let value: String = value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let (found, report) = translate(&format!("{key}={value}"));
        prop_assert_eq!(found.is_err(), report.has_errors());
    }
}
