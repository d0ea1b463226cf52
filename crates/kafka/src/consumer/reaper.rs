//! Where consuming clients end: on threads of their own, since the end blocks.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::ffi::handle::Doomed;

/// Clients that were made and have not yet ended.
static ALIVE: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// Notes a new client.
pub(crate) fn born() {
    *ALIVE.lock().unwrap_or_else(PoisonError::into_inner) += 1;
}

/// Ends a client on a new thread. One thread each: one that waits for a name server must not hold
/// up the others, and there are never more of them than there were clients, which had several.
pub(crate) fn bury(doomed: Doomed) {
    let spawned = thread::Builder::new().name("kafka-reaper".to_owned()).spawn(move || {
        doomed.destroy();
        *ALIVE.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ENDED.notify_all();
    });
    if let Err(error) = spawned {
        // Its threads and memory stay; ending it here could stop a shard.
        tracing::warn!(error = %error, "No thread to end a Kafka consumer; it is left behind.");
    }
}

/// Waits until all consuming clients of this process have ended, for at most `within`; returns how
/// many have not. A client ends after its [`Consumer`], queues and messages were dropped. For the
/// end of the process, before the C libraries clean up after themselves.
///
/// [`Consumer`]: crate::Consumer
#[must_use]
pub fn wait_for_consumers(within: Duration) -> usize {
    let deadline = Instant::now() + within;
    let mut alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if *alive == 0 || left.is_zero() {
            return *alive;
        }
        alive = ENDED.wait_timeout(alive, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}
