//! Looks names up on threads of their own, for all shards of the process.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use millrace_shard::Mailbox;

/// A lookup blocks, for many seconds if a name server is silent. With several threads one bad name
/// does not hold up all others.
const THREADS: usize = 4;
/// Names waiting for a thread; beyond it a lookup fails at once and is tried again later.
const QUEUE_MAX: usize = 4_096;

/// What turns a name into addresses.
type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Looks names up with the system's resolver (getaddrinfo). One for the process; cheap to clone.
/// Its threads end when the last clone and the last [`Names`](crate::Names) are dropped.
#[derive(Clone)]
pub struct Resolver {
    queue: SyncSender<Question>,
}

pub(super) struct Question {
    pub(super) host: Arc<str>,
    pub(super) answers: Mailbox<Answer>,
}

pub(super) struct Answer {
    pub(super) host: Arc<str>,
    pub(super) addresses: Result<Vec<IpAddr>, Arc<str>>,
}

impl Resolver {
    /// Starts the threads. Not on a shard: they would inherit its core.
    pub fn start() -> io::Result<Self> {
        Self::with(|host| {
            let found = (host, 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }

    /// With another way to look names up.
    pub fn with(
        lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let lookup: Arc<Lookup> = Arc::new(lookup);
        let (queue, questions) = sync_channel(QUEUE_MAX);
        let questions = Arc::new(Mutex::new(questions));
        for number in 0..THREADS {
            let (questions, lookup) = (Arc::clone(&questions), Arc::clone(&lookup));
            std::thread::Builder::new()
                .name(format!("names-{number}"))
                .spawn(move || answer_all(&questions, &*lookup))?;
        }
        Ok(Self { queue })
    }

    /// Whether the question was taken.
    pub(super) fn ask(&self, question: Question) -> Result<(), &'static str> {
        self.queue.try_send(question).map_err(|error| match error {
            TrySendError::Full(_) => "too many names are being looked up",
            TrySendError::Disconnected(_) => "the threads that look names up have ended",
        })
    }
}

fn answer_all(questions: &Mutex<Receiver<Question>>, lookup: &Lookup) {
    loop {
        let next = questions.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Question { host, answers }) = next else { return };
        let addresses = match lookup(&host) {
            Ok(found) if found.is_empty() => Err("the name has no address".into()),
            Ok(found) => Ok(found),
            Err(error) => Err(error.to_string().into()),
        };
        // A shard that has gone needs no answer; a full mailbox is ruled out by its bound.
        drop(answers.try_send(Answer { host, addresses }));
    }
}
