//! What the kernel tells of the machine and of this process, read from /proc and /sys below a root.
//!
//! What cannot be read is `None` or empty, and no rule says anything about it.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use millrace_bench::arguments::Cpus;
use millrace_shard::topology;

use super::cgroup::{self, Groups};

/// A limit of this process; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) soft: Option<u64>,
    pub(super) hard: Option<u64>,
}

/// How a core's clock is governed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Governor {
    pub(super) core: usize,
    pub(super) name: String,
    pub(super) driver: String,
}

/// See the head of this file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) kernel_text: String,
    pub(super) kernel: Option<(u32, u32)>,
    pub(super) io_uring_disabled: Option<u8>,
    pub(super) cores_online: Vec<usize>,
    /// The affinity mask.
    pub(super) cores_allowed: Vec<usize>,
    /// In cores.
    pub(super) cpu_quota: Option<f64>,
    pub(super) groups: Groups,
    pub(super) memlock: Option<Limit>,
    pub(super) open_files: Option<Limit>,
    pub(super) processes: Option<Limit>,
    /// CAP_IPC_LOCK: no bound of lockable memory.
    pub(super) may_lock_all: bool,
    pub(super) somaxconn: Option<u64>,
    pub(super) syn_backlog: Option<u64>,
    pub(super) syncookies: Option<u64>,
    pub(super) receive_buffer_max: Option<u64>,
    pub(super) send_buffer_max: Option<u64>,
    /// First and last port of connections that we open.
    pub(super) local_ports: Option<(u64, u64)>,
    pub(super) reuse_ports: Option<u64>,
    /// Of the cores that we may use.
    pub(super) governors: Vec<Governor>,
    pub(super) clock_source: Option<String>,
    /// `always`, `madvise` or `never`.
    pub(super) huge_pages: Option<String>,
}

/// Bit of CAP_IPC_LOCK in capabilities(7).
const CAP_IPC_LOCK: u32 = 14;

impl Facts {
    /// Reads all of it below `root`.
    pub(super) fn gather(root: &Path) -> Self {
        let file = |path: &str| {
            fs::read_to_string(root.join(path)).ok().map(|text| text.trim().to_owned())
        };
        let number = |path: &str| file(path)?.parse::<u64>().ok();
        let kernel_text = file("proc/sys/kernel/osrelease").unwrap_or_default();
        let status = file("proc/self/status").unwrap_or_default();
        let limits = file("proc/self/limits").unwrap_or_default();
        let cores_allowed = field(&status, "Cpus_allowed_list:").map(cores).unwrap_or_default();
        let capabilities =
            field(&status, "CapEff:").and_then(|text| u64::from_str_radix(text, 16).ok());
        Self {
            kernel: version(&kernel_text),
            kernel_text,
            io_uring_disabled: number("proc/sys/kernel/io_uring_disabled")
                .and_then(|level| u8::try_from(level).ok()),
            cores_online: file("sys/devices/system/cpu/online")
                .as_deref()
                .map(cores)
                .unwrap_or_default(),
            governors: governors(root, &cores_allowed),
            cores_allowed,
            cpu_quota: topology::cgroup::quota(root),
            groups: cgroup::read(root),
            memlock: limit(&limits, "Max locked memory"),
            open_files: limit(&limits, "Max open files"),
            processes: limit(&limits, "Max processes"),
            may_lock_all: capabilities.is_some_and(|all| all >> CAP_IPC_LOCK & 1 == 1),
            somaxconn: number("proc/sys/net/core/somaxconn"),
            syn_backlog: number("proc/sys/net/ipv4/tcp_max_syn_backlog"),
            syncookies: number("proc/sys/net/ipv4/tcp_syncookies"),
            receive_buffer_max: number("proc/sys/net/core/rmem_max"),
            send_buffer_max: number("proc/sys/net/core/wmem_max"),
            local_ports: file("proc/sys/net/ipv4/ip_local_port_range").as_deref().and_then(range),
            reuse_ports: number("proc/sys/net/ipv4/tcp_tw_reuse"),
            clock_source: file("sys/devices/system/clocksource/clocksource0/current_clocksource"),
            huge_pages: file("sys/kernel/mm/transparent_hugepage/enabled")
                .as_deref()
                .and_then(chosen),
        }
    }
}

/// `6.18.44-generic` to 6 and 18.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn cores(text: &str) -> Vec<usize> {
    Cpus::from_str(text.trim()).map(|cpus| cpus.0).unwrap_or_default()
}

/// `Max open files            1024                 4096                 files`
fn limit(limits: &str, name: &str) -> Option<Limit> {
    let mut values = field(limits, name)?.split_whitespace().map(|value| match value {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    });
    Some(Limit { soft: values.next()??, hard: values.next()?? })
}

fn range(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// `always [madvise] never` to `madvise`.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

fn governors(root: &Path, cores: &[usize]) -> Vec<Governor> {
    let one = |core: &usize| {
        let folder = root.join(format!("sys/devices/system/cpu/cpu{core}/cpufreq"));
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let name = read("scaling_governor")?.trim().to_owned();
        let driver = read("scaling_driver").unwrap_or_default().trim().to_owned();
        Some(Governor { core: *core, name, driver })
    };
    cores.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_kernel_are_understood() {
        assert_eq!(version("6.18.44-generic"), Some((6, 18)));
        assert_eq!(version("5.4+"), Some((5, 4)));
        assert_eq!(version("odd"), None);
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
        assert_eq!(range("32768\t60999"), Some((32_768, 60_999)));
        let limits = "Limit  Soft Limit  Hard Limit  Units\n\
                      Max open files            1024                 unlimited            files\n";
        let found = limit(limits, "Max open files").unwrap();
        assert_eq!(found, Limit { soft: Some(1_024), hard: None });
        assert_eq!(limit(limits, "Max locked memory"), None);
    }

    #[test]
    fn this_machine_tells_its_facts() {
        let facts = Facts::gather(Path::new("/"));
        assert!(facts.kernel.is_some_and(|(major, _)| major >= 5), "{}", facts.kernel_text);
        assert!(!facts.cores_allowed.is_empty() && !facts.cores_online.is_empty());
        assert!(facts.open_files.is_some() && facts.memlock.is_some());
        assert!(facts.somaxconn.is_some() && facts.local_ports.is_some());
    }
}
