//! Clients that post without pause while something happens, and what they were told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::records::{Tail, event_id};
use millrace_tests::rig::unique;
use millrace_tests::wait::{SOON, until};

/// How long a client waits for an answer: longer than any outage of a case.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients at work; [`Load::stop`] ends them and returns what happened.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Outcome>>,
}

/// What the clients were told.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Ids of events answered 202.
    pub(crate) accepted: Vec<String>,
    /// Other answers.
    pub(crate) refused: Vec<u16>,
    /// Requests that got no answer though they were sent whole.
    pub(crate) broken: Vec<NoAnswer>,
}

impl Load {
    /// Starts clients that post minimal events to the path, each on a connection that it keeps while it may.
    pub(crate) fn start(port: u16, path: &str, clients: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |_| {
            let (path, stop, answered) =
                (path.to_owned(), Arc::clone(&stop), Arc::clone(&answered));
            thread::spawn(move || post_until(port, &path, &stop, &answered))
        };
        let clients = (0..clients).map(client).collect();
        let load = Self { stop, answered, clients };
        load.wait_for_answers(20);
        load
    }

    /// Waits until so many more answers have come.
    pub(crate) fn wait_for_answers(&self, more: usize) {
        let goal = self.answered.load(Ordering::Relaxed) + more;
        until(&format!("{more} more answers"), PATIENCE, || {
            (self.answered.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    pub(crate) fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        let mut whole = Outcome::default();
        for client in self.clients {
            let part = client.join().expect("a client does not panic");
            whole.accepted.extend(part.accepted);
            whole.refused.extend(part.refused);
            whole.broken.extend(part.broken);
        }
        whole
    }
}

impl Outcome {
    /// Every request was answered 202.
    pub(crate) fn assert_all_accepted(&self) {
        assert!(
            self.refused.is_empty() && self.broken.is_empty(),
            "{} accepted, but refused: {:?}, without an answer: {:?}",
            self.accepted.len(),
            self.refused,
            self.broken
        );
    }

    /// Every event answered 202 is in one of the topics.
    pub(crate) fn assert_none_lost(&self, tail: &Tail, topics: &[&str]) {
        let owed: BTreeSet<String> = self.accepted.iter().cloned().collect();
        until("every accepted event to be in Kafka", SOON, || {
            let landed: BTreeSet<String> = topics
                .iter()
                .flat_map(|topic| tail.all(topic))
                .filter_map(|record| event_id(&record))
                .collect();
            owed.is_subset(&landed).then_some(())
        });
    }
}

fn post_until(port: u16, path: &str, stop: &AtomicBool, answered: &AtomicUsize) -> Outcome {
    let mut outcome = Outcome::default();
    let mut kept: Option<Connection> = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(mut connection) = kept.take().or_else(|| Connection::try_open(port).ok()) else {
            outcome.broken.push(NoAnswer::Garbled("the connection was refused".into()));
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let id = unique();
        connection.send(&Request::minimal(path, &id).to_bytes());
        match connection.answer_within(PATIENCE) {
            Ok(answer) => {
                answered.fetch_add(1, Ordering::Relaxed);
                let closing = answer
                    .header("connection")
                    .is_some_and(|value| value.eq_ignore_ascii_case("close"));
                match answer.status {
                    202 => outcome.accepted.push(id),
                    other => outcome.refused.push(other),
                }
                kept = (!closing).then_some(connection);
            }
            Err(no_answer) => outcome.broken.push(no_answer),
        }
    }
    outcome
}
