//! Whether the limit of open files has room for one more consumer.
//!
//! An egress that took the last files would stop all others: no connection to a subscriber can be made then, and not even
//! the contract be read that has fewer egresses.

use std::fs::File;
use std::os::fd::AsRawFd;

use millrace_shard::files;

/// What a consumer opens within its first seconds: three connections, and what wakes their threads. Each further broker
/// takes two or three more, which show in the count once they are open.
const FILES_EACH: u64 = 8;
/// Kept for connections to subscribers and all else; of a low limit a quarter.
const RESERVED: u64 = 2048;

/// There is no room. `limit` is the one in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the limit of open files ({limit}, ulimit -n) has no room for one more consumer, which takes {FILES_EACH} or more: \
     raise it, or run more dispatchers"
)]
pub(super) struct NoFiles {
    limit: u64,
}

/// For one more while so many others have just been started.
///
/// # Errors
/// There is none.
pub(super) fn room(starting: usize) -> Result<(), NoFiles> {
    // The kernel gives the lowest number that is free: the count of open files, or less where some have been closed.
    let Ok(probe) = File::open("/dev/null") else {
        return Err(NoFiles { limit: files::raise_limit().unwrap_or(0) });
    };
    let open = u64::try_from(probe.as_raw_fd()).unwrap_or(0);
    // A limit that is not known has been told at the start.
    let Ok(limit) = files::raise_limit() else { return Ok(()) };
    if has_room(limit, open, starting) { Ok(()) } else { Err(NoFiles { limit }) }
}

fn has_room(limit: u64, open: u64, starting: usize) -> bool {
    let starting = u64::try_from(starting).unwrap_or(u64::MAX).saturating_add(1);
    let wanted = open.saturating_add(starting.saturating_mul(FILES_EACH));
    wanted <= limit.saturating_sub(RESERVED.min(limit / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_kept_and_those_that_start_are_counted() {
        assert!(has_room(1_024, 760, 0));
        assert!(!has_room(1_024, 761, 0));
        assert!(has_room(1_024, 760 - 31 * 8, 31));
        assert!(!has_room(1_024, 761 - 31 * 8, 31));
        assert!(has_room(1_048_576, 1_046_520, 0));
        assert!(!has_room(1_048_576, 1_046_521, 0));
        assert!(!has_room(0, 0, 0));
        assert!(has_room(u64::MAX, 1 << 40, usize::MAX >> 8));
    }

    #[test]
    fn a_test_has_room_for_one() {
        assert_eq!(room(0), Ok(()));
    }
}
