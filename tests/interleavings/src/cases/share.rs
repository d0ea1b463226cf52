//! Lanes of two shards that share the bound of an egress.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc;

use loom::thread;

use super::{explore, now};
use crate::Credits;
use crate::product::link::{Link, Nudged, Nudges};
use crate::product::share::ShardCredits;

/// A lane that was refused is nudged when another shard gives back, whenever it does.
pub fn a_lane_that_was_refused_is_nudged() {
    explore(|| {
        let credits = Credits::new(NonZeroUsize::MIN, 2);
        let (nudges, seat) = Nudges::of(2).unwrap();
        let lane = Link::new(1, 1, "t".into(), 0, nudges, mpsc::channel().0);
        let mut inbox = seat.attach().unwrap();
        let elsewhere = ShardCredits::join(&credits).unwrap();
        let other = Link::new(1, 2, "t".into(), 1, Nudges::of(1).unwrap().0, mpsc::channel().0);
        assert_eq!(elsewhere.take(&other, 1), 1);
        let giver = thread::spawn(move || {
            elsewhere.give_back(1);
            elsewhere
        });
        let here = ShardCredits::join(&credits).unwrap();
        while here.take(&lane, 1) == 0 {
            match now(inbox.next()).unwrap() {
                Nudged::One(link) => assert!(Arc::ptr_eq(&link, &lane)),
                Nudged::All => panic!("there was room"),
            }
        }
        drop(giver.join().unwrap());
        here.give_back(1);
        assert_eq!(credits.in_flight(), 0);
    });
}
