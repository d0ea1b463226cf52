//! The thread behind a proxy: it waits for sockets, orders and due times, and moves bytes.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Counts;
use super::fault::{Ending, Fault, Flow, Which};
use super::link::{Fate, Link, Side};

/// What a test tells the thread.
pub(super) enum Order {
    Inflict(Fault),
    Heal,
    End,
}

/// See the head of this file.
pub(super) struct Post {
    listener: TcpListener,
    to: SocketAddr,
    orders: Receiver<Order>,
    bell: UnixStream,
    counts: Arc<Counts>,
    links: BTreeMap<u64, Link>,
    /// Nothing moves until then.
    held_until: Option<Instant>,
    /// How much later what is read comes, until then.
    delay: Option<(Duration, Instant)>,
    /// For the next connection: there was none to break.
    pending: Option<(Flow, u64, Ending)>,
}

/// What a wait has shown.
struct Ready {
    bell: bool,
    listener: bool,
    /// Client's side, then server's.
    links: BTreeMap<u64, [PollFlags; 2]>,
}

impl Post {
    pub(super) fn new(
        listener: TcpListener,
        to: SocketAddr,
        orders: Receiver<Order>,
        bell: UnixStream,
        counts: Arc<Counts>,
    ) -> Self {
        listener.set_nonblocking(true).expect("a socket of ours");
        bell.set_nonblocking(true).expect("a socket of ours");
        Self {
            listener,
            to,
            orders,
            bell,
            counts,
            links: BTreeMap::new(),
            held_until: None,
            delay: None,
            pending: None,
        }
    }

    /// Until it is told to end; what is open is reset then.
    pub(super) fn run(mut self) {
        loop {
            let ready = self.wait();
            if ready.bell && !self.obey() {
                std::mem::take(&mut self.links).into_values().for_each(Link::reset);
                return;
            }
            let now = Instant::now();
            if self.held_until.is_some_and(|until| now < until) {
                continue;
            }
            self.held_until = None;
            self.delay = self.delay.filter(|(_, until)| now < *until);
            if ready.listener {
                self.take();
            }
            self.work(&ready, now);
        }
    }

    fn wait(&self) -> Ready {
        let now = Instant::now();
        let mut places = Vec::new();
        let mut fds = vec![PollFd::new(&self.bell, PollFlags::IN)];
        let mut due = self.held_until;
        if self.held_until.is_none() {
            fds.push(PollFd::new(&self.listener, PollFlags::IN));
            for (number, link) in &self.links {
                due = due.into_iter().chain(link.due().filter(|due| *due > now)).min();
                for (place, side) in [Side::Client, Side::Server].into_iter().enumerate() {
                    let wants = link.wants(side, now);
                    if !wants.is_empty() {
                        places.push((*number, place));
                        fds.push(PollFd::new(link.socket(side), wants));
                    }
                }
            }
        }
        // Up to the next millisecond, or it would be asked again too early.
        let limit = due.map(|due| due.saturating_duration_since(now) + Duration::from_millis(1));
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        // Interrupted by a signal is as good as nothing ready.
        let _ = poll(&mut fds, limit.as_ref());
        let told = |at: usize| fds.get(at).map_or(PollFlags::empty(), PollFd::revents);
        let mut links = BTreeMap::<u64, [PollFlags; 2]>::new();
        for (at, (number, place)) in (2..).zip(places) {
            links.entry(number).or_insert([PollFlags::empty(); 2])[place] = told(at);
        }
        Ready { bell: !told(0).is_empty(), listener: !told(1).is_empty(), links }
    }

    /// Whether to go on.
    fn obey(&mut self) -> bool {
        let _ = self.bell.read(&mut [0; 64]);
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Inflict(fault) => self.inflict(fault),
                Order::Heal => {
                    (self.held_until, self.delay, self.pending) = (None, None, None);
                    self.links.values_mut().for_each(Link::disarm);
                }
                Order::End => return false,
            }
        }
        true
    }

    fn inflict(&mut self, fault: Fault) {
        let now = Instant::now();
        match fault {
            Fault::BlackHole(lasts) => {
                count(&self.counts.black_holes, 1);
                self.held_until = self.held_until.max(Some(now + lasts));
            }
            Fault::Delay { by, lasts } => {
                count(&self.counts.delays, 1);
                self.delay = Some((by, now + lasts));
            }
            Fault::Break { how, which, flow, after } => {
                let open = self.links.values_mut().filter(|link| !link.is_cut());
                let mut open: Vec<&mut Link> = open.collect();
                let chosen = match which {
                    Which::All => 0..open.len(),
                    Which::One(draw) => {
                        let all = open.len().max(1) as u64;
                        let at = usize::try_from(draw % all).unwrap_or(0);
                        at..(at + 1).min(open.len())
                    }
                };
                if chosen.is_empty() {
                    self.pending = Some((flow, after, how));
                }
                let chosen = open.get_mut(chosen).into_iter().flatten();
                chosen.for_each(|link| link.arm(flow, after, how));
            }
        }
    }

    fn take(&mut self) {
        while let Ok((client, _)) = self.listener.accept() {
            let number = self.counts.connections.fetch_add(1, Ordering::Relaxed);
            if let Ok(mut link) = Link::begin(client, self.to) {
                if let Some((flow, after, how)) = self.pending.take() {
                    link.arm(flow, after, how);
                }
                self.links.insert(number, link);
            }
        }
    }

    /// Every link, as a break or a due time is told by no socket.
    fn work(&mut self, ready: &Ready, now: Instant) {
        let delay = self.delay.map_or(Duration::ZERO, |(by, _)| by);
        let mut over = Vec::new();
        for (number, link) in &mut self.links {
            let told = ready.links.get(number).copied().unwrap_or([PollFlags::empty(); 2]);
            let fate = link.work(told, now, delay);
            let [up, down] = link.take_counts();
            count(&self.counts.up, up);
            count(&self.counts.down, down);
            match fate {
                Fate::Open => {}
                Fate::Broken(Ending::Cut) => {
                    count(&self.counts.cuts, 1);
                    link.cut(now);
                }
                fate => over.push((*number, fate)),
            }
        }
        for (number, fate) in over {
            let Some(link) = self.links.remove(&number) else { continue };
            match fate {
                Fate::Broken(_) => count(&self.counts.resets, 1),
                Fate::Unreachable => count(&self.counts.unreachable, 1),
                _ => {}
            }
            if fate != Fate::Over || !link.is_at_rest() {
                link.reset();
            }
        }
        let open = self.links.values().filter(|link| !link.is_cut()).count();
        self.counts.open.store(open as u64, Ordering::Relaxed);
    }
}

fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
