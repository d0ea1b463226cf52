//! Threads that serve the shards without getting in their way.

use std::io;

use crate::sys;

/// Runs `start` on a thread of its own whose children do not preempt the shards.
///
/// A library's threads that a shard wakes (one for each Kafka broker, say) would by default take the
/// shard's core at once, in the middle of a burst of work for them: a context switch for each piece
/// of the burst. As SCHED_BATCH they run when the shard waits, or on another core. Children inherit
/// this from the thread that starts them. Where the kernel refuses, all goes on as before.
///
/// # Errors
/// When no thread can be started, or `start` panicked.
pub fn start_politely<T: Send>(start: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("polite".into()).spawn_scoped(scope, || {
                if let Err(error) = sys::yield_when_woken() {
                    tracing::debug!(%error, "Threads for the shards may preempt them.");
                }
                start()
            })?;
        thread.join().map_err(|_| io::Error::other("the starting thread panicked"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scheduling policy of the calling thread, as the kernel shows it.
    fn policy() -> u32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        // Field 41 of proc(5), where the state after the name is field 3.
        fields.split_whitespace().nth(41 - 3).unwrap().parse().unwrap()
    }

    const SCHED_OTHER: u32 = 0;
    const SCHED_BATCH: u32 = 3;

    #[test]
    fn children_inherit_what_the_caller_does_not() {
        let inside = start_politely(|| std::thread::spawn(policy).join().unwrap()).unwrap();
        assert_eq!((inside, policy()), (SCHED_BATCH, SCHED_OTHER));
    }
}
