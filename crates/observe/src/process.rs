//! What the kernel says about this process, read from /proc at each scrape.

use std::fs;

use crate::exposition::{self, Labels};
use crate::names::{self, Family};
use crate::series::Value;

/// Kernel ticks a second as user space sees them; 100 on every Linux of ours, and asking for it
/// would need an unsafe call.
const TICKS_PER_SECOND: f64 = 100.0;

/// Writes the `process_` families; what cannot be read is left out.
pub(crate) fn render(out: &mut String) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
    // Minus one: reading the folder opens it.
    let fds = fs::read_dir("/proc/self/fd").map(|dir| dir.count().saturating_sub(1)).ok();
    let values: [(&Family, Option<f64>); 7] = [
        (&names::PROCESS_CPU, cpu_seconds(&stat)),
        (&names::PROCESS_RESIDENT, status_value(&status, "VmRSS:").map(|kib| kib * 1_024.0)),
        (&names::PROCESS_VIRTUAL, status_value(&status, "VmSize:").map(|kib| kib * 1_024.0)),
        (&names::PROCESS_FDS, fds.map(|count| count as f64)),
        (&names::PROCESS_FDS_MAX, fds_max(&limits)),
        (&names::PROCESS_THREADS, status_value(&status, "Threads:")),
        (&names::PROCESS_START, start_seconds(&stat, &boot)),
    ];
    let labels = Labels::default();
    for (family, value) in values {
        let value = value.map(|value| (&labels, Value::Number(value)));
        exposition::family(out, family, value.into_iter(), 0);
    }
}

/// The first number after a key of `/proc/self/status`.
fn status_value(status: &str, key: &str) -> Option<f64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// User plus system time: fields 14 and 15 of `/proc/self/stat`.
fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((stat_field(stat, 14)? + stat_field(stat, 15)?) / TICKS_PER_SECOND)
}

/// Boot time plus field 22.
fn start_seconds(stat: &str, boot: &str) -> Option<f64> {
    Some(status_value(boot, "btime ")? + stat_field(stat, 22)? / TICKS_PER_SECOND)
}

/// A field by its number in proc(5). The second, the program's name, may hold blanks and
/// brackets, so count from the last bracket.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// The soft bound; `unlimited` is shown as infinity.
fn fds_max(limits: &str) -> Option<f64> {
    let rest = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(f64::INFINITY),
        soft => soft.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "7 (a) b) R 1 7 7 0 -1 4194304 500 0 0 0 150 50 0 0 20 0 3 0 1234 1 2";

    #[test]
    fn stat_with_brackets_in_the_name() {
        assert_eq!(cpu_seconds(STAT), Some(2.0));
        assert_eq!(start_seconds(STAT, "cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_012.34));
        assert_eq!(cpu_seconds("garbage"), None);
    }

    #[test]
    fn limits_and_status() {
        let line = "Max open files            1024                 524288               files\n";
        assert_eq!(fds_max(line), Some(1_024.0));
        assert_eq!(fds_max("Max open files  unlimited unlimited files"), Some(f64::INFINITY));
        assert_eq!(status_value("Name:\tx\nVmRSS:\t  512 kB\n", "VmRSS:"), Some(512.0));
    }

    #[test]
    fn this_process_shows_all_of_them() {
        let mut out = String::new();
        render(&mut out);
        let shown = names::ALL.iter().filter(|family| family.name.starts_with("process_"));
        for family in shown {
            let value = out
                .lines()
                .find_map(|line| line.strip_prefix(family.name)?.strip_prefix(' '))
                .unwrap_or_else(|| panic!("{} is missing", family.name));
            assert!(family.name.ends_with("_total") || value.parse::<f64>().unwrap() > 0.0);
        }
    }
}
