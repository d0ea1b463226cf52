//! The frame of both programs: flags, settings or exit 78, the log, then the program itself.

use std::io::Write;
use std::process::ExitCode;

use millrace_observe::log::Flusher;
use millrace_settings::Report;
use millrace_settings::source::ProcessEnvironment;

use crate::cli::{Check, Command, Program};
use crate::env::CommonEnv;
use crate::{exit, logging};

/// Does what the command line asks for: prints what `check` has found and exits with its code, or
/// runs.
pub fn main(
    program: &Program,
    check: impl FnOnce(Check) -> (String, i32),
    run: impl FnOnce() -> ExitCode,
) -> ExitCode {
    match Command::from_args(program) {
        Command::Check(options) => {
            let (text, code) = check(options);
            // A reader that went away is no reason to panic.
            let _ = std::io::stdout().write_all(text.as_bytes());
            std::process::exit(code)
        }
        Command::Run => run(),
    }
}

/// Loads the settings, starts the log and runs `app`, which is to log its own error. Settings that
/// do not let the program start end the process with 78.
pub fn run<S, E>(
    program: &Program,
    load: impl FnOnce(&mut Report) -> Option<S>,
    common: impl FnOnce(&S) -> &CommonEnv,
    app: impl FnOnce(S, Flusher) -> Result<(), E>,
) -> ExitCode {
    let mut report = Report::new();
    let Some(settings) = load(&mut report) else {
        eprintln!("The {} cannot start with these settings:\n{report}", program.name);
        std::process::exit(exit::CONFIG)
    };
    let log = match logging::start(&ProcessEnvironment, common(&settings)) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    logging::findings(&report);
    let ended = app(settings, log.flusher());
    drop(log);
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
