//! What is owed and what came: lost, duplicated and disordered events, told by their ids.
//!
//! An event is owed from the moment that its 2xx answer was read. A stream sends one request at a
//! time, so of two events of a stream with the same key (and so in the same partition) the one with
//! the lower number was acknowledged before the other was sent, and an ordered subscriber must see
//! it first. A repetition of something seen is a duplicate, not a disorder.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::ids::EventId;

/// Numbers of a stream beyond this are not told apart any more; at 10,000/s that is eleven hours.
const NUMBERS_MAX: u64 = 400_000_000;
/// Streams with a key that are watched for their order.
const ORDERS_MAX: usize = 4_000_000;

/// The events that a run owes: for each stream the ranges of numbers that were answered 2xx.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    pub run: u32,
    /// From, and the first no more.
    streams: BTreeMap<u16, Vec<(u64, u64)>>,
}

/// What has come of one run.
#[derive(Debug, Default)]
pub struct Arrivals {
    streams: BTreeMap<u16, Stream>,
    last_of_key: HashMap<(u16, u64), u64>,
    last_of_partition: BTreeMap<(u64, i32), i64>,
    deliveries: u64,
    duplicates: u64,
    disordered_by_key: u64,
    disordered_by_partition: u64,
    beyond: u64,
}

/// The judgement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub owed: u64,
    pub deliveries: u64,
    /// Distinct events that came.
    pub distinct: u64,
    /// Owed and never came.
    pub lost: u64,
    /// Came although the sender never read a 2xx for it; allowed.
    pub not_owed: u64,
    /// Deliveries of what had come already.
    pub duplicates: u64,
    /// First deliveries behind a later event of the same stream and key.
    pub disordered_by_key: u64,
    /// First deliveries behind a later offset of the same partition.
    pub disordered_by_partition: u64,
    /// Some of the lost, as stream and number.
    pub some_lost: Vec<(u16, u64)>,
}

#[derive(Debug, Default)]
struct Stream {
    /// One bit for each number.
    seen: Vec<u64>,
    distinct: u64,
}

impl Owed {
    /// Names the run.
    pub fn begin(&mut self, run: u32) {
        self.run = run;
    }

    /// So many events of a stream from `first` on are owed.
    pub fn note(&mut self, stream: u16, first: u64, events: u64) {
        let ranges = self.streams.entry(stream).or_default();
        let end = first.saturating_add(events);
        match ranges.last_mut() {
            Some(last) if last.1 == first => last.1 = end,
            _ => ranges.push((first, end)),
        }
    }

    /// Takes other streams of the same run over.
    pub fn add(&mut self, other: Self) {
        self.run = other.run;
        for (stream, ranges) in other.streams {
            self.streams.entry(stream).or_default().extend(ranges);
        }
    }

    pub fn count(&self) -> u64 {
        self.numbers().map(|(_, (from, to))| to.saturating_sub(from)).sum()
    }

    fn numbers(&self) -> impl Iterator<Item = (u16, (u64, u64))> {
        self.streams
            .iter()
            .flat_map(|(stream, ranges)| ranges.iter().map(|range| (*stream, *range)))
    }
}

impl Arrivals {
    /// Takes a delivery. `key` is a hash of the partition key, if there is one; `place` is topic (as
    /// a hash), partition and offset of the record, if the request tells. Whether it came for the
    /// first time.
    pub fn note(&mut self, id: &EventId, key: Option<u64>, place: Option<(u64, i32, i64)>) -> bool {
        self.deliveries += 1;
        if id.number >= NUMBERS_MAX {
            self.beyond += 1;
            return true;
        }
        if !self.streams.entry(id.stream).or_default().take(id.number) {
            self.duplicates += 1;
            return false;
        }
        if let Some(key) = key
            && (self.last_of_key.len() < ORDERS_MAX
                || self.last_of_key.contains_key(&(id.stream, key)))
        {
            let last = self.last_of_key.entry((id.stream, key)).or_insert(id.number);
            self.disordered_by_key += u64::from(*last > id.number);
            *last = id.number.max(*last);
        }
        if let Some((topic, partition, offset)) = place {
            let last = self.last_of_partition.entry((topic, partition)).or_insert(offset);
            self.disordered_by_partition += u64::from(*last > offset);
            *last = offset.max(*last);
        }
        true
    }

    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Distinct events that came.
    pub fn distinct(&self) -> u64 {
        self.streams.values().map(|stream| stream.distinct).sum()
    }

    /// Whether all that is owed has come.
    pub fn has_all(&self, owed: &Owed) -> bool {
        // Cheap first: asked again and again while waiting.
        self.distinct() >= owed.count() && self.judge(owed).lost == 0
    }

