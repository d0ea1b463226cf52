//! The group consumer against the mock cluster.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use common::group::{Bell, Member, options, place, value};
use common::{SOON, rig, send};
use millrace_kafka::statistics::ConsumerStatistics;
use millrace_kafka::testing::api_key;
use millrace_kafka::{
    Consumer, CreateError, GroupEvent, Headers, Payload, Record, TopicPartition, TroubleKind,
    Watermarks,
};

#[test]
fn records_come_with_all_their_parts() {
    let mut rig = rig(1, 1, |_| {});
    let topic = rig.producer.topic("t").unwrap();
    let mut headers = Headers::with_capacity(5);
    for (name, value) in [
        ("ce_id", Some(&b"1"[..])),
        ("", Some(b"nameless")),
        ("ce_id", Some(b"2")),
        ("null", None),
        ("empty", Some(b"")),
    ] {
        headers.add(name, value);
    }
    let bytes = |value: &[u8]| Payload::whole(value.to_vec());
    let records = [
        (Some(&b"key"[..]), Some(headers), bytes(b"value")),
        (None, None, Payload::Null),
        (Some(b""), None, bytes(b"")),
        (Some(b"\0\xff"), None, bytes(&[7; 100_000])),
    ];
    for (token, (key, headers, payload)) in records.into_iter().enumerate() {
        rig.producer.produce(&topic, Record { key, headers }, payload, token as u64).unwrap();
    }
    rig.reports(4);

    let mut member = Member::of(&rig, "g");
    member.until_messages(4);
    let parts: Vec<_> = member
        .messages
        .iter()
        .map(|m| (m.offset(), m.key(), m.value().map(<[u8]>::len), m.headers().len()))
        .collect();
    let expected = [
        (0, Some(&b"key"[..]), Some(5), 5),
        (1, None, None, 0),
        (2, Some(b""), Some(0), 0),
        (3, Some(b"\0\xff"), Some(100_000), 0),
    ];
    assert_eq!(parts, expected);
    let first = &member.messages[0];
    assert_eq!((first.partition(), &**first.topic()), (0, "t"));
    assert_eq!((first.as_ref(), first.value()), (&b"value"[..], Some(&b"value"[..])));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let age = now.as_millis() as i64 - first.timestamp_ms().unwrap();
    assert!((0..60_000).contains(&age), "{age} ms old");
    let headers: Vec<_> = first.headers().collect();
    let expected: [(&[u8], Option<&[u8]>); 5] = [
        (b"ce_id", Some(b"1")),
        (b"", Some(b"nameless")),
        (b"ce_id", Some(b"2")),
        (b"null", None),
        (b"empty", Some(b"")),
    ];
    assert_eq!(headers, expected);
    let mut again = first.headers();
    again.next();
    assert_eq!(again.clone().count(), 4, "a copy goes on where it was made");
    assert!(member.messages[3].value().unwrap().iter().all(|&byte| byte == 7));
}

