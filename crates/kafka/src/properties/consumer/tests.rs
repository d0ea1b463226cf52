//! The consumer file: what is made of it, what is refused, what is said about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_settings::{Origin, Severity};
use proptest::prelude::*;

use super::*;

/// The part that is the same in all consumer files as the manifests ship them (platform.md 3.1).
const SHIPPED: &str = "\
key.deserializer=org.apache.kafka.common.serialization.StringDeserializer
value.deserializer=io.cloudevents.kafka.CloudEventDeserializer
fetch.min.bytes=1
heartbeat.interval.ms=3000
max.partition.fetch.bytes=65536
session.timeout.ms=10000
# ssl.key.password=
allow.auto.create.topics=true
client.dns.lookup=use_all_dns_ips
connections.max.idle.ms=540000
default.api.timeout.ms=2000
enable.auto.commit=false
exclude.internal.topics=true
fetch.max.bytes=52428800
max.poll.interval.ms=300000
max.poll.records=50
partition.assignment.strategy=org.apache.kafka.clients.consumer.StickyAssignor
receive.buffer.bytes=65536
request.timeout.ms=2000
# sasl.client.callback.handler.class=
security.protocol=PLAINTEXT
send.buffer.bytes=131072
auto.commit.interval.ms=5000
check.crcs=true
fetch.max.wait.ms=500
# interceptor.classes=
metadata.max.age.ms=600000
reconnect.backoff.max.ms=1000
retry.backoff.ms=100
";

fn translate(text: &str) -> (Result<ConsumerSettings, ConsumerRefused>, Report) {
    let properties = Properties::parse(text, Origin::File("c.properties".into())).unwrap();
    let mut report = Report::new();
    let settings = translate_consumer(&properties, &mut report);
    (settings, report)
}

fn good(text: &str) -> (ConsumerSettings, BTreeMap<String, String>, Report) {
    let (settings, report) = translate(text);
    let settings = settings.unwrap_or_else(|refused| panic!("{refused}"));
    let mut map = BTreeMap::new();
    for (key, value) in &settings.librdkafka {
        assert_eq!(map.insert(key.clone(), value.clone()), None, "{key} stands twice");
    }
    (settings, map, report)
}

#[test]
fn the_shipped_file_gives_what_it_says_with_a_word_about_the_assignor() {
    let (settings, map, report) = good(SHIPPED);
    assert_eq!(report.count(Severity::Warning) + report.count(Severity::Error), 0, "{report}");
    assert_eq!(report.count(Severity::Info), 1);
    assert!(report.to_string().contains("range is used"), "{report}");
    let expected = [
        ("allow.auto.create.topics", "true"),
        ("auto.offset.reset", "latest"),
        ("check.crcs", "true"),
        ("client.dns.lookup", "use_all_dns_ips"),
        ("connections.max.idle.ms", "540000"),
        ("fetch.max.bytes", "52428800"),
        ("fetch.message.max.bytes", "65536"),
        ("fetch.min.bytes", "1"),
        ("fetch.queue.backoff.ms", "2"),
        ("fetch.wait.max.ms", "100"),
        ("heartbeat.interval.ms", "3000"),
        ("isolation.level", "read_uncommitted"),
        ("message.max.bytes", "1000000"),
        ("metadata.max.age.ms", "1800000"),
        ("partition.assignment.strategy", "range"),
        ("queued.max.messages.kbytes", "128"),
        ("queued.min.messages", "100"),
        ("reconnect.backoff.max.ms", "1000"),
        ("reconnect.backoff.ms", "50"),
        ("retry.backoff.max.ms", "1000"),
        ("retry.backoff.ms", "100"),
        ("security.protocol", "plaintext"),
        ("session.timeout.ms", "10000"),
        ("socket.connection.setup.timeout.ms", "10000"),
        ("socket.keepalive.enable", "true"),
        ("socket.receive.buffer.bytes", "65536"),
        ("socket.send.buffer.bytes", "131072"),
        ("socket.timeout.ms", "2000"),
        ("statistics.interval.ms", "15000"),
        ("topic.metadata.refresh.interval.ms", "20000"),
    ];
    let found: Vec<(&str, &str)> = map.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(found, expected);
    assert_eq!(settings.max_poll_records, Some(50));
    assert_eq!(settings.auto_commit_interval, Duration::from_secs(5));
    assert_eq!(settings.max_poll_interval_ms, 300_000);
    assert_eq!(settings.request_timeout, Duration::from_secs(2));
    assert!(!settings.transformer_enabled && settings.invalid_kind_plural.is_empty());
    assert_eq!(settings.client_id, None);
}

