//! Stopping in order: which phase we are in, and how many exchanges are still open.
//!
//! The control thread moves the phase on and waits; shards are told through a wake-up and count
//! their open exchanges each in a cell of its own, which no other thread writes.

use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::local::LocalNotify;
use crate::spawn::ShardId;
use crate::wake::{PendingReader, WakePair, WakeReader, WakeWriter};

/// A waiter looks at least so often, should a wake-up be missed.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Where the process is on its way out. Only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Normal work.
    Serving = 0,
    /// Not ready for new clients; what comes is still served, connections are asked to close.
    Draining = 1,
    /// Nothing new is taken; what is open is finished or cut.
    Closing = 2,
}

/// The control thread's view; cheap to clone.
#[derive(Clone)]
pub struct Drain {
    shared: Arc<Shared>,
}

struct Shared {
    phase: AtomicU8,
    open: Box<[CachePadded<AtomicUsize>]>,
    shards: Vec<WakeWriter>,
    lock: Mutex<()>,
    fewer_open: Condvar,
}

impl Drain {
    /// For so many shards; gives their seats in order.
    pub fn new(shards: usize) -> io::Result<(Self, Vec<DrainSeat>)> {
        let pairs = (0..shards).map(|_| WakePair::new()).collect::<io::Result<Vec<_>>>()?;
        let (writers, readers): (Vec<_>, Vec<_>) =
            pairs.into_iter().map(|pair| (pair.writer, pair.reader)).unzip();
        let shared = Arc::new(Shared {
            phase: AtomicU8::new(Phase::Serving as u8),
            open: std::iter::repeat_with(CachePadded::default).take(shards).collect(),
            shards: writers,
            lock: Mutex::new(()),
            fewer_open: Condvar::new(),
        });
        let seat = |(shard, reader)| DrainSeat {
            shard: ShardId(shard),
            shared: Arc::clone(&shared),
            reader,
        };
        let seats = readers.into_iter().enumerate().map(seat).collect();
        Ok((Self { shared }, seats))
    }

    /// Where we are.
    pub fn phase(&self) -> Phase {
        self.shared.phase()
    }

    /// Moves on to a later phase and tells the shards; an earlier one or the same does nothing.
    pub fn advance(&self, phase: Phase) {
        if self.shared.phase.fetch_max(phase as u8, Ordering::SeqCst) < phase as u8 {
            self.shared.shards.iter().for_each(WakeWriter::wake);
        }
    }

    /// Exchanges open now on all shards.
    pub fn open_exchanges(&self) -> usize {
        self.shared.open.iter().map(|open| open.load(Ordering::SeqCst)).sum()
    }

    /// Waits until no exchange is open or the time is over; gives how many are open then.
    /// Blocks: not for a shard.
    pub fn wait_until(&self, deadline: Instant) -> usize {
        let mut guard = self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let open = self.open_exchanges();
            let left = deadline.saturating_duration_since(Instant::now());
            if open == 0 || left.is_zero() {
                return open;
            }
            let waited = self.shared.fewer_open.wait_timeout(guard, left.min(LOOK_AGAIN));
            guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Closing,
        }
    }
}

/// A shard's place in the [`Drain`], on its way there.
pub struct DrainSeat {
    shard: ShardId,
    shared: Arc<Shared>,
    reader: PendingReader,
}

impl DrainSeat {
    /// Binds it to the shard that calls this, and starts the task there that passes the news on.
    pub fn attach(self) -> io::Result<DrainWatch> {
        let watch =
            Rc::new(Watch { shard: self.shard, shared: self.shared, moved_on: LocalNotify::new() });
        monoio::spawn(pass_on(self.reader.attach()?, Rc::clone(&watch)));
        Ok(DrainWatch { watch })
    }
}

async fn pass_on(mut reader: WakeReader, watch: Rc<Watch>) {
    while watch.shared.phase() != Phase::Closing {
        if !reader.wait().await.is_ok_and(|bytes| bytes > 0) {
            return;
        }
        watch.moved_on.notify_all();
    }
}

/// A shard's view; cheap to clone, stays on the shard.
#[derive(Clone)]
pub struct DrainWatch {
    watch: Rc<Watch>,
}

