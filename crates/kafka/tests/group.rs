//! Members that come, share and leave, against the mock cluster.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::group::{Bell, Member, options, place, value};
use common::{SOON, rig, send};
use millrace_kafka::testing::api_key;
use millrace_kafka::{Consumer, GroupEvent, TroubleKind};

#[test]
fn eager_rebalance_waits_for_a_late_answer() {
    let mut rig = rig(1, 4, |_| {});
    send(&mut rig, 0..400);
    let mut first = Member::of(&rig, "g");
    first.until_messages(400);
    first.commit();
    first.committed.clear();
    first.holds_revocations = true;

    let mut second = Member::of(&rig, "g");
    first.until_beside("no revocation", &mut [&mut second], |first| first.revoked.is_some());
    assert_eq!(first.revoked.as_ref().unwrap().len(), 4);
    // Still ours: what is in flight ends. The client stays in the group.
    let late = Instant::now() + Duration::from_millis(700);
    first.until_beside("time stands still", &mut [&mut second], |_| Instant::now() > late);
    assert!(second.queues.is_empty());
    first.commit();
    // Kafka takes it while it waits for the members; the mock answers that it is rebalancing.
    assert_eq!(first.committed.len(), 4);
    for trouble in first.committed.iter().filter_map(|row| row.outcome.as_ref().err()) {
        assert_eq!((trouble.kind, trouble.code), (TroubleKind::NotMember, 27), "{trouble}");
    }
    first.release();
    first.holds_revocations = false;
    first.until_beside("no new assignment", &mut [&mut second], |first| first.queues.len() == 2);
    second.until_beside("no share", &mut [&mut first], |second| second.queues.len() == 2);
    send(&mut rig, 400..600);
    first.until_beside("records are missing", &mut [&mut second], |_| true);
    let deadline = Instant::now() + SOON;
    while first.messages.len() + second.messages.len() < 600 {
        assert!(Instant::now() < deadline, "records are missing");
        first.turn();
        second.turn();
        thread::sleep(Duration::from_millis(5));
    }
    let mut values = first.values();
    values.extend(second.values());
    values.sort_unstable();
    assert!(values.into_iter().eq(0..600), "none is lost, none comes again after its commit");
    assert!(!second.messages.is_empty());
}

#[test]
fn it_has_joined_once_the_coordinator_answered_and_until_it_closes() {
    let rig = rig(1, 1, |_| {});
    let nobody = Member::new(&options("127.0.0.1:1", "g"), &["t"]);
    let mut member = Member::of(&rig, "g");
    member.until("no assignment", |member| member.assignments == 1);
    assert!(member.consumer.has_joined());
    member.consumer.close();
    assert!(!member.consumer.has_joined(), "and it is not asked, which could take for ever");
    assert!(!nobody.consumer.has_joined());
}

#[test]
fn cooperative_rebalance_leaves_the_other_partitions_alone() {
    let mut rig = rig(1, 4, |_| {});
    send(&mut rig, 0..400);
    let mut options = options(&rig.cluster.bootstrap_servers(), "g");
    options.pairs.push(("partition.assignment.strategy".into(), "cooperative-sticky".into()));
    let mut first = Member::new(&options, &["t"]);
    first.until_messages(400);
    first.commit();
    first.holds_revocations = true;

    let mut second = Member::new(&options, &["t"]);
    first.until_beside("no revocation", &mut [&mut second], |first| first.revoked.is_some());
    assert_eq!(first.revoked.as_ref().unwrap().len(), 2, "only what goes is revoked");
    assert_eq!(first.queues.len(), 4);
    first.release();
    first.holds_revocations = false;
    assert_eq!(first.queues.len(), 2, "the others kept their queues");
    second.until_beside("no share", &mut [&mut first], |second| second.queues.len() == 2);
    send(&mut rig, 400..600);
    let deadline = Instant::now() + SOON;
    while first.messages.len() + second.messages.len() < 600 {
        assert!(Instant::now() < deadline, "records are missing");
        first.turn();
        second.turn();
        thread::sleep(Duration::from_millis(5));
    }
    let mut values = first.values();
    values.extend(second.values());
    values.sort_unstable();
    assert!(values.into_iter().eq(0..600));
    first.close();
    second.until("not all for the one that is left", |second| second.queues.len() == 4);
}

