//! Clients that post events of the oracle on a schedule, each until it is accepted, and note every word they get.
//!
//! A key belongs to one client, which sends its next event only when the one before was accepted: so the first records
//! of a key are in the order of their numbers, whatever is sent again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::oracle::{Id, Oracle};
use millrace_tests::wait::{SOON, pass, until};

use crate::tally::{Tally, Told, Word};

/// Longer than any delivery timeout and stop of a run.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two attempts at the same event.
const PAUSE: Duration = Duration::from_millis(20);
/// A client that is later than this does not make up for it.
const LATE_MAX: Duration = Duration::from_secs(1);

/// The receivers that new connections go to, in turn: what a service of the platform knows. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Front(Arc<Mutex<Vec<u16>>>, Arc<AtomicUsize>);

impl Front {
    pub(crate) fn of(port: u16) -> Self {
        let front = Self::default();
        front.add(port);
        front
    }

    pub(crate) fn add(&self, port: u16) {
        self.0.lock().unwrap().push(port);
    }

    pub(crate) fn remove(&self, port: u16) {
        self.0.lock().unwrap().retain(|known| *known != port);
    }

    fn next(&self) -> u16 {
        let ports = self.0.lock().unwrap();
        let turn = self.1.fetch_add(1, Ordering::Relaxed);
        *ports.get(turn % ports.len().max(1)).expect("somebody is always there")
    }
}

/// How much is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) clients: u32,
    /// Of all clients together.
    pub(crate) keys: u32,
    /// Of all clients together.
    pub(crate) per_second: u32,
}

impl Load {
    /// What a small machine carries beside a broker and the programs' debug builds.
    pub(crate) const MODEST: Self = Self { clients: 8, keys: 64, per_second: 200 };
}

/// Clients at work.
pub(crate) struct Senders {
    over: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<Told>>>,
}

impl Senders {
    /// Starts to post to the path, and owes each accepted event to each of the oracles.
    pub(crate) fn start(front: &Front, path: &str, load: Load, to: &[Oracle]) -> Self {
        let over = Arc::<AtomicBool>::default();
        let [accepted, refused] = [(); 2].map(|()| Arc::<AtomicUsize>::default());
        let every = Duration::from_secs(1) * load.clients / load.per_second;
        let clients = (0..load.clients).map(|client| {
            let sender = Sender {
                front: front.clone(),
                path: path.to_owned(),
                oracles: to.to_vec(),
                accepted: Arc::clone(&accepted),
                refused: Arc::clone(&refused),
                kept: None,
                told: Vec::new(),
            };
            let keys: Vec<u32> = (client..load.keys).step_by(load.clients as usize).collect();
            let over = Arc::clone(&over);
            thread::spawn(move || sender.work(&keys, every, &over))
        });
        let clients = clients.collect();
        let senders = Self { over, accepted, refused, clients };
        senders.wait_for_accepted(50);
        senders
    }

    /// Waits until so many more events have been accepted.
    pub(crate) fn wait_for_accepted(&self, more: usize) {
        rise(&self.accepted, more, "events to be accepted");
    }

    /// Waits until so many more attempts have failed, in whatever way.
    pub(crate) fn wait_for_refused(&self, more: usize) {
        rise(&self.refused, more, "attempts to fail");
    }

    /// Lets each client finish its event and returns what all were told.
    ///
    /// # Panics
    /// When an event was never accepted.
    pub(crate) fn stop(self) -> Tally {
        self.over.store(true, Ordering::Relaxed);
        let told =
            self.clients.into_iter().map(|client| client.join().expect("a sender that ended well"));
        Tally(told.flatten().collect())
    }
}

fn rise(count: &AtomicUsize, more: usize, what: &str) {
    let goal = count.load(Ordering::Relaxed) + more;
    let reached = || (count.load(Ordering::Relaxed) >= goal).then_some(());
    until(&format!("{more} more {what}"), SOON * 2, reached);
}

struct Sender {
    front: Front,
    path: String,
    oracles: Vec<Oracle>,
    accepted: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    kept: Option<Connection>,
    told: Vec<Told>,
}

impl Sender {
    fn work(mut self, keys: &[u32], every: Duration, over: &AtomicBool) -> Vec<Told> {
        let mut due = Instant::now();
        for number in 0.. {
            for key in keys {
                if over.load(Ordering::Relaxed) {
                    return self.told;
                }
                let id = Id { key: *key, number };
                self.oracles.iter().for_each(|oracle| oracle.sent(id));
                self.post(id, over);
                self.oracles.iter().for_each(|oracle| oracle.owe(id));
                self.accepted.fetch_add(1, Ordering::Relaxed);
                due += every;
                due = due.max(Instant::now().checked_sub(LATE_MAX).unwrap_or(due));
                pass(due.saturating_duration_since(Instant::now()));
            }
        }
        self.told
    }

    /// Sends an event again and again until it is accepted.
    fn post(&mut self, id: Id, over: &AtomicBool) {
        let bytes = request(&self.path, id).to_bytes();
        let mut ends: Option<Instant> = None;
        loop {
            let sent = Instant::now();
            let word = self.attempt(&bytes);
            self.told.push(Told { sent, took: sent.elapsed(), word });
            if word == Word::Status(202) {
                return;
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            if over.load(Ordering::Relaxed) {
                let ends = *ends.get_or_insert_with(|| Instant::now() + PATIENCE);
                assert!(Instant::now() < ends, "event {id} was never accepted, at last: {word:?}");
            }
            pass(PAUSE);
        }
    }

    fn attempt(&mut self, bytes: &[u8]) -> Word {
        let kept = self.kept.take();
        let Some(mut connection) = kept.or_else(|| Connection::try_open(self.front.next()).ok())
        else {
            return Word::Refused;
        };
        connection.send(bytes);
        match connection.answer_within(PATIENCE) {
            Ok(answer) => {
                let close = answer.header("connection");
                if close.is_none_or(|value| !value.eq_ignore_ascii_case("close")) {
                    self.kept = Some(connection);
                }
                Word::Status(answer.status)
            }
            Err(NoAnswer::Silent(_)) => Word::Silent,
            Err(NoAnswer::Closed(_)) => Word::Cut,
            Err(NoAnswer::Garbled(what)) => panic!("an answer that is none: {what}"),
        }
    }
}

/// A binary event whose key keeps it on one partition.
pub(crate) fn request(path: &str, id: Id) -> Request {
    Request::minimal(path, &id.to_string())
        .set("ce-type", EVENT_TYPE)
        .header("ce-partitionkey", format!("key-{}", id.key))
        .header("Content-Type", "text/plain")
        .body(body(id))
}

/// The type of all events of the oracle.
pub(crate) const EVENT_TYPE: &str = "loss";

/// 64 to 1,023 bytes that no other event has.
pub(crate) fn body(id: Id) -> Vec<u8> {
    let length = 64 + (id.number * 131 + u64::from(id.key) * 17) % 960;
    let text = format!("{id} ");
    text.bytes().cycle().take(usize::try_from(length).unwrap()).collect()
}
