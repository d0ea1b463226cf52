//! Clients that each post one event after the other and note every answer with its time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use millrace_tests::http::{Connection, Request};
use millrace_tests::rig::unique;
use millrace_tests::wait::{SOON, pass, until};

/// Longer than any outage that an answer may wait through.
const PATIENCE: Duration = Duration::from_secs(150);
const BODY_BYTES: usize = 1024;

/// Clients at work.
pub(crate) struct Clients {
    over: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<Told>>>,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) sent: Instant,
    pub(crate) took: Duration,
    pub(crate) status: u16,
}

impl Clients {
    /// Each on a connection that it keeps.
    pub(crate) fn start(port: u16, path: &str, count: usize) -> Self {
        let (over, accepted) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let client = |_| {
            let (path, over, accepted) =
                (path.to_owned(), Arc::clone(&over), Arc::clone(&accepted));
            thread::spawn(move || post(port, &path, &over, &accepted))
        };
        let clients = (0..count).map(client).collect();
        Self { clients, over, accepted }
    }

    /// Waits until so many more events have been accepted.
    pub(crate) fn wait_for_accepted(&self, more: usize) {
        let goal = self.accepted.load(Ordering::Relaxed) + more;
        let reached = || (self.accepted.load(Ordering::Relaxed) >= goal).then_some(());
        until(&format!("{more} more events to be accepted"), SOON * 3, reached);
    }

    /// Lets each finish its event and returns what all were told, by the time of sending.
    pub(crate) fn stop(self) -> Vec<Told> {
        self.over.store(true, Ordering::Relaxed);
        let told = self.clients.into_iter().map(|client| client.join().expect("answers to all"));
        let mut all: Vec<Told> = told.flatten().collect();
        all.sort_by_key(|told| told.sent);
        all
    }
}

fn post(port: u16, path: &str, over: &AtomicBool, accepted: &AtomicUsize) -> Vec<Told> {
    let mut told = Vec::new();
    let mut connection = Connection::open(port);
    while !over.load(Ordering::Relaxed) {
        let id = unique();
        let request = Request::minimal(path, &id).header("Content-Type", "text/plain");
        let request = request.body(vec![b'x'; BODY_BYTES]);
        let sent = Instant::now();
        let answer = connection.exchange_within(&request, PATIENCE);
        accepted.fetch_add(usize::from(answer.status == 202), Ordering::Relaxed);
        told.push(Told { id, sent, took: sent.elapsed(), status: answer.status });
        if answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            connection = Connection::open(port);
        }
        // One that was refused is not sent again at once by an honest client.
        if answer.status != 202 {
            pass(Duration::from_millis(10));
        }
    }
    told
}

/// How long some answers took.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn of<'t>(told: impl Iterator<Item = &'t Told>) -> Self {
        let mut times: Vec<_> = told.map(|told| told.took).collect();
        times.sort();
        Self(times)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The time within which so many percent were answered; nothing when none was.
    pub(crate) fn within(&self, percent: usize) -> Duration {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] = [50, 99, 100].map(|percent| self.within(percent));
        write!(f, "{} (half within {half:.1?}, 99 % {most:.1?}, all {all:.1?})", self.count())
    }
}
