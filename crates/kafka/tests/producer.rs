//! Producing to the mock cluster: what lands, what comes back, and that nothing is lost on the way.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{SOON, producer, reports, rig, settings};
use millrace_kafka::statistics::{Average, ProducerStatistics};
use millrace_kafka::testing::{MockCluster, TestConsumer, TestRecord, api_key};
use millrace_kafka::{
    CreateError, FailureKind, Headers, Partitioning, Payload, Placed, Producer, Record, Unkeyed,
    partition_of,
};

fn read(cluster: &MockCluster, topic: &str) -> Vec<TestRecord> {
    TestConsumer::new(&cluster.bootstrap_servers()).unwrap().read_all(topic, SOON).unwrap()
}

fn keyed(key: &[u8]) -> Record<'_> {
    Record { key: Some(key), headers: None }
}

#[test]
fn record_lands_whole_and_its_buffer_comes_back() {
    let mut rig = rig(1, 1, |_| {});
    let topic = rig.producer.topic("t").unwrap();
    let buffer = b"head{\"a\":1}tail".to_vec();
    let address = buffer.as_ptr();
    let mut headers = Headers::with_capacity(3);
    headers.add("ce_id", Some(b"1"));
    headers.add("empty", Some(b""));
    headers.add("null", None);
    let record = Record { key: Some(b"k"), headers: Some(headers) };
    rig.producer.produce(&topic, record, Payload::Bytes { buffer, range: 4..11 }, 7).unwrap();
    assert_eq!(rig.producer.in_flight(), 1);

    let report = rig.reports(1).remove(&7).unwrap();
    assert_eq!(report.outcome.unwrap().partition, 0);
    let buffer = report.payload.into_buffer();
    assert_eq!((buffer.as_ptr(), buffer.as_slice()), (address, b"head{\"a\":1}tail".as_slice()));
    assert_eq!(rig.producer.in_flight(), 0);
    assert!(topic.known());

    let found = read(&rig.cluster, "t");
    assert_eq!(found[0].value.as_deref(), Some(b"{\"a\":1}".as_slice()));
    assert_eq!(found[0].key.as_deref(), Some(b"k".as_slice()));
    assert_eq!(
        found[0].headers,
        [
            ("ce_id".to_owned(), Some(b"1".to_vec())),
            ("empty".to_owned(), Some(Vec::new())),
            ("null".to_owned(), None)
        ]
    );
}

#[test]
fn null_and_empty_differ_in_key_and_value() {
    let mut rig = rig(1, 1, |_| {});
    let topic = rig.producer.topic("t").unwrap();
    let cases = [
        (None, Payload::Null),
        (Some(b"".as_slice()), Payload::whole(Vec::new())),
        (None, Payload::Bytes { buffer: b"abc".to_vec(), range: 3..3 }),
        (Some(b"".as_slice()), Payload::Null),
    ];
    for (token, (key, payload)) in (0..).zip(cases.clone()) {
        rig.producer.produce(&topic, Record { key, headers: None }, payload, token).unwrap();
    }
    let reports = rig.reports(cases.len());
    let found = read(&rig.cluster, "t");
    for ((token, (key, payload)), record) in (0_u64..).zip(cases).zip(found) {
        assert_eq!(reports[&token].payload, payload);
        assert_eq!(record.key.as_deref(), key, "case {token}");
        assert_eq!(record.value.is_none(), payload == Payload::Null, "case {token}");
        assert!(record.value.is_none_or(|value| value.is_empty()));
        assert!(record.headers.is_empty());
    }
}

/// receiver.md R80 and R81: keys go where every Java producer sends them.
#[test]
fn keys_go_to_javas_partitions() {
    for partitions in [3, 10] {
        let mut rig = rig(1, partitions, |_| {});
        let topic = rig.producer.topic("t").unwrap();
        let keys: Vec<String> = ["k1", "key-42", "", "21", "foobar", "ключ"]
            .map(str::to_owned)
            .into_iter()
            .chain((0..200).map(|n| format!("{n:x}").repeat(n % 9)))
            .collect();
        for (token, key) in (0..).zip(&keys) {
            rig.producer.produce(&topic, keyed(key.as_bytes()), Payload::Null, token).unwrap();
        }
        for (token, report) in rig.reports(keys.len()) {
            let key = keys[token as usize].as_bytes();
            let partition = report.outcome.unwrap().partition;
            assert_eq!(Some(partition), partition_of(key, partitions), "{key:?}");
        }
    }
}