struct Watch {
    shard: ShardId,
    shared: Arc<Shared>,
    moved_on: LocalNotify,
}

impl DrainWatch {
    /// Where we are: one atomic load.
    pub fn phase(&self) -> Phase {
        self.watch.shared.phase()
    }

    /// Waits until this phase or a later one is reached.
    pub async fn reached(&self, phase: Phase) {
        while self.phase() < phase {
            self.watch.moved_on.notified().await;
        }
    }

    /// Counts as one open exchange until the result is dropped.
    pub fn exchange(&self) -> Exchange {
        self.add(1);
        Exchange { watch: self.clone() }
    }

    /// Exchanges open on this shard.
    pub fn open(&self) -> usize {
        self.cell().map_or(0, |open| open.load(Ordering::Relaxed))
    }

    /// Only this shard writes the cell, so no read-modify-write is needed.
    fn add(&self, change: isize) -> usize {
        let now = self.open().saturating_add_signed(change);
        if let Some(open) = self.cell() {
            open.store(now, Ordering::Release);
        }
        now
    }

    fn cell(&self) -> Option<&AtomicUsize> {
        self.watch.shared.open.get(self.watch.shard.0).map(|open| &**open)
    }
}

/// An exchange that must be finished, or given up at the deadline, before the process ends.
pub struct Exchange {
    watch: DrainWatch,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.watch.add(-1) == 0 && self.watch.phase() != Phase::Serving {
            let shared = &self.watch.watch.shared;
            drop(shared.lock.lock().unwrap_or_else(PoisonError::into_inner));
            shared.fewer_open.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::DriverChoice;
    use crate::spawn::{Shards, StartOptions};

    #[test]
    fn control_thread_waits_for_the_last_exchange() {
        for choice in crate::testing::drivers() {
            let (drain, seats) = Drain::new(2).unwrap();
            let (shards, opened) = start(choice, seats);
            (0..2).for_each(|_| opened.recv().unwrap());
            assert_eq!(drain.open_exchanges(), 2);
            assert_eq!(drain.wait_until(Instant::now() + Duration::from_millis(20)), 2);
            drain.advance(Phase::Draining);
            let started = Instant::now();
            assert_eq!(drain.wait_until(Instant::now() + Duration::from_secs(20)), 0);
            assert!(started.elapsed() < Duration::from_secs(5));
            drain.advance(Phase::Closing);
            assert_eq!(shards.join().unwrap(), vec![Phase::Draining; 2]);
        }
    }

    /// Each shard opens an exchange, finishes it when draining starts, and ends when closing.
    fn start(
        choice: DriverChoice,
        seats: Vec<DrainSeat>,
    ) -> (Shards<Phase>, std::sync::mpsc::Receiver<()>) {
        let (say, opened) = std::sync::mpsc::channel();
        let seats = Mutex::new(seats);
        let shards = Shards::start(StartOptions::new(vec![None; 2], choice), move |_| {
            let seat = seats.lock().unwrap().pop().unwrap();
            let say = say.clone();
            async move {
                let watch = seat.attach().unwrap();
                let exchange = watch.exchange();
                say.send(()).unwrap();
                watch.reached(Phase::Draining).await;
                let seen = watch.phase();
                crate::sleep(Duration::from_millis(10)).await;
                drop(exchange);
                watch.reached(Phase::Closing).await;
                seen
            }
        });
        (shards.unwrap(), opened)
    }

    #[test]
    fn phases_only_move_forward() {
        let (drain, _seats) = Drain::new(1).unwrap();
        drain.advance(Phase::Closing);
        drain.advance(Phase::Draining);
        assert_eq!(drain.phase(), Phase::Closing);
    }

    #[test]
    fn exchanges_are_counted_per_shard() {
        crate::testing::on_each_driver(|| async {
            let (drain, mut seats) = Drain::new(2).unwrap();
            let watch = seats.remove(1).attach().unwrap();
            let exchanges: Vec<_> = (0..3).map(|_| watch.exchange()).collect();
            assert_eq!((watch.open(), drain.open_exchanges()), (3, 3));
            drop(exchanges);
            assert_eq!((watch.open(), drain.open_exchanges()), (0, 0));
            drain.advance(Phase::Closing);
            watch.reached(Phase::Closing).await;
        });
    }
}
