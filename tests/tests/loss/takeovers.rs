//! Where a dispatcher begins in a partition that order matters in: at the commit in force, and from there one by one.

use std::collections::BTreeMap;
use std::fmt;

use millrace_tests::commits::{self, Commit};
use millrace_tests::oracle::{Attempt, Id};

/// How often a partition was begun, and how often a request came late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Takeovers {
    pub(crate) begun: usize,
    pub(crate) late: usize,
}

impl Takeovers {
    /// Judges attempts whose ids are partition and offset, by the commits of the group.
    ///
    /// Within one dispatcher, offsets repeat (a retry) or rise by one; elsewhere it has begun to read, and must have
    /// begun at the commit. A request that the network held back while its partition went elsewhere may come once
    /// between the others: its offset is none that was not due yet, and the others go on as if it were not there.
    ///
    /// # Panics
    /// When one is neither.
    pub(crate) fn judge(attempts: &[Attempt], commits: &[Commit]) -> Self {
        let mut streams: BTreeMap<(u32, u32), Vec<&Attempt>> = BTreeMap::new();
        for attempt in attempts {
            streams.entry((attempt.by, attempt.id.key)).or_default().push(attempt);
        }
        let mut takeovers = Self::default();
        for ((by, partition), stream) in streams {
            let (mut last, mut highest): (Option<u64>, _) = (None, 0);
            for (at, Attempt { id, at: arrived, .. }) in stream.iter().enumerate() {
                let follows = |number: u64| last.is_some_and(|it| (it..=it + 1).contains(&number));
                let committed = || {
                    let at_ms = commits::epoch_ms(*arrived);
                    commits::in_force(commits, partition.cast_signed(), at_ms)
                };
                if follows(id.number) {
                    last = Some(id.number);
                } else if committed() == Some(id.number.cast_signed()) {
                    takeovers.begun += 1;
                    last = Some(id.number);
                } else {
                    let next = stream.get(at + 1).map(|next| next.id);
                    let goes_on = next.is_none_or(|Id { number, .. }| follows(number));
                    assert!(
                        goes_on && id.number <= highest + 1,
                        "dispatcher {by}, partition {partition}: {} after {last:?}, committed was {:?}, next is {next:?}",
                        id.number,
                        committed()
                    );
                    takeovers.late += 1;
                }
                highest = highest.max(id.number);
            }
        }
        takeovers
    }
}

impl fmt::Display for Takeovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { begun, late } = self;
        write!(f, "{begun} partitions begun at their commit, {late} requests held back")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn attempts(numbers: &[u64]) -> Vec<Attempt> {
        let at = Instant::now();
        numbers
            .iter()
            .map(|number| Attempt { id: Id { key: 0, number: *number }, by: 0, at })
            .collect()
    }

    const COMMITS: [Commit; 1] = [Commit { partition: 0, offset: 3, at_ms: 0 }];

    #[test]
    fn retries_replays_and_late_ones_are_told_apart() {
        let judged = Takeovers::judge(&attempts(&[3, 4, 4, 5, 3, 6, 4, 5, 6]), &COMMITS);
        assert_eq!(judged, Takeovers { begun: 2, late: 1 });
    }

    #[test]
    #[should_panic(expected = "5 after Some(3)")]
    fn a_record_left_out_is_seen() {
        Takeovers::judge(&attempts(&[3, 5, 6]), &COMMITS);
    }

    #[test]
    #[should_panic(expected = "4 after None")]
    fn a_begin_elsewhere_is_seen() {
        Takeovers::judge(&attempts(&[4, 5]), &COMMITS);
    }
}