#[test]
fn old_queue_of_a_partition_gives_nothing_of_the_new_assignment() {
    let mut rig = rig(1, 1, |_| {});
    send(&mut rig, 0..10);
    let mut first = Member::of(&rig, "g");
    first.until_messages(10);
    first.commit();
    let mut old = first.queues.remove(&0).unwrap();
    // Subscribing anew revokes and assigns the same partition again.
    let mut places = None;
    first.consumer.subscribe(["t", "other"].into_iter()).unwrap();
    let deadline = Instant::now() + SOON;
    while first.queues.is_empty() {
        assert!(Instant::now() < deadline, "not assigned again");
        let mut events = Vec::new();
        first.consumer.poll(10, |event| events.push(event));
        for event in events {
            match event {
                GroupEvent::Revoke { partitions, lost } => {
                    assert!(!lost);
                    first.consumer.release(&partitions).unwrap();
                    places = Some(partitions);
                }
                GroupEvent::Assign(partitions) => {
                    let queues = first.consumer.accept(&partitions, |_| first.bell.wake()).unwrap();
                    first.queues.extend(queues.into_iter().map(|q| (q.place().partition, q)));
                }
                _ => {}
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(places, Some(vec![place(0)]));
    send(&mut rig, 10..20);
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        let taken = old.poll(10, |got| panic!("{got:?}"));
        assert!(taken.released && taken.count == 0);
    }
    // Its end must not take the wake-up of the new one with it.
    drop(old);
    first.until("records are missing", |first| first.messages.len() == 20);
    send(&mut rig, 20..30);
    first.until("no wake-up any more", |first| first.messages.len() == 30);
}

#[test]
fn close_asks_for_the_partitions_then_leaves_the_group() {
    let mut rig = rig(1, 2, |_| {});
    send(&mut rig, 0..100);
    let mut first = Member::of(&rig, "g");
    first.until_messages(100);
    rig.cluster.track_requests();
    first.holds_revocations = true;
    first.consumer.close();
    first.consumer.close();
    first.until("no revocation", |first| first.revoked.is_some());
    assert!(!rig.cluster.requests().contains(&api_key::LEAVE_GROUP));
    first.commit();
    assert!(first.committed.iter().all(|row| row.outcome.is_ok()), "{:?}", first.committed);
    assert!(!first.closed && !first.consumer.is_closed());
    first.release();
    first.until("not closed", |first| first.closed);
    assert!(first.consumer.is_closed());
    assert!(rig.cluster.requests().contains(&api_key::LEAVE_GROUP));
    assert!(first.consumer.subscribe(["t"].into_iter()).is_err());
    assert!(first.consumer.release(&[place(0)]).is_ok(), "nothing waits for it");
    assert!(first.consumer.accept(&[place(0)], |_| Arc::new(|| {})).is_err());
    // The messages are still there.
    drop(first.consumer);
    assert!(first.messages.iter().map(value).count() == 100);
}

#[test]
fn close_works_at_every_stage() {
    let rig = rig(1, 2, |_| {});
    let bootstrap = rig.cluster.bootstrap_servers();
    let closed = |consumer: &Consumer, bell: &Bell, answers: bool| {
        consumer.close();
        let deadline = Instant::now() + SOON;
        while !consumer.is_closed() {
            assert!(Instant::now() < deadline, "not closed");
            let seen = bell.rung();
            let mut events = Vec::new();
            consumer.poll(100, |event| events.push(event));
            for event in events {
                match event {
                    GroupEvent::Assign(places) if answers => {
                        assert!(consumer.accept(&places, |_| Arc::new(|| {})).unwrap().is_empty());
                    }
                    GroupEvent::Revoke { partitions, .. } => {
                        consumer.release(&partitions).unwrap();
                    }
                    _ => {}
                }
            }
            if !consumer.is_closed() {
                bell.wait(seen, Duration::from_millis(200));
            }
        }
    };
    let make = |group: &str, bell: &Arc<Bell>| {
        Consumer::create(&options(&bootstrap, group), bell.wake()).unwrap()
    };
    // Never subscribed; right after subscribing; at moments while joining; with an assignment
    // that was not seen, and one that was seen and not answered.
    let bell = Arc::new(Bell::default());
    closed(&make("unsubscribed", &bell), &bell, true);
    for ms in [0, 5, 20, 50, 60, 70, 80, 100, 150, 250, 400] {
        let bell = Arc::new(Bell::default());
        let consumer = make(&format!("after {ms}"), &bell);
        consumer.subscribe(["t"].into_iter()).unwrap();
        thread::sleep(Duration::from_millis(ms));
        closed(&consumer, &bell, true);
    }
    for answered_by_accept in [true, false] {
        let bell = Arc::new(Bell::default());
        let consumer = make(&format!("unanswered {answered_by_accept}"), &bell);
        consumer.subscribe(["t"].into_iter()).unwrap();
        let mut places = None;
        while places.is_none() {
            let seen = bell.rung();
            consumer.poll(100, |event| {
                if let GroupEvent::Assign(all) = event {
                    places = Some(all);
                }
            });
            assert!(places.is_some() || bell.wait(seen, SOON), "no assignment");
        }
        consumer.close();
        if answered_by_accept {
            let places = places.unwrap();
            assert!(consumer.accept(&places, |_| Arc::new(|| {})).unwrap().is_empty());
        } else {
            consumer.release(&places.unwrap()).unwrap();
        }
        closed(&consumer, &bell, true);
    }
}

#[test]
fn no_broker_at_all_is_a_trouble_and_no_reason_to_hang() {
    let bell = Arc::new(Bell::default());
    let consumer = Consumer::create(&options("127.0.0.1:1", "g"), bell.wake()).unwrap();
    consumer.subscribe(["t"].into_iter()).unwrap();
    let mut kinds = Vec::new();
    let deadline = Instant::now() + SOON;
    while !kinds.contains(&TroubleKind::Unreachable) {
        assert!(Instant::now() < deadline, "{kinds:?}");
        let seen = bell.rung();
        consumer.poll(100, |event| {
            if let GroupEvent::Trouble(trouble) = event {
                kinds.push(trouble.kind);
            }
        });
        bell.wait(seen, Duration::from_millis(500));
    }
    let started = Instant::now();
    consumer.commit(&[(place(0), 1)]).unwrap();
    drop(consumer);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}