/// The readers sleep until they are woken; a wake-up that is missing leaves them asleep.
#[test]
fn no_wake_up_is_lost_over_many_records_and_breaks() {
    const COUNT: u64 = 100_000;
    let mut rig = rig(2, 4, |_| {});
    let own = Arc::new(Bell::default());
    let consumer =
        Consumer::create(&options(&rig.cluster.bootstrap_servers(), "g"), own.wake()).unwrap();
    consumer.subscribe(["t"].into_iter()).unwrap();
    let bells: Arc<[Arc<Bell>; 4]> = Arc::default();
    let mut queues = Vec::new();
    while queues.is_empty() {
        let seen = own.rung();
        let mut places = Vec::new();
        consumer.poll(10, |event| {
            if let GroupEvent::Assign(all) = event {
                places = all;
            }
        });
        if !places.is_empty() {
            let wake_of = |place: &TopicPartition| bells[place.partition as usize].wake();
            queues = consumer.accept(&places, wake_of).unwrap();
        } else {
            assert!(own.wait(seen, SOON), "no wake-up for the assignment");
        }
    }
    let total = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = queues
        .into_iter()
        .map(|mut queue| {
            let (bells, total) = (Arc::clone(&bells), Arc::clone(&total));
            thread::spawn(move || {
                let bell = &bells[queue.place().partition as usize];
                let mut values = Vec::new();
                for turn in 1.. {
                    let seen = bell.rung();
                    let taken = queue.poll(turn % 300 + 1, |got| values.push(value(&got.unwrap())));
                    let count = taken.count as u64;
                    if total.fetch_add(count, Relaxed) + count == COUNT {
                        // The others sleep for good.
                        bells.iter().for_each(|bell| bell.wake()());
                    }
                    if total.load(Relaxed) == COUNT {
                        break;
                    }
                    let awake = taken.more || bell.wait(seen, Duration::from_secs(8));
                    assert!(awake, "{queue:?} was not woken at {} records", total.load(Relaxed));
                }
                (values, queue.repeats())
            })
        })
        .collect();
    let mut sent = 0;
    for turn in 1_u64.. {
        // Bursts of one to a few thousand with breaks of up to 8 ms between them.
        let burst = (turn * 7919 % 97).pow(2).max(1).min(COUNT - sent);
        send(&mut rig, sent..sent + burst);
        sent += burst;
        if sent == COUNT {
            break;
        }
        thread::sleep(Duration::from_millis(turn % 9));
    }
    let mut values = Vec::new();
    for reader in readers {
        let (more, repeats) = reader.join().unwrap();
        assert_eq!(repeats, 0);
        values.extend(more);
    }
    values.sort_unstable();
    assert!(values.iter().copied().eq(0..COUNT), "{} of {COUNT} records", values.len());
}

#[test]
fn commits_are_answered_and_resumed_from() {
    let mut rig = rig(1, 3, |_| {});
    send(&mut rig, 0..300);
    let mut member = Member::of(&rig, "g");
    member.until_messages(300);
    member.commit();
    assert_eq!(member.committed.len(), 3);
    assert!(member.committed.iter().all(|row| row.outcome.is_ok() && row.offset > 0));
    member.close();
    send(&mut rig, 300..400);

    let mut next = Member::of(&rig, "g");
    next.until_messages(100);
    assert!(next.values().into_iter().eq(300..400));
    let mut other = Member::of(&rig, "another group");
    other.until_messages(400);
}

#[test]
fn failed_commits_say_so_and_may_be_tried_again() {
    let mut rig = rig(1, 1, |_| {});
    send(&mut rig, 0..3);
    let mut member = Member::of(&rig, "g");
    member.until_messages(3);
    rig.cluster.push_request_errors(api_key::OFFSET_COMMIT, &[22]);
    member.commit();
    let trouble = member.committed[0].outcome.clone().unwrap_err();
    assert_eq!((trouble.kind, trouble.place), (TroubleKind::NotMember, Some(place(0))));
    // The client may have joined anew for it.
    member.until("no later commit succeeds", |member| {
        if member.queues.is_empty() {
            return false;
        }
        member.consumer.commit(&[(place(0), 3)]).unwrap();
        thread::sleep(Duration::from_millis(100));
        member.turn();
        member.committed.last().is_some_and(|row| row.outcome.is_ok())
    });
    assert!(member.consumer.commit(&[]).is_ok());
}

