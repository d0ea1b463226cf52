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
mod files;
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

use std::process::ExitCode;

use millrace_process::cli::Program;
use millrace_process::program;
use millrace_settings::source::ProcessEnvironment;

use check::Settings;

const RECEIVER: Program = Program {
    name: "receiver",
    about: "Takes CloudEvents over HTTP and writes them to Kafka; answers 202 once Kafka has \
            acknowledged.",
};

fn main() -> ExitCode {
    program::main(&RECEIVER, |options| check::run(&ProcessEnvironment, options), run)
}

fn run() -> ExitCode {
    let load = |report: &mut _| Settings::load(&ProcessEnvironment, report);
    program::run(
        &RECEIVER,
        load,
        |settings| &settings.env.common,
        |settings, flusher| {
            app::run(settings, flusher).inspect_err(|error| {
                tracing::error!(error = %error, "The receiver cannot run.");
            })
        },
    )
}
