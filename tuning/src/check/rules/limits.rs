//! Limits of the process and of its control group against what the program may need.

use millrace_shard::DriverChoice;

use super::{Scene, mib};
use crate::check::Program;
use crate::check::facts::Limit;
use crate::check::finding::{Said, warning};

/// A ring of 1,024 entries, measured (`millrace_shard::driver::ring`).
const RING_BYTES: u64 = 112 * 1024;

pub(super) fn memlock(scene: &Scene<'_>) -> Option<Said> {
    let (facts, wanted) = (scene.facts, scene.wanted);
    if facts.may_lock_all || wanted.io_driver == DriverChoice::Epoll {
        return None;
    }
    let limit = facts.memlock?.soft?;
    // Rings that were just closed are released late: a restart needs room for both.
    let need = 2 * RING_BYTES * wanted.shards as u64;
    if limit >= need {
        return None;
    }
    warning(
        format!(
            "{} KiB of memory may be locked; {} shards with a ring of 112 KiB each need {} KiB, so that a \
             restart finds room while the old rings are still being released. All processes of this user share it.",
            limit / 1024,
            wanted.shards,
            need / 1024
        ),
        format!(
            "ulimit -l {0}, LimitMEMLOCK={0}K in the service, or the container runtime's default-ulimits.",
            need.div_ceil(1024)
        ),
    )
}

pub(super) fn open_files(scene: &Scene<'_>) -> Option<Said> {
    let Limit { soft, hard } = scene.facts.open_files?;
    let (soft, need) = (soft?, scene.wanted.open_files());
    if soft >= need {
        return None;
    }
    let wanted = scene.wanted;
    let bound = match wanted.program {
        Program::Receiver => format!(
            "{} connections on each of {} shards and the clients of Kafka",
            wanted.connections_max, wanted.shards
        ),
        Program::Dispatcher => format!(
            "{} egresses with up to {} connections each and their clients of Kafka",
            wanted.egresses,
            wanted.in_flight.min(wanted.pool)
        ),
    };
    let how = if hard.is_none_or(|hard| hard >= need) {
        format!("ulimit -n {need} before the start (the hard limit allows it)")
    } else {
        format!("Raise the hard limit to {need}: LimitNOFILE= of the container runtime or service")
    };
    let instead = match wanted.program {
        Program::Receiver => "; or lower INGRESS_MAX_CONNECTIONS to what the limit allows.",
        Program::Dispatcher => "; or lower maxPoolSize in the HTTP client's file.",
    };
    warning(
        format!(
            "{soft} files may be open; {bound} take {need}. What is refused then is accepting and connecting."
        ),
        how + instead,
    )
}

pub(super) fn threads(scene: &Scene<'_>) -> Option<Said> {
    let (need, wanted) = (scene.wanted.threads(), scene.wanted);
    let by_group = scene.facts.groups.pids_max;
    let by_user = scene.facts.processes.and_then(|limit| limit.soft);
    let limit = [by_group, by_user].into_iter().flatten().min()?;
    // Whoever looks, a shell or a probe, needs some too.
    if limit >= need.saturating_add(16) {
        return None;
    }
    let whose = if by_group == Some(limit) { "pids.max of the control group" } else { "ulimit -u" };
    warning(
        format!(
            "{whose} is {limit}; the {} takes {need} threads with {} brokers{}.",
            wanted.program.name(),
            wanted.brokers,
            match wanted.program {
                Program::Receiver => format!(", {} clusters", wanted.clusters),
                Program::Dispatcher => format!(", {} egresses", wanted.egresses),
            }
        ),
        "Raise it (podPidsLimit of the kubelet, TasksMax= of the service), or give fewer shards or egresses \
         to one process.",
    )
}

pub(super) fn memory_limit(scene: &Scene<'_>) -> Option<Said> {
    let (limit, need) = (scene.facts.groups.memory_max?, scene.wanted.memory());
    if limit >= need {
        return None;
    }
    let wanted = scene.wanted;
    let (why, instead) = match wanted.program {
        Program::Receiver => (
            format!(
                "buffer.memory is {}, and is full when Kafka is slow",
                mib(wanted.buffer_memory)
            ),
            "lower buffer.memory",
        ),
        Program::Dispatcher => (
            format!(
                "{} egresses of {} partitions, each with up to 128 KiB and one fetch of {} KiB ahead, when \
                 subscribers are slow",
                wanted.egresses,
                wanted.partitions,
                wanted.fetch_bytes / 1024
            ),
            "lower max.partition.fetch.bytes, or serve the egresses with more pods",
        ),
    };
    warning(
        format!(
            "The memory limit is {}; the {} may need {}: {why}. Above the limit the kernel kills it.",
            mib(limit),
            wanted.program.name(),
            mib(need)
        ),
        format!("Set resources.limits.memory to {} or more, or {instead}.", mib(need)),
    )
}

pub(super) fn oom_killed(scene: &Scene<'_>) -> Option<Said> {
    let kills = scene.facts.groups.oom_kills;
    if kills == 0 {
        return None;
    }
    warning(
        format!("In this control group the kernel has killed {kills} times for want of memory."),
        "Raise the memory limit; `kubectl describe pod` tells what was killed (OOMKilled).",
    )
}
