//! Shards and threads against the cores, the quota, and how the cores are clocked.

use super::Scene;
use crate::check::Program;
use crate::check::finding::{Said, note, warning};

/// CPU that a consumer takes while its partitions wait for a slow subscriber, as a share of a core: 126 ms
/// a second for twenty of ten partitions each (`millrace_kafka::properties::consumer`).
const WAITING_CONSUMER: f64 = 0.126 / 20.0;
/// More than this share of all cores for waiting alone is too much.
const WAITING_MAX: f64 = 0.25;
/// Throttled periods that are no accident any more, as a share.
const THROTTLED_MAX: f64 = 0.01;

/// Cores that the program can really use.
fn usable(scene: &Scene<'_>) -> Option<f64> {
    let allowed = scene.facts.cores_allowed.len();
    if allowed == 0 {
        return None;
    }
    let allowed = allowed as f64;
    Some(scene.facts.cpu_quota.map_or(allowed, |quota| quota.min(allowed)))
}

pub(super) fn shards_over_cores(scene: &Scene<'_>) -> Option<Said> {
    let (usable, shards) = (usable(scene)?, scene.wanted.shards);
    if !scene.wanted.shards_set || shards as f64 <= usable.ceil() {
        return None;
    }
    warning(
        format!(
            "SHARDS={shards} on {usable} cores: shards take turns on a core, and each has its own producers and \
             connections to Kafka."
        ),
        format!("Set SHARDS={}, or leave it out.", usable.ceil()),
    )
}

pub(super) fn shards_below_cores(scene: &Scene<'_>) -> Option<Said> {
    let (usable, shards) = (usable(scene)?, scene.wanted.shards);
    // One core is well spent on librdkafka's threads.
    if shards as f64 + 1.0 >= usable.floor() {
        return None;
    }
    let why = if scene.wanted.shards_set { "as SHARDS says" } else { "the most without SHARDS" };
    note(
        format!(
            "{shards} shards ({why}) on {usable} cores: the others are left to Kafka's clients and to others."
        ),
        "Set SHARDS to the number of cores that the program shall use, and measure with tuning sweep.",
    )
}

pub(super) fn quota_fraction(scene: &Scene<'_>) -> Option<Said> {
    let (quota, shards) = (scene.facts.cpu_quota?, scene.wanted.shards);
    // To three digits, as people write it.
    if quota + 1e-3 >= shards as f64 {
        return None;
    }
    warning(
        format!(
            "A quota of {quota} cores for {shards} shards: under load they use it up before the period (100 ms) \
             is over and then stand still, which shows as latencies of tens of milliseconds."
        ),
        format!(
            "Give whole cores: resources.limits.cpu {}, or leave the limit out and ask with requests.cpu.",
            shards
        ),
    )
}

pub(super) fn throttled(scene: &Scene<'_>) -> Option<Said> {
    let counted = scene.facts.groups.throttling?;
    let share = counted.throttled as f64 / counted.periods.max(1) as f64;
    if share <= THROTTLED_MAX {
        return None;
    }
    warning(
        format!(
            "The CPU quota stopped this control group in {} of {} periods ({:.0} %).",
            counted.throttled,
            counted.periods,
            share * 100.0
        ),
        "Raise resources.limits.cpu, or leave the limit out; or add pods.",
    )
}

pub(super) fn affinity_below_quota(scene: &Scene<'_>) -> Option<Said> {
    let (quota, allowed) = (scene.facts.cpu_quota?, scene.facts.cores_allowed.len());
    if allowed == 0 || quota <= allowed as f64 {
        return None;
    }
    warning(
        format!(
            "The quota is {quota} cores, but this process may run on {allowed} only (affinity)."
        ),
        "Widen the affinity (cpuset, taskset), or lower the quota to what can be used.",
    )
}

pub(super) fn governor(scene: &Scene<'_>) -> Option<Said> {
    // These drivers adapt the clock under any governor; the others stay at the lowest one.
    let adapts =
        |driver: &str| driver.starts_with("intel_pstate") || driver.starts_with("amd-pstate");
    let slow: Vec<String> = scene
        .facts
        .governors
        .iter()
        .filter(|it| it.name == "powersave" && !adapts(&it.driver))
        .map(|it| it.core.to_string())
        .collect();
    if slow.is_empty() {
        return None;
    }
    warning(
        format!("Cores {} are held at their lowest clock (governor powersave).", slow.join(", ")),
        "cpupower frequency-set -g performance (or schedutil) on the node.",
    )
}

pub(super) fn kafka_threads(scene: &Scene<'_>) -> Option<Said> {
    let (usable, wanted) = (usable(scene)?, scene.wanted);
    let (egresses, threads) = (wanted.egresses, wanted.threads());
    match wanted.program {
        Program::Dispatcher => {
            let waiting = egresses as f64 * WAITING_CONSUMER;
            if waiting <= WAITING_MAX * usable {
                return None;
            }
            warning(
                format!(
                    "{egresses} egresses are {threads} threads on {usable} cores; their Kafka clients alone take up \
                     to {waiting:.1} cores while subscribers are slow."
                ),
                format!(
                    "Spread the egresses over more dispatcher pods: at most {:.0} for each of this size.",
                    (WAITING_MAX * usable / WAITING_CONSUMER).floor()
                ),
            )
        }
        // Each producer has as many connections as there are brokers: batches get smaller with each.
        Program::Receiver => {
            let producers = wanted.clusters * wanted.shards as u64;
            if (producers as f64) <= 8.0 * usable {
                return None;
            }
            warning(
                format!(
                    "{} clusters on {} shards are {producers} producers with {threads} threads on {usable} cores; \
                     each gets a small share of the events, and sends small batches.",
                    wanted.clusters, wanted.shards
                ),
                "Lower SHARDS, or serve the clusters with different receivers.",
            )
        }
    }
}
