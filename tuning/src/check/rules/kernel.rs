//! What the kernel offers: io_uring, a cheap clock, pages of the right size.

use millrace_shard::DriverChoice;

use super::Scene;
use crate::check::driver::ENTRIES_FULL;
use crate::check::finding::{Said, note, warning};

/// Set-up flags and operations with the kernel that brought them (`millrace_shard::driver::ring`).
const NEEDS: [((u32, u32), &str); 4] = [
    ((5, 6), "the operations that the shards use; without them they run on epoll"),
    ((5, 19), "COOP_TASKRUN: no interrupt for each completion"),
    ((6, 0), "SINGLE_ISSUER"),
    ((6, 1), "DEFER_TASKRUN: completions are worked off when the shard asks"),
];

/// Clocks that every reading of has to enter the kernel for.
const SLOW_CLOCKS: [&str; 5] = ["hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"];

pub(super) fn io_uring_refused(scene: &Scene<'_>) -> Option<Said> {
    let driver = scene.driver;
    if scene.wanted.io_driver == DriverChoice::Epoll || driver.driver == "io_uring" {
        return None;
    }
    let reason = &driver.reason;
    let fix = match scene.facts.io_uring_disabled {
        Some(1..) => {
            "Set kernel.io_uring_disabled=0 on the node (sysctl), or make the process' group the one of \
             kernel.io_uring_group."
        }
        _ if reason.contains("ENOMEM") => {
            "Raise the lockable memory: ulimit -l, LimitMEMLOCK= of the service, or the container runtime's \
             default-ulimits; or give the process CAP_IPC_LOCK."
        }
        _ if reason.contains("seccomp") => {
            "Give the pod a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register \
             (securityContext.seccompProfile of type Localhost)."
        }
        _ => "Use a kernel of 6.1 or later with io_uring.",
    };
    let forced = scene.wanted.io_driver == DriverChoice::IoUring;
    let what = if forced { "the program would not start" } else { "the program runs on epoll" };
    warning(format!("io_uring is refused, {what}: {reason}."), fix)
}

pub(super) fn io_uring_short(scene: &Scene<'_>) -> Option<Said> {
    let driver = scene.driver;
    if driver.driver != "io_uring" || driver.entries >= ENTRIES_FULL {
        return None;
    }
    warning(
        format!("io_uring works {} entries at a time: {}.", driver.entries, driver.reason),
        "Raise the lockable memory: ulimit -l, LimitMEMLOCK= of the service, or the container runtime's \
         default-ulimits.",
    )
}

pub(super) fn kernel_old(scene: &Scene<'_>) -> Option<Said> {
    let version = scene.facts.kernel?;
    if scene.wanted.io_driver == DriverChoice::Epoll {
        return None;
    }
    let missing: Vec<String> = NEEDS
        .iter()
        .filter(|(needed, _)| version < *needed)
        .map(|((major, minor), what)| format!("{what} ({major}.{minor})"))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let text = &scene.facts.kernel_text;
    warning(
        format!("Linux {text} lacks parts of io_uring: {}.", missing.join("; ")),
        "Use Linux 6.1 or later. Nothing else has to be changed: the programs take what there is.",
    )
}

pub(super) fn clock_source(scene: &Scene<'_>) -> Option<Said> {
    let clock = scene.facts.clock_source.as_deref()?;
    if !SLOW_CLOCKS.contains(&clock) {
        return None;
    }
    warning(
        format!(
            "The clock source is {clock}: each reading of the time is a system call, and there are some for every event."
        ),
        "See in the kernel's log why tsc (or the hypervisor's clock) was given up; boot with tsc=reliable if \
         the hardware is known to be good.",
    )
}

pub(super) fn huge_pages(scene: &Scene<'_>) -> Option<Said> {
    if scene.facts.huge_pages.as_deref()? != "always" {
        return None;
    }
    note(
        "Transparent huge pages are given to everyone (always): pages of 2 MiB are counted as used as a whole, so \
         resident memory is larger than what the programs need.",
        "Where memory is tight, echo madvise > /sys/kernel/mm/transparent_hugepage/enabled on the node.",
    )
}
