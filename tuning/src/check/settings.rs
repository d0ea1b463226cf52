//! Where the settings are: the environment, a directory laid out as a ConfigMap or a profile, or as shipped.

use std::fs;
use std::path::PathBuf;

use millrace_bench::shipped;
use millrace_settings::source::ProcessEnvironment;
use millrace_settings::{Origin, Properties, Report, Source, Variables};

use super::{CheckArguments, CheckError, Choice, Program};

/// Variables and files of one program.
pub(super) struct Settings {
    pub(super) variables: Box<dyn Source>,
    directory: Option<PathBuf>,
}

/// A file of properties that the programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    Producer,
    Consumer,
    HttpServer,
    WebClient,
}

/// The programs that are asked about.
pub(super) fn programs(arguments: &CheckArguments) -> Vec<Program> {
    match arguments.program.unwrap_or_else(|| told_by_environment(arguments)) {
        Choice::Receiver => vec![Program::Receiver],
        Choice::Dispatcher => vec![Program::Dispatcher],
        Choice::Both => vec![Program::Receiver, Program::Dispatcher],
    }
}

/// Each program requires a variable that the other does not know.
fn told_by_environment(arguments: &CheckArguments) -> Choice {
    let is_set = |name| arguments.env && std::env::var_os(name).is_some();
    match (is_set("INGRESS_PORT"), is_set("CONSUMER_CONFIG_FILE_PATH")) {
        (true, false) => Choice::Receiver,
        (false, true) => Choice::Dispatcher,
        _ => Choice::Both,
    }
}

impl Settings {
    pub(super) fn of(program: Program, arguments: &CheckArguments) -> Result<Self, CheckError> {
        let directory = arguments.config.clone();
        if let Some(path) = &directory {
            fs::read_dir(path).map_err(|error| CheckError::Config { path: path.clone(), error })?;
        }
        let variables: Box<dyn Source> = if arguments.env {
            Box::new(ProcessEnvironment)
        } else {
            let file = directory.as_ref().map(|path| path.join(format!("{}.env", program.name())));
            let text = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
            Box::new(variables(&text))
        };
        Ok(Self { variables, directory })
    }

    /// The properties of a file: from the directory, else where the environment says, else as shipped.
    pub(super) fn properties(&self, file: File, report: &mut Report) -> Properties {
        let found = self.in_directory(file).or_else(|| {
            let named = self.variables.text(file.variable()).ok().flatten();
            named.filter(|path| !path.is_empty()).map(PathBuf::from)
        });
        let origin = Origin::File(PathBuf::from(file.ending()));
        let loaded = match found {
            Some(path) => Properties::load(&path, report),
            None => Properties::parse(file.shipped(), origin.clone()).ok(),
        };
        loaded.unwrap_or_else(|| Properties::empty(origin))
    }

    /// `producer.properties`, or `config-kafka-broker-producer.properties` as in the ConfigMaps.
    fn in_directory(&self, file: File) -> Option<PathBuf> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(self.directory.as_ref()?).ok()?.flatten().map(|it| it.path()).collect();
        // With several kinds in one directory the first by name is as good as any, and always the same.
        paths.sort();
        paths.into_iter().find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(file.ending()))
        })
    }
}

impl File {
    fn ending(self) -> &'static str {
        match self {
            Self::Producer => "producer.properties",
            Self::Consumer => "consumer.properties",
            Self::HttpServer => "httpserver.properties",
            Self::WebClient => "webclient.properties",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Producer => "PRODUCER_CONFIG_FILE_PATH",
            Self::Consumer => "CONSUMER_CONFIG_FILE_PATH",
            Self::HttpServer => "HTTPSERVER_CONFIG_FILE_PATH",
            Self::WebClient => "WEBCLIENT_CONFIG_FILE_PATH",
        }
    }

    fn shipped(self) -> &'static str {
        match self {
            Self::Producer => shipped::PRODUCER_PROPERTIES,
            Self::Consumer => shipped::CONSUMER_PROPERTIES,
            Self::HttpServer => shipped::HTTP_SERVER_PROPERTIES,
            Self::WebClient => shipped::WEB_CLIENT_PROPERTIES,
        }
    }
}

/// Lines of `NAME=value`, comments and blank lines left out.
pub(crate) fn variables(text: &str) -> Variables {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).collect()
}
