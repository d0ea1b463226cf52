//! Settings that are tried: from the command line, from a profile, or from the list for a program.

use std::fs;
use std::path::Path;

use millrace_bench::products::Changes;
use millrace_bench::shipped;
use millrace_settings::{Origin, Properties};

use super::{Misuse, SweepArguments, Swept};
use crate::check::variables;

/// One set of settings, as far as it differs from the shipped ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// As it was written.
    pub(super) name: String,
    pub(super) changes: Changes,
}

const FILES: [(&str, &str); 4] = [
    ("producer", shipped::PRODUCER_PROPERTIES),
    ("consumer", shipped::CONSUMER_PROPERTIES),
    ("httpserver", shipped::HTTP_SERVER_PROPERTIES),
    ("webclient", shipped::WEB_CLIENT_PROPERTIES),
];

/// What is worth a try for a receiver: batching, connections to Kafka, bytes, the driver.
const RECEIVER: [&str; 9] = [
    "PRODUCER_BATCH_DELAY_US=0",
    "PRODUCER_BATCH_DELAY_US=100",
    "PRODUCER_BATCH_DELAY_US=2000",
    "linger.ms=1,batch.size=1000000",
    "linger.ms=5,batch.size=1000000",
    "max.in.flight.requests.per.connection=1",
    "compression.type=lz4",
    "compression.type=zstd",
    "IO_DRIVER=epoll",
];

/// For a dispatcher: what is in flight, what is fetched, the driver.
const DISPATCHER: [&str; 8] = [
    "max.poll.records=10",
    "max.poll.records=100",
    "max.poll.records=200,webclient/maxPoolSize=200",
    "max.partition.fetch.bytes=262144",
    "max.partition.fetch.bytes=1048576",
    "fetch.max.wait.ms=10",
    "receive.buffer.bytes=-1",
    "IO_DRIVER=epoll",
];

/// The candidates that the command line asks for.
pub(super) fn all(arguments: &SweepArguments) -> Result<Vec<Candidate>, Misuse> {
    let listed: Vec<String> = match arguments.program {
        _ if !(arguments.candidates.is_empty() && arguments.profiles.is_empty()) => {
            arguments.candidates.clone()
        }
        Swept::Receiver => RECEIVER.map(str::to_owned).into(),
        Swept::Dispatcher => DISPATCHER.map(str::to_owned).into(),
    };
    let written = listed.iter().map(|text| Candidate::parse(text, arguments.program));
    let profiles =
        arguments.profiles.iter().map(|path| Candidate::profile(path, arguments.program));
    written.chain(profiles).collect()
}

impl Candidate {
    /// Nothing changed.
    pub(super) fn shipped() -> Self {
        Self { name: "shipped".to_owned(), changes: Changes::default() }
    }

