//! Spreads connections over shards where SO_REUSEPORT's hash does not.
//!
//! The rule: a shard that accepts a connection keeps it unless it would then have more than
//! `least + 2 + least / 4` connections, `least` being the count of the shard that has fewest;
//! else it hands it to that one. A gateway's 8 connections so end up with at most 3 on a shard
//! and none of 4 shards empty; with hundreds of connections the hash is good enough and nothing
//! is handed over. Counts are read without a lock: two shards that accept at the same moment
//! may overshoot by one each.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::{io, iter};

use crossbeam_utils::CachePadded;

use crate::mailbox::{Mailbox, MailboxSeat, mailbox};
use crate::spawn::ShardId;
use crate::sync::{AtomicU64, AtomicUsize, Ordering};

/// Connections on their way to one shard; beyond it the accepting shard keeps them.
const HANDED_OVER_MAX: usize = 1_024;

/// The connection counts of all shards, shared by them and by whoever shows them.
#[derive(Clone)]
pub struct Balance {
    shared: Arc<Shared>,
}

struct Shared {
    shards: Box<[CachePadded<Counts>]>,
    connections_max: usize,
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    accepted: AtomicU64,
    handed_over: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

/// What one shard's listener has done, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListenStats {
    /// Connections open now on this shard.
    pub open: usize,
    /// Connections that this shard's listener accepted, those handed over included.
    pub accepted: u64,
    /// Of these, the ones that another shard serves.
    pub handed_over: u64,
    /// Closed at once, because this shard had its bound of connections.
    pub refused: u64,
    /// Failed attempts to accept, for example for lack of file descriptors.
    pub failed: u64,
}

/// One shard's place in the [`Balance`].
pub struct Seat {
    pub(crate) shard: ShardId,
    pub(crate) balance: Balance,
    pub(crate) others: Arc<[Mailbox<HandedOver>]>,
    pub(crate) incoming: MailboxSeat<HandedOver>,
}

/// A connection from another shard's listener, already counted on the new one.
pub(crate) struct HandedOver {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) open: OpenConnection,
}

impl Balance {
    /// For `shards` shards with at most `connections_max` connections each. Gives the seats in
    /// order of the shards.
    pub fn new(shards: usize, connections_max: usize) -> io::Result<(Self, Vec<Seat>)> {
        let counts = iter::repeat_with(CachePadded::default).take(shards).collect();
        let shared = Arc::new(Shared { shards: counts, connections_max });
        let balance = Self { shared };
        let (senders, incoming): (Vec<_>, Vec<_>) = iter::repeat_with(|| mailbox(HANDED_OVER_MAX))
            .take(shards)
            .collect::<io::Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        let others: Arc<[Mailbox<HandedOver>]> = senders.into();
        let seat = |(shard, incoming)| Seat {
            shard: ShardId(shard),
            balance: balance.clone(),
            others: Arc::clone(&others),
            incoming,
        };
        let seats = incoming.into_iter().enumerate().map(seat).collect();
        Ok((balance, seats))
    }

    /// What each shard's listener has done so far.
    pub fn stats(&self) -> Vec<ListenStats> {
        self.shared.shards.iter().map(|counts| counts.snapshot()).collect()
    }

    /// The shard to serve a connection that `shard` has accepted, with its count taken; `None`
    /// if that shard is at its bound.
    pub(crate) fn place(&self, shard: ShardId) -> Option<(ShardId, OpenConnection)> {
        let own = self.open(shard);
        let (least_loaded, least) = self.least_loaded(shard);
        let too_many = own + 1 > least + 2 + least / 4 || own >= self.shared.connections_max;
        let target = if too_many { least_loaded } else { shard };
        let open = self.open(target);
        (open < self.shared.connections_max).then(|| (target, self.count(target)))
    }

    pub(crate) fn count(&self, shard: ShardId) -> OpenConnection {
        if let Some(counts) = self.counts(shard) {
            counts.open.fetch_add(1, Ordering::Relaxed);
        }
        OpenConnection { balance: self.clone(), shard }
    }

    pub(crate) fn note_accepted(&self, shard: ShardId) {
        self.counts(shard).map(|counts| counts.accepted.fetch_add(1, Ordering::Relaxed));
    }

