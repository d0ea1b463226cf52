//! A partition between Kafka's threads, the groups thread and its shard.

use std::sync::Arc;
use std::sync::mpsc;

use loom::thread;

use super::{explore, explore_up_to, now};
use crate::groups::Word;
use crate::product::link::{Link, Nudged, Nudges, NudgesInbox, Order};
use crate::sync::{AtomicUsize, Ordering::Relaxed};

/// A partition, and what its queue holds: relaxed, so that nothing but the nudge shows it.
struct Partition {
    link: Arc<Link>,
    records: AtomicUsize,
}

fn rig(room: usize) -> (Arc<Nudges>, NudgesInbox, mpsc::Sender<Word>, mpsc::Receiver<Word>) {
    let (nudges, seat) = Nudges::of(room).unwrap();
    let (words, heard) = mpsc::channel();
    (nudges, seat.attach().unwrap(), words, heard)
}

fn partition(id: u64, nudges: &Arc<Nudges>, words: &mpsc::Sender<Word>) -> Arc<Partition> {
    let link = Link::new(1, id, "t".into(), 0, nudges.clone(), words.clone());
    Arc::new(Partition { link, records: AtomicUsize::new(0) })
}

/// As librdkafka does: the record is there, then the wake-up is called.
fn arrive(partition: &Partition) {
    partition.records.fetch_add(1, Relaxed);
    partition.link.nudge();
}

/// Two records arrive while the shard looks at the partition.
pub fn a_record_that_arrives_is_looked_at() {
    explore(|| {
        let (nudges, mut inbox, words, _heard) = rig(2);
        let one = partition(1, &nudges, &words);
        let threads = [(); 2].map(|()| {
            let one = one.clone();
            thread::spawn(move || arrive(&one))
        });
        let mut taken = 0;
        while taken < 2 {
            match now(inbox.next()).unwrap() {
                Nudged::One(link) => assert_eq!(link.id, 1),
                Nudged::All => panic!("there was room"),
            }
            taken += one.records.swap(0, Relaxed);
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// More partitions than the list has room for: the shard looks at all of them.
pub fn a_nudge_without_room_is_not_lost() {
    explore_up_to(2, || {
        let (nudges, mut inbox, words, _heard) = rig(1);
        let both = [1, 2].map(|id| partition(id, &nudges, &words));
        let threads = both.clone().map(|partition| thread::spawn(move || arrive(&partition)));
        let mut taken = 0;
        while taken < 2 {
            match now(inbox.next()).unwrap() {
                Nudged::One(link) => {
                    let found = both.iter().find(|partition| Arc::ptr_eq(&partition.link, &link));
                    taken += found.unwrap().records.swap(0, Relaxed);
                }
                Nudged::All => {
                    for partition in &both {
                        partition.link.lower();
                        taken += partition.records.swap(0, Relaxed);
                    }
                }
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// The last commit of a partition that is handed over: all that was settled, none of it twice.
pub fn the_last_offset_is_seen_behind_the_end() {
    explore(|| {
        let (nudges, _inbox, words, _heard) = rig(1);
        let one = partition(1, &nudges, &words);
        let shard = {
            let one = one.clone();
            thread::spawn(move || {
                one.link.progress(Some(5), 1, Some(5), 10);
                one.link.progress(Some(6), 0, None, 11);
                one.link.finish();
            })
        };
        let (finished, committable) = (one.link.is_finished(), one.link.committable());
        match committable {
            None | Some(5) => assert!(!finished, "finished, and the last offset is missing"),
            Some(offset) => assert_eq!(offset, 6),
        }
        shard.join().unwrap();
    });
}

/// A commit never goes back, whenever the groups thread looks.
pub fn offsets_to_commit_only_grow() {
    explore(|| {
        let (nudges, _inbox, words, _heard) = rig(1);
        let one = partition(1, &nudges, &words);
        let shard = {
            let one = one.clone();
            thread::spawn(move || {
                for offset in 1..=3 {
                    one.link.progress(Some(offset), 0, None, 0);
                }
            })
        };
        let seen = [(); 2].map(|()| one.link.committable().unwrap_or(0));
        assert!(seen.is_sorted(), "{seen:?}");
        shard.join().unwrap();
    });
}

/// An order reaches a shard that is busy with a record, and a lesser one does not take it back.
pub fn an_order_arrives_and_stands() {
    explore(|| {
        let (nudges, mut inbox, words, _heard) = rig(2);
        let one = partition(1, &nudges, &words);
        let groups = {
            let one = one.clone();
            thread::spawn(move || one.link.command(Order::Finish))
        };
        let lost = {
            let one = one.clone();
            thread::spawn(move || one.link.command(Order::Abandon))
        };
        while one.link.order() != Order::Abandon {
            assert!(now(inbox.next()).is_some());
        }
        groups.join().unwrap();
        lost.join().unwrap();
        assert_eq!(one.link.order(), Order::Abandon);
    });
}

/// A paused partition that has run dry: the shard says so, or the groups thread sees it.
pub fn a_paused_partition_that_waits_is_noticed() {
    explore(|| {
        let (nudges, _inbox, words, heard) = rig(1);
        let one = partition(1, &nudges, &words);
        let shard = {
            let one = one.clone();
            thread::spawn(move || one.link.polled(0))
        };
        one.link.set_paused(true);
        let seen = one.link.is_waiting();
        shard.join().unwrap();
        assert!(seen || heard.try_recv() == Ok(Word::Hungry { member: 1 }));
    });
}
