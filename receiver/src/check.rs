//! All settings of the receiver read together, and `receiver check`, which shows them with
//! every finding and does not start.

mod print;

#[cfg(test)]
mod tests;

use millrace_contract::Parsed;
use millrace_kafka::properties::{ProducerRefused, ProducerSettings, translate_producer};
use millrace_settings::{
    Finding, Origin, Properties, Report, Source, Unreadable, source::read_file,
};

use crate::{
    cli,
    env::{DATA_PLANE_CONFIG_FILE_PATH, Env, Features, Observability},
    http_options::HttpOptions,
};

/// Exit code for settings with which the process cannot run (sysexits.h EX_CONFIG).
pub(crate) const CONFIG: i32 = 78;

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
    /// them: print `report` and exit with [`CONFIG`]. Else log `report`; it may hold errors of
    /// the producer file, which are no reason to stop.
    pub(crate) fn load(source: &dyn Source, report: &mut Report) -> Option<Self> {
        let env = Env::from_source(source, report)?;
        let observability = Observability::read(&env.observability, report);
        let features = Features::read(env.features.as_deref(), report);
        let http = Properties::load(&env.httpserver_config, report);
        let http = http.map(|properties| HttpOptions::read(&properties, report));
        let producer = Properties::load(&env.producer_config, report);
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
    check_contract(source, &mut report);
    let text = if options.json {
        print::json(source, settings.as_ref(), &report)
    } else {
        print::text(source, settings.as_ref(), &report)
    };
    let failed = report.has_errors() || (options.deny_warnings && !report.is_clean());
    (text, if failed { CONFIG } else { 0 })
}

/// A missing or empty contract is normal before the first resource exists; one that does not
/// parse is kept out by the running process, which goes on with the one before.
fn check_contract(source: &dyn Source, report: &mut Report) {
    let Ok(Some(path)) = source.text(DATA_PLANE_CONFIG_FILE_PATH) else { return };
    let origin = Origin::File(path.into());
    let Some(path) = origin.file() else { return };
    let bytes = match read_file(path) {
        Ok(bytes) if bytes.is_empty() => {
            report.push(Finding::info(&origin, "empty: there are no resources yet"));
            return;
        }
        Ok(bytes) => bytes,
        Err(Unreadable::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            report.push(Finding::warning(&origin, "does not exist: there are no resources yet"));
            return;
        }
        Err(error) => {
            report.push(Finding::warning(&origin, error.to_string()));
            return;
        }
    };
    match millrace_contract::Contract::parse(&bytes) {
        Ok(parsed) => report_contract(&origin, &parsed, report),
        Err(error) => report.push(Finding::error(&origin, error.to_string())),
    }
}

fn report_contract(origin: &Origin, parsed: &Parsed, report: &mut Report) {
    let contract = &parsed.contract;
    let message =
        format!("generation {}, {} resources", contract.generation, contract.resources.len());
    report.push(Finding::info(origin, message));
    for rejection in &contract.rejected {
        report.push(Finding::warning(origin, rejection.to_string()));
    }
    for resource in &contract.resources {
        let Some(ingress) = &resource.ingress else { continue };
        let mut refuse = |need: &str| {
            let (space, name) = (&resource.reference.namespace, &resource.reference.name);
            let message = format!("resource {} ({space}/{name}) is refused: {need}", resource.uid);
            report.push(Finding::warning(origin, message));
        };
        if !resource.auth.is_plaintext() {
            refuse("it needs credentials for Kafka, which are not available yet");
        }
        if ingress.audience.is_some() {
            refuse("it needs tokens verified, which is not available yet");
        }
    }
    for warning in parsed.warnings.iter() {
        report.push(Finding::warning(origin, warning.to_string()));
    }
    if parsed.warnings.dropped() > 0 {
        let message = format!("and {} more oddities of the contract", parsed.warnings.dropped());
        report.push(Finding::warning(origin, message));
    }
}
