//! What the producer file does to records: cases 12 to 16 of platform.md 12, as far as batches and partitions go.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use millrace_tests::batches::{Batch, Codec, of_partition};
use millrace_tests::broker::Broker;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::wait::{SOON, until};
use serde_json::json;

/// Partitions of 202 keys as Java's producer chooses them.
const RECORDED: &str = include_str!("java/partitions.txt");
/// The numbers of partitions in [`RECORDED`].
const PARTITIONS: [i32; 3] = [1, 10, 12];

/// Each key with its partition of 1, of 10 and of 12.
fn recorded() -> BTreeMap<&'static str, [i32; 3]> {
    let rows = RECORDED.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let mut fields = line.splitn(4, ' ');
        let mut next = || fields.next().unwrap();
        let partitions = [(); 3].map(|()| next().parse().unwrap());
        (next(), partitions)
    })
    .collect()
}

/// A receiver with one Broker `/ns/p<n>` for a topic of each number of partitions; the topics.
fn partitioned(variant: Variant) -> (Rig, [String; 3]) {
    let broker = Broker::shared(variant.broker);
    let mark = unique();
    let topics = PARTITIONS.map(|count| format!("p12-{count}-{mark}"));
    let mut contract = Contract::new(1);
    for (count, topic) in PARTITIONS.iter().zip(&topics) {
        broker.create_topic(topic, *count);
        contract = contract.with(Resource::new(
            "Broker",
            "ns",
            &format!("p{count}"),
            topic,
            broker.bootstrap(),
        ));
    }
    (Rig::own(variant, |setup| setup.contract(contract.to_bytes())), topics)
}

/// The batches of topic A's three partitions.
fn batches(variant: Variant, rig: &Rig) -> [Vec<Batch>; 3] {
    let bootstrap = Broker::shared(variant.broker).bootstrap();
    [0, 1, 2].map(|partition| of_partition(bootstrap, &rig.topics.a, partition).unwrap())
}

matrix! {
    /// Records of one key written by Java and by us must meet in one partition.
    fn p012_partitions_that_java_chooses(variant: Variant) {
        let recorded = recorded();
        assert_eq!((recorded.len(), recorded["a"], recorded["order-1"]), (202, [0, 4, 4], [0, 6, 10]));
        let (rig, topics) = partitioned(variant);
        for (column, (count, topic)) in PARTITIONS.iter().zip(&topics).enumerate() {
            let mut connection = Connection::open(rig.receiver.port());
            for key in recorded.keys() {
                let event =
                    json!({ "specversion": "1.0", "id": unique(), "source": "/s", "type": "t", "partitionkey": key });
                let answer = connection.exchange(&Request::structured(&format!("/ns/p{count}"), event.to_string()));
                assert_eq!(answer.status, 202, "key {key:?}");
            }
            let landed = until("all keys to land", SOON, || {
                Some(rig.tail.all(topic)).filter(|records| records.len() == recorded.len())
            });
            for record in landed {
                let key = String::from_utf8(record.key.unwrap()).unwrap();
                assert_eq!(record.partition, recorded[key.as_str()][column], "key {key:?} of {count} partitions");
            }
        }
    }

    /// Spread, but not torn: what comes together goes together.
    fn p013_events_without_key_spread_in_batches(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    let mut connection = Connection::open(rig.receiver.port());
                    let requests = (0..20).map(|_| Request::minimal("/ns/a", &unique()).to_bytes());
                    connection.send(&requests.collect::<Vec<_>>().concat());
                    (0..20).for_each(|_| assert_eq!(connection.answer().status, 202));
                });
            }
        });
        let batches = batches(variant, &rig);
        assert!(batches.iter().all(|batches| !batches.is_empty()), "a partition got nothing: {batches:?}");
        let records: i32 = batches.iter().flatten().map(|batch| batch.records).sum();
        assert_eq!(records, 800);
        let count = batches.iter().flatten().count();
        assert!(count <= 600, "800 records in {count} batches");
    }

    /// By default 413, which no client tries again (receiver.md W30); 503 as Java by setting.
    fn p014_event_beyond_max_request_size(variant: Variant) {
        for (setting, status) in [(None, 413), (Some("503"), 503)] {
            let rig = Rig::own(variant, |setup| {
                let setup = setup.producer("max.request.size", "1024");
                setting.into_iter().fold(setup, |setup, value| setup.env("INGRESS_TOO_LARGE_STATUS", value))
            });
            // Too large as a body, and too large only with its headers.
            for length in [2048, 1010] {
                let id = unique();
                let mut connection = Connection::open(rig.receiver.port());
                let request = Request::minimal("/ns/a", &id).body(vec![b'x'; length]);
                assert_eq!(connection.exchange(&request).status, status, "{length} bytes");
                // What goes on is a retry nobody asked for: an answer more, or a record.
                assert!(connection.answer_within(Duration::from_millis(200)).is_err(), "two answers to one request");
                rig.left_no_record(&id);
            }
        }
    }

    fn p015_batches_are_compressed_as_set(variant: Variant) {
        for (setting, codec) in [("none", Codec::None), ("snappy", Codec::Snappy), ("gzip", Codec::Gzip), ("zstd", Codec::Zstd)] {
            let rig = Rig::own(variant, |setup| setup.producer("compression.type", setting));
            let id = unique();
            let body = "a text that repeats itself, ".repeat(100);
            let record = rig.record_of(&Request::minimal("/ns/a", &id).body(&body), &id);
            assert_eq!(record.value.as_deref(), Some(body.as_bytes()));
            let written: Vec<Batch> = batches(variant, &rig).concat();
            assert_eq!(written, [Batch { codec, records: 1 }], "compression.type={setting}");
        }
    }

    /// However long records may wait for company, one that is alone does not.
    fn p016_lone_event_waits_for_nobody(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("PRODUCER_BATCH_DELAY_US", "100000"));
        let mut connection = Connection::open(rig.receiver.port());
        let times = (0..30).map(|_| {
            let started = Instant::now();
            assert_eq!(connection.exchange(&Request::minimal("/ns/a", &unique())).status, 202);
            started.elapsed()
        });
        // The quickest: a wait would be in each, the noise of a busy machine is not.
        let quickest = times.min().unwrap();
        assert!(quickest < Duration::from_millis(50), "the quickest of 30 took {quickest:?}");
    }
}
