//! What a record costs that the filter of an egress drops, against only consuming it.
//!
//! The first and the last record of each partition pass every filter. The first of them to arrive starts
//! the clock, as the first batch does for F3; once all have arrived the topic has been read.

use std::sync::atomic::AtomicU64;

use millrace_kafka::{Headers, partition_of};
use serde_json::{Value, json};

use super::GoalsArguments;
use super::bed::{Bed, Drained, Failure, each, since, turns, until_count};
use super::judge::{Findings, Goal, unmixed};
use crate::floor::part::PartFigures;
use crate::floor::record;
use crate::floor::rig::fixed_server;
use crate::products::{Changes, Product, egress, egresses};
use crate::stats::ratios;
use crate::usage;

const TOPIC: &str = "filtered";
const MARK: &str = "com.example.mark";
/// Types of the records between the marks, as many of each.
const KINDS: u64 = 10;
const PASSED_SHARE: f64 = 0.1;
const ID: &str = "00c0ffee-0001-0000000002-0000000000000003";

/// A topic whose partitions begin and end with marks.
struct Marked {
    partitions: u64,
    records: u64,
    first: Vec<String>,
}

/// What an egress lets pass beside the marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    Nothing,
    Tenth,
    Everything,
}

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let bed = Bed::new(arguments)?;
    bed.topic(TOPIC, arguments.partitions)?;
    let marked = Marked::new(arguments.partitions, bed.room(arguments.partitions))?;
    bed.fill_with(TOPIC, marked.records, |index| marked.describe(index))?;
    let (answered, port) = fixed_server(arguments.epoll)?;
    let results = turns(arguments.rounds, 4, |side| match side {
        0 => consume(&bed, marked.records),
        1 => dispatch(&bed, &marked, Passes::Nothing, (&answered, port)),
        2 => dispatch(&bed, &marked, Passes::Tenth, (&answered, port)),
        _ => dispatch(&bed, &marked, Passes::Everything, (&answered, port)),
    })?;
    let costs: Vec<Vec<f64>> = results.iter().map(|side| each(side, Drained::cost_us)).collect();
    let [consumed, nothing, tenth, everything] = costs.as_slice() else {
        return Err("a side is missing".into());
    };
    let mut found = Findings::default();
    let dropped = unmixed(tenth, everything, PASSED_SHARE);
    let goal = Goal::AtMost(1.3);
    found.goal("a dropped event of 90 % ÷ F3, CPU", "", goal, ratios(&dropped, consumed));
    found.goal("a dropped event of 100 % ÷ F3, CPU", "", goal, ratios(nothing, consumed));
    for (name, costs) in [
        ("F3, a record", consumed),
        ("all dropped, an event", nothing),
        ("90 % dropped, an event on average", tenth),
        ("of it a dropped one", &dropped),
        ("all delivered, an event", everything),
    ] {
        found.beside(name, "µs", costs.clone());
    }
    found.notes.push(
        "A dropped event of 90 %: the average less the delivered tenth, each at the cost of an event when \
         all are delivered."
            .to_owned(),
    );
    Ok(found)
}

fn consume(bed: &Bed<'_>, records: u64) -> Result<Drained, Failure> {
    let (bootstrap, group) = (bed.bootstrap(), bed.new_group());
    let figures: PartFigures =
        bed.part(&["consume", &bootstrap, TOPIC, &group, &records.to_string()])?;
    let (events, seconds) = (figures.events, figures.seconds);
    Ok(Drained { events, seconds, cpu_us: figures.cpu.total_us() })
}

