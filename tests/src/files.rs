//! Open files: how many this process may have, and how many another one may have from now on.

use std::fs;
use std::process::{self, Command};

use crate::broker::in_ci;

/// Raises the limit of this process as far as it may go; whether so many connections at once can then be had. If not, it
/// is a loud skip for a person and a failure in CI.
pub fn room_for(connections: u64) -> bool {
    /// For all else that tests have open.
    const OTHERS: u64 = 1_000;
    let hard = limits(process::id()).1;
    let pid = process::id().to_string();
    let raised = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--nofile={hard}:{hard}")])
        .status()
        .is_ok_and(|status| status.success());
    let enough = raised && hard >= connections + OTHERS;
    if !enough {
        let wanted = connections + OTHERS;
        assert!(!in_ci(), "{hard} open files are allowed, {wanted} needed, and CI skips nothing");
        eprintln!("SKIPPED: {hard} open files are allowed, {wanted} needed");
    }
    enough
}

/// The soft and the hard limit of a process.
///
/// # Panics
/// When there is no such process.
pub fn limits(pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).expect("a process of ours");
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    let mut columns = line.expect("proc(5) has it").split_whitespace();
    let mut next = || columns.next().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
    (next(), next())
}

/// Sets the soft limit of a process of ours.
///
/// # Panics
/// When it is above the hard one.
pub fn set_soft_limit(pid: u32, files: u64) {
    let status = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--nofile={files}:")])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "cannot limit {pid} to {files} files");
}

/// How many files it has open.
///
/// # Panics
/// When there is no such process.
pub fn open(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("a process of ours").count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_a_child_is_set() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let (_, hard) = limits(child.id());
        set_soft_limit(child.id(), 17);
        assert_eq!(limits(child.id()), (17, hard));
        assert!(open(child.id()) >= 3);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
