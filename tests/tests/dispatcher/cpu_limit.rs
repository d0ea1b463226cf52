//! A control group with a CPU quota, as a container's CPU limit makes one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use millrace_tests::rig::unique;
use millrace_tests::setup::new_folder;
use millrace_tests::wait::{SOON, within};

const PERIOD_US: u32 = 100_000;

/// The group; removed when dropped, by when the programs in it must have ended.
pub(crate) struct CpuLimit {
    group: PathBuf,
    starter: PathBuf,
}

impl CpuLimit {
    /// A group with this quota. `None`, with a loud word, where none can be made: in most containers nobody may, CI's
    /// perhaps among them. How a quota is read is proven without one (`millrace_shard::topology`).
    pub(crate) fn of(cores: f64) -> Option<Self> {
        let made = Self::try_of((cores * f64::from(PERIOD_US)).round());
        if made.is_none() {
            eprintln!("SKIPPED: control groups with a CPU quota cannot be made here");
        }
        made
    }

    fn try_of(quota_us: f64) -> Option<Self> {
        let name = format!("millrace-tests-{}", unique());
        let groups = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let limit =
            groups.lines().filter_map(|line| mounted(line, &name)).find_map(|(group, kind)| {
                fs::create_dir(&group).ok()?;
                let limit = Self { starter: new_folder().join("in-group"), group };
                let written = match kind {
                    Version::One => {
                        let period = limit.write("cpu.cfs_period_us", &PERIOD_US.to_string());
                        period.and_then(|()| limit.write("cpu.cfs_quota_us", &quota_us.to_string()))
                    }
                    Version::Two => limit.write("cpu.max", &format!("{quota_us} {PERIOD_US}")),
                };
                written.map(|()| limit)
            })?;
        let script = format!(
            "#!/bin/sh\necho $$ >'{}/cgroup.procs' && exec \"$@\"\n",
            limit.group.display()
        );
        fs::write(&limit.starter, script).ok()?;
        fs::set_permissions(&limit.starter, fs::Permissions::from_mode(0o755)).ok()?;
        Some(limit)
    }

    /// For [`Setup::started_by`](millrace_tests::setup::Setup::started_by): enters the group and becomes the program.
    pub(crate) fn starter(&self) -> &Path {
        &self.starter
    }

    fn write(&self, file: &str, text: &str) -> Option<()> {
        let path = self.group.join(file);
        // Such a file is never made by writing to it: without it the controller is not there.
        path.exists().then(|| fs::write(path, text).ok()).flatten()
    }
}

impl Drop for CpuLimit {
    fn drop(&mut self) {
        // Only an empty group can be removed, and the last process leaves it a moment after its end.
        within(SOON, || fs::remove_dir(&self.group).ok());
    }
}

enum Version {
    One,
    Two,
}

/// Where a group of that name would be, if this line of mountinfo mounts what can limit CPU time.
fn mounted(line: &str, name: &str) -> Option<(PathBuf, Version)> {
    let (place, system) = line.split_once(" - ")?;
    let point = Path::new(place.split(' ').nth(4)?);
    let mut system = system.split(' ');
    let version = match system.next()? {
        "cgroup" if system.nth(1)?.split(',').any(|option| option == "cpu") => Version::One,
        "cgroup2" => Version::Two,
        _ => return None,
    };
    Some((point.join(name), version))
}
