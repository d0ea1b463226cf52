//! Flags and subcommands. Without any the program runs; settings come from the environment.

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::exit;

/// How a program presents itself.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Of the executable.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
}

/// What was asked on the command line.
#[derive(Clone, Copy, Debug)]
pub enum Command {
    /// Do the work.
    Run,
    /// Print the effective settings and every finding, without starting.
    Check(Check),
}

/// How `check` reports.
#[derive(Clone, Copy, Debug, Args)]
pub struct Check {
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
    /// Exit with 78 on warnings, too.
    #[arg(long)]
    pub deny_warnings: bool,
}

#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Word>,
}

#[derive(Debug, Subcommand)]
enum Word {
    /// Print the effective settings and every finding, without starting.
    Check(Check),
}

impl Command {
    /// Parses the arguments of this process; prints help, version or the mistake and exits.
    pub fn from_args(program: &Program) -> Command {
        Self::parse(program, std::env::args_os()).unwrap_or_else(|error| {
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            let _ = error.print();
            std::process::exit(code)
        })
    }

    fn parse(
        program: &Program,
        args: impl IntoIterator<Item = std::ffi::OsString>,
    ) -> Result<Command, clap::Error> {
        let Program { name, about } = *program;
        let settings = format!(
            "{about}\n\nSettings come from the environment and the files it names; \
             `{name} check` shows them all."
        );
        let mut command = Cli::command().name(name).about(about).long_about(settings);
        let matches = command.try_get_matches_from_mut(args)?;
        let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        Ok(match cli.command {
            None => Command::Run,
            Some(Word::Check(check)) => Command::Check(check),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: Program = Program { name: "mill", about: "Grinds." };

    fn parse(args: &[&str]) -> Result<Command, clap::Error> {
        let args = ["mill"].iter().chain(args).map(|arg| (*arg).into());
        Command::parse(&PROGRAM, args)
    }

    #[test]
    fn nothing_runs_and_check_has_two_flags() {
        assert!(matches!(parse(&[]), Ok(Command::Run)));
        let Ok(Command::Check(check)) = parse(&["check", "--json"]) else { panic!("no check") };
        assert!(check.json && !check.deny_warnings);
    }

    #[test]
    fn help_and_version_are_no_mistakes_and_the_rest_is() {
        for (args, mistake, part) in [
            (["--help"], false, "mill check"),
            (["--version"], false, env!("CARGO_PKG_VERSION")),
            (["--bogus"], true, "--bogus"),
            (["chek"], true, "check"),
        ] {
            let error = parse(&args).unwrap_err();
            assert_eq!(error.use_stderr(), mistake, "{args:?}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
