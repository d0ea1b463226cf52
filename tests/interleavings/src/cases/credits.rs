//! Shards that share the bound of an egress.

use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError};

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::explore;
use crate::{Credits, Seat};

/// A shard that sleeps until it is woken.
#[derive(Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    pub(super) fn wait(&self) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !std::mem::take(&mut *rung) {
            rung = self.changed.wait(rung).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn credits(limit: usize, seats: usize) -> Credits {
    Credits::new(NonZeroUsize::new(limit).unwrap(), seats)
}

fn sit(credits: &Credits) -> (Seat, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    let rings = bell.clone();
    (credits.join(Arc::new(move || rings.ring())).unwrap(), bell)
}

/// Takes one, asleep until there is one.
fn take(seat: &Seat, bell: &Bell) {
    while seat.try_take(1) == 0 {
        bell.wait();
    }
}

/// What is out comes back while another goes to sleep for it.
pub fn nobody_sleeps_beside_a_free_credit() {
    explore(|| {
        let credits = credits(1, 1);
        let (seat, bell) = sit(&credits);
        assert_eq!(seat.try_take(1), 1);
        let giver = {
            let credits = credits.clone();
            thread::spawn(move || credits.give_back(1))
        };
        take(&seat, &bell);
        giver.join().unwrap();
        seat.give_back(1);
        assert_eq!(credits.in_flight(), 0);
    });
}

/// Two stand in line: the second is woken when the first has had its turn.
pub fn a_line_of_two_is_served() {
    explore(|| {
        let credits = credits(1, 2);
        let (own, own_bell) = sit(&credits);
        assert_eq!(own.try_take(1), 1);
        let other = {
            let credits = credits.clone();
            thread::spawn(move || {
                let (seat, bell) = sit(&credits);
                take(&seat, &bell);
                seat.give_back(1);
            })
        };
        own.give_back(1);
        take(&own, &own_bell);
        own.give_back(1);
        other.join().unwrap();
        assert_eq!(credits.in_flight(), 0);
    });
}

/// The first in line goes away instead of taking: its turn is the next one's.
pub fn a_turn_that_is_declined_goes_on() {
    explore(|| {
        let credits = credits(1, 2);
        let (gone, _bell) = sit(&credits);
        let (seat, bell) = sit(&credits);
        assert_eq!(seat.try_take(1), 1);
        assert_eq!(gone.try_take(1), 0);
        let leaver = thread::spawn(move || drop(gone));
        seat.give_back(1);
        take(&seat, &bell);
        leaver.join().unwrap();
        seat.give_back(1);
    });
}

/// A batch is granted below the limit, so that there are never as many out as twice the limit.
pub fn never_as_many_as_twice_the_limit() {
    explore(|| {
        let credits = credits(2, 3);
        let threads = [(); 2].map(|()| {
            let credits = credits.clone();
            thread::spawn(move || {
                let (seat, _bell) = sit(&credits);
                let taken = seat.try_take(2);
                let out = credits.in_flight();
                assert!(out < 4, "{out} are out");
                seat.give_back(taken);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(credits.in_flight(), 0);
    });
}