/// A reader that never stops beside an owner that pauses and resumes at odd moments.
#[test]
fn pauses_lose_and_repeat_nothing() {
    const COUNT: u64 = 16_000;
    let mut rig = rig(1, 1, |_| {});
    let mut member = Member::of(&rig, "g");
    member.until("no assignment", |member| !member.queues.is_empty());
    let mut queue = member.queues.remove(&0).unwrap();
    let reader = thread::spawn(move || {
        let mut offsets = Vec::new();
        // However slow it is, as long as something comes.
        let mut last = Instant::now();
        while offsets.len() < COUNT as usize && last.elapsed() < 2 * SOON {
            let taken = queue.poll(7, |got| offsets.push(got.unwrap().offset()));
            assert!(!taken.released);
            if taken.count == 0 {
                thread::yield_now();
            } else {
                last = Instant::now();
            }
        }
        (queue, offsets)
    });
    let sender = thread::spawn(move || {
        for start in (0..COUNT).step_by(400) {
            send(&mut rig, start..start + 400);
        }
        rig
    });
    let mut turn = 0_u64;
    while !reader.is_finished() {
        turn += 1;
        member.consumer.pause(&place(0)).unwrap();
        thread::sleep(Duration::from_micros(turn * 131 % 1500));
        member.consumer.resume(&place(0)).unwrap();
        thread::sleep(Duration::from_micros(turn * 977 % 9000));
        member.consumer.poll(10, |_| {});
    }
    let (queue, offsets) = reader.join().unwrap();
    assert!(offsets.iter().copied().eq(0..COUNT as i64), "{} records", offsets.len());
    assert_eq!(queue.repeats(), 0, "the gate alone keeps them away");
    assert!(turn > 50, "only {turn} pauses");
    drop(sender.join().unwrap());
}

#[test]
fn paused_partition_gives_up_its_prefetch_and_a_new_assignment_is_not_paused() {
    let mut rig = rig(1, 1, |_| {});
    send(&mut rig, 0..1000);
    let mut member = Member::of(&rig, "g");
    member.until("nothing comes", |member| !member.messages.is_empty());
    let mut queue = member.queues.remove(&0).unwrap();
    member.consumer.pause(&place(0)).unwrap();
    assert_eq!(queue.poll(1000, |got| panic!("{got:?}")).count, 0);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(queue.poll(1000, |got| panic!("{got:?}")).count, 0);
    // It is still paused when the group takes and gives it again. What comes then may come with the
    // assignment.
    member.messages.clear();
    member.consumer.subscribe(["t", "other"].into_iter()).unwrap();
    member.queues.insert(0, queue);
    member.until("not assigned again", |member| member.assignments == 2);
    member.until_messages(1000);
    // Resuming what is not paused must not fetch again.
    member.consumer.resume(&place(0)).unwrap();
    member.consumer.pause(&place(7)).unwrap();
    send(&mut rig, 1000..1100);
    member.until_messages(1100);
}

#[test]
fn without_a_committed_offset_reading_begins_as_set() {
    let mut rig = rig(1, 2, |_| {});
    send(&mut rig, 0..200);
    let member = |reset: &str, group: &str| {
        let mut options = options(&rig.cluster.bootstrap_servers(), group);
        options.pairs.push(("auto.offset.reset".into(), reset.into()));
        Member::new(&options, &["t"])
    };
    let (mut earliest, mut latest, mut none) =
        (member("earliest", "e"), member("latest", "l"), member("error", "n"));
    earliest.until_messages(200);
    latest.until("no assignment", |latest| latest.queues.len() == 2);
    none.until("no trouble", |none| none.troubles.len() == 2);
    for trouble in &none.troubles {
        assert_eq!(trouble.kind, TroubleKind::NoOffset, "{trouble}");
        assert!(!trouble.fatal && trouble.to_string().contains("t/"), "{trouble}");
    }
    // A partition with a committed offset is read although the other is not.
    none.consumer.commit(&[(place(1), 0)]).unwrap();
    none.until("no answer", |none| !none.committed.is_empty());
    none.close();
    let mut none = member("error", "n");
    none.until("no trouble", |none| none.troubles.iter().any(|t| t.place == Some(place(0))));
    none.until("nothing of the other", |none| !none.messages.is_empty());
    assert!(none.messages.iter().all(|message| message.partition() == 1));
    assert_eq!(none.troubles.len(), 1, "{:?}", none.troubles);

    // By now the end has been looked up, so what comes is new.
    thread::sleep(Duration::from_millis(300));
    latest.turn();
    assert!(latest.messages.is_empty());
    send(&mut rig, 200..210);
    latest.until_messages(10);
    assert!(latest.values().into_iter().eq(200..210));
}

