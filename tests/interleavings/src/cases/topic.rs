//! The partitioner, called by the shard and by librdkafka's threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loom::thread;

use super::explore;
use crate::product::topic::{Choice, Partitioning, TopicState, Unkeyed};

fn chosen(state: &TopicState, count: i32) -> i32 {
    match state.choose(false, count, |_| true) {
        Choice::Partition(partition) => partition,
        Choice::KeyHash | Choice::Random => panic!("it is not by key"),
    }
}

/// Two threads choose while they know of different numbers of partitions: each stays within its own.
pub fn a_choice_is_always_a_partition() {
    explore(|| {
        let partitioning = Partitioning { ignore_keys: false, unkeyed: Unkeyed::Sticky };
        let wait = Duration::from_secs(1);
        let state = Arc::new(TopicState::new("t", partitioning, Instant::now(), wait, 5));
        let other = {
            let state = state.clone();
            thread::spawn(move || {
                state.learn(2);
                [chosen(&state, 2), chosen(&state, 2)]
            })
        };
        state.learn(4);
        for _ in 0..2 {
            assert!((0..4).contains(&chosen(&state, 4)));
        }
        assert!(other.join().unwrap().iter().all(|partition| (0..2).contains(partition)));
    });
}

/// In turn means in turn, whoever asks.
pub fn turns_are_not_given_twice() {
    explore(|| {
        let partitioning = Partitioning { ignore_keys: false, unkeyed: Unkeyed::RoundRobin };
        let wait = Duration::from_secs(1);
        let state = Arc::new(TopicState::new("t", partitioning, Instant::now(), wait, 0));
        let other = {
            let state = state.clone();
            thread::spawn(move || chosen(&state, 8))
        };
        let own = chosen(&state, 8);
        assert_ne!(other.join().unwrap(), own);
    });
}
