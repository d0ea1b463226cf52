//! What senders were told, request by request, and its sums.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use millrace_tests::metrics::Samples;
use millrace_tests::process::Receiver;

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    /// An answer with this status.
    Status(u16),
    /// Nobody took the connection.
    Refused,
    /// The connection ended without an answer.
    Cut,
    /// No answer within the sender's patience.
    Silent,
}

/// One request and its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) sent: Instant,
    pub(crate) took: Duration,
    pub(crate) word: Word,
}

impl Told {
    pub(crate) fn ended(&self) -> Instant {
        self.sent + self.took
    }
}

/// All of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(pub(crate) Vec<Told>);

impl Tally {
    pub(crate) fn count(&self, word: Word) -> usize {
        self.0.iter().filter(|told| told.word == word).count()
    }

    /// The longest time to an answer of the server.
    pub(crate) fn slowest(&self) -> Duration {
        let answered = self.0.iter().filter(|told| matches!(told.word, Word::Status(_)));
        answered.map(|told| told.took).max().unwrap_or_default()
    }

    /// Nothing but these, and nothing without an answer for ever.
    pub(crate) fn assert_only(&self, words: &[Word]) {
        let others: Vec<_> = self.0.iter().filter(|told| !words.contains(&told.word)).collect();
        let first = others.first().map(|told| (told.word, told.took));
        assert!(others.is_empty(), "{} requests ended as {first:?} did: {self}", others.len());
    }

    fn sums(&self) -> BTreeMap<Word, usize> {
        let mut sums = BTreeMap::new();
        self.0.iter().for_each(|told| *sums.entry(told.word).or_default() += 1);
        sums
    }
}

/// The receiver's own count of answers, opened when it is ready: its start may have refused probes.
pub(crate) struct Books(Samples);

impl Books {
    pub(crate) fn open(receiver: &Receiver) -> Self {
        Self(receiver.scrape())
    }

    /// The receiver counted each answer once, under the status that the senders read. Only when it answered them all.
    pub(crate) fn assert_balance(&self, receiver: &Receiver, tally: &Tally) {
        let now = receiver.scrape();
        for (word, read) in tally.sums() {
            let Word::Status(status) = word else { continue };
            let status = status.to_string();
            let of = |samples: &Samples| {
                samples.sum("millrace_receiver_requests_total", &[("status", &status)])
            };
            let counted = of(&now) - of(&self.0);
            assert_eq!(
                counted as usize, read,
                "answers {status}: counted at the left, read at the right"
            );
        }
    }
}

/// One line for people.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "202: {}, otherwise:", self.count(Word::Status(202)))?;
        let mut sums = self.sums();
        sums.remove(&Word::Status(202));
        if sums.is_empty() {
            return write!(f, " none");
        }
        for (word, count) in sums {
            match word {
                Word::Status(status) => write!(f, " {status}: {count}")?,
                other => write!(f, " {other:?}: {count}")?,
            }
        }
        Ok(())
    }
}
