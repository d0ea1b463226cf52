//! Shards that hand connections over.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use loom::thread;

use super::{explore, now};
use crate::product::balance::{Balance, HandedOver};
use crate::spawn::ShardId;

fn handed_over(balance: &Balance, to: ShardId) -> HandedOver {
    // Any descriptor does: nobody reads from it here.
    let stream = TcpStream::from(OwnedFd::from(File::open("/dev/null").unwrap()));
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    HandedOver { stream, peer, open: balance.count(to) }
}

/// The connection is served or closed, and counted nowhere afterwards, though the shard that it was
/// meant for stops meanwhile.
pub fn a_connection_for_a_shard_that_goes_is_closed() {
    explore(|| {
        let (balance, seats) = Balance::new(2, 8).unwrap();
        let mut seats = seats.into_iter();
        let (there, here) = (seats.next().unwrap(), seats.next().unwrap());
        let mut incoming = there.incoming.attach().unwrap();
        let thread = thread::spawn(move || {
            drop(incoming.try_recv());
            drop(incoming);
        });
        let others = Arc::clone(&here.others);
        drop(others[0].try_send(handed_over(&here.balance, ShardId(0))));
        thread.join().unwrap();
        assert_eq!(balance.stats()[0].open, 0);
        drop((here.incoming, there.others));
    });
}

/// Another shard sleeps until the connection comes.
pub fn a_connection_that_is_handed_over_is_served() {
    explore(|| {
        let (balance, seats) = Balance::new(2, 8).unwrap();
        let mut seats = seats.into_iter();
        let (there, here) = (seats.next().unwrap(), seats.next().unwrap());
        let mut incoming = there.incoming.attach().unwrap();
        let thread = thread::spawn(move || {
            let served = now(incoming.recv()).unwrap();
            let counted = there.balance.stats()[0].open;
            drop(served);
            counted
        });
        assert!(here.others[0].try_send(handed_over(&balance, ShardId(0))).is_ok());
        assert_eq!(thread.join().unwrap(), 1);
        assert_eq!(balance.stats()[0].open, 0);
        drop(here.incoming);
    });
}

/// Two that accept at once may overshoot the bound by one, and no count is lost.
pub fn counts_of_shards_that_accept_at_once_add_up() {
    explore(|| {
        let (balance, seats) = Balance::new(2, 1).unwrap();
        let threads = [0, 1].map(|shard| {
            let balance = balance.clone();
            thread::spawn(move || {
                let placed = balance.place(ShardId(shard));
                let open: usize = balance.stats().iter().map(|stats| stats.open).sum();
                assert!(open <= 3, "{open} open");
                placed
            })
        });
        let placed = threads.map(|thread| thread.join().unwrap());
        assert!(placed.iter().any(Option::is_some));
        drop(placed);
        assert!(balance.stats().iter().all(|stats| stats.open == 0));
        drop(seats);
    });
}
