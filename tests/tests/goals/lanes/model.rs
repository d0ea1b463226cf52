//! What a naive reader of partitions may do, told what subscribers saw and what was committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A partition of an egress, by the egress's name.
pub(super) type Place = (String, i32);

/// All that was seen. Clones are the same model.
#[derive(Clone, Default)]
pub(super) struct Model(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    partitions: BTreeMap<Place, Partition>,
    /// Dispatchers died; what they had not committed may come again.
    deaths: bool,
    wrong: Vec<String>,
    attempts: u64,
}

#[derive(Default)]
struct Partition {
    /// When the answer that settles a record is due: it is sent then, or later.
    settled: BTreeMap<i64, Instant>,
    /// When the answers of attempts under way are due.
    under_way: BTreeMap<i64, Instant>,
    /// What was attempted last, where order matters.
    last: Option<i64>,
    committed: i64,
    repeated: BTreeSet<i64>,
}

/// What a check of order and bounds needs to know of an egress.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) ordered: bool,
    /// Attempts at a time, over all members.
    pub(super) under_way_max: usize,
}

impl Partition {
    /// Not settled for sure, as an answer may be late; but without this it is not.
    fn may_be_settled(&self, offset: i64, now: Instant) -> bool {
        offset < self.committed || self.settled.get(&offset).is_some_and(|due| *due <= now)
    }

    fn is_under_way(&self, now: Instant) -> bool {
        self.under_way.values().any(|due| *due > now)
    }
}

impl Seen {
    /// See [`Model::attempt`].
    fn attempt(
        &mut self,
        place: &Place,
        rules: Rules,
        offset: i64,
        now: Instant,
        due: Instant,
        settles: bool,
    ) {
        self.attempts += 1;
        let deaths = self.deaths;
        let partition = self.partitions.entry(place.clone()).or_default();
        let mut wrong = Vec::new();
        if offset < partition.committed {
            wrong.push(format!("{offset} comes after {} was committed", partition.committed));
        }
        if partition.may_be_settled(offset, now) {
            if !deaths {
                wrong.push(format!("{offset} comes again though it is settled and nobody died"));
            }
            partition.repeated.insert(offset);
        }
        if rules.ordered {
            let before = partition.last.replace(offset);
            let next = before.is_none_or(|before| offset == before || offset == before + 1);
            let replay = deaths && before.is_some_and(|before| offset < before);
            if !next && !replay {
                wrong.push(format!("{offset} comes after {before:?}"));
            }
            if partition.is_under_way(now) && !deaths {
                wrong.push(format!("{offset} comes beside {:?}", partition.under_way));
            }
            let gap = before
                .filter(|before| offset == before + 1 && !partition.may_be_settled(*before, now));
            if let Some(open) = gap {
                wrong.push(format!("{offset} comes before {open} is settled"));
            }
        }
        partition.under_way.insert(offset, due);
        if settles {
            partition.settled.insert(offset, due);
        }
        let of_egress = self.partitions.iter().filter(|((name, _), _)| *name == place.0);
        let under_way = of_egress
            .map(|(_, partition)| partition.under_way.values().filter(|due| **due > now).count());
        let under_way: usize = under_way.sum();
        if under_way > rules.under_way_max && !deaths {
            wrong.push(format!("{under_way} are under way at a time"));
        }
        self.wrong.extend(wrong.into_iter().map(|wrong| format!("{place:?}: {wrong}")));
    }
}

impl Model {
    /// A subscriber got a record and will answer after `delay`; `settles` when that answer is its end.
    pub(super) fn attempt(
        &self,
        place: &Place,
        rules: Rules,
        offset: i64,
        delay: Duration,
        settles: bool,
    ) {
        let mut seen = self.0.lock().unwrap();
        // Not before there is the lock: of an older time more would be under way than ever were at once, namely all
        // that came and went on other partitions since.
        let now = Instant::now();
        seen.attempt(place, rules, offset, now, now + delay, settles);
    }

    /// The dead letter sink got a record and will take it at `due`.
    pub(super) fn dead_letter(&self, place: &Place, offset: i64, due: Instant) {
        let mut seen = self.0.lock().unwrap();
        let partition = seen.partitions.entry(place.clone()).or_default();
        partition.settled.insert(offset, due);
        partition.under_way.insert(offset, due);
    }

