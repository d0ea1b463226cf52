//! The dispatcher: CloudEvents out of Kafka to HTTP subscribers, committed only once they are
//! delivered.
//!
//! Takes the place of the Java dispatcher of Knative's Kafka Broker, KafkaChannel and KafkaSource.
#![forbid(unsafe_code)]

mod check;
mod env;
mod healthy;
mod webclient;

use std::io::Write;
use std::process::ExitCode;

use millrace_process::cli::{Command, Program};
use millrace_process::{exit, logging};
use millrace_settings::Report;
use millrace_settings::source::ProcessEnvironment;

use check::Settings;

const DISPATCHER: Program = Program {
    name: "dispatcher",
    about: "Reads CloudEvents from Kafka and sends them to HTTP subscribers; commits what is \
            delivered.",
};

fn main() -> ExitCode {
    match Command::from_args(&DISPATCHER) {
        Command::Check(options) => {
            let (text, code) = check::run(&ProcessEnvironment, options);
            // A reader that went away is no reason to panic.
            let _ = std::io::stdout().write_all(text.as_bytes());
            std::process::exit(code)
        }
        Command::Run => run(),
    }
}
fn run() -> ExitCode {
    ExitCode::SUCCESS
}
