//! All settings of the receiver read together, and `receiver check`, which shows them with
//! every finding and does not start.

#[cfg(test)]
mod tests;

use millrace_contract::Resource;
use millrace_kafka::properties::{ProducerRefused, ProducerSettings, translate_producer};
use millrace_process::check::{self, Section, pair};
use millrace_process::cli;
use millrace_process::observability::Observability;
use millrace_settings::{Properties, Report, Source};

use crate::{
    env::{Env, Features, variables},
    http_options::HttpOptions,
};

/// Everything that is read once at start.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) env: Env,
    pub(crate) observability: Observability,
    pub(crate) features: Features,
    pub(crate) http: HttpOptions,
    /// With a refusal the process runs, but every resource fails: their paths answer 404, and
    /// each says why (platform.md 12, P10 and P11).
    pub(crate) producer: Result<ProducerSettings, ProducerRefused>,
}

impl Settings {
    /// Reads the environment and the files it names. `None` if the process cannot run with
    /// them: print `report` and exit with 78. Else log `report`; it may hold errors of
    /// the producer file, which are no reason to stop.
    pub(crate) fn load(source: &dyn Source, report: &mut Report) -> Option<Self> {
        let env = Env::from_source(source, report)?;
        let observability = Observability::read(&env.common.observability, report);
        let features = Features::read(env.features.as_deref(), report);
        let http = Properties::load(&env.httpserver_config, report);
        let http = http.map(|properties| HttpOptions::read(&properties, report));
        let producer = Properties::load(&env.common.producer_config, report);
        let producer = producer.map(|properties| translate_producer(&properties, report));
        Some(Self {
            env,
            observability: observability?,
            features,
            http: http?,
            producer: producer?,
        })
    }
}

/// Runs `receiver check`: the text or JSON to print on stdout, and the exit code.
pub(crate) fn run(source: &dyn Source, options: cli::Check) -> (String, i32) {
    let mut report = Report::new();
    let settings = Settings::load(source, &mut report);
    check::contract(source, &mut report, refusals);
    let sections = settings.as_ref().map(sections).unwrap_or_default();
    let shown = check::Shown { variables: &variables(), sections, report: &report };
    check::print(source, &shown, options)
}

/// Why a resource would not be served.
fn refusals(resource: &Resource) -> Vec<String> {
    let Some(ingress) = &resource.ingress else { return Vec::new() };
    let (space, name) = (&resource.reference.namespace, &resource.reference.name);
    let refused = |need| format!("resource {} ({space}/{name}) is refused: {need}", resource.uid);
    let mut refusals = Vec::new();
    if !resource.auth.is_plaintext() {
        refusals.push(refused("it needs credentials for Kafka, which are not available yet"));
    }
    if ingress.audience.is_some() {
        refusals.push(refused("it needs tokens verified, which is not available yet"));
    }
    refusals
}

fn sections(settings: &Settings) -> Vec<Section> {
    let oidc = settings.features.authentication_oidc;
    vec![
        check::observability(&settings.env.common, &settings.observability),
        ("features", vec![pair("authentication-oidc", oidc)]),
        ("http server", http(settings)),
        ("producer", producer(&settings.producer)),
    ]
}

fn http(settings: &Settings) -> Vec<(String, String)> {
    let options = &settings.http;
    let socket = options.listen(settings.env.ingress_port);
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs_f64());
    let limit = |time: Option<_>| time.map_or_else(|| "none".to_owned(), seconds);
    vec![
        pair("listen", std::net::SocketAddr::new(socket.host, socket.port)),
        pair("idleTimeout", seconds(options.idle_timeout)),
        pair("readIdleTimeout", limit(options.read_idle_timeout)),
        pair("writeIdleTimeout", limit(options.write_idle_timeout)),
        pair("maxInitialLineLength", options.line_bytes_max),
        pair("maxHeaderSize", options.headers_bytes_max),
        pair("tcpNoDelay", socket.nodelay),
        pair("tcpKeepAlive", socket.keepalive.is_some()),
    ]
}

fn producer(producer: &Result<ProducerSettings, ProducerRefused>) -> Vec<(String, String)> {
    let settings = match producer {
        Ok(settings) => settings,
        Err(_) => return vec![pair("refused", "every resource fails; see the errors below")],
    };
    let mut pairs = vec![
        pair("buffer.memory", settings.buffer_memory),
        pair("max.block.ms", settings.max_block.as_millis()),
        pair("max.request.size", settings.max_request_size),
    ];
    pairs.extend(check::client(&settings.librdkafka));
    pairs
}
