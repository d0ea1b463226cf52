//! Builds the ring that is going to be used: with fewer flags on older kernels, with fewer
//! entries where little memory may be locked, and says what stands in the way.

use std::io;

use io_uring::{IoUring, Probe, opcode};
use monoio::time::TimeDriver;
use monoio::{IoUringDriver, RuntimeBuilder};

use super::{selftest, sys};

/// A runtime on io_uring that passed its self-test.
pub(super) struct Ring {
    pub(super) runtime: monoio::Runtime<TimeDriver<IoUringDriver>>,
    pub(super) entries: u32,
    pub(super) flags: &'static str,
    /// What had to be given up.
    pub(super) compromise: Option<String>,
}

/// Set-up flags, best first. Each is refused with EINVAL by kernels that don't know it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flags {
    /// Linux 6.1: completions are worked off only when we ask, by the one thread that submits.
    Defer,
    /// Linux 5.19: no interrupt to work them off.
    Coop,
    None,
}

const FLAGS: [Flags; 3] = [Flags::Defer, Flags::Coop, Flags::None];
/// 1,024 entries lock about 112 KiB, 256 about a quarter of it; monoio takes no fewer than 256.
const ENTRIES: [u32; 3] = [1_024, 512, 256];

/// Tries until a ring works. The error is the obstacle, as a clause for a sentence.
pub(super) fn build() -> Result<Ring, String> {
    let flags = usable_flags()?;
    let mut refused = None;
    for entries in ENTRIES {
        match build_with(flags, entries) {
            Ok(runtime) => return try_out(runtime, flags, entries),
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => refused = Some(error),
            Err(error) => return Err(obstacle(&error)),
        }
    }
    Err(refused.map_or_else(|| "no ring size was tried".to_owned(), |error| obstacle(&error)))
}

fn build_with(
    flags: Flags,
    entries: u32,
) -> io::Result<monoio::Runtime<TimeDriver<IoUringDriver>>> {
    RuntimeBuilder::<IoUringDriver>::new()
        .uring_builder(flags.builder())
        .with_entries(entries)
        .enable_timer()
        .build()
}

fn try_out(
    mut runtime: monoio::Runtime<TimeDriver<IoUringDriver>>,
    flags: Flags,
    entries: u32,
) -> Result<Ring, String> {
    crate::local::while_awake(|| runtime.block_on(selftest::run()))
        .map_err(|error| format!("the ring failed its self-test: {error}"))?;
    let compromise = match (flags, entries) {
        (_, 256 | 512) => Some(format!("with only {entries} entries, because {}", memlock())),
        (Flags::Coop | Flags::None, _) => {
            Some("without deferred task work, which needs Linux 6.1".to_owned())
        }
        _ => None,
    };
    Ok(Ring { runtime, entries, flags: flags.name(), compromise })
}

/// Makes a small ring with the best flags that the kernel knows, enters it once and asks it for
/// its operations. The executor ignores errors of `io_uring_enter` and would spin where a
/// seccomp profile forbids only that call; so it is tried here.
fn usable_flags() -> Result<Flags, String> {
    for flags in FLAGS {
        match flags.builder().build(8) {
            Ok(ring) => return check(&ring).map(|()| flags),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            Err(error) => return Err(obstacle(&error)),
        }
    }
    Err("the kernel refuses every way of setting up a ring (EINVAL)".to_owned())
}

fn check(ring: &IoUring) -> Result<(), String> {
    ring.submit().map_err(|error| obstacle(&error))?;
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|error| obstacle(&error))?;
    let needed = [
        (opcode::Accept::CODE, "accept"),
        (opcode::AsyncCancel::CODE, "cancel"),
        (opcode::Close::CODE, "close"),
        (opcode::Connect::CODE, "connect"),
        (opcode::PollAdd::CODE, "poll"),
        (opcode::Recv::CODE, "recv"),
        (opcode::Send::CODE, "send"),
        (opcode::Timeout::CODE, "timeout"),
        (opcode::Writev::CODE, "writev"),
    ];
    match needed.iter().find(|(code, _)| !probe.is_supported(*code)) {
        None => Ok(()),
        Some((_, name)) => Err(format!("this kernel's io_uring can't {name} (5.6 or later can)")),
    }
}

/// What an error of one of the three system calls most likely means, and what helps.
pub(super) fn obstacle(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => denied(disabled_by_sysctl()),
        Some(libc::ENOSYS) => {
            "the kernel has no io_uring, or a seccomp profile hides it (ENOSYS)".to_owned()
        }
        Some(libc::ENOMEM) => memlock(),
        _ => format!("the kernel refuses it: {error}"),
    }
}

pub(super) fn denied(disabled: Option<u8>) -> String {
    match disabled {
        Some(level @ 1..) => format!(
            "kernel.io_uring_disabled={level} forbids it{}",
            if level == 1 { " to processes without privilege" } else { "" }
        ),
        _ => "denied with EPERM, most likely by a seccomp profile (the default one of container \
              runtimes denies io_uring)"
            .to_owned(),
    }
}

fn disabled_by_sysctl() -> Option<u8> {
    let text = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    text.trim().parse().ok()
}

fn memlock() -> String {
    let limit = match sys::memlock_limit() {
        Ok(Some(bytes)) => format!("RLIMIT_MEMLOCK is {} KiB", bytes / 1_024),
        Ok(None) | Err(_) => "memory is short".to_owned(),
    };
    format!(
        "too little memory may be locked (ENOMEM): {limit}, a ring of 1,024 entries takes about \
         112 KiB for each shard of each process of this user"
    )
}

impl Flags {
    fn builder(self) -> io_uring::Builder {
        let mut builder = IoUring::builder();
        match self {
            Self::Defer => {
                builder.setup_single_issuer().setup_coop_taskrun().setup_defer_taskrun();
            }
            Self::Coop => {
                builder.setup_coop_taskrun();
            }
            Self::None => {}
        }
        builder
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Defer => "SINGLE_ISSUER|COOP_TASKRUN|DEFER_TASKRUN",
            Self::Coop => "COOP_TASKRUN",
            Self::None => "",
        }
    }
}
