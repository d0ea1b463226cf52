//! Which io driver the program's shards would get here: tried out, not guessed.

use millrace_shard::{Driver, DriverChoice, Shards, StartOptions};
use serde::Serialize;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Probed {
    /// `io_uring`, `epoll`, or `none` when not even that.
    pub(super) driver: &'static str,
    /// Of the smallest ring; 0 on epoll.
    pub(super) entries: u32,
    pub(super) flags: &'static str,
    /// Why, in the words that the programs log.
    pub(super) reason: String,
}

/// Entries of a ring that did not have to be cut (`millrace_shard::driver`).
pub(super) const ENTRIES_FULL: u32 = 1_024;

/// Starts as many shards as the program would, and lets them end at once.
///
/// That many at a time, because all rings of a user share what may be locked.
pub(super) fn probe(shards: usize, choice: DriverChoice) -> Probed {
    let nothing = |reason: String| Probed { driver: "none", entries: 0, flags: "", reason };
    let options = StartOptions::new(vec![None; shards.max(1)], choice);
    let started = Shards::start(options, |_| async {});
    let shards = match started {
        Ok(shards) => shards,
        Err(error) => return nothing(error.to_string()),
    };
    let smallest = shards.reports().iter().min_by_key(|report| report.entries);
    let probed = smallest.map(|report| Probed {
        driver: if report.driver == Driver::IoUring { "io_uring" } else { "epoll" },
        entries: report.entries,
        flags: report.flags,
        reason: report.reason.clone(),
    });
    let joined = shards.join();
    match (probed, joined) {
        (Some(probed), Ok(_)) => probed,
        (_, Err(error)) => nothing(error.to_string()),
        (None, _) => nothing("no shard was started".to_owned()),
    }
}
