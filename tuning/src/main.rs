//! `tuning`: looks at a machine and tries settings; see `tuning --help`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use millrace_tuning::{check, sweep};

/// Finds what slows the receiver and the dispatcher down, and which settings help.
///
/// `check` looks at the machine and at the settings and names what is wrong, each with its fix; it takes
/// less than a second and needs no load. `sweep` measures settings against the shipped ones under load and
/// says which is best, or that none is. docs/tuning.md says how to read both.
///
/// Exit codes: 0 nothing to do, 1 something to fix or failed, 2 not understood.
#[derive(Parser)]
#[command(name = "tuning", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Check(check::CheckArguments),
    Sweep(Box<sweep::SweepArguments>),
}

fn main() -> ExitCode {
    match Arguments::parse().what {
        What::Check(arguments) => match check::run(&arguments) {
            Ok(clean) => ExitCode::from(u8::from(!clean)),
            Err(error) => fail(&error, 2),
        },
        What::Sweep(arguments) => match sweep::run(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(error.as_ref(), if error.is::<sweep::Misuse>() { 2 } else { 1 }),
        },
    }
}

fn fail(error: &dyn Error, code: u8) -> ExitCode {
    eprintln!("tuning: {error}");
    ExitCode::from(code)
}