#[test]
fn without_a_file_javas_defaults_hold() {
    let (settings, map, report) = good("");
    assert_eq!(report.findings(), []);
    assert_eq!(map["partition.assignment.strategy"], "range");
    assert_eq!(map["session.timeout.ms"], "45000");
    assert_eq!(map["fetch.message.max.bytes"], "1048576");
    assert_eq!(settings.max_poll_records, None);
}

#[test]
fn many_consumers_ask_about_a_thousand_times_a_second_together() {
    let wait = |text: &str, consumers: usize| good(text).0.fetch_wait_among(consumers);
    for (consumers, expected) in
        [(1, 100), (100, 100), (101, 101), (499, 499), (500, 500), (5_000, 500)]
    {
        assert_eq!(wait(SHIPPED, consumers), expected, "{consumers}");
    }
    assert_eq!(wait("fetch.max.wait.ms=20", 5_000), 20);
    assert_eq!(wait("fetch.max.wait.ms=2147483647", usize::MAX), 300_000);
    let settings = good(SHIPPED).0;
    let options = crate::ConsumerOptions::new(&settings, "a:1", "g").among(&settings, 300);
    let (_, last) = options.pairs.iter().rfind(|(key, _)| key == "fetch.wait.max.ms").unwrap();
    assert_eq!(last, "300");
}

#[test]
fn many_consumers_fetch_less_ahead_each() {
    let queued = |text: &str, consumers: usize| good(text).0.queued_among(consumers);
    for (consumers, expected) in
        [(0, 100), (1, 100), (4, 100), (5, 80), (19, 21), (20, 20), (21, 20), (usize::MAX, 20)]
    {
        assert_eq!(queued(SHIPPED, consumers), expected, "{consumers}");
    }
    assert_eq!(queued("max.poll.records=500", 40), 100);
    let settings = good(SHIPPED).0;
    let options = crate::ConsumerOptions::new(&settings, "a:1", "g").among(&settings, 10);
    let (_, last) = options.pairs.iter().rfind(|(key, _)| key == "queued.min.messages").unwrap();
    assert_eq!(last, "40");
}

#[test]
fn values_mean_what_they_mean_in_java() {
    let table = [
        ("auto.offset.reset=earliest", "auto.offset.reset", "earliest"),
        ("auto.offset.reset=none", "auto.offset.reset", "error"),
        ("isolation.level=read_committed", "isolation.level", "read_committed"),
        ("check.crcs=false", "check.crcs", "false"),
        ("allow.auto.create.topics=FALSE", "allow.auto.create.topics", "false"),
        ("fetch.min.bytes=0", "fetch.min.bytes", "1"),
        ("fetch.max.wait.ms=20", "fetch.wait.max.ms", "20"),
        ("fetch.max.bytes=500000", "message.max.bytes", "500000"),
        ("max.partition.fetch.bytes=0", "fetch.message.max.bytes", "1"),
        ("max.poll.records=1", "queued.min.messages", "100"),
        ("max.poll.records=200", "queued.min.messages", "400"),
        ("max.poll.records=2147483647", "queued.min.messages", "1000"),
        ("client.rack=a", "client.rack", "a"),
        ("group.protocol=CONSUMER\ngroup.remote.assignor=uniform", "group.protocol", "consumer"),
        ("retry.backoff.ms=5000", "retry.backoff.ms", "1000"),
    ];
    for (text, key, value) in table {
        assert_eq!(good(text).1[key], value, "for {text}");
    }
    let (settings, ..) = good(
        "cloudevent.invalid.transformer.enabled=true\ncloudevent.invalid.kind.plural=kafkasources\n\
         auto.commit.interval.ms=250\nclient.id= me",
    );
    assert!(settings.transformer_enabled);
    assert_eq!(settings.invalid_kind_plural, "kafkasources");
    assert_eq!(settings.auto_commit_interval, Duration::from_millis(250));
    assert_eq!(settings.client_id.as_deref(), Some("me"));
}

#[test]
fn assignors_by_class() {
    let package = "org.apache.kafka.clients.consumer.";
    let table = [
        (&["StickyAssignor"][..], Ok("range"), 0),
        (&["StickyAssignor", "RangeAssignor"], Ok("range"), 0),
        (&["StickyAssignor", "RoundRobinAssignor"], Ok("roundrobin"), 0),
        (&["RoundRobinAssignor", "RangeAssignor", "RangeAssignor"], Ok("roundrobin,range"), 0),
        (&["CooperativeStickyAssignor"], Ok("cooperative-sticky"), 0),
        (&["RangeAssignor", "CooperativeStickyAssignor"], Ok("range"), 1),
        (&["CooperativeStickyAssignor", "RangeAssignor"], Ok("cooperative-sticky"), 1),
        (&["MyAssignor", "RangeAssignor"], Ok("range"), 1),
        (&["MyAssignor", "StickyAssignor"], Ok("range"), 1),
        (&["MyAssignor"], Err(()), 1),
    ];
    for (classes, expected, warnings) in table {
        let classes: Vec<_> = classes.iter().map(|class| format!("{package}{class}")).collect();
        let text = format!("partition.assignment.strategy={}", classes.join(", "));
        let (found, report) = translate(&text);
        let found = found.as_ref().map_err(|_| ()).map(|settings| {
            let key = "partition.assignment.strategy";
            settings.librdkafka.iter().find(|pair| pair.0 == key).unwrap().1.as_str()
        });
        assert_eq!(found, expected, "for {text}");
        assert_eq!(report.count(Severity::Warning), warnings, "for {text}: {report}");
    }
}