    /// `NAME=VALUE,FILE/NAME=VALUE`
    fn parse(text: &str, swept: Swept) -> Result<Self, Misuse> {
        let mut changes = Changes::default();
        for setting in text.split(',') {
            let (name, value) = setting
                .split_once('=')
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| Misuse(format!("{text:?}: write NAME=VALUE,NAME=VALUE")))?;
            if name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
                changes.environment.push((name.to_owned(), value.to_owned()));
                continue;
            }
            let usual = if swept == Swept::Receiver { "producer" } else { "consumer" };
            let (file, key) = name.split_once('/').unwrap_or((usual, name));
            if !FILES.iter().any(|(known, _)| *known == file) {
                return Err(Misuse(format!(
                    "{text:?}: {file} is none of the files producer, consumer, httpserver, webclient"
                )));
            }
            changes.properties.push((file.to_owned(), key.to_owned(), value.to_owned()));
        }
        Ok(Self { name: text.to_owned(), changes })
    }

    /// What the files of a directory say otherwise than the shipped ones.
    fn profile(path: &Path, swept: Swept) -> Result<Self, Misuse> {
        let odd = |error: &dyn std::fmt::Display| Misuse(format!("{}: {error}", path.display()));
        fs::read_dir(path).map_err(|error| odd(&error))?;
        let program = super::Program::from(swept).name();
        let text = fs::read_to_string(path.join(format!("{program}.env"))).unwrap_or_default();
        let mut changes =
            Changes { environment: variables(&text).0.into_iter().collect(), ..Changes::default() };
        for (file, shipped) in FILES {
            let Ok(text) = fs::read_to_string(path.join(format!("{file}.properties"))) else {
                continue;
            };
            let parse = |text: &str| {
                Properties::parse(text, Origin::Environment).map_err(|error| odd(&error))
            };
            let (shipped, ours) = (parse(shipped)?, parse(&text)?);
            for entry in ours.entries() {
                if shipped.value(&entry.key) != Some(entry.value.as_str()) {
                    let change = (file.to_owned(), entry.key.clone(), entry.value.clone());
                    changes.properties.push(change);
                }
            }
        }
        if changes == Changes::default() {
            return Err(odd(&format!(
                "nothing in it is set otherwise than shipped for the {program}"
            )));
        }
        Ok(Self { name: format!("profile {}", path.display()), changes })
    }

    /// Whether it is paid for with what the programs promise: then it is no better, however fast.
    pub(super) fn promises_less(&self) -> bool {
        self.changes.properties.iter().any(|(_, key, value)| match key.as_str() {
            "acks" => !matches!(value.as_str(), "all" | "-1"),
            "check.crcs" => value == "false",
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_where_a_setting_belongs() {
        let text = "SHARDS=2,linger.ms=5,httpserver/tcpNoDelay=false";
        let found = Candidate::parse(text, Swept::Receiver).unwrap();
        assert_eq!(found.changes.environment, [("SHARDS".to_owned(), "2".to_owned())]);
        let files: Vec<&str> = found.changes.properties.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(files, ["producer", "httpserver"]);
        let found = Candidate::parse("max.poll.records=9", Swept::Dispatcher).unwrap();
        assert_eq!(found.changes.properties[0].0, "consumer");
        for text in ["", "linger.ms", "=5", "webserver/a=1", "a=1,,b=2"] {
            assert!(Candidate::parse(text, Swept::Receiver).is_err(), "{text}");
        }
    }

    #[test]
    fn what_costs_a_promise_is_known() {
        for (text, less) in [
            ("acks=1", true),
            ("acks=all", false),
            ("linger.ms=1,acks=0", true),
            ("check.crcs=false", true),
            ("linger.ms=1", false),
        ] {
            assert_eq!(
                Candidate::parse(text, Swept::Receiver).unwrap().promises_less(),
                less,
                "{text}"
            );
        }
    }

    #[test]
    fn a_profile_is_what_differs_from_the_shipped_files() {
        let folder = tempfile::tempdir().unwrap();
        let text = shipped::PRODUCER_PROPERTIES.replace("linger.ms=0", "linger.ms=7");
        fs::write(folder.path().join("producer.properties"), text).unwrap();
        assert!(Candidate::profile(folder.path(), Swept::Dispatcher).is_ok());
        fs::write(folder.path().join("receiver.env"), "# why\nSHARDS=1\n").unwrap();
        let found = Candidate::profile(folder.path(), Swept::Receiver).unwrap().changes;
        assert_eq!(found.environment, [("SHARDS".to_owned(), "1".to_owned())]);
        let linger = ("producer".to_owned(), "linger.ms".to_owned(), "7".to_owned());
        assert_eq!(found.properties, [linger]);
        fs::write(folder.path().join("producer.properties"), shipped::PRODUCER_PROPERTIES).unwrap();
        assert!(Candidate::profile(folder.path(), Swept::Dispatcher).is_err(), "nothing differs");
    }

    #[test]
    fn the_lists_can_be_read() {
        for (list, swept) in
            [(&RECEIVER[..], Swept::Receiver), (&DISPATCHER[..], Swept::Dispatcher)]
        {
            for text in list {
                assert!(!Candidate::parse(text, swept).unwrap().promises_less(), "{text}");
            }
        }
    }
}
