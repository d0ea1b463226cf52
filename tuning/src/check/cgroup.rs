//! Limits and counters of our control groups, version 1 or 2, from our own group up to the root of what is visible.
//!
//! Where they lie, and the CPU quota, say `millrace_shard::topology::cgroup`: what counts is what the programs read.

use std::fs;
use std::path::Path;

use millrace_shard::topology::cgroup::{Folders, Version, folders};

/// How often the CPU quota stopped the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Throttling {
    pub(super) periods: u64,
    pub(super) throttled: u64,
}

/// What the groups say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    pub(super) throttling: Option<Throttling>,
    /// Bytes; the tightest limit.
    pub(super) memory_max: Option<u64>,
    /// Times that the kernel killed something in our own group for want of memory.
    pub(super) oom_kills: u64,
    /// The tightest bound of processes and threads.
    pub(super) pids_max: Option<u64>,
}

/// Version 1 tells "no limit" by a number near the largest; nobody has such memory.
const UNLIMITED_V1: u64 = 1 << 60;

/// Reads below `root`, which is `/` but for tests.
pub(super) fn read(root: &Path) -> Groups {
    let [cpu, memory, pids] = ["cpu", "memory", "pids"].map(|controller| {
        let none = Folders { version: Version::Two, own_to_root: Vec::new() };
        folders(root, controller).into_iter().next().unwrap_or(none)
    });
    let own = |folders: &Folders, name: &str, key: &str| {
        let text = fs::read_to_string(folders.own_to_root.first()?.join(name)).ok()?;
        keyed(&text, key)
    };
    let least = |folders: &Folders, name: &str| {
        let texts = folders.own_to_root.iter().filter_map(|folder| {
            fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok()
        });
        texts.filter(|value| *value < UNLIMITED_V1).min()
    };
    let throttling = own(&cpu, "cpu.stat", "nr_periods")
        .zip(own(&cpu, "cpu.stat", "nr_throttled"))
        .map(|(periods, throttled)| Throttling { periods, throttled });
    let (limit, kills) = match memory.version {
        Version::One => ("memory.limit_in_bytes", "memory.oom_control"),
        Version::Two => ("memory.max", "memory.events"),
    };
    Groups {
        throttling,
        memory_max: least(&memory, limit),
        oom_kills: own(&memory, kills, "oom_kill").unwrap_or(0),
        pids_max: least(&pids, "pids.max"),
    }
}

/// The value behind a key of a file with one `key value` a line.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: &[(&str, &str)]) -> Groups {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        read(root.path())
    }

    #[test]
    fn version_2_takes_the_tightest_limit_on_the_way_up() {
        let groups = with(&[
            ("proc/self/cgroup", "0::/pod/app\n"),
            ("proc/self/mountinfo", "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
            ("sys/fs/cgroup/pod/memory.max", "67108864\n"),
            ("sys/fs/cgroup/pod/app/memory.max", "max\n"),
            ("sys/fs/cgroup/pod/app/memory.events", "low 0\noom 3\noom_kill 2\n"),
            ("sys/fs/cgroup/pod/app/cpu.stat", "usage_usec 5\nnr_periods 10\nnr_throttled 4\n"),
            ("sys/fs/cgroup/pod/pids.max", "100\n"),
            ("sys/fs/cgroup/pod/app/pids.max", "200\n"),
        ]);
        assert_eq!(groups.memory_max, Some(67_108_864));
        assert_eq!(groups.oom_kills, 2);
        assert_eq!(groups.throttling, Some(Throttling { periods: 10, throttled: 4 }));
        assert_eq!(groups.pids_max, Some(100));
    }

    #[test]
    fn version_1_has_a_folder_for_each_controller() {
        let groups = with(&[
            ("proc/self/cgroup", "9:pids:/\n4:memory:/kube/app\n2:cpu,cpuacct:/kube/app\n0::/\n"),
            (
                "proc/self/mountinfo",
                "31 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                 32 25 0:28 /kube /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                 33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            ),
            ("sys/fs/cgroup/memory/app/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n"),
            ("sys/fs/cgroup/memory/app/memory.oom_control", "under_oom 0\noom_kill 1\n"),
            ("sys/fs/cgroup/cpu/kube/app/cpu.stat", "nr_periods 7\nnr_throttled 0\n"),
        ]);
        assert_eq!(groups.memory_max, Some(134_217_728));
        assert_eq!(groups.oom_kills, 1);
        assert_eq!(groups.throttling, Some(Throttling { periods: 7, throttled: 0 }));
        assert_eq!(groups.pids_max, None);
    }

    #[test]
    fn nothing_readable_is_no_limit() {
        assert_eq!(with(&[]), Groups::default());
    }
}
