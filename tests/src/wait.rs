//! Waiting for a state with a deadline: the only place of the harness that sleeps.

use std::thread;
use std::time::{Duration, Instant};

/// How long a state that should come at once may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

/// Asks until there is an answer; panics with `what` when there is none by the deadline.
pub fn until<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    match within(deadline, &mut ask) {
        Some(answer) => answer,
        None => panic!("waited {deadline:?} in vain for: {what}"),
    }
}

/// Lets the time of a schedule pass; for a state, wait with [`until`].
pub fn pass(time: Duration) {
    thread::sleep(time);
}

/// Asks until there is an answer or the time is over.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if started.elapsed() >= limit {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
