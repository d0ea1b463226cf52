//! Our control groups, version 1 or 2, and the CPU quota that they set.

use std::path::{Path, PathBuf};

use super::read;

/// Which files a controller has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `cpu.cfs_quota_us` and the like.
    One,
    /// `cpu.max` and the like.
    Two,
}

/// Where a controller keeps its files for us.
#[derive(Debug)]
pub struct Folders {
    /// Which files these are.
    pub version: Version,
    /// Our own group's folder first, then those above it up to the root of what we can see.
    pub own_to_root: Vec<PathBuf>,
}

/// The folders of a controller (`cpu`, `memory`): those of version 1 if it is mounted, then those of
/// version 2. `root` is `/` but for tests.
pub fn folders(root: &Path, controller: &str) -> Vec<Folders> {
    let text = |path: &str| read(&root.join(path)).unwrap_or_default();
    let (groups, mounts) = (text("proc/self/cgroup"), text("proc/self/mountinfo"));
    let found = |version, group: Option<&str>, kind, option| {
        let mount = mounts.lines().find_map(|line| mount_of(line, kind, option))?;
        Some(Folders { version, own_to_root: own_to_root(root, &mount, group?)? })
    };
    let v1 = groups.lines().find_map(|line| v1_path(line, controller));
    let v2 = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let v1 = found(Version::One, v1, "cgroup", Some(controller));
    v1.into_iter().chain(found(Version::Two, v2, "cgroup2", None)).collect()
}

/// The quota in cores: the tightest one from our group up to the root of what we can see.
/// `None` if there is none, or no file that says so. `root` is `/` but for tests.
pub fn quota(root: &Path) -> Option<f64> {
    folders(root, "cpu").iter().find_map(|folders| {
        let quota_in = match folders.version {
            Version::One => v1_quota,
            Version::Two => v2_quota,
        };
        let quotas = folders.own_to_root.iter().filter_map(|folder| quota_in(folder));
        quotas.min_by(f64::total_cmp)
    })
}

struct Mount {
    /// The group that is mounted; in a container often not `/`.
    group: PathBuf,
    /// Where.
    point: PathBuf,
}

/// Our group's folder and those above it.
fn own_to_root(root: &Path, mount: &Mount, group: &str) -> Option<Vec<PathBuf>> {
    let point = root.join(mount.point.strip_prefix("/").ok()?);
    // A path outside what is mounted (no cgroup namespace) is shown as the mount's root.
    let below = Path::new(group).strip_prefix(&mount.group).unwrap_or(Path::new(""));
    // `..` shows up when we were moved above our namespace's root.
    let below = if below.is_absolute() || below.starts_with("..") { Path::new("") } else { below };
    let own = point.join(below);
    let up = own.ancestors().take_while(|folder| folder.starts_with(&point));
    Some(up.map(Path::to_owned).collect())
}

/// `4:cpu,cpuacct:/some/group` to `/some/group`.
fn v1_path<'a>(line: &'a str, controller: &str) -> Option<&'a str> {
    let mut fields = line.splitn(3, ':');
    let controllers = fields.nth(1)?;
    let path = fields.next()?;
    controllers.split(',').any(|one| one == controller).then_some(path)
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