    pub(crate) fn note_handed_over(&self, shard: ShardId) {
        self.counts(shard).map(|counts| counts.handed_over.fetch_add(1, Ordering::Relaxed));
    }

    pub(crate) fn note_refused(&self, shard: ShardId) {
        self.counts(shard).map(|counts| counts.refused.fetch_add(1, Ordering::Relaxed));
    }

    pub(crate) fn note_failed(&self, shard: ShardId) {
        self.counts(shard).map(|counts| counts.failed.fetch_add(1, Ordering::Relaxed));
    }

    /// The shard itself wins a tie, so that nothing moves without need.
    fn least_loaded(&self, shard: ShardId) -> (ShardId, usize) {
        let all = self.shared.shards.iter().enumerate();
        let opens = all.map(|(id, counts)| (ShardId(id), counts.open.load(Ordering::Relaxed)));
        opens.min_by_key(|(id, open)| (*open, *id != shard)).unwrap_or((shard, 0))
    }

    fn open(&self, shard: ShardId) -> usize {
        self.counts(shard).map_or(0, |counts| counts.open.load(Ordering::Relaxed))
    }

    fn counts(&self, shard: ShardId) -> Option<&Counts> {
        self.shared.shards.get(shard.0).map(|counts| &**counts)
    }
}

impl Counts {
    fn snapshot(&self) -> ListenStats {
        ListenStats {
            open: self.open.load(Ordering::Relaxed),
            accepted: self.accepted.load(Ordering::Relaxed),
            handed_over: self.handed_over.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

/// Counts as one open connection of its shard until it is dropped.
pub struct OpenConnection {
    balance: Balance,
    shard: ShardId,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if let Some(counts) = self.balance.counts(self.shard) {
            counts.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts connections on the shards that a hash would pick and gives the counts.
    fn spread(balance: &Balance, picks: &[usize]) -> Vec<usize> {
        let kept: Vec<_> =
            picks.iter().map(|pick| balance.place(ShardId(*pick)).unwrap()).collect();
        let open = balance.stats().iter().map(|stats| stats.open).collect();
        drop(kept);
        assert!(balance.stats().iter().all(|stats| stats.open == 0));
        open
    }

    #[test]
    fn eight_connections_leave_none_of_four_shards_empty() {
        // Every way in which a hash can put 8 connections on 4 shards.
        let (balance, _seats) = Balance::new(4, 10_000).unwrap();
        for code in 0..4_usize.pow(8) {
            let picks: Vec<usize> = (0..8).map(|i| code / 4_usize.pow(i) % 4).collect();
            let open = spread(&balance, &picks);
            assert!(open.iter().all(|open| (1..=4).contains(open)), "{picks:?} {open:?}");
        }
    }

    #[test]
    fn even_hash_moves_nothing() {
        let picks: Vec<usize> = (0..400).map(|n| n % 4).collect();
        let (balance, _seats) = Balance::new(4, 10_000).unwrap();
        let placed: Vec<_> =
            picks.iter().map(|pick| balance.place(ShardId(*pick)).unwrap()).collect();
        let moved = placed.iter().zip(&picks).filter(|((to, _), from)| to.0 != **from).count();
        assert_eq!(moved, 0);
    }

    #[test]
    fn worst_hash_stays_within_the_rule() {
        let (balance, _seats) = Balance::new(4, 10_000).unwrap();
        let open = spread(&balance, &[0; 1_000]);
        let least = *open.iter().min().unwrap();
        assert!(open.iter().all(|open| *open <= least + 2 + least / 4), "{open:?}");
    }

    #[test]
    fn full_shard_hands_over_while_another_has_room() {
        let (balance, _seats) = Balance::new(2, 2).unwrap();
        let placed: Vec<_> = (0..4).map(|_| balance.place(ShardId(0)).unwrap()).collect();
        assert!(balance.stats().iter().all(|stats| stats.open == 2));
        assert!(balance.place(ShardId(0)).is_none());
        drop(placed);
    }

    #[test]
    fn full_shard_gives_none() {
        let (balance, _seats) = Balance::new(1, 2).unwrap();
        let first = balance.place(ShardId(0)).unwrap();
        let _second = balance.place(ShardId(0)).unwrap();
        assert!(balance.place(ShardId(0)).is_none());
        drop(first);
        assert!(balance.place(ShardId(0)).is_some());
    }
}