#[test]
fn unkeyed_records_stick_until_rotated() {
    let mut rig = rig(3, 6, |_| {});
    let topic = rig.producer.topic("t").unwrap();
    rig.wait_for_leaders(&topic);
    let mut seen = Vec::new();
    for burst in 0..6_u64 {
        for index in 0..20 {
            rig.producer
                .produce(&topic, Record::default(), Payload::Null, burst * 20 + index)
                .unwrap();
        }
        let partitions: Vec<i32> =
            rig.reports(20).into_values().map(|report| report.outcome.unwrap().partition).collect();
        assert!(partitions.iter().all(|&partition| partition == partitions[0]), "{partitions:?}");
        seen.push(partitions[0]);
        topic.rotate();
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4, 5], "six bursts go to six partitions");
}

#[test]
fn unkeyed_records_avoid_partitions_without_a_leader() {
    let mut rig = rig(1, 3, |_| {});
    rig.cluster.leader("t", 1, -1).unwrap();
    let topic = rig.producer.topic("t").unwrap();
    // Keys of partitions 2 and 0: their reports mean that these leaders are known.
    for (key, token) in [(b"k1".as_slice(), 100), (b"key-42", 101)] {
        rig.producer.produce(&topic, keyed(key), Payload::Null, token).unwrap();
    }
    assert!(rig.reports(2).into_values().all(|report| report.outcome.is_ok()));
    for token in 0..30 {
        rig.producer.produce(&topic, Record::default(), Payload::Null, token).unwrap();
        topic.rotate();
        let report = rig.reports(1).remove(&token).unwrap();
        assert_ne!(report.outcome.unwrap().partition, 1);
    }
}

/// The reason for sticking: at linger 0 a burst makes few requests, not one for each record.
#[test]
fn burst_without_keys_makes_few_requests() {
    let mut rig = rig(3, 12, |_| {});
    let topic = rig.producer.topic("t").unwrap();
    rig.producer.produce(&topic, Record::default(), Payload::Null, 1_000).unwrap();
    rig.reports(1);
    rig.cluster.track_requests();
    for token in 0..1_000 {
        rig.producer
            .produce(&topic, Record::default(), Payload::whole(vec![0; 100]), token)
            .unwrap();
    }
    rig.reports(1_000);
    let requests = rig.cluster.requests().iter().filter(|&&key| key == api_key::PRODUCE).count();
    assert!(requests <= 250, "{requests} requests for 1000 records");
}

#[test]
fn other_partitionings_spread_every_record() {
    for (unkeyed, ignore_keys) in [(Unkeyed::RoundRobin, true), (Unkeyed::Random, false)] {
        let mut rig = rig(1, 4, |settings| {
            settings.partitioning = Partitioning { ignore_keys, unkeyed };
        });
        let topic = rig.producer.topic("t").unwrap();
        rig.wait_for_leaders(&topic);
        let key = ignore_keys.then_some(b"same".as_slice());
        for token in 0..200 {
            let record = Record { key, headers: None };
            rig.producer.produce(&topic, record, Payload::Null, token).unwrap();
        }
        let mut counts = [0_u32; 4];
        for report in rig.reports(200).into_values() {
            counts[report.outcome.unwrap().partition as usize] += 1;
        }
        let least = if unkeyed == Unkeyed::RoundRobin { 50 } else { 20 };
        assert!(counts.iter().all(|&count| count >= least), "{unkeyed:?}: {counts:?}");
    }
}

#[test]
fn budget_splits_a_batch_of_reports_and_loses_none() {
    let mut rig = rig(1, 1, |settings| settings.pairs.push(("linger.ms".into(), "50".into())));
    let topic = rig.producer.topic("t").unwrap();
    for token in 0..1_000 {
        rig.producer.produce(&topic, Record::default(), Payload::Null, token).unwrap();
    }
    let deadline = Instant::now() + SOON;
    let mut count = 0;
    let mut ended_by_budget = 0;
    while count < 1_000 {
        assert!(Instant::now() < deadline, "{count} reports came");
        let polled = rig.producer.poll_reports(7, |_| {});
        assert!(polled.reports <= 7);
        count += polled.reports;
        ended_by_budget += u32::from(polled.more);
    }
    assert!(ended_by_budget > 100, "reports came one by one: {ended_by_budget}");
    assert_eq!(rig.reports(0).len(), 0);
}

