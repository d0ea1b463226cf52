//! What a process takes over time: whether its memory, files and threads stay where they are.

use std::fmt;
use std::time::{Duration, Instant};

use millrace_tests::footprint::{Footprint, resident_kib, threads};

/// Files of one moment: a socket that was closed between two counts of the same look, a connection that is made anew.
const FILES_OF_CHANCE: usize = 2;

/// One process, looked at now and then.
pub(crate) struct Drift {
    what: &'static str,
    pid: u32,
    looks: Vec<Look>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    rss_kib: u64,
    files: usize,
    threads: usize,
}

impl Drift {
    pub(crate) fn of(what: &'static str, pid: u32) -> Self {
        Self { what, pid, looks: Vec::new() }
    }

    /// Looks at it once. `pool` are connections that come and go by rules of their own, and do not count.
    pub(crate) fn look(&mut self, pool: usize) {
        let files = Footprint::of(self.pid).expect("it runs").open_files.saturating_sub(pool);
        let (rss_kib, threads) = (resident_kib(self.pid), threads(self.pid));
        self.looks.push(Look { at: Instant::now(), rss_kib, files, threads });
    }

    /// How fast memory grew, in MiB an hour: the line with the least squares through all looks.
    pub(crate) fn mib_an_hour(&self) -> f64 {
        let Some(first) = self.looks.first() else { return 0.0 };
        let hours = |look: &Look| look.at.duration_since(first.at).as_secs_f64() / 3_600.0;
        slope(self.looks.iter().map(|look| (hours(look), look.rss_kib as f64 / 1024.0)))
    }

    /// What the last look saw above the first, in KiB.
    pub(crate) fn grown_kib(&self) -> u64 {
        let ends = self.looks.first().zip(self.looks.last());
        ends.map_or(0, |(first, last)| last.rss_kib.saturating_sub(first.rss_kib))
    }

    /// Over how long it was looked at.
    pub(crate) fn spans(&self) -> Duration {
        let ends = self.looks.first().zip(self.looks.last());
        ends.map_or(Duration::ZERO, |(first, last)| last.at.duration_since(first.at))
    }

    /// No file and no thread was left over: of each the least of the last third is that of the first third.
    ///
    /// # Panics
    /// When it is not.
    pub(crate) fn assert_nothing_left_over(&self) {
        let [before, after] = self.least_files();
        assert!(before.abs_diff(after) <= FILES_OF_CHANCE, "{self}: open files");
        let [before, after] = self.least_threads();
        assert_eq!(before, after, "{self}: threads");
    }

    fn least_files(&self) -> [usize; 2] {
        self.thirds().map(|third| third.iter().map(|look| look.files).min().unwrap_or(0))
    }

    fn least_threads(&self) -> [usize; 2] {
        self.thirds().map(|third| third.iter().map(|look| look.threads).min().unwrap_or(0))
    }

    /// The first and the last.
    fn thirds(&self) -> [&[Look]; 2] {
        let (third, all) = (self.looks.len() / 3, self.looks.len());
        assert!(third > 0, "looked at too seldom: {all} times");
        [&self.looks[..third], &self.looks[all - third..]]
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rss = self.looks.iter().map(|look| look.rss_kib as f64 / 1024.0);
        let (least, most) =
            rss.fold((f64::MAX, 0.0_f64), |(least, most), mib| (least.min(mib), most.max(mib)));
        let ([files, files_after], [threads, threads_after]) =
            (self.least_files(), self.least_threads());
        write!(
            f,
            "{}: RSS {least:.1} to {most:.1} MiB, {:+.1} MiB an hour over {:.0?}; open files {files}, then \
             {files_after}; threads {threads}, then {threads_after}",
            self.what,
            self.mib_an_hour(),
            self.spans(),
        )
    }
}

/// Of the line with the least squares through these points; 0 when they do not give one.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count() as f64;
    let mean = |of: fn((f64, f64)) -> f64| points.clone().map(of).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|(x, _)| x), mean(|(_, y)| y));
    let covariance: f64 = points.clone().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let variance: f64 = points.map(|(x, _)| (x - x_mean).powi(2)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

#[test]
fn slope_is_that_of_the_line_and_is_not_moved_by_even_noise() {
    let line = (0..100).map(|x| (f64::from(x), 3.0 + 0.25 * f64::from(x)));
    assert!((slope(line) - 0.25).abs() < 1e-9);
    let noisy = (0..100).map(|x| (f64::from(x), 7.0 + f64::from(x % 2)));
    assert!(slope(noisy).abs() < 0.01);
    assert!(
        slope(std::iter::empty()).abs() < 1e-9 && slope(std::iter::once((1.0, 2.0))).abs() < 1e-9
    );
}

#[test]
fn a_leak_shows_in_the_least_of_the_last_third_and_a_moment_does_not() {
    let drift = |files: [usize; 6]| {
        let at = Instant::now();
        let looks = files.map(|files| Look { at, rss_kib: 1, files, threads: 3 });
        Drift { what: "it", pid: 0, looks: looks.to_vec() }
    };
    assert_eq!(drift([9, 5, 6, 6, 5, 50]).least_files(), [5, 5]);
    assert_eq!(drift([5, 6, 7, 8, 9, 10]).least_files(), [5, 9]);
    drift([9, 5, 6, 6, 5, 50]).assert_nothing_left_over();
    let leaks = || drift([5, 6, 7, 8, 9, 10]).assert_nothing_left_over();
    assert!(std::panic::catch_unwind(leaks).is_err());
}
