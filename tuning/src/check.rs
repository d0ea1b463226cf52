//! `tuning check`: looks at the machine, and at the settings that a program would run with.

mod cgroup;
mod driver;
mod facts;
mod finding;
mod report;
mod rules;
mod settings;
mod wanted;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use thiserror::Error;

pub(crate) use settings::variables;

use driver::Probed;
use facts::Facts;
use finding::Finding;
use wanted::Wanted;

/// Look for what slows the programs down here: kernel, limits, cgroup, network, clocks.
///
/// Run it where the programs run: in the container, as the same user. Every finding has its fix. Warnings
/// are worth fixing and make the exit code 1; notes are worth knowing.
///
/// By default the shipped settings are assumed. With --env they are read from the environment and the files
/// that it names, as the programs do; with --config from a directory with the files of the ConfigMap that is
/// mounted at /etc/config, or of a profile of tuning/profiles.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  tuning check
  kubectl -n knative-eventing debug -it POD --image=… -- tuning check --env
  tuning check --program receiver --config tuning/profiles/throughput
  tuning check --program dispatcher --egresses 200 --partitions 12 --json")]
pub struct CheckArguments {
    /// The program that shall run here. With --env, the one that the variables are for.
    #[arg(long, value_enum)]
    pub program: Option<Choice>,
    /// Read the variables of this process and the files that they name.
    #[arg(long)]
    pub env: bool,
    /// Read *producer.properties, *consumer.properties and so on, and receiver.env or dispatcher.env, from
    /// this directory.
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,
    /// Egresses that the dispatcher serves. Without it those of the contract, or 20.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub egresses: Option<u32>,
    /// Partitions of each egress' topics that this process may get.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub partitions: u32,
    /// Brokers of a Kafka cluster.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub brokers: u32,
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
    /// Where /proc and /sys are. The io driver is tried out on this machine in any case.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// The receiver.
    Receiver,
    /// The dispatcher.
    Dispatcher,
    /// One of each, as if each were alone.
    Both,
}

/// A program whose needs are compared with the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// Takes events.
    Receiver,
    /// Delivers them.
    Dispatcher,
}

impl Program {
    /// As its binary is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Receiver => "receiver",
            Self::Dispatcher => "dispatcher",
        }
    }
}

/// Why nothing could be looked at.
#[derive(Debug, Error)]
pub enum CheckError {
    /// Settings with which the program would not start.
    #[error(
        "the {} would not start with these settings; `{} check` says more:\n{report}",
        .program.name(), .program.name()
    )]
    Settings {
        /// Which program.
        program: Program,
        /// The errors, one a line.
        report: String,
    },
    /// No such directory.
    #[error("{}: {error}", .path.display())]
    Config {
        /// What was given.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The shards cannot be laid out.
    #[error(transparent)]
    Topology(#[from] millrace_shard::TopologyError),
}

/// What one program needs, what it would run on, and all that is wrong.
struct Looked {
    wanted: Wanted,
    driver: Probed,
    findings: Vec<Finding>,
}

/// Looks, prints; whether there is nothing to fix.
///
/// # Errors
/// When the settings are such that a program would not start.
pub fn run(arguments: &CheckArguments) -> Result<bool, CheckError> {
    let facts = Facts::gather(&arguments.root);
    let mut looked = Vec::new();
    for program in settings::programs(arguments) {
        let wanted = Wanted::read(program, arguments, &facts)?;
        let driver = driver::probe(wanted.shards, wanted.io_driver);
        let findings = rules::all(&facts, &wanted, &driver);
        looked.push(Looked { wanted, driver, findings });
    }
    let findings = finding::together(looked.iter().map(|one| one.findings.as_slice()));
    let text = if arguments.json {
        report::json(&facts, &looked, &findings)
    } else {
        report::text(&facts, &looked, &findings)
    };
    print!("{text}");
    Ok(findings.iter().all(|finding| finding.severity != finding::Severity::Warning))
}