    pub fn judge(&self, owed: &Owed) -> Verdict {
        let (mut lost, mut some_lost) = (0, Vec::new());
        for (stream, (from, to)) in owed.numbers() {
            let seen = self.streams.get(&stream);
            for number in from..to.min(NUMBERS_MAX) {
                if !seen.is_some_and(|seen| seen.has(number)) {
                    lost += 1;
                    if some_lost.len() < 10 {
                        some_lost.push((stream, number));
                    }
                }
            }
        }
        let distinct = self.distinct();
        Verdict {
            owed: owed.count(),
            deliveries: self.deliveries,
            distinct,
            lost,
            not_owed: distinct.saturating_sub(owed.count().saturating_sub(lost)),
            duplicates: self.duplicates,
            disordered_by_key: self.disordered_by_key,
            disordered_by_partition: self.disordered_by_partition,
            some_lost,
        }
    }
}

impl Stream {
    fn has(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|at| self.seen.get(at));
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Whether it is new.
    fn take(&mut self, number: u64) -> bool {
        if self.has(number) {
            return false;
        }
        let at = usize::try_from(number / 64).unwrap_or(usize::MAX);
        if self.seen.len() <= at {
            self.seen.resize(at + 1, 0);
        }
        if let Some(word) = self.seen.get_mut(at) {
            *word |= 1 << (number % 64);
        }
        self.distinct += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(stream: u16, number: u64) -> EventId {
        EventId { run: 1, stream, number, planned_ns: 0 }
    }

    fn owed(streams: u16, each: u64) -> Owed {
        let mut owed = Owed::default();
        owed.begin(1);
        (0..streams).for_each(|stream| owed.note(stream, 0, each));
        owed
    }

    #[test]
    fn a_faithful_delivery_has_nothing_to_tell() {
        let (owed, mut arrivals) = (owed(3, 1_000), Arrivals::default());
        for number in 0..1_000 {
            for stream in 0..3 {
                let place = Some((0, i32::from(stream), number as i64));
                assert!(arrivals.note(&id(stream, number), Some(number % 5), place));
            }
        }
        assert!(arrivals.has_all(&owed));
        let clean =
            Verdict { owed: 3_000, deliveries: 3_000, distinct: 3_000, ..Verdict::default() };
        assert_eq!(arrivals.judge(&owed), clean);
    }

    #[test]
    fn planted_loss_is_found_and_named() {
        let (mut owed, mut arrivals) = (owed(2, 500), Arrivals::default());
        for number in (0..500).filter(|number| *number != 123) {
            arrivals.note(&id(0, number), None, None);
            arrivals.note(&id(1, number), None, None);
        }
        // Sent, but not acknowledged: owed to nobody.
        arrivals.note(&id(1, 600), None, None);
        assert!(!arrivals.has_all(&owed));
        let verdict = arrivals.judge(&owed);
        assert_eq!((verdict.lost, verdict.not_owed), (2, 1));
        assert_eq!(verdict.some_lost, [(0, 123), (1, 123)]);
        owed.note(7, 0, 3);
        assert_eq!(arrivals.judge(&owed).lost, 5, "a stream of which nothing came");
    }

    #[test]
    fn planted_duplicate_is_found_and_is_no_disorder() {
        let (owed, mut arrivals) = (owed(1, 10), Arrivals::default());
        (0..10).for_each(|number| {
            arrivals.note(&id(0, number), Some(1), Some((0, 0, number as i64)));
        });
        assert!(!arrivals.note(&id(0, 4), Some(1), Some((0, 0, 4))));
        let verdict = arrivals.judge(&owed);
        assert_eq!((verdict.duplicates, verdict.deliveries, verdict.lost), (1, 11, 0));
        assert_eq!((verdict.disordered_by_key, verdict.disordered_by_partition), (0, 0));
    }

    #[test]
    fn planted_disorder_is_found_per_key_and_per_partition() {
        let mut arrivals = Arrivals::default();
        for (number, key, partition) in [(0, 1, 0), (2, 1, 0), (1, 1, 0), (4, 2, 1), (3, 1, 0)] {
            arrivals.note(&id(0, number), Some(key), Some((9, partition, number as i64)));
        }
        let verdict = arrivals.judge(&Owed::default());
        assert_eq!((verdict.disordered_by_key, verdict.disordered_by_partition), (1, 1));
        // Other streams owe no order to this one, other topics' offsets say nothing.
        arrivals.note(&id(1, 0), Some(1), Some((8, 0, 0)));
        assert_eq!(arrivals.judge(&Owed::default()).disordered_by_key, 1);
        assert_eq!(arrivals.judge(&Owed::default()).disordered_by_partition, 1);
    }

    #[test]
    fn gaps_of_refused_requests_are_not_owed() {
        let mut owed = Owed::default();
        owed.note(0, 0, 2);
        owed.note(0, 4, 2);
        let mut arrivals = Arrivals::default();
        for number in [0, 1, 4, 5] {
            arrivals.note(&id(0, number), None, None);
        }
        assert_eq!(owed.count(), 4);
        assert!(arrivals.has_all(&owed));
        let text = serde_json::to_string(&owed).unwrap();
        assert_eq!(serde_json::from_str::<Owed>(&text).unwrap(), owed);
    }
}
