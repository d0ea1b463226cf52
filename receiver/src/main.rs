//! The receiver: CloudEvents over HTTP into Kafka, answered 202 only once Kafka has acknowledged.
//!
//! Takes the place of the Java receiver of Knative's Kafka Broker, KafkaChannel and KafkaSink.
#![forbid(unsafe_code)]

mod app;
mod check;
mod clients;
mod cluster;
mod connection;
mod control;
mod decide;
mod deliveries;
mod env;
mod failure;
mod housekeeping;
mod http_options;
mod ingest;
mod kafka_numbers;
mod lane;
mod lifecycle;
mod metrics;
mod reconcile;
mod respond;
mod route;
mod routes;
mod serve;
mod shard;

use std::io::Write;
use std::process::ExitCode;

use millrace_process::cli::{Command, Program};
use millrace_process::{exit, logging};
use millrace_settings::Report;
use millrace_settings::source::ProcessEnvironment;

use check::Settings;

const RECEIVER: Program = Program {
    name: "receiver",
    about: "Takes CloudEvents over HTTP and writes them to Kafka; answers 202 once Kafka has \
            acknowledged.",
};

fn main() -> ExitCode {
    match Command::from_args(&RECEIVER) {
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
    let mut report = Report::new();
    let Some(settings) = Settings::load(&ProcessEnvironment, &mut report) else {
        eprintln!("The receiver cannot start with these settings:\n{report}");
        std::process::exit(exit::CONFIG)
    };
    let log = match logging::start(&ProcessEnvironment, &settings.env.common) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    logging::findings(&report);
    let ended = app::run(settings, log.flusher());
    if let Err(error) = &ended {
        tracing::error!(error = %error, "The receiver cannot run.");
    }
    drop(log);
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