fn dispatch(
    bed: &Bed<'_>,
    marked: &Marked,
    passes: Passes,
    (answered, port): (&AtomicU64, u16),
) -> Result<Drained, Failure> {
    let count = since(answered);
    let mut egress = egress("2", &bed.new_group(), false, &format!("http://127.0.0.1:{port}/"));
    if let (Some(filter), Some(egress)) = (passes.filter(), egress.as_object_mut()) {
        egress.insert("dialectedFilter".to_owned(), filter);
    }
    let resource = egresses("1", &bed.bootstrap(), TOPIC, vec![egress]);
    let cpus = &bed.arguments.cpus.0;
    let dispatcher = Product::dispatcher_of(&[resource], cpus, &Changes::default())?;
    let pid = dispatcher.program.pid();
    let began = until_count(&count, 1)?;
    let used = usage::threads_ns(pid)?;
    let ended = until_count(&count, marked.passing(passes))?;
    let cpu_us = usage::threads_ns(pid)?.saturating_sub(used) as f64 / 1e3;
    Ok(Drained { events: marked.records, seconds: (ended - began) as f64 / 1e9, cpu_us })
}

impl Passes {
    fn filter(self) -> Option<Value> {
        let exact = |kind: &str| json!({ "exact": { "attributes": { "type": kind } } });
        match self {
            Self::Nothing => Some(json!([exact(MARK)])),
            Self::Tenth => Some(json!([{ "any": { "filters": [exact(MARK), exact(&kind(0))] } }])),
            Self::Everything => None,
        }
    }
}

impl Marked {
    /// With at least one record between the marks of a partition.
    fn new(partitions: u32, room: u64) -> Result<Self, Failure> {
        let count = i32::try_from(partitions)?;
        let key_of = |partition: i32| {
            let mut keys = (0..100_000_u32).map(|number| format!("mark-{number}"));
            keys.find(|key| partition_of(key.as_bytes(), count) == Some(partition))
        };
        let first: Option<Vec<String>> = (0..count).map(key_of).collect();
        let first = first.ok_or("no key for a partition")?;
        let partitions = u64::from(partitions);
        Ok(Self { partitions, records: room.max(partitions * 3), first })
    }

    fn describe(&self, index: u64) -> (Option<String>, Headers) {
        match self.mark(index) {
            Some(key) => (Some(key.to_owned()), record::event(ID, MARK, Some(key))),
            None => (None, record::event(ID, &kind(index), None)),
        }
    }

    /// The key of a record that is a mark.
    fn mark(&self, index: u64) -> Option<&str> {
        let at = if index < self.partitions {
            index
        } else {
            index.checked_sub(self.records - self.partitions)?
        };
        self.first.get(usize::try_from(at).ok()?).map(String::as_str)
    }

    /// Records that arrive.
    fn passing(&self, passes: Passes) -> u64 {
        let tenth = |index: &u64| self.mark(*index).is_none() && index.is_multiple_of(KINDS);
        match passes {
            Passes::Nothing => self.partitions * 2,
            Passes::Tenth => self.partitions * 2 + (0..self.records).filter(tenth).count() as u64,
            Passes::Everything => self.records,
        }
    }
}

fn kind(index: u64) -> String {
    format!("com.example.load.{:04}", index % KINDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_first_and_last_in_each_partition() {
        let marked = Marked::new(4, 100).unwrap();
        let marks: Vec<u64> = (0..100).filter(|index| marked.mark(*index).is_some()).collect();
        assert_eq!(marks, [0, 1, 2, 3, 96, 97, 98, 99]);
        let places = |from: u64| -> Vec<Option<i32>> {
            let of = |index| partition_of(marked.mark(index).unwrap().as_bytes(), 4);
            (from..from + 4).map(of).collect()
        };
        assert_eq!(places(0), (0..4).map(Some).collect::<Vec<_>>());
        assert_eq!(places(96), places(0));
    }

    #[test]
    fn what_passes_is_counted_as_the_filters_do() {
        let marked = Marked::new(4, 100).unwrap();
        assert_eq!(marked.passing(Passes::Nothing), 8);
        // 10, 20, … 90: 0 is a mark.
        assert_eq!(marked.passing(Passes::Tenth), 8 + 9);
        assert_eq!(marked.passing(Passes::Everything), 100);
        assert_eq!(Marked::new(12, 1).unwrap().records, 36);
    }
}