#[test]
fn troubles_name_what_is_wrong_and_pass() {
    let mut rig = rig(1, 1, |_| {});
    send(&mut rig, 0..5);
    let bootstrap = rig.cluster.bootstrap_servers();
    rig.cluster.topic_error("missing", 3).unwrap();
    let mut member = Member::new(&options(&bootstrap, "g"), &["missing", "t"]);
    member.until("no trouble", |member| {
        member.troubles.iter().any(|trouble| trouble.kind == TroubleKind::UnknownTopic)
    });
    let trouble = member.troubles.iter().find(|t| t.kind == TroubleKind::UnknownTopic).unwrap();
    assert!(trouble.to_string().contains("missing"), "{trouble}");
    member.until_messages(5);

    rig.cluster.push_request_errors(api_key::JOIN_GROUP, &[23, 23]);
    let mut stranger = Member::new(&options(&bootstrap, "mixed"), &["t"]);
    stranger.until("no trouble", |stranger| {
        stranger.troubles.iter().any(|t| t.kind == TroubleKind::InconsistentGroupProtocol)
    });
    assert!(stranger.troubles.iter().all(|trouble| !trouble.fatal));
    stranger.until_messages(5);
}

#[test]
fn statistics_and_watermarks_tell_the_lag() {
    let mut rig = rig(1, 1, |_| {});
    send(&mut rig, 0..50);
    let mut options = options(&rig.cluster.bootstrap_servers(), "g");
    options.pairs.push(("statistics.interval.ms".into(), "100".into()));
    let mut member = Member::new(&options, &["t"]);
    member.until_messages(50);
    member.consumer.commit(&[(place(0), 20)]).unwrap();
    member.until("no lag of 30", |member| {
        let newest = member.statistics.pop();
        let parsed = newest.map(|json| ConsumerStatistics::parse(&json).unwrap());
        parsed.is_some_and(|numbers| {
            numbers.lag.get(&("t".to_owned(), 0)) == Some(&30)
                && numbers.records_consumed >= 50
                && numbers.assigned_partitions == 1
        })
    });
    let expected = Watermarks { low: Some(0), high: Some(50) };
    assert_eq!(member.consumer.watermarks(&place(0)), expected);
    let unknown = member.consumer.watermarks(&place(9));
    assert_eq!(unknown, Watermarks { low: None, high: None });
}

#[test]
fn wrong_options_are_refused() {
    let make = |change: fn(&mut millrace_kafka::ConsumerOptions)| {
        let mut options = options("127.0.0.1:1", "g");
        change(&mut options);
        Consumer::create(&options, Arc::new(|| {})).map(drop)
    };
    assert_eq!(make(|options| options.bootstrap = " ,".into()), Err(CreateError::NoBootstrap));
    assert_eq!(make(|options| options.group_id.clear()), Err(CreateError::NoGroup));
    let error = make(|options| options.pairs.push(("no.such".into(), "1".into()))).unwrap_err();
    assert!(error.to_string().contains("no.such"), "{error}");
    // The poll interval is held where librdkafka takes it.
    for ms in [0, 1, u64::MAX] {
        let mut options = options("127.0.0.1:1", "g");
        options.max_poll_interval_ms = ms;
        let consumer = Consumer::create(&options, Arc::new(|| {})).unwrap();
        for topics in [&[][..], &["a", "a"], &["^a"], &["a\0b"]] {
            assert!(consumer.subscribe(topics.iter().copied()).is_err(), "{topics:?}");
        }
    }
}

#[test]
fn consumer_moves_between_threads_and_messages_are_shared() {
    fn sent<T: Send>() {}
    fn shared<T: Sync>() {}
    sent::<Consumer>();
    sent::<millrace_kafka::PartitionQueue>();
    sent::<millrace_kafka::Message>();
    shared::<millrace_kafka::Message>();
}
