//! What a process has used, from /proc, and which CPUs threads may run on.

use std::fs;
use std::io;
use std::ops::{Add, Sub};

use rustix::param::clock_ticks_per_second;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// CPU time of a process with all of its threads, those that ended included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    pub user_us: f64,
    pub system_us: f64,
}

/// Why a process cannot be looked at.
#[derive(Debug, Error)]
pub enum UsageError {
    #[error("process {pid} cannot be looked at: {error}")]
    Gone { pid: u32, error: io::Error },
    #[error("the CPU time of process {0} is not understood")]
    Odd(u32),
}

/// CPU time of a process so far. In steps of a clock tick, 10 ms as a rule.
///
/// # Errors
/// When there is no such process.
pub fn cpu_of(pid: u32) -> Result<Cpu, UsageError> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(|error| UsageError::Gone { pid, error })?;
    parse_stat(&stat, clock_ticks_per_second() as f64).ok_or(UsageError::Odd(pid))
}

/// CPU time of the threads that a process has now, in nanoseconds: exacter than [`cpu_of`], but
/// threads that have ended are left out, and user and system cannot be told apart.
///
/// # Errors
/// When there is no such process.
pub fn threads_ns(pid: u32) -> Result<u64, UsageError> {
    let gone = |error| UsageError::Gone { pid, error };
    let mut sum = 0_u64;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).map_err(gone)? {
        let path = thread.map_err(gone)?.path().join("schedstat");
        // It may have ended since it was listed.
        let Ok(text) = fs::read_to_string(path) else { continue };
        let ran = text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok());
        sum = sum.saturating_add(ran.ok_or(UsageError::Odd(pid))?);
    }
    Ok(sum)
}

/// The most memory that the process has held at a time, in KiB; 0 when unknown.
pub fn peak_rss_kib(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:")
}

/// The memory that the process holds now, in KiB; 0 when unknown.
pub fn rss_kib(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:")
}

fn status_kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The CPUs that this thread may run on, in ascending order.
pub fn allowed_cpus() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

/// Binds the calling thread, and what it starts from now on, to these CPUs; to none means as it is.
///
/// # Errors
/// When a CPU does not exist or may not be used.
pub fn bind_to(cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for cpu in cpus {
        if *cpu >= CpuSet::MAX_CPU {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        set.set(*cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

impl Cpu {
    pub fn total_us(self) -> f64 {
        self.user_us + self.system_us
    }

    /// Per event; 0 without events.
    #[must_use]
    pub fn per(self, events: u64) -> Self {
        let share = |us: f64| if events == 0 { 0.0 } else { us / events as f64 };
        Self { user_us: share(self.user_us), system_us: share(self.system_us) }
    }
}

impl Add for Cpu {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { user_us: self.user_us + other.user_us, system_us: self.system_us + other.system_us }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            user_us: self.user_us - before.user_us,
            system_us: self.system_us - before.system_us,
        }
    }
}

/// The name of the program stands in parentheses and may hold blanks and parentheses itself.
fn parse_stat(stat: &str, ticks_per_second: f64) -> Option<Cpu> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || Some(fields.next()?.parse::<f64>().ok()? / ticks_per_second * 1e6);
    Some(Cpu { user_us: next()?, system_us: next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_an_odd_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 75 0 0 20 0 3 0 100 200 300";
        let cpu = parse_stat(stat, 100.0).unwrap();
        assert_eq!(cpu, Cpu { user_us: 2_500_000.0, system_us: 750_000.0 });
        assert_eq!(cpu.per(1_000).total_us(), 3_250.0);
        assert_eq!(cpu.per(0).total_us(), 0.0);
        assert_eq!(parse_stat("42 (a", 100.0), None);
    }

    #[test]
    fn own_process_uses_memory_and_a_missing_one_is_told() {
        let pid = std::process::id();
        assert!(rss_kib(pid) > 0 && peak_rss_kib(pid) >= rss_kib(pid) / 2);
        let before = cpu_of(pid).unwrap();
        let mut sum = 0_u64;
        while (cpu_of(pid).unwrap() - before).total_us() < 20_000.0 {
            sum = (0..1_000_000).fold(sum, |sum, step| sum.wrapping_mul(31) ^ step);
        }
        assert_ne!(std::hint::black_box(sum), 1);
        assert!(matches!(cpu_of(u32::MAX), Err(UsageError::Gone { .. })));
    }

    #[test]
    fn threads_of_a_busy_process_have_run() {
        // Of this process threads end, and take their time with them.
        let mut busy =
            std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let before = threads_ns(busy.id());
        let ran = (0..2_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            threads_ns(busy.id()).unwrap() > *before.as_ref().unwrap()
        });
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(ran);
    }

    #[test]
    fn thread_is_bound_where_it_is_told() {
        let Some(cpu) = allowed_cpus().last().copied() else { return };
        std::thread::spawn(move || {
            bind_to(&[cpu]).unwrap();
            assert_eq!(allowed_cpus(), [cpu]);
            assert!(bind_to(&[usize::MAX]).is_err());
        })
        .join()
        .unwrap();
    }
}
