//! The bound, the turns, and that nobody sleeps for ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

fn credits(limit: usize, seats: usize) -> Credits {
    Credits::new(NonZeroUsize::new(limit).unwrap(), seats)
}

/// A seat, and how often it was woken.
fn seat(credits: &Credits) -> (Seat, Arc<AtomicUsize>) {
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let wake = move || {
        count.fetch_add(1, SeqCst);
    };
    (credits.join(Arc::new(wake)).unwrap(), woken)
}

#[test]
fn c104_between_the_limit_and_twice_of_it_less_one() {
    let credits = credits(50, 4);
    let (a, b) = (seat(&credits).0, seat(&credits).0);
    assert_eq!(a.try_take(49), 49);
    assert_eq!(b.try_take(1000), 50, "a batch is at most the limit");
    assert_eq!(credits.in_flight(), 99);
    assert_eq!((a.try_take(1), b.try_take(1)), (0, 0));
    credits.give_back(49);
    assert_eq!(a.try_take(1), 0, "50 are still on their way");
    credits.give_back(1);
    assert_eq!(a.try_take(50), 50);
    assert_eq!(credits.in_flight(), 99);
}

#[test]
fn who_was_refused_is_woken_once_there_is_room() {
    let credits = credits(2, 4);
    let ((a, _), (b, woken)) = (seat(&credits), seat(&credits));
    assert_eq!((a.try_take(1), a.try_take(2)), (1, 2));
    assert_eq!(b.try_take(1), 0);
    credits.give_back(1);
    assert_eq!(woken.load(SeqCst), 0, "still at the limit");
    credits.give_back(1);
    assert_eq!(woken.load(SeqCst), 1);
    credits.give_back(1);
    assert_eq!(woken.load(SeqCst), 1, "it was woken already");
    assert_eq!(b.try_take(1), 1);
    credits.give_back(1);
    assert_eq!(woken.load(SeqCst), 1, "not in line any more");
}

#[test]
fn who_gives_back_does_not_take_before_who_waits() {
    let credits = credits(2, 4);
    let ((a, _), (b, b_woken), (c, c_woken)) = (seat(&credits), seat(&credits), seat(&credits));
    assert_eq!((a.try_take(1), a.try_take(2)), (1, 2));
    assert_eq!((b.try_take(2), c.try_take(2)), (0, 0));
    credits.give_back(2);
    assert_eq!((b_woken.load(SeqCst), c_woken.load(SeqCst)), (1, 0));
    // One is out and the limit is 2: the last credit of it is for b, who is the first in line.
    assert_eq!((a.try_take(2), c.try_take(2)), (0, 0));
    assert_eq!(b.try_take(2), 2);
    // Then it is c's turn, then a's, though b asks first each time.
    credits.give_back(2);
    assert_eq!((b.try_take(2), a.try_take(2), c.try_take(2)), (0, 0, 2));
    credits.give_back(2);
    assert_eq!((b.try_take(2), a.try_take(2)), (0, 2));
}

#[test]
fn who_takes_less_than_there_is_wakes_the_next() {
    let credits = credits(3, 4);
    let ((a, _), (b, _), (c, woken)) = (seat(&credits), seat(&credits), seat(&credits));
    assert_eq!(a.try_take(3), 3);
    assert_eq!((b.try_take(3), c.try_take(3)), (0, 0));
    credits.give_back(2);
    assert_eq!((b.try_take(1), woken.load(SeqCst)), (1, 1));
    assert_eq!(c.try_take(3), 3);
}

#[test]
fn who_waits_but_never_comes_leaves_room_for_others() {
    let credits = credits(10, 4);
    let ((a, _), (b, _)) = (seat(&credits), seat(&credits));
    assert_eq!(a.try_take(10), 10);
    assert_eq!(b.try_take(10), 0);
    credits.give_back(10);
    for _ in 0..100 {
        assert_eq!(a.try_take(10), 9);
        credits.give_back(9);
    }
    b.decline();
    assert_eq!(a.try_take(10), 10);
}

