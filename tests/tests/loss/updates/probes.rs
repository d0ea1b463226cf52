//! Clients that ask for the ingresses that come and go, and know what each answer may be.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

use millrace_tests::http::{Connection, Request};
use millrace_tests::process::Receiver;

use super::OTHERS;
use super::timeline::{Expected, Timeline};

const CLIENTS: usize = 2;

/// Clients at work.
pub(super) struct Probes<'s> {
    over: Arc<AtomicBool>,
    clients: Vec<ScopedJoinHandle<'s, Probed>>,
}

/// How many answers were judged by what.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probed {
    there: usize,
    absent: usize,
    either: usize,
}

impl<'s> Probes<'s> {
    pub(super) fn start(
        scope: &'s Scope<'s, '_>,
        receiver: &'s Receiver,
        timeline: &'s Timeline,
    ) -> Self {
        let over = Arc::<AtomicBool>::default();
        let clients = (0..CLIENTS).map(|client| {
            let over = Arc::clone(&over);
            scope.spawn(move || probe(client, receiver, timeline, &over))
        });
        Self { clients: clients.collect(), over }
    }

    /// # Panics
    /// When an answer was none that any contract in force could give.
    pub(super) fn stop(self) -> Probed {
        self.over.store(true, Ordering::Relaxed);
        let each = self.clients.into_iter().map(|client| client.join().expect("right answers"));
        let all = each.reduce(|sum, part| Probed {
            there: sum.there + part.there,
            absent: sum.absent + part.absent,
            either: sum.either + part.either,
        });
        let all = all.unwrap_or_default();
        assert!(all.there > 0 && all.absent > 0, "nothing was judged: {all}");
        all
    }
}

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { there, absent, either } = self;
        write!(f, "others asked for while there {there}, absent {absent}, changing {either} times")
    }
}

fn probe(client: usize, receiver: &Receiver, timeline: &Timeline, over: &AtomicBool) -> Probed {
    let mut probed = Probed::default();
    let mut connection = Connection::open(receiver.port());
    for turn in client.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let path = path(turn % OTHERS);
        let first = timeline.settled(receiver);
        let status = connection.exchange(&request(turn, &path)).status;
        let last = timeline.last();
        let (wanted, count): (&[u16], _) = match timeline.expected(&path, first, last) {
            Expected::There => (&[202], &mut probed.there),
            Expected::Absent => (&[404], &mut probed.absent),
            Expected::Either => (&[202, 404], &mut probed.either),
        };
        assert!(
            wanted.contains(&status),
            "{status} from {path} in turns {first} to {last}, not {wanted:?}"
        );
        *count += 1;
    }
    probed
}

/// The path of the ingress of that number.
pub(super) fn path(other: usize) -> String {
    format!("/ns/other-{other}")
}

/// An event of no oracle.
pub(super) fn request(turn: usize, path: &str) -> Request {
    Request::minimal(path, &format!("probe-{turn}")).set("ce-type", "probe")
}