#[test]
fn callback_may_produce_and_poll() {
    let mut rig = rig(1, 1, |_| {});
    let topic = rig.producer.topic("t").unwrap();
    rig.producer.produce(&topic, Record::default(), Payload::Null, 0).unwrap();
    let deadline = Instant::now() + SOON;
    let mut next = 1;
    while next < 50 {
        assert!(Instant::now() < deadline);
        rig.producer.poll_reports(10, |report| {
            assert_eq!(rig.producer.poll_reports(10, |_| panic!("nested")).reports, 0);
            rig.producer.produce(&topic, Record::default(), report.payload, next).unwrap();
            next += 1;
        });
    }
    rig.reports(1);
}

#[test]
fn brokers_errors_are_classified() {
    for (code, kind) in
        [(10, FailureKind::TooLarge), (29, FailureKind::Auth), (87, FailureKind::Other)]
    {
        let mut rig = rig(1, 1, |_| {});
        rig.cluster.push_request_errors(api_key::PRODUCE, &[code]);
        let topic = rig.producer.topic("t").unwrap();
        rig.producer.produce(&topic, keyed(b"k"), Payload::whole(vec![1]), 5).unwrap();
        let report = rig.reports(1).remove(&5).unwrap();
        let error = report.outcome.unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, code));
        assert_eq!(report.payload, Payload::whole(vec![1]));
    }
}

#[test]
fn retriable_errors_of_brokers_are_retried() {
    let mut rig = rig(1, 1, |settings| {
        settings.pairs.push(("retry.backoff.ms".into(), "10".into()));
    });
    rig.cluster.push_request_errors(api_key::PRODUCE, &[19, 6]);
    let topic = rig.producer.topic("t").unwrap();
    rig.producer.produce(&topic, keyed(b"k"), Payload::Null, 5).unwrap();
    rig.reports(1).remove(&5).unwrap().outcome.unwrap();
    assert_eq!(read(&rig.cluster, "t").len(), 1);
}

/// receiver.md R91.
#[test]
fn brokers_down_fail_the_record_after_delivery_timeout() {
    let mut rig = rig(1, 1, |settings| {
        settings.pairs.push(("message.timeout.ms".into(), "1500".into()));
    });
    let topic = rig.producer.topic("t").unwrap();
    rig.producer.produce(&topic, keyed(b"k"), Payload::Null, 0).unwrap();
    rig.reports(1).remove(&0).unwrap().outcome.unwrap();
    rig.cluster.broker_down(-1).unwrap();
    let start = Instant::now();
    rig.producer.produce(&topic, keyed(b"k"), Payload::whole(vec![9; 100]), 1).unwrap();
    let report = rig.reports(1).remove(&1).unwrap();
    assert_eq!(report.outcome.unwrap_err().kind(), FailureKind::Timeout);
    assert_eq!(report.payload, Payload::whole(vec![9; 100]));
    assert!(start.elapsed() >= Duration::from_millis(1400), "{:?}", start.elapsed());
    assert_eq!(rig.producer.failed_total(), 1);
    assert!(rig.producer.trouble().is_some(), "the client tells that its brokers are gone");
}

