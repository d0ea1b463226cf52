//! All settings of the dispatcher read together, and `dispatcher check`, which shows them with
//! every finding and does not start.

#[cfg(test)]
mod tests;

use std::time::Duration;

use millrace_contract::Resource;
use millrace_contract::model::{Egress, Endpoint, Reply};
use millrace_kafka::properties::{
    ConsumerRefused, ConsumerSettings, ProducerRefused, ProducerSettings, translate_consumer,
    translate_producer,
};
use millrace_process::check::{self, Section, pair};
use millrace_process::cli;
use millrace_process::observability::Observability;
use millrace_settings::{Properties, Report, Source};

use crate::env::{Env, variables};
use crate::webclient::WebClientOptions;

/// Everything that is read once at start.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) env: Env,
    pub(crate) observability: Observability,
    pub(crate) webclient: WebClientOptions,
    /// With a refusal the process runs, but no egress starts, and each says why.
    pub(crate) consumer: Result<ConsumerSettings, ConsumerRefused>,
    /// With a refusal, egresses that reply to a topic do not start.
    pub(crate) producer: Result<ProducerSettings, ProducerRefused>,
}

impl Settings {
    /// Reads the environment and the files it names. `None` if the process cannot run with
    /// them: print `report` and exit with 78. Else log `report`; it may hold errors of the Kafka
    /// files, which are no reason to stop.
    pub(crate) fn load(source: &dyn Source, report: &mut Report) -> Option<Self> {
        let env = Env::from_source(source, report)?;
        let observability = Observability::read(&env.common.observability, report);
        let webclient = Properties::load(&env.webclient_config, report);
        let webclient = webclient.map(|file| WebClientOptions::read(&file, report));
        let consumer = Properties::load(&env.consumer_config, report);
        let consumer = consumer.map(|file| translate_consumer(&file, report));
        let producer = Properties::load(&env.common.producer_config, report);
        let producer = producer.map(|file| translate_producer(&file, report));
        Some(Self {
            env,
            observability: observability?,
            webclient: webclient?,
            consumer: consumer?,
            producer: producer?,
        })
    }
}

/// Runs `dispatcher check`: the text or JSON to print on stdout, and the exit code.
pub(crate) fn run(source: &dyn Source, options: cli::Check) -> (String, i32) {
    let mut report = Report::new();
    let settings = Settings::load(source, &mut report);
    check::contract(source, &mut report, refusals);
    let sections = settings.as_ref().map(sections).unwrap_or_default();
    let shown = check::Shown { variables: &variables(), sections, report: &report };
    check::print(source, &shown, options)
}

/// Why egresses of a resource would not be started, as far as that can be said without starting.
fn refusals(resource: &Resource) -> Vec<String> {
    let mut refusals = Vec::new();
    for egress in &resource.egresses {
        let (space, name) = (&egress.reference.namespace, &egress.reference.name);
        let mut refuse = |need: &str| {
            refusals.push(format!("egress {} ({space}/{name}) is refused: {need}", egress.uid));
        };
        if !resource.auth.is_plaintext() {
            refuse("it needs credentials for Kafka, which are not available yet");
        }
        if targets(egress).any(|target| target.audience.is_some()) {
            refuse("it needs tokens for its targets, which are not available yet");
        }
        let is_tls = |url: &str| url.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://"));
        if targets(egress).any(|target| is_tls(&target.url)) {
            refuse("it needs TLS towards its targets, which is not available yet");
        }
    }
    refusals
}

fn sections(settings: &Settings) -> Vec<Section> {
    vec![
        check::observability(&settings.env.common, &settings.observability),
        ("http client", webclient(&settings.webclient)),
        ("consumer", consumer(&settings.consumer)),
        ("producer", producer(&settings.producer)),
    ]
}

fn webclient(options: &WebClientOptions) -> Vec<(String, String)> {
    let seconds = |time: Duration| format!("{} s", time.as_secs_f64());
    let limit = |time: Option<Duration>| time.map_or_else(|| "none".to_owned(), seconds);
    vec![
        pair("maxPoolSize", options.connections_max),
        pair("idleTimeout", limit(options.idle_timeout)),
        pair("keepAlive", options.keep_alive),
        pair("keepAliveTimeout", seconds(options.keep_alive_timeout)),
        pair("connectTimeout", seconds(options.connect_timeout)),
        pair("maxInitialLineLength", options.line_bytes_max),
        pair("maxHeaderSize", options.headers_bytes_max),
        pair("userAgent", options.user_agent.as_deref().unwrap_or("none")),
        pair("tcpNoDelay", options.socket.nodelay),
        pair("tcpKeepAlive", options.socket.keepalive.is_some()),
    ]
}

fn consumer(consumer: &Result<ConsumerSettings, ConsumerRefused>) -> Vec<(String, String)> {
    let settings = match consumer {
        Ok(settings) => settings,
        Err(_) => return vec![pair("refused", "no egress starts; see the errors below")],
    };
    let records = settings.max_poll_records.map_or("not set".to_owned(), |it| it.to_string());
    let plural = &settings.invalid_kind_plural;
    let mut pairs = vec![
        pair("max.poll.records", records),
        pair("auto.commit.interval.ms", settings.auto_commit_interval.as_millis()),
        pair("cloudevent.invalid.transformer.enabled", settings.transformer_enabled),
        pair("cloudevent.invalid.kind.plural", plural),
    ];
    // What follows is what the client library gets, in its own names.
    pairs.extend(check::client(&settings.librdkafka));
    pairs
}

fn producer(producer: &Result<ProducerSettings, ProducerRefused>) -> Vec<(String, String)> {
    match producer {
        Ok(settings) => check::client(&settings.librdkafka).collect(),
        Err(_) => vec![pair("refused", "no replies to topics; see the errors below")],
    }
}

/// Whom an egress may send to.
fn targets(egress: &Egress) -> impl Iterator<Item = &Endpoint> {
    let reply = match &egress.reply {
        Reply::Url(url) => Some(url),
        Reply::Topic | Reply::Discard => None,
    };
    std::iter::once(&egress.destination).chain(reply).chain(&egress.delivery.dead_letter)
}
