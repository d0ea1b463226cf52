//! The end of consuming clients, counted for the whole process: a test binary of its own.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::group::{Member, value};
use common::{SOON, rig, send};
use millrace_kafka::testing::api_key;
use millrace_kafka::wait_for_consumers;

#[test]
fn messages_outlive_queue_and_consumer_and_end_on_any_thread() {
    let mut rig = rig(1, 2, |_| {});
    send(&mut rig, 0..500);
    let mut member = Member::of(&rig, "g");
    member.until_messages(500);
    member.close();
    let messages = std::mem::take(&mut member.messages);
    drop(member);
    assert_eq!(wait_for_consumers(Duration::from_millis(200)), 1, "the messages keep the client");

    let mut values: Vec<u64> = messages.iter().map(value).collect();
    values.sort_unstable();
    assert!(values.into_iter().eq(0..500));
    let started = Instant::now();
    // The last one dropped must not wait for the client's end.
    let took = thread::spawn(move || {
        let started = Instant::now();
        drop(messages);
        started.elapsed()
    });
    assert!(took.join().unwrap() < Duration::from_millis(500));
    assert_eq!(wait_for_consumers(SOON), 0);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());

    // A queue may be the last as well, and a consumer may be dropped on another thread with its
    // queue in use and records unread.
    send(&mut rig, 500..1000);
    let mut member = Member::of(&rig, "h");
    member.until("nothing comes", |member| !member.messages.is_empty());
    let mut queues = std::mem::take(&mut member.queues);
    member.messages.clear();
    let Member { consumer, .. } = member;
    rig.cluster.track_requests();
    thread::spawn(move || drop(consumer)).join().unwrap();
    for queue in queues.values_mut() {
        assert!(queue.poll(100, |got| panic!("{got:?}")).released);
    }
    assert_eq!(wait_for_consumers(Duration::from_millis(200)), 1, "the queues keep the client");
    drop(queues);
    assert_eq!(wait_for_consumers(SOON), 0);

    assert!(rig.cluster.requests().contains(&api_key::LEAVE_GROUP), "left although not closed");

    // Many at once, some of them in the middle of joining.
    let members: Vec<Member> = (0..20).map(|n| Member::of(&rig, &format!("many {n}"))).collect();
    thread::sleep(Duration::from_millis(60));
    let dropped: Vec<_> =
        members.into_iter().map(|member| thread::spawn(move || drop(member))).collect();
    for thread in dropped {
        thread.join().unwrap();
    }
    assert_eq!(wait_for_consumers(SOON), 0);
}
