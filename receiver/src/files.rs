//! Client connections that the limit of open files has room for.
//!
//! Without a bound below it a flood would take the last file, and with it what a running receiver needs
//! now and then: connections to brokers, the contract, the metrics endpoint.

use millrace_shard::files;

/// Kept for all else: shards, producers, brokers, files of settings.
const RESERVED: u64 = 256;
const FEWER: &str = "The limit of open files (ulimit -n) has no room for INGRESS_MAX_CONNECTIONS; each shard takes \
                     fewer connections, and closes further ones at once.";

/// What one of `shards` may have open at once: `asked`, or less where the limit of open files is low.
pub(crate) fn connections_max(asked: usize, shards: usize) -> usize {
    let limit = match files::raise_limit() {
        Ok(limit) => limit,
        Err(error) => {
            tracing::warn!(%error, "The limit of open files is not known.");
            return asked;
        }
    };
    let room = room(limit, shards);
    if room < asked / 2 {
        tracing::warn!(limit, connections = room, asked, "{FEWER}");
    } else if room < asked {
        tracing::info!(limit, connections = room, asked, "{FEWER}");
    }
    asked.min(room)
}

/// Of a low limit three quarters.
fn room(limit: u64, shards: usize) -> usize {
    let room = limit.saturating_sub(RESERVED.min(limit / 4));
    let each = room.checked_div(shards as u64).unwrap_or(room);
    usize::try_from(each).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_kept() {
        assert_eq!(room(1_024, 1), 768);
        assert_eq!(room(1_024, 2), 384);
        assert_eq!(room(64, 1), 48);
        assert_eq!(room(1_048_576, 8), 131_040);
        assert_eq!(room(0, 3), 1);
        assert_eq!(room(100, 0), 75);
        assert!(room(u64::MAX, 1) > 1 << 40);
    }
}
