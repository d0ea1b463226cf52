//! All that is looked for. A rule says nothing about what could not be read.

mod cpu;
mod kernel;
mod limits;
mod network;
mod settings;

use super::driver::Probed;
use super::facts::Facts;
use super::finding::{Finding, Said};
use super::wanted::Wanted;

/// What a rule looks at.
pub(super) struct Scene<'a> {
    pub(super) facts: &'a Facts,
    pub(super) wanted: &'a Wanted,
    pub(super) driver: &'a Probed,
}

type Rule = (&'static str, fn(&Scene<'_>) -> Option<Said>);

/// Every rule by name, in the order in which findings are told.
pub(super) const RULES: [Rule; 26] = [
    ("io-uring-refused", kernel::io_uring_refused),
    ("io-uring-short", kernel::io_uring_short),
    ("kernel-old", kernel::kernel_old),
    ("clock-source", kernel::clock_source),
    ("huge-pages", kernel::huge_pages),
    ("memlock", limits::memlock),
    ("open-files", limits::open_files),
    ("threads", limits::threads),
    ("memory-limit", limits::memory_limit),
    ("oom-killed", limits::oom_killed),
    ("shards-over-cores", cpu::shards_over_cores),
    ("shards-below-cores", cpu::shards_below_cores),
    ("cpu-quota-fraction", cpu::quota_fraction),
    ("cpu-throttled", cpu::throttled),
    ("affinity-below-quota", cpu::affinity_below_quota),
    ("cpu-governor", cpu::governor),
    ("kafka-threads", cpu::kafka_threads),
    ("accept-queue", network::accept_queue),
    ("syn-queue", network::syn_queue),
    ("socket-buffers", network::socket_buffers),
    ("local-ports", network::local_ports),
    ("port-reuse", network::port_reuse),
    ("linger-small-batches", settings::linger_small_batches),
    ("budget-below-record", settings::budget_below_record),
    ("pool-below-window", settings::pool_below_window),
    ("fetch-over-queue", settings::fetch_over_queue),
];

/// What all rules say about one program.
pub(super) fn all(facts: &Facts, wanted: &Wanted, driver: &Probed) -> Vec<Finding> {
    let scene = Scene { facts, wanted, driver };
    let told = |(id, rule): &Rule| {
        let Said { severity, found, fix } = rule(&scene)?;
        Some(Finding { id, severity, programs: vec![wanted.program], found, fix })
    };
    RULES.iter().filter_map(told).collect()
}

/// Bytes for people.
pub(super) fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}