#[test]
fn what_java_refuses_is_refused() {
    for text in [
        "auto.offset.reset=smallest",
        "auto.offset.reset=EARLIEST",
        "isolation.level=committed",
        "max.poll.records=0",
        "max.poll.records=x",
        "max.poll.interval.ms=0",
        "enable.auto.commit=yes",
        "check.crcs=1",
        "fetch.min.bytes=-1",
        "fetch.max.wait.ms=-1",
        "max.partition.fetch.bytes=-1",
        "session.timeout.ms=3000",
        "session.timeout.ms=1000\nheartbeat.interval.ms=1000",
        "group.protocol=new",
        "group.protocol=consumer\nsession.timeout.ms=10000",
        "group.instance.id=",
        "cloudevent.invalid.transformer.enabled=maybe",
        "default.api.timeout.ms=-1",
        "exclude.internal.topics=2",
        "metrics.recording.level=info",
    ] {
        let (found, report) = translate(text);
        assert!(found.is_err() && report.has_errors(), "for {text}: {report}");
    }
    let refused = translate("auto.offset.reset=x\nmax.poll.records=0").0.unwrap_err();
    assert_eq!(refused.problems.len(), 2);
    let text = refused.to_string();
    assert!(text.contains("c.properties:1: auto.offset.reset=x: must be one of latest"), "{text}");
}

#[test]
fn unknown_and_unused_keys_are_told() {
    let (_, map, report) = good("max.pol.records=5\nacks=all\nenable.auto.commit=true");
    assert_eq!(map["queued.min.messages"], "100");
    assert_eq!(report.count(Severity::Warning), 3, "{report}");
    assert_eq!(report.findings()[0].nearest.as_deref(), Some("max.poll.records"));
    assert!(report.to_string().contains("not a property of a Kafka consumer"), "{report}");
}

/// What is translated must also be taken, each value and all of them together.
#[test]
fn the_client_library_takes_whatever_is_not_refused() {
    let most = i32::MAX;
    for text in [
        String::new(),
        SHIPPED.to_owned(),
        format!("fetch.max.bytes={most}\nmax.partition.fetch.bytes={most}\nfetch.min.bytes={most}"),
        "fetch.max.bytes=0\nmax.partition.fetch.bytes=0\nfetch.min.bytes=0".to_owned(),
        format!("session.timeout.ms={most}\nheartbeat.interval.ms=1\nrequest.timeout.ms={most}"),
        "session.timeout.ms=2\nheartbeat.interval.ms=-5\nrequest.timeout.ms=0".to_owned(),
        "group.protocol=consumer\ngroup.remote.assignor=range".to_owned(),
        "group.instance.id=me\nclient.rack=r\nclient.id=c".to_owned(),
        "partition.assignment.strategy=x.CooperativeStickyAssignor".to_owned(),
        "partition.assignment.strategy=x.RoundRobinAssignor,x.RangeAssignor".to_owned(),
        "auto.offset.reset=none\nisolation.level=read_committed".to_owned(),
    ] {
        let (settings, ..) = good(&text);
        let options = crate::ConsumerOptions::new(&settings, "127.0.0.1:1", "g");
        let created = crate::Consumer::create(&options, Arc::new(|| {}));
        assert!(created.is_ok(), "for {text:?}: {:?}", created.err());
    }
}

proptest! {
    #[test]
    fn no_value_panics(
        key in proptest::sample::select(vec![
            "max.poll.records", "auto.commit.interval.ms", "session.timeout.ms", "fetch.max.bytes",
            "heartbeat.interval.ms", "partition.assignment.strategy", "fetch.max.wait.ms",
            "group.protocol", "auto.offset.reset", "max.partition.fetch.bytes", "request.timeout.ms",
        ]),
        value in "[-+]?[0-9]{0,20}|\\PC{0,40}|[a-zA-Z.,=\"'\\\\; ]{0,40}",
    ) {
        let value: String = value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let (found, report) = translate(&format!("{key}={value}"));
        prop_assert_eq!(found.is_err(), report.has_errors());
    }
}
