//! What a consumer tells its owner.

use super::{GroupTrouble, TopicPartition};
use crate::ffi::code;
use crate::ffi::partitions::Row;

/// What [`Consumer::poll`](crate::Consumer::poll) tells.
#[derive(Debug)]
pub enum GroupEvent {
    /// The group gives us these partitions, possibly none. To be answered by [`Consumer::accept`](crate::Consumer::accept);
    /// until then nothing is fetched and no other rebalance comes.
    Assign(Vec<TopicPartition>),
    /// The group takes these partitions. To be answered by [`Consumer::release`](crate::Consumer::release), at the latest
    /// within `max.poll.interval.ms`; until then they stay ours unless they are `lost`. Commits sent
    /// before the answer count.
    Revoke {
        /// All of ours, or some of them with the cooperative protocol.
        partitions: Vec<TopicPartition>,
        /// Others may have them already, so commits will fail.
        lost: bool,
    },
    /// A commit has been answered, each of them once, unless the consumer was closed meanwhile.
    CommitDone(Vec<Committed>),
    /// Something is wrong. Some come again and again while it lasts: the caller limits its logging.
    Trouble(GroupTrouble),
    /// librdkafka's statistics; see [`crate::statistics::ConsumerStatistics`].
    Statistics(String),
    /// The group was left after [`Consumer::close`](crate::Consumer::close). The last event.
    Closed,
}

/// The outcome of a commit for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub place: TopicPartition,
    /// The offset that was to be committed: that of the next record to read.
    pub offset: i64,
    /// Whether the coordinator has it. A failed one is tried again by committing again.
    pub outcome: Result<(), GroupTrouble>,
}

impl Committed {
    pub(super) fn new(code: i32, row: Row) -> Self {
        let code = if row.code == code::NO_ERROR { code } else { row.code };
        let Row { place, offset, .. } = row;
        let outcome = if code == code::NO_ERROR {
            Ok(())
        } else {
            let text = crate::ffi::error_text(code);
            Err(GroupTrouble::new(code, text, false).at(place.clone(), offset))
        };
        Self { place, offset, outcome }
    }
}

/// What [`Consumer::poll`](crate::Consumer::poll) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Events handed out.
    pub events: usize,
    /// The budget ended it. There may be more and no wake-up will tell, so poll again soon.
    pub more: bool,
}

/// First and next offset of a partition, as of the last fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The oldest offset kept, `None` when not known.
    pub low: Option<i64>,
    /// The offset that the next record will get, `None` when not known. The lag is this less the
    /// committed offset.
    pub high: Option<i64>,
}
