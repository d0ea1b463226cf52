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
        assert_eq!(Footprint::of(u32::MAX), None);
    }
}
