//! The CPU quota of our control group, version 1 or 2.

use std::path::{Path, PathBuf};

use super::read;

/// The quota in cores: the tightest one from our group up to the root of what we can see.
/// `None` if there is none, or no file that says so. `root` is `/` but for tests.
pub fn quota(root: &Path) -> Option<f64> {
    let groups = read(&root.join("proc/self/cgroup"))?;
    let mounts = read(&root.join("proc/self/mountinfo"))?;
    let v1 = groups.lines().filter_map(v1_cpu_path).next();
    let v2 = groups.lines().filter_map(|line| line.strip_prefix("0::")).next();
    let from_v1 = v1.and_then(|group| {
        let mount = mounts.lines().find_map(|line| mount_of(line, "cgroup", Some("cpu")))?;
        tightest(root, &mount, group, v1_quota)
    });
    from_v1.or_else(|| {
        let mount = mounts.lines().find_map(|line| mount_of(line, "cgroup2", None))?;
        tightest(root, &mount, v2?, v2_quota)
    })
}

struct Mount {
    /// The group that is mounted; in a container often not `/`.
    group: PathBuf,
    /// Where.
    point: PathBuf,
}

fn tightest(
    root: &Path,
    mount: &Mount,
    group: &str,
    quota_in: fn(&Path) -> Option<f64>,
) -> Option<f64> {
    let point = root.join(mount.point.strip_prefix("/").ok()?);
    // A path outside what is mounted (no cgroup namespace) is shown as the mount's root.
    let below = Path::new(group).strip_prefix(&mount.group).unwrap_or(Path::new(""));
    // `..` shows up when we were moved above our namespace's root.
    let below = if below.is_absolute() || below.starts_with("..") { Path::new("") } else { below };
    let own = point.join(below);
    own.ancestors()
        .take_while(|folder| folder.starts_with(&point))
        .filter_map(quota_in)
        .min_by(f64::total_cmp)
}

/// `4:cpu,cpuacct:/some/group` to `/some/group`.
fn v1_cpu_path(line: &str) -> Option<&str> {
    let mut fields = line.splitn(3, ':');
    let controllers = fields.nth(1)?;
    let path = fields.next()?;
    controllers.split(',').any(|controller| controller == "cpu").then_some(path)
}

/// A line of mountinfo, if it mounts that file system, with that option among the super options.
/// `26 25 0:23 /group /sys/fs/cgroup ro,nosuid - cgroup cgroup rw,cpu,cpuacct`
fn mount_of(line: &str, kind: &str, option: Option<&str>) -> Option<Mount> {
    let (place, system) = line.split_once(" - ")?;
    let mut system = system.split(' ');
    if system.next()? != kind {
        return None;
    }
    let has_option =
        |option| system.nth(1).is_some_and(|all| all.split(',').any(|one| one == option));
    if !option.is_none_or(has_option) {
        return None;
    }
    let mut place = place.split(' ').skip(3);
    Some(Mount { group: PathBuf::from(place.next()?), point: PathBuf::from(place.next()?) })
}

/// `max 100000` or `150000 100000`: quota and period in microseconds.
fn v2_quota(folder: &Path) -> Option<f64> {
    let text = read(&folder.join("cpu.max"))?;
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

/// Two files; a quota of -1 is none.
fn v1_quota(folder: &Path) -> Option<f64> {
    let quota = read(&folder.join("cpu.cfs_quota_us"))?;
    let period = read(&folder.join("cpu.cfs_period_us"))?;
    ratio(quota.trim(), period.trim())
}

fn ratio(quota: &str, period: &str) -> Option<f64> {
    let quota: u32 = quota.parse().ok().filter(|quota| *quota > 0)?;
    let period: u32 = period.parse().ok().filter(|period| *period > 0)?;
    Some(f64::from(quota) / f64::from(period))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const V2_MOUNT: &str = "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1_MOUNTS: &str = "\
        30 25 0:26 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
        31 25 0:27 /kube/pod1 /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct\n";

    fn quota_with(files: &[(&str, &str)]) -> Option<f64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        quota(root.path())
    }

    #[test]
    fn container_with_its_own_namespace() {
        let files = [
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", V2_MOUNT),
            ("sys/fs/cgroup/cpu.max", "250000 100000\n"),
        ];
        assert_eq!(quota_with(&files), Some(2.5));
    }

    #[test]
    fn tightest_group_on_the_way_up_wins() {
        let files = [
            ("proc/self/cgroup", "0::/kube/pod1/app\n"),
            ("proc/self/mountinfo", V2_MOUNT),
            ("sys/fs/cgroup/kube/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/kube/pod1/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/kube/pod1/app/cpu.max", "400000 100000\n"),
        ];
        assert_eq!(quota_with(&files), Some(1.5));
    }

    #[test]
    fn no_quota_is_none() {
        let files = [
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", V2_MOUNT),
            ("sys/fs/cgroup/cpu.max", "max 100000\n"),
        ];
        assert_eq!(quota_with(&files), None);
        assert_eq!(quota_with(&[]), None);
    }

    #[test]
    fn version_1_below_a_mounted_group() {
        let files = [
            ("proc/self/cgroup", "5:cpuset:/\n4:cpu,cpuacct:/kube/pod1/app\n0::/\n"),
            ("proc/self/mountinfo", V1_MOUNTS),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "30000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(quota_with(&files), Some(0.3));
    }

    #[test]
    fn group_that_is_not_under_the_mount_reads_the_mounts_root() {
        for group in ["/docker/abc", "/../../other"] {
            let files = [
                ("proc/self/cgroup", &*format!("4:cpu,cpuacct:{group}\n")),
                ("proc/self/mountinfo", V1_MOUNTS),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000\n"),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ];
            assert_eq!(quota_with(&files), Some(2.0));
        }
    }

    #[test]
    fn nonsense_is_no_quota() {
        for text in ["", "x y", "0 100000", "100000 0", "-5 100", "99999999999 1", "100000"] {
            let files = [
                ("proc/self/cgroup", "0::/\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/cpu.max", text),
            ];
            assert_eq!(quota_with(&files), None, "{text}");
        }
    }
}
