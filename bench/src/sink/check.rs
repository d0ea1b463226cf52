//! Looks at what is delivered: whose event it is, how old, whether it came before and in order.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use millrace_http1::Head;
use serde::Serialize;
use serde_json::Value;

use crate::ids::EventId;
use crate::latency::Latency;
use crate::oracle::{Arrivals, Owed, Verdict};

/// Pairs of run and path that are told apart.
const RUNS_MAX: usize = 1_000;

/// What came, by run and by path: each path is a subscriber of its own.
#[derive(Default)]
pub struct Check {
    runs: BTreeMap<(u32, String), Arrivals>,
    /// From the planned send time to the arrival of each event's first delivery; of senders on this
    /// machine only.
    pub latency: Latency,
    /// Deliveries that are none of `bench load`'s events.
    pub foreign: u64,
    hasher: BuildHasherDefault<DefaultHasher>,
}

/// What was found about one run at one path.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    pub run: u32,
    pub path: String,
    /// Whether it was known what the run owes; without, nothing can be lost.
    pub judged: bool,
    pub verdict: Verdict,
}

impl Check {
    /// Takes an accepted request.
    pub(crate) fn note(&mut self, head: &Head, buffer: &[u8], body: &[u8], now_ns: u64) {
        let header = |name: &str| head.header(buffer, name);
        let content_type = header("content-type").unwrap_or_default();
        if content_type.starts_with(b"application/cloudevents+json") {
            let event: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
            let text = |name: &str| match &event[name] {
                Value::String(text) => Some(text.clone().into_bytes()),
                Value::Number(number) => Some(number.to_string().into_bytes()),
                _ => None,
            };
            let (id, key) = (text("id"), text("partitionkey"));
            let place = (text("knativekafkapartition"), text("knativekafkaoffset"));
            let place = place.0.as_deref().zip(place.1.as_deref());
            self.take(head.path(buffer), id.as_deref(), key.as_deref(), place, now_ns);
        } else {
            let place = header("ce-knativekafkapartition").zip(header("ce-knativekafkaoffset"));
            self.take(head.path(buffer), header("ce-id"), header("ce-partitionkey"), place, now_ns);
        }
    }

    fn take(
        &mut self,
        path: &[u8],
        id: Option<&[u8]>,
        key: Option<&[u8]>,
        place: Option<(&[u8], &[u8])>,
        now_ns: u64,
    ) {
        let Some(id) = id.and_then(EventId::parse) else {
            self.foreign += 1;
            return;
        };
        let path = String::from_utf8_lossy(path);
        let count = self.runs.len();
        let known = (id.run, path.into_owned());
        if count >= RUNS_MAX && !self.runs.contains_key(&known) {
            self.foreign += 1;
            return;
        }
        let arrivals = self.runs.entry(known).or_default();
        let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<i64>().ok();
        let place = place.and_then(|(partition, offset)| {
            Some((0, i32::try_from(number(partition)?).ok()?, number(offset)?))
        });
        let key = key.map(|key| self.hasher.hash_one(key));
        if arrivals.note(&id, key, place) && id.is_of_this_boot() {
            self.latency.record(now_ns.saturating_sub(id.planned_ns));
        }
    }

    /// Distinct events of a run that came at the path where most of them came.
    pub fn distinct(&self, run: u32) -> u64 {
        self.of(run).map(|(_, arrivals)| arrivals.distinct()).max().unwrap_or(0)
    }

    /// Whether every path that got some of a run's events has got all; false before any came.
    pub fn has_all(&self, owed: &Owed) -> bool {
        let mut some = false;
        self.of(owed.run).all(|(_, arrivals)| {
            some = true;
            arrivals.has_all(owed)
        }) && (some || owed.count() == 0)
    }

