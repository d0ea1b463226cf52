//! What a process takes of the machine, as the kernel counts it.

use std::fmt;
use std::fs;

/// Taken at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// The most memory it has had so far.
    pub peak_rss_kib: u64,
    pub open_files: usize,
}

impl Footprint {
    /// `None` when there is no such process, or it has ended and waits to be noticed.
    pub fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(Self {
            peak_rss_kib: peak.trim().strip_suffix(" kB")?.trim().parse().ok()?,
            open_files: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count(),
        })
    }
}

/// Memory that the process has now, in KiB.
///
/// # Panics
/// When there is no such process.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process of ours");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let value = line.and_then(|line| line.trim().strip_suffix(" kB"));
    value.and_then(|value| value.trim().parse().ok()).expect("proc(5) says so in kB")
}

/// Threads that the process has now.
///
/// # Panics
/// When there is no such process.
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).expect("a process of ours").count()
}

/// User and system time that the process has had, in seconds.
///
/// # Panics
/// When there is no such process.
pub fn cpu_seconds(pid: u32) -> f64 {
    /// Of every Linux that we know.
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process of ours");
    // proc(5): fields 14 and 15; the name, field 2, stands in parentheses and may hold blanks.
    let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks = |field: usize| {
        let text = rest.split_whitespace().nth(field - 3).expect("proc(5) has it");
        text.parse::<f64>().expect("a number")
    };
    (ticks(14) + ticks(15)) / TICKS_A_SECOND
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.peak_rss_kib as f64 / 1024.0;
        write!(f, "peak RSS {mib:.1} MiB, {} open files", self.open_files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_this_process() {
        let before = Footprint::of(std::process::id()).unwrap();
        let files: Vec<_> = (0..50).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        let now = Footprint::of(std::process::id()).unwrap();
        assert!(before.peak_rss_kib > 100 && now.open_files >= 50, "{before:?}, {now:?}");
        drop(files);
        // In this order: a peak rises with what is resident later.
        let resident = resident_kib(std::process::id());
        assert!(resident <= Footprint::of(std::process::id()).unwrap().peak_rss_kib);
        assert!(threads(std::process::id()) >= 1);
        let before = cpu_seconds(std::process::id());
        while cpu_seconds(std::process::id()) < before + 0.05 {}
        assert_eq!(Footprint::of(u32::MAX), None);
    }
}
