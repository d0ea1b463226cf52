//! Becomes the program it is given, with io_uring's system calls denied as containers' default seccomp profiles deny
//! them (platform.md 9.4).
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

/// `io_uring_setup`, `io_uring_enter` and `io_uring_register`: the same numbers on every architecture.
const IO_URING: [i64; 3] = [425, 426, 427];
const EPERM: u32 = 1;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: without-io-uring PROGRAM [ARGUMENT…]");
        return ExitCode::FAILURE;
    };
    if let Err(error) = deny() {
        eprintln!("without-io-uring: cannot install the filter: {error}");
        return ExitCode::FAILURE;
    }
    // The filter outlives the change of program.
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("without-io-uring: cannot start {}: {error}", program.display());
    ExitCode::FAILURE
}

fn deny() -> Result<(), Box<dyn Error>> {
    // No conditions on the arguments: each use of these calls matches.
    let calls: BTreeMap<_, _> = IO_URING.into_iter().map(|call| (call, Vec::new())).collect();
    let architecture = env::consts::ARCH.try_into()?;
    let filter =
        SeccompFilter::new(calls, SeccompAction::Allow, SeccompAction::Errno(EPERM), architecture)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(apply_filter(&program)?)
}
