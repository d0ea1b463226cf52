//! Which ingresses exist at each generation, and between which generations a moment lies.

use std::collections::BTreeSet;
use std::sync::Mutex;

use millrace_tests::process::Running;

/// See the head of this file. Turns count from 0, the generation of a turn is one more.
pub(super) struct Timeline(Mutex<Known>);

struct Known {
    /// By turn.
    paths: Vec<BTreeSet<String>>,
    /// What the receiver said last that it has taken in. It may not be in force everywhere yet.
    taken: u64,
    /// What it had taken in before: in force, as it takes one after the other.
    settled: u64,
}

/// What may be expected of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    There,
    Absent,
    Either,
}

impl Timeline {
    pub(super) fn beginning_with(paths: Vec<String>) -> Self {
        let paths = vec![paths.into_iter().collect()];
        Self(Mutex::new(Known { paths, taken: 0, settled: 0 }))
    }

    /// Tell it before the file is written.
    pub(super) fn write(&self, turn: u64, paths: Vec<String>) {
        let mut known = self.0.lock().unwrap();
        assert_eq!(known.paths.len() as u64, turn, "turns come one after the other");
        known.paths.push(paths.into_iter().collect());
    }

    /// Asks the program and returns the last turn that is surely in force.
    pub(super) fn settled(&self, program: &Running) -> u64 {
        let turn = generation(program).saturating_sub(1);
        let mut known = self.0.lock().unwrap();
        if turn > known.taken {
            known.settled = known.taken;
            known.taken = turn;
        }
        known.settled
    }

    /// The last turn that was, or is just being, written.
    pub(super) fn last(&self) -> u64 {
        self.0.lock().unwrap().paths.len() as u64 - 1
    }

    /// What exists at a turn.
    pub(super) fn paths(&self, turn: u64) -> BTreeSet<String> {
        self.0.lock().unwrap().paths[usize::try_from(turn).unwrap()].clone()
    }

    /// Of an answer given when one of these turns was in force.
    pub(super) fn expected(&self, path: &str, first: u64, last: u64) -> Expected {
        let known = self.0.lock().unwrap();
        let turns = usize::try_from(first).unwrap()..=usize::try_from(last).unwrap();
        let there: BTreeSet<bool> = known.paths[turns].iter().map(|it| it.contains(path)).collect();
        match (there.contains(&true), there.contains(&false)) {
            (true, false) => Expected::There,
            (false, true) => Expected::Absent,
            _ => Expected::Either,
        }
    }
}

/// What a program says of its contract.
pub(super) fn generation(program: &Running) -> u64 {
    program.scrape().sum("millrace_contract_generation", &[]) as u64
}

#[test]
fn a_path_is_judged_by_all_turns_that_may_be_in_force() {
    let one = || vec!["/a".to_owned()];
    let timeline = Timeline::beginning_with(one());
    timeline.write(1, one());
    timeline.write(2, Vec::new());
    assert_eq!(timeline.expected("/a", 0, 1), Expected::There);
    assert_eq!(timeline.expected("/a", 1, 2), Expected::Either);
    assert_eq!(timeline.expected("/a", 2, 2), Expected::Absent);
    assert_eq!((timeline.last(), timeline.paths(2).len()), (2, 0));
}