/// receiver.md R92.
#[test]
fn missing_topic_fails_after_max_block_and_holds_up_no_other() {
    let mut rig = rig(1, 1, |settings| settings.max_block = Duration::from_millis(1500));
    rig.cluster.topic_error("gone", 3).unwrap();
    let gone = rig.producer.topic("gone").unwrap();
    let topic = rig.producer.topic("t").unwrap();
    let start = Instant::now();
    let placed =
        rig.producer.produce(&gone, Record::default(), Payload::whole(vec![1]), 1).unwrap();
    assert_eq!(placed, Placed::AwaitsMetadata);
    for token in 2..20 {
        rig.producer.produce(&topic, Record::default(), Payload::Null, token).unwrap();
    }
    assert!(rig.reports(18).into_values().all(|report| report.outcome.is_ok()));
    assert!(start.elapsed() < Duration::from_millis(1400), "{:?}", start.elapsed());
    assert!(!gone.known());

    let report = rig.reports(1).remove(&1).unwrap();
    assert_eq!(report.outcome.unwrap_err().kind(), FailureKind::UnknownTopic);
    assert_eq!(report.payload, Payload::whole(vec![1]));
    assert!(start.elapsed() >= Duration::from_millis(1400), "{:?}", start.elapsed());
}

/// A request that was answered after `max.block.ms` must not become a record later.
#[test]
fn record_that_waited_too_long_for_metadata_is_never_sent() {
    let mut rig = rig(1, 1, |settings| settings.max_block = Duration::from_millis(500));
    rig.cluster.broker_down(-1).unwrap();
    let topic = rig.producer.topic("t").unwrap();
    rig.producer.produce(&topic, keyed(b"late"), Payload::whole(vec![1]), 1).unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let placed = rig.producer.produce(&topic, keyed(b"young"), Payload::whole(vec![2]), 2).unwrap();
    assert_eq!(placed, Placed::AwaitsMetadata);
    rig.cluster.broker_up(-1).unwrap();
    let mut found = rig.reports(2);
    let late = found.remove(&1).unwrap();
    assert_eq!(late.outcome.unwrap_err().kind(), FailureKind::UnknownTopic);
    // The young one may have had its time too when the machine is slow; it must have been told so.
    let young = found.remove(&2).unwrap().outcome.is_ok();
    let landed = read(&rig.cluster, "t");
    assert!(landed.iter().all(|record| record.key.as_deref() == Some(b"young".as_slice())));
    assert_eq!(landed.len(), usize::from(young));
}

/// receiver.md R93.
#[test]
fn too_large_record_is_refused_at_once_with_its_payload() {
    let rig =
        rig(1, 1, |settings| settings.pairs.push(("message.max.bytes".into(), "2000".into())));
    let topic = rig.producer.topic("t").unwrap();
    let mut headers = Headers::with_capacity(1);
    headers.add("h", Some(b"v"));
    let record = Record { key: None, headers: Some(headers) };
    let refused =
        rig.producer.produce(&topic, record, Payload::whole(vec![7; 3000]), 1).unwrap_err();
    assert_eq!(refused.error.kind(), FailureKind::TooLarge);
    assert_eq!(refused.payload, Payload::whole(vec![7; 3000]));
    assert_eq!(rig.producer.in_flight(), 0);
}

#[test]
fn full_queue_is_refused_and_recovers() {
    let mut rig = rig(1, 1, |settings| {
        settings.pairs.push(("queue.buffering.max.kbytes".into(), "16".into()));
    });
    rig.cluster.round_trip_time(1, 300).unwrap();
    let topic = rig.producer.topic("t").unwrap();
    let mut taken = 0;
    let refused = loop {
        match rig.producer.produce(&topic, keyed(b"k"), Payload::whole(vec![0; 1024]), taken) {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < 100);
    };
    assert_eq!(refused.error.kind(), FailureKind::QueueFull);
    assert!(rig.reports(taken as usize).into_values().all(|report| report.outcome.is_ok()));
    rig.producer.produce(&topic, keyed(b"k"), refused.payload, 1_000).unwrap();
    rig.reports(1).remove(&1_000).unwrap().outcome.unwrap();
}

#[test]
fn foreign_released_and_out_of_range_are_refused() {
    let mut rig = rig(1, 1, |_| {});
    let (other, _wake) = producer(&settings(&rig.cluster.bootstrap_servers()));
    let topic = rig.producer.topic("t").unwrap();
    let refuse = |producer: &Producer, payload| {
        producer.produce(&topic, Record::default(), payload, 1).unwrap_err().error.retriable()
    };
    assert!(!refuse(&other, Payload::Null));
    assert!(!refuse(&rig.producer, Payload::Bytes { buffer: vec![1], range: 0..2 }));
    #[allow(clippy::reversed_empty_ranges)]
    let backwards = 1..0;
    assert!(!refuse(&rig.producer, Payload::Bytes { buffer: vec![1, 2], range: backwards }));

    rig.producer.produce(&topic, Record::default(), Payload::Null, 2).unwrap();
    rig.producer.release(&topic);
    rig.producer.release(&topic);
    assert!(!refuse(&rig.producer, Payload::Null));
    rig.reports(1).remove(&2).unwrap().outcome.unwrap();
    let again = rig.producer.topic("t").unwrap();
    rig.producer.produce(&again, Record::default(), Payload::Null, 3).unwrap();
    rig.reports(1).remove(&3).unwrap().outcome.unwrap();
}

