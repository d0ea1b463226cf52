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
#[cfg(feature = "testing")]
mod hang;
mod healthy;
mod housekeeping;
mod kafka_numbers;
mod lane;
mod lifecycle;
mod link;
mod outgoing;
mod plan;
mod queued;
mod ready;
mod replies;
mod seat;
mod shard;
mod steps;
mod sync;
mod webclient;

use std::process::ExitCode;

use millrace_process::cli::Program;
use millrace_process::program;
use millrace_settings::source::ProcessEnvironment;

use check::Settings;
use healthy::Healthy;

const DISPATCHER: Program = Program {
    name: "dispatcher",
    about: "Reads CloudEvents from Kafka and sends them to HTTP subscribers; commits what is \
            delivered.",
};

fn main() -> ExitCode {
    program::main(&DISPATCHER, |options| check::run(&ProcessEnvironment, options), run)
}

fn run() -> ExitCode {
    let healthy = Healthy::new(env::healthy_file(&ProcessEnvironment));
    let load = |report: &mut _| Settings::load(&ProcessEnvironment, report);
    program::run(
        &DISPATCHER,
        load,
        |settings| &settings.env.common,
        |settings, flusher| {
            app::run(settings, healthy, flusher).inspect_err(|error| {
                tracing::error!(error = %error, "The dispatcher cannot run.");
            })
        },
    )
}