/// The first in line waits for a CPU, say; the work of the others goes on in batches.
#[test]
fn who_stands_behind_a_slow_first_does_not_stand_still() {
    let credits = credits(10, 4);
    let ((a, a_woken), (b, b_woken)) = (seat(&credits), seat(&credits));
    assert_eq!((b.try_take(9), b.try_take(10)), (9, 10));
    assert_eq!((a.try_take(1), b.try_take(1)), (0, 0));
    b.give_back(10);
    assert_eq!((a_woken.load(SeqCst), b_woken.load(SeqCst)), (1, 0), "{}", credits.in_flight());
    b.give_back(4);
    assert_eq!((credits.in_flight(), b_woken.load(SeqCst)), (5, 0), "half of the limit");
    b.give_back(1);
    b.give_back(1);
    assert_eq!(b_woken.load(SeqCst), 1, "once, until it has asked");
    assert_eq!(b.try_take(10), 6, "one is left for the first");
    assert_eq!(a.try_take(10), 10, "which then may take a batch");
}

#[test]
fn leaving_the_line_wakes_the_next() {
    let credits = credits(1, 4);
    let ((a, _), (b, _), (c, woken)) = (seat(&credits), seat(&credits), seat(&credits));
    assert_eq!(a.try_take(1), 1);
    assert_eq!((b.try_take(1), c.try_take(1)), (0, 0));
    credits.give_back(1);
    assert_eq!((woken.load(SeqCst), c.try_take(1)), (0, 0), "it is b's turn");
    drop(b);
    assert_eq!((woken.load(SeqCst), c.try_take(1)), (1, 1));
}

#[test]
fn a_wake_may_ask_itself() {
    let credits = credits(1, 4);
    let (a, _) = seat(&credits);
    let again = credits.clone();
    let b = credits.join(Arc::new(move || assert_eq!(again.in_flight(), 0))).unwrap();
    assert_eq!((a.try_take(1), b.try_take(1)), (1, 0));
    credits.give_back(1);
    assert_eq!(b.try_take(1), 1);
}

#[test]
fn there_are_only_so_many_seats_at_a_time() {
    let credits = credits(1, 1);
    let join = || credits.join(Arc::new(|| {}));
    let taken = join().unwrap();
    assert_eq!(join().err(), Some(NoSeat { seats: 1 }));
    drop(taken);
    assert!(join().is_ok());
}

#[test]
#[should_panic(expected = "2 credits came back, but only 1 were out")]
fn giving_back_more_than_was_taken_is_a_bug() {
    let credits = credits(5, 4);
    assert_eq!(seat(&credits).0.try_take(1), 1);
    credits.give_back(2);
}

/// Threads as shards: each takes until it had its share, holds some for a while, sleeps when it is
/// refused. A wake-up that is lost shows as a thread that sleeps to the deadline.
fn stress(limit: usize, shards: usize, share: usize) {
    const DEADLINE: Duration = Duration::from_secs(20);
    let credits = credits(limit, shards);
    thread::scope(|scope| {
        for number in 0..shards {
            let credits = credits.clone();
            scope.spawn(move || {
                let (me, woken) = (thread::current(), Arc::new(AtomicBool::new(false)));
                let flag = Arc::clone(&woken);
                let wake = move || {
                    flag.store(true, Ordering::SeqCst);
                    me.unpark();
                };
                let seat = credits.join(Arc::new(wake)).unwrap();
                let (mut had, mut holds) = (0, 0);
                while had < share {
                    let taken = seat.try_take(1 + (had + number) % limit);
                    assert!(credits.in_flight() < 2 * limit, "too many in flight");
                    (had, holds) = (had + taken, holds + taken);
                    if taken > 0 && had % 3 != 0 {
                        continue;
                    }
                    // One by one, as events end. In the end nothing is held while asleep.
                    for _ in 0..holds {
                        credits.give_back(1);
                    }
                    holds = 0;
                    if taken == 0 {
                        let since = Instant::now();
                        while !woken.swap(false, Ordering::SeqCst) {
                            assert!(since.elapsed() < DEADLINE, "a wake-up was lost");
                            thread::park_timeout(DEADLINE);
                        }
                    }
                }
                credits.give_back(holds);
            });
        }
    });
    assert_eq!(credits.in_flight(), 0);
}

#[test]
fn no_wake_up_is_lost_and_the_bound_holds_among_threads() {
    for (limit, shards) in [(1, 2), (1, 4), (2, 3), (7, 4), (50, 2)] {
        stress(limit, shards, 5_000);
    }
}
