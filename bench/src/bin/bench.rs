//! `bench`: load, sink and the rest of the harness; see `bench --help`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use millrace_bench::{compare, floor, goals, load, round, sink};

/// Measures CloudEvents ingresses and subscriber chains.
///
/// Each result names machine, kernel, commit, settings and command. Figures of different machines, and of
/// one machine at different times, cannot be compared; ratios of one run can.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Load(Box<load::LoadArguments>),
    Sink(sink::SinkArguments),
    Round(Box<round::RoundArguments>),
    Floor(floor::FloorArguments),
    Goals(goals::GoalsArguments),
    Compare(Box<compare::CompareArguments>),
    #[command(hide = true, subcommand)]
    Part(floor::PartCommand),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Load(arguments) => load::run(&arguments),
        What::Sink(arguments) => sink::run(&arguments),
        What::Round(arguments) => {
            return round::run(&arguments)
                .map_or_else(fail, |good| ExitCode::from(u8::from(!good)));
        }
        What::Compare(arguments) => compare::run(&arguments),
        What::Floor(arguments) => floor::run(&arguments),
        What::Goals(arguments) => goals::run(&arguments),
        What::Part(part) => floor::run_part(part),
    };
    done.map_or_else(fail, |()| ExitCode::SUCCESS)
}

fn fail(error: Box<dyn Error>) -> ExitCode {
    eprintln!("bench: {error}");
    ExitCode::FAILURE
}
