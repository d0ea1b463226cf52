//! What the programs of a run take of the machine: first and last measure of each kind, and the highest peak.

use std::collections::BTreeMap;
use std::fmt;

use millrace_tests::footprint::Footprint;

/// Files that may be open at one moment and not at another: connections of clients and brokers, scrapes.
const FILES_OF_CHANCE: usize = 30;

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Usage(BTreeMap<&'static str, Measured>);

#[derive(Debug)]
struct Measured {
    first: Footprint,
    last: Footprint,
    peak_rss_kib: u64,
}

impl Usage {
    /// Notes what a process takes now, unless it has ended.
    pub(crate) fn note(&mut self, kind: &'static str, pid: u32) {
        self.note_beside(kind, pid, 0);
    }

    /// [`Self::note`] without so many files, such as the connections of a pool.
    pub(crate) fn note_beside(&mut self, kind: &'static str, pid: u32, files: usize) {
        let Some(mut now) = Footprint::of(pid) else { return };
        now.open_files = now.open_files.saturating_sub(files);
        let measured =
            self.0.entry(kind).or_insert(Measured { first: now, last: now, peak_rss_kib: 0 });
        measured.last = now;
        measured.peak_rss_kib = measured.peak_rss_kib.max(now.peak_rss_kib);
    }

    /// The highest of all.
    pub(crate) fn peak_rss_kib(&self) -> u64 {
        self.0.values().map(|measured| measured.peak_rss_kib).max().unwrap_or(0)
    }

    /// Faults leave no files open.
    pub(crate) fn assert_flat(&self) {
        for (kind, measured) in &self.0 {
            let (before, after) = (measured.first.open_files, measured.last.open_files);
            assert!(
                after <= before + FILES_OF_CHANCE,
                "{kind}: {before} files before, {after} after"
            );
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kind, measured)) in self.0.iter().enumerate() {
            let Measured { first, last, peak_rss_kib } = measured;
            let mib = *peak_rss_kib as f64 / 1024.0;
            let comma = if at == 0 { "" } else { ", " };
            let (before, after) = (first.open_files, last.open_files);
            write!(
                f,
                "{comma}{kind}: peak RSS {mib:.1} MiB, open files {before} before, {after} after"
            )?;
        }
        Ok(())
    }
}
