//! Flags and subcommands. Without any the receiver runs; settings come from the environment.

use clap::{Args, Parser, Subcommand};

/// What was asked on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "receiver",
    version,
    about = "Takes CloudEvents over HTTP and writes them to Kafka; answers 202 once Kafka has acknowledged.",
    long_about = "Takes CloudEvents over HTTP and writes them to Kafka; answers 202 once Kafka has \
                  acknowledged.\n\nSettings come from the environment and the files it names; \
                  `receiver check` shows them all."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the effective settings and every finding, without starting.
    Check(Check),
}

/// How `check` reports.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Check {
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit with 78 on warnings, too.
    #[arg(long)]
    pub(crate) deny_warnings: bool,
}

/// Exit code for flags that make no sense (sysexits.h EX_USAGE).
const USAGE: i32 = 64;

impl Cli {
    /// Parses the arguments of this process; prints help, version or the mistake and exits.
    pub(crate) fn from_args() -> Cli {
        Cli::try_parse().unwrap_or_else(|error| {
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            std::process::exit(code)
        })
    }
}