    /// This was found committed at `now` at the latest.
    pub(super) fn committed(&self, place: &Place, offset: i64, now: Instant) {
        let mut seen = self.0.lock().unwrap();
        let partition = seen.partitions.entry(place.clone()).or_default();
        let mut wrong = Vec::new();
        if offset < partition.committed {
            wrong.push(format!("the commit goes back from {} to {offset}", partition.committed));
        }
        let open =
            (partition.committed..offset).find(|offset| !partition.may_be_settled(*offset, now));
        if let Some(open) = open {
            wrong.push(format!("{offset} is committed, and {open} is open"));
        }
        partition.committed = partition.committed.max(offset);
        // What is committed cannot matter again.
        partition.settled = partition.settled.split_off(&partition.committed);
        partition.under_way.retain(|_, due| *due > now);
        seen.wrong.extend(wrong.into_iter().map(|wrong| format!("{place:?}: {wrong}")));
    }

    /// From now on records may be repeated.
    pub(super) fn somebody_dies(&self) {
        self.0.lock().unwrap().deaths = true;
    }

    pub(super) fn attempts(&self) -> u64 {
        self.0.lock().unwrap().attempts
    }

    pub(super) fn repeated(&self) -> usize {
        self.0.lock().unwrap().partitions.values().map(|partition| partition.repeated.len()).sum()
    }

    /// # Panics
    /// When something was seen that must not be.
    pub(super) fn assert_right(&self) {
        let wrong = self.0.lock().unwrap().wrong.clone();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// The model must be able to say no.
#[cfg(test)]
mod tests {
    use super::*;

    impl Model {
        fn told(
            &self,
            place: &Place,
            rules: Rules,
            offset: i64,
            now: Instant,
            due: Instant,
            settles: bool,
        ) {
            self.0.lock().unwrap().attempt(place, rules, offset, now, due, settles);
        }
    }

    const ORDERED: Rules = Rules { ordered: true, under_way_max: 2 };
    const UNORDERED: Rules = Rules { ordered: false, under_way_max: 2 };

    fn wrong(tell: impl FnOnce(&Model, &Place, Instant)) -> Vec<String> {
        let model = Model::default();
        tell(&model, &("e".to_owned(), 0), Instant::now());
        let seen = model.0.lock().unwrap();
        seen.wrong.clone()
    }

    #[test]
    fn right_runs_are_right() {
        let found = wrong(|model, place, now| {
            let later = now + Duration::from_secs(1);
            model.told(place, ORDERED, 0, now, later, false);
            model.told(place, ORDERED, 0, later, later, true);
            model.told(place, ORDERED, 1, later, later, true);
            model.committed(place, 1, later);
            model.committed(place, 2, later);
        });
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn each_wrong_is_seen() {
        let second = Duration::from_secs(1);
        type Tell = fn(&Model, &Place, Instant, Instant);
        let table: [(&str, Tell); 7] = [
            ("comes beside", |model, place, now, later| {
                model.told(place, ORDERED, 0, now, later, true);
                model.told(place, ORDERED, 0, now, later, true);
            }),
            ("before 0 is settled", |model, place, now, _| {
                model.told(place, ORDERED, 0, now, now, false);
                model.told(place, ORDERED, 1, now, now, true);
            }),
            ("2 comes after Some(0)", |model, place, now, _| {
                model.told(place, ORDERED, 0, now, now, true);
                model.told(place, ORDERED, 2, now, now, true);
            }),
            ("nobody died", |model, place, now, _| {
                model.told(place, UNORDERED, 0, now, now, true);
                model.told(place, UNORDERED, 0, now, now, true);
            }),
            ("at a time", |model, place, now, later| {
                (0..3).for_each(|offset| model.told(place, UNORDERED, offset, now, later, true));
            }),
            ("0 is open", |model, place, now, later| {
                model.told(place, UNORDERED, 0, now, later, true);
                model.committed(place, 1, now);
            }),
            ("goes back", |model, place, now, _| {
                model.told(place, UNORDERED, 0, now, now, true);
                model.committed(place, 1, now);
                model.committed(place, 0, now);
            }),
        ];
        for (words, tell) in table {
            let found = wrong(|model, place, now| tell(model, place, now, now + second));
            assert!(found.iter().any(|found| found.contains(words)), "{words}: {found:?}");
        }
    }
}
