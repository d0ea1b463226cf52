//! Several dispatchers in the same groups, which join, leave and are killed while records flow.
//!
//! Each has a number, which stands as a segment behind the paths of its destinations: requests tell who sent them. The
//! stage's own is 0 and has none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::contract::Contract;
use crate::footprint::Footprint;
use crate::process::Dispatcher;
use crate::stage::Stage;
use crate::subscriber::Received;
use crate::wait::SOON;

/// For what is in flight, the commit and the group, when one leaves.
const LEAVE_WITHIN: Duration = Duration::from_secs(60);

/// See the head of this file. What still runs is killed when it is dropped.
pub struct Fleet<'s> {
    stage: &'s Stage,
    joined: BTreeMap<u32, Dispatcher>,
    running: BTreeSet<u32>,
    /// First and last measure of each.
    measured: BTreeMap<u32, (Footprint, Footprint)>,
}

impl<'s> Fleet<'s> {
    /// With the stage's own dispatcher as its only member.
    pub fn of(stage: &'s Stage) -> Self {
        Self {
            stage,
            joined: BTreeMap::new(),
            running: BTreeSet::from([0]),
            measured: BTreeMap::new(),
        }
    }

    /// The numbers of those that run, in the order in which they joined.
    pub fn running(&self) -> Vec<u32> {
        self.running.iter().copied().collect()
    }

    /// Starts one more and returns its number.
    pub fn join(&mut self) -> u32 {
        let number = u32::try_from(self.joined.len() + 1).expect("a few");
        let contract = numbered(&self.stage.contract, number);
        let setup = self.stage.setup.clone().contract(contract.to_bytes());
        self.joined.insert(number, Dispatcher::start(&setup));
        self.running.insert(number);
        number
    }

    /// Ends one at once: SIGKILL.
    pub fn kill(&mut self, number: u32) {
        self.measure();
        self.running.remove(&number);
        self.dispatcher(number).signal("KILL");
        self.dispatcher(number).wait_exit(SOON);
    }

    /// Lets one finish and leave: SIGTERM.
    ///
    /// # Panics
    /// When it does not end in good order.
    pub fn leave(&mut self, number: u32) {
        self.measure();
        self.running.remove(&number);
        let dispatcher = self.dispatcher(number);
        dispatcher.signal("TERM");
        let status = dispatcher.wait_exit(LEAVE_WITHIN);
        assert_eq!(status.code(), Some(0), "dispatcher {number}: {}", dispatcher.printed());
    }

    pub fn dispatcher(&self, number: u32) -> &Dispatcher {
        self.joined.get(&number).unwrap_or(&self.stage.dispatcher)
    }

    /// Notes what those that run take. The first note of each is its "before": call it once they are settled.
    pub fn measure(&mut self) {
        for number in self.running() {
            if let Some(now) = Footprint::of(self.dispatcher(number).pid()) {
                self.measured
                    .entry(number)
                    .and_modify(|(_, last)| *last = now)
                    .or_insert((now, now));
            }
        }
    }

    /// The highest peak of all that were measured.
    pub fn peak_rss_kib(&self) -> u64 {
        self.measured.values().map(|(_, last)| last.peak_rss_kib).max().unwrap_or(0)
    }

    /// One line of what they took: the highest peak of all, and the files of those that run.
    pub fn footprints(&mut self) -> String {
        self.measure();
        let peak = self.peak_rss_kib();
        let files: Vec<_> = self
            .running
            .iter()
            .filter_map(|number| self.measured.get(number))
            .map(|(first, last)| format!("{} before, {} after", first.open_files, last.open_files))
            .collect();
        format!("peak RSS {:.1} MiB, open files {}", peak as f64 / 1024.0, files.join("; "))
    }
}

/// A contract of the stage as the dispatcher of that number has it.
pub fn numbered(contract: &Contract, number: u32) -> Contract {
    let mut contract = contract.clone();
    if number > 0 {
        for resource in &mut contract.resources {
            let egresses = resource.0["egresses"].as_array_mut();
            for egress in egresses.into_iter().flatten() {
                let url =
                    format!("{}/{number}", egress["destination"].as_str().unwrap_or_default());
                egress["destination"] = url.into();
            }
        }
    }
    contract
}

/// The number of the dispatcher that sent a request.
///
/// # Panics
/// When the path is none that a fleet's contracts have.
pub fn sender(request: &Received) -> u32 {
    let mut segments = request.target.split('/').skip(2);
    segments.next().map_or(0, |number| {
        number.parse().unwrap_or_else(|_| panic!("a number behind {}", request.target))
    })
}