#[test]
fn creation_names_what_is_wrong() {
    let (_ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let create = |settings: &millrace_kafka::ProducerOptions| {
        Producer::create(settings, std::os::fd::AsFd::as_fd(&theirs)).unwrap_err()
    };
    assert_eq!(create(&settings(" , ")), CreateError::NoBootstrap);
    let mut bad = settings("localhost:1");
    bad.pairs.push(("acks".into(), "two".into()));
    assert!(create(&bad).to_string().contains("acks"));
    let (producer, _wake) = producer(&settings("localhost:1"));
    assert!(producer.topic("a\0b").is_err());
    assert!(producer.topic(&"x".repeat(600)).is_err());
}

#[test]
fn close_delivers_what_is_queued() {
    let rig = rig(1, 2, |settings| settings.pairs.push(("linger.ms".into(), "15000".into())));
    let topic = rig.producer.topic("t").unwrap();
    for token in 0..100 {
        rig.producer.produce(&topic, keyed(b"k"), Payload::whole(vec![0; 10]), token).unwrap();
    }
    let mut seen = 0;
    let start = Instant::now();
    let closed = rig.producer.close(SOON, |report| {
        assert!(report.outcome.is_ok());
        seen += 1;
    });
    assert_eq!((seen, closed.undelivered), (100, 0));
    assert!(start.elapsed() < Duration::from_secs(10), "it lingered: {:?}", start.elapsed());
    assert_eq!(read(&rig.cluster, "t").len(), 100);
}

#[test]
fn close_fails_the_rest_and_returns_every_buffer() {
    let mut rig = rig(1, 2, |_| {});
    let topic = rig.producer.topic("t").unwrap();
    rig.producer.produce(&topic, keyed(b"k"), Payload::Null, 1_000).unwrap();
    rig.reports(1);
    rig.cluster.round_trip_time(1, 10_000).unwrap();
    let gone = rig.producer.topic("other").unwrap();
    for token in 0..100 {
        let topic = if token % 10 == 0 { &gone } else { &topic };
        rig.producer.produce(topic, keyed(b"k"), Payload::whole(vec![3; 10]), token).unwrap();
    }
    let start = Instant::now();
    let mut seen = std::collections::BTreeSet::new();
    let closed = rig.producer.close(Duration::from_millis(200), |report| {
        assert!(seen.insert(report.token));
        assert_eq!(report.payload, Payload::whole(vec![3; 10]));
        assert_eq!(report.outcome.unwrap_err().kind(), FailureKind::Closed);
    });
    assert_eq!((seen.len(), closed.undelivered), (100, 100));
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn dropping_with_records_in_flight_is_safe() {
    let rig = rig(1, 1, |_| {});
    rig.cluster.round_trip_time(1, 5_000).unwrap();
    let topic = rig.producer.topic("t").unwrap();
    for token in 0..50 {
        rig.producer
            .produce(&topic, Record::default(), Payload::whole(vec![1; 2_000]), token)
            .unwrap();
    }
    drop(rig.producer);
    // The handle outlives its producer and still answers.
    assert_eq!(topic.name(), "t");
}

/// Produces while librdkafka's threads partition parked records, move leaders and retry, and checks
/// that every buffer comes back unchanged, once.
#[test]
fn stress_every_buffer_comes_back_unchanged() {
    const RECORDS: u64 = 20_000;
    let mut rig = rig(3, 6, |settings| {
        settings.pairs.push(("retry.backoff.ms".into(), "5".into()));
        settings.max_block = SOON;
    });
    let topics = ["t", "u", "v"].map(|name| rig.producer.topic(name).unwrap());
    let fill = |token: u64| (0..token % 700).map(|at| (at * 31 + token) as u8).collect::<Vec<u8>>();
    let mut seen = 0_u64;
    let mut produced = 0_u64;
    let deadline = Instant::now() + 3 * SOON;
    while seen < RECORDS {
        assert!(Instant::now() < deadline, "{seen} of {RECORDS} reports came");
        if produced < RECORDS && rig.producer.in_flight() < 2_000 {
            let burst = produced..(produced + 100).min(RECORDS);
            produced = burst.end;
            for token in burst {
                let mut headers = Headers::with_capacity(2);
                headers.add("token", Some(&token.to_be_bytes()));
                let key = token.to_be_bytes();
                let record =
                    Record { key: (token % 2 == 0).then_some(&key), headers: Some(headers) };
                let topic = &topics[(token % 3) as usize];
                rig.producer.produce(topic, record, Payload::whole(fill(token)), token).unwrap();
            }
            topics.iter().for_each(millrace_kafka::Topic::rotate);
            if produced.is_multiple_of(2_000) {
                rig.cluster.push_request_errors(api_key::PRODUCE, &[6, -195]);
                let broker = i32::try_from(produced / 2_000 % 3).unwrap() + 1;
                rig.cluster.leader("t", 0, broker).unwrap();
            }
        }
        rig.producer.poll_reports(333, |report| {
            assert_eq!(report.payload, Payload::whole(fill(report.token)));
            assert!(report.outcome.is_ok(), "{:?}", report.outcome);
            seen += 1;
        });
    }
    assert_eq!(rig.producer.in_flight(), 0);
    assert!(rig.reports(0).is_empty());
}

/// platform.md 8.4: the document that librdkafka really writes.
#[test]
fn statistics_count_what_was_sent() {
    let mut rig = rig(2, 2, |settings| {
        settings.pairs.push(("statistics.interval.ms".into(), "100".into()));
    });
    let topic = rig.producer.topic("t").unwrap();
    for token in 0..50 {
        let payload = Payload::whole(vec![1; 100]);
        rig.producer.produce(&topic, Record::default(), payload, token).unwrap();
    }
    rig.reports(50);
    let deadline = Instant::now() + SOON;
    let (mut batches, mut latency) = (Average::default(), Average::default());
    let numbers = loop {
        assert!(Instant::now() < deadline);
        rig.producer.poll_reports(10, |_| {});
        let Some(json) = rig.producer.take_statistics() else { continue };
        let numbers = ProducerStatistics::parse(&json).unwrap();
        batches.sum += numbers.batch_bytes.sum;
        batches.count += numbers.batch_bytes.count;
        latency.sum += numbers.request_latency_us.sum;
        latency.count += numbers.request_latency_us.count;
        if numbers.records_sent == 50 && latency.count > 0 && batches.count > 0 {
            break numbers;
        }
    };
    assert_eq!(numbers.records_sent_by_topic, [("t".to_owned(), 50)].into());
    assert!(numbers.connections >= 1);
    assert!(numbers.requests_by_node.values().sum::<u64>() >= 2, "{numbers:?}");
    assert!(batches.mean().unwrap() >= 100.0);
    assert!(latency.mean().unwrap() > 0.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(numbers.start_time_ms + 60_000 > now && numbers.start_time_ms <= now + 1_000);
    assert_eq!(rig.producer.failed_total(), 0);
}

#[test]
fn two_producers_share_a_cluster_and_name_their_own_topics() {
    let mut rig = rig(1, 1, |_| {});
    let (other, mut wake) = producer(&settings(&rig.cluster.bootstrap_servers()));
    let ours = rig.producer.topic("t").unwrap();
    let theirs = other.topic("t").unwrap();
    rig.producer.produce(&ours, Record::default(), Payload::Null, 1).unwrap();
    other.produce(&theirs, Record::default(), Payload::Null, 1).unwrap();
    rig.reports(1).remove(&1).unwrap().outcome.unwrap();
    reports(&other, &mut wake, 1).remove(&1).unwrap().outcome.unwrap();
    assert_eq!(read(&rig.cluster, "t").len(), 2);
}
