//! Where a figure was measured: machine, kernel, commit.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// What a reader must know before comparing figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// As the kernel names it.
    pub cpu: String,
    /// Of the machine; which of them were used is among the settings.
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    /// Of the repository that this program was built from, as it is checked out now.
    pub commit: String,
    /// Whether this program was built with optimisation.
    pub optimised: bool,
}

impl Machine {
    /// Looks around. What cannot be found out is "unknown".
    pub fn here() -> Self {
        let unknown = || "unknown".to_owned();
        let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = file("/proc/cpuinfo");
        Self {
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            cpu: field(&cpuinfo, "model name").unwrap_or_else(unknown),
            memory_mib: kib(&file("/proc/meminfo"), "MemTotal") / 1024,
            kernel: Some(file("/proc/sys/kernel/osrelease").trim().to_owned())
                .filter(|kernel| !kernel.is_empty())
                .unwrap_or_else(unknown),
            commit: commit().unwrap_or_else(unknown),
            optimised: !cfg!(debug_assertions),
        }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let build = if self.optimised { "" } else { ", NOT OPTIMISED (debug build)" };
        format!(
            "{}, {} cores, {} MiB, Linux {}, commit {}{build}",
            self.cpu, self.cores, self.memory_mib, self.kernel, self.commit
        )
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kib(text: &str, name: &str) -> u64 {
    field(text, name).and_then(|value| value.split(' ').next()?.parse().ok()).unwrap_or(0)
}

fn commit() -> Option<String> {
    let mut git = Command::new("git");
    git.current_dir(env!("CARGO_MANIFEST_DIR"));
    git.args(["describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]);
    let output = git.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_name() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nMemTotal:  2048 kB\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Some CPU @ 2 GHz"));
        assert_eq!(kib(text, "MemTotal"), 2048);
        assert_eq!(field(text, "absent"), None);
    }

    #[test]
    fn this_machine_has_a_kernel_and_cores() {
        let machine = Machine::here();
        assert!(machine.cores > 0 && machine.memory_mib > 0, "{machine:?}");
        assert!(machine.kernel.contains('.'), "{machine:?}");
    }
}
