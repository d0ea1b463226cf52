//! The receiver: CloudEvents over HTTP into Kafka, answered 202 only once Kafka has acknowledged.
//!
//! Takes the place of the Java receiver of Knative's Kafka Broker, KafkaChannel and KafkaSink.
#![forbid(unsafe_code)]

mod app;
mod check;
mod cli;
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

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use millrace_observe::log::LogConfig;
use millrace_settings::source::ProcessEnvironment;
use millrace_settings::{Report, Severity, Source};

use check::Settings;
use cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::from_args().command {
        Some(Command::Check(options)) => {
            let (text, code) = check::run(&ProcessEnvironment, options);
            // A reader that went away is no reason to panic.
            let _ = std::io::stdout().write_all(text.as_bytes());
            std::process::exit(code)
        }
        None => run(),
    }
}

fn run() -> ExitCode {
    let mut report = Report::new();
    let Some(settings) = Settings::load(&ProcessEnvironment, &mut report) else {
        eprintln!("The receiver cannot start with these settings:\n{report}");
        std::process::exit(check::CONFIG)
    };
    let log = match log_config(&settings).start() {
        Ok(log) => log,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    log_findings(&report);
    let ended = app::run(settings, log.flusher());
    if let Err(error) = &ended {
        tracing::error!(error = %error, "The receiver cannot run.");
    }
    drop(log);
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn log_config(settings: &Settings) -> LogConfig {
    let text = |name| ProcessEnvironment.text(name).ok().flatten();
    LogConfig::read(
        &settings.env.logging_config,
        text("LOG_LEVEL").as_deref(),
        text("LOG_FORMAT").as_deref(),
        std::io::stdout().is_terminal(),
    )
}

/// Says in the log what was odd about the settings.
fn log_findings(report: &Report) {
    for finding in report.findings() {
        match finding.severity {
            Severity::Error => tracing::error!("{finding}"),
            Severity::Warning => tracing::warn!("{finding}"),
            Severity::Info => tracing::info!("{finding}"),
        }
    }
}
