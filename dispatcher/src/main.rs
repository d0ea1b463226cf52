//! The dispatcher: CloudEvents out of Kafka to HTTP subscribers, committed only once they are
//! delivered.
//!
//! Takes the place of the Java dispatcher of Knative's Kafka Broker, KafkaChannel and KafkaSource.
#![forbid(unsafe_code)]

mod app;
mod check;
mod deliver;
mod edition;
mod env;
mod groups;
mod healthy;
mod housekeeping;
mod kafka_numbers;
mod lane;
mod lifecycle;
mod link;
mod outgoing;
mod plan;
mod queued;
mod replies;
mod seat;
mod shard;
mod webclient;

use std::io::Write;
use std::process::ExitCode;

use millrace_process::cli::{Command, Program};
use millrace_process::{exit, logging};
use millrace_settings::Report;
use millrace_settings::source::ProcessEnvironment;

use check::Settings;
use healthy::Healthy;

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
    let healthy = Healthy::new(env::healthy_file(&ProcessEnvironment));
    let mut report = Report::new();
    let Some(settings) = Settings::load(&ProcessEnvironment, &mut report) else {
        eprintln!("The dispatcher cannot start with these settings:\n{report}");
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
    let ended = app::run(settings, healthy, log.flusher());
    if let Err(error) = &ended {
        tracing::error!(error = %error, "The dispatcher cannot run.");
    }
    drop(log);
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
