//! The work done for each event, one piece at a time: `bench/instructions.sh` counts what each costs.
//!
//! `instructions` prints the names; `instructions NAME` does that piece of work, the counted part in
//! [`case::counted`] alone, where callgrind's `--toggle-collect` finds it. Counts of instructions do
//! not depend on what else the machine does, so a change of a percent shows on a busy one.
#![forbid(unsafe_code)]

mod case;
mod codec;
mod filters;
mod http;
mod offsets;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cases = [codec::cases(), filters::cases(), http::cases(), offsets::cases()];
    let mut cases = cases.into_iter().flatten();
    let Some(wanted) = std::env::args().nth(1) else {
        cases.for_each(|case| println!("{}\t{}", case.name, case.operations()));
        return ExitCode::SUCCESS;
    };
    match cases.find(|case| case.name == wanted) {
        Some(case) => case.run(),
        None => {
            eprintln!("No such piece of work: {wanted}");
            return ExitCode::from(64);
        }
    }
    ExitCode::SUCCESS
}