    /// What there is to say, with what a run owes where that is known. A run that owes something
    /// of which nothing came anywhere has lost all of it.
    pub fn found(&self, owed: Option<&Owed>) -> Vec<Found> {
        let nothing = Owed::default();
        let mut found: Vec<Found> = self
            .runs
            .iter()
            .map(|((run, path), arrivals)| {
                let known = owed.filter(|owed| owed.run == *run);
                let verdict = arrivals.judge(known.unwrap_or(&nothing));
                Found { run: *run, path: path.clone(), judged: known.is_some(), verdict }
            })
            .collect();
        if let Some(owed) = owed
            && !found.iter().any(|found| found.judged)
        {
            let verdict = Arrivals::default().judge(owed);
            let path = "(nowhere)".to_owned();
            found.push(Found { run: owed.run, path, judged: true, verdict });
        }
        found
    }

    fn of(&self, run: u32) -> impl Iterator<Item = (&(u32, String), &Arrivals)> {
        self.runs.iter().filter(move |((known, _), _)| *known == run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ID_BYTES;
    use millrace_http1::Limits;

    fn deliver(check: &mut Check, head_text: &str, body: &str, now_ns: u64) {
        let request = format!("{head_text}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let mut head = Head::new();
        let start = head.parse(request.as_bytes(), &Limits::default()).unwrap().unwrap();
        check.note(&head, request.as_bytes(), &request.as_bytes()[start..], now_ns);
    }

    fn id(run: u32, number: u64, planned_ns: u64) -> String {
        let mut text = [0_u8; ID_BYTES];
        EventId { run, stream: 0, number, planned_ns }.write(&mut text);
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn both_modes_are_understood_and_paths_kept_apart() {
        let mut check = Check::default();
        let run = crate::ids::new_run();
        let binary = |path: &str, number: u64, offset: u64| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: a\r\nce-id: {}\r\nce-partitionkey: k\r\n\
                 ce-knativekafkapartition: 3\r\nce-knativekafkaoffset: {offset}",
                id(run, number, 1_000)
            )
        };
        deliver(&mut check, &binary("/a", 0, 10), "", 6_000);
        deliver(&mut check, &binary("/b", 0, 10), "", 6_000);
        deliver(&mut check, &binary("/a", 2, 12), "", 6_000);
        deliver(&mut check, &binary("/a", 1, 11), "", 6_000);
        let json = format!(
            r#"{{"id":"{}","knativekafkapartition":3,"knativekafkaoffset":13}}"#,
            id(run, 3, 1_000)
        );
        let structured = "POST /a HTTP/1.1\r\nhost: a\r\ncontent-type: application/cloudevents+json; charset=utf-8";
        deliver(&mut check, structured, &json, 6_000);
        deliver(&mut check, structured, &json, 9_000);
        deliver(&mut check, "POST /a HTTP/1.1\r\nhost: a\r\nce-id: 17", "", 1);
        assert_eq!((check.foreign, check.distinct(run)), (1, 4));
        // The duplicate does not count for the latency: 5 µs each.
        assert_eq!((check.latency.samples(), check.latency.percentile_ns(100.0) / 100), (5, 50));
        let mut owed = Owed::default();
        owed.begin(run);
        owed.note(0, 0, 4);
        assert!(!check.has_all(&owed), "/b has not");
        let found = check.found(Some(&owed));
        assert_eq!(found.len(), 2);
        let a = &found[0].verdict;
        assert_eq!(
            (a.duplicates, a.disordered_by_key, a.disordered_by_partition, a.lost),
            (1, 1, 1, 0)
        );
        assert_eq!(found[1].verdict.lost, 3);
    }

    #[test]
    fn a_run_of_which_nothing_came_is_lost() {
        let mut owed = Owed::default();
        owed.begin(5);
        owed.note(0, 0, 9);
        let found = Check::default().found(Some(&owed));
        assert_eq!((found.len(), found[0].verdict.lost), (1, 9));
        assert!(Check::default().found(None).is_empty());
    }
}
