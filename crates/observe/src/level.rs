//! Which log lines are wanted: levels from the logback XML of `kafka-config-logging` or from
//! LOG_LEVEL (platform.md 7.3).

use std::collections::BTreeMap;

use roxmltree::Document;
use tracing::Level;
use tracing::level_filters::LevelFilter;

/// The Java packages that stand for our crates, and the targets of ours that they stand for.
const PACKAGES: [(&str, &[&str]); 5] = [
    ("dev.knative.eventing.kafka.broker", &["millrace", "receiver", "dispatcher"]),
    ("dev.knative.eventing.kafka.broker.receiver", &["millrace_receiver", "receiver"]),
    ("dev.knative.eventing.kafka.broker.dispatcher", &["millrace_dispatcher", "dispatcher"]),
    ("dev.knative.eventing.kafka.broker.contract", &["millrace_contract"]),
    ("org.apache.kafka", &["librdkafka"]),
];

/// Levels by target; the longest matching target decides, else the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    root: LevelFilter,
    targets: BTreeMap<String, LevelFilter>,
}

/// Why levels could not be read; the caller then logs it and goes on with INFO.
#[derive(Debug, thiserror::Error)]
pub enum LevelError {
    /// Not XML, or not safe XML (a document type is refused).
    #[error("the logging configuration is not well-formed XML: {0}")]
    Xml(#[from] roxmltree::Error),
    /// XML of something else.
    #[error("the logging configuration starts with <{0}> instead of <configuration>")]
    Root(String),
    /// LOG_LEVEL has a part that is no level.
    #[error(
        "LOG_LEVEL: {0:?} is neither a level (trace, debug, info, warn, error, off, all) nor \
         target=level"
    )]
    Setting(String),
}

impl Default for Levels {
    fn default() -> Self {
        Self { root: LevelFilter::INFO, targets: BTreeMap::new() }
    }
}

impl Levels {
    /// Reads `<root level>` and `<logger name level>`. The second value names what was ignored:
    /// loggers without a counterpart, levels that are none, and elements such as appenders.
    pub fn from_logback(xml: &str) -> Result<(Self, Vec<String>), LevelError> {
        let document = Document::parse(xml)?;
        let configuration = document.root_element();
        if configuration.tag_name().name() != "configuration" {
            return Err(LevelError::Root(configuration.tag_name().name().to_owned()));
        }
        let mut reading = Reading::default();
        for element in configuration.children().filter(|node| node.is_element()) {
            let level = element.attribute("level").or_else(|| {
                // The old spelling: <root><level value="INFO"/></root>.
                element.children().find(|node| node.has_tag_name("level"))?.attribute("value")
            });
            match (element.tag_name().name(), element.attribute("name"), level) {
                ("root", _, Some(level)) => reading.root(level),
                ("logger", Some(name), Some(level)) if name.eq_ignore_ascii_case("root") => {
                    reading.root(level);
                }
                ("logger", Some(name), Some(level)) => reading.logger(name, level),
                // A logger that only names its appender: nothing to ignore.
                ("root" | "logger", _, None) => {}
                (name, _, _) => reading.ignore(format!("<{name}>")),
            }
        }
        Ok(reading.finish())
    }

    /// Reads LOG_LEVEL: `debug`, or `info,librdkafka=debug`; a later part wins over an earlier
    /// one.
    pub fn from_setting(text: &str) -> Result<Self, LevelError> {
        let mut levels = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || LevelError::Setting(part.to_owned());
            match part.split_once('=') {
                Some((target, level)) => {
                    let level = parse(level).ok_or_else(wrong)?;
                    levels.targets.insert(target.trim().to_owned(), level);
                }
                None => levels.root = parse(part).ok_or_else(wrong)?,
            }
        }
        Ok(levels)
    }

    /// Whether a line of this target and level is wanted.
    pub fn enabled(&self, target: &str, level: Level) -> bool {
        let rule = self
            .targets
            .iter()
            .filter(|(name, _)| covers(name, target))
            .max_by_key(|(name, _)| name.len());
        level <= rule.map_or(self.root, |(_, level)| *level)
    }

    /// The most that any target may log.
    pub fn most(&self) -> LevelFilter {
        self.targets.values().copied().fold(self.root, LevelFilter::max)
    }
}

/// A target covers itself, its modules, and the crates that begin with it and `_`.
fn covers(name: &str, target: &str) -> bool {
    target
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('_'))
}

fn parse(level: &str) -> Option<LevelFilter> {
    let all = [
        ("off", LevelFilter::OFF),
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
        ("all", LevelFilter::TRACE),
    ];
    all.into_iter()
        .find(|(name, _)| level.trim().eq_ignore_ascii_case(name))
        .map(|(_, level)| level)
}

/// The levels found so far, with how near each logger's name was to the target's own package.
#[derive(Default)]
struct Reading {
    root: Option<LevelFilter>,
    targets: BTreeMap<&'static str, (i64, LevelFilter)>,
    ignored: Vec<String>,
}

impl Reading {
    fn root(&mut self, level: &str) {
        match parse(level) {
            Some(level) => self.root = Some(level),
            None => self.ignore(format!("level {level:?} of the root logger")),
        }
    }

    fn logger(&mut self, name: &str, level: &str) {
        // Logback takes these as "as the parent says".
        if ["inherited", "null"].iter().any(|word| level.trim().eq_ignore_ascii_case(word)) {
            return;
        }
        let Some(level) = parse(level) else {
            return self.ignore(format!("level {level:?} of logger {name}"));
        };
        let mut known = false;
        for (package, targets) in PACKAGES {
            let Some(nearness) = nearness(name, package) else { continue };
            known = true;
            for target in targets {
                let place = self.targets.entry(target).or_insert((nearness, level));
                if nearness >= place.0 {
                    *place = (nearness, level);
                }
            }
        }
        if !known {
            self.ignore(format!("logger {name}"));
        }
    }

    fn ignore(&mut self, what: String) {
        if !self.ignored.contains(&what) {
            self.ignored.push(what);
        }
    }

    fn finish(self) -> (Levels, Vec<String>) {
        let targets = self.targets.into_iter().map(|(name, (_, level))| (name.to_owned(), level));
        let root = self.root.unwrap_or(LevelFilter::INFO);
        (Levels { root, targets: targets.collect() }, self.ignored)
    }
}

/// How well a logger's name speaks for a package: the package itself best, then its parents from
/// near to far. Part of the package also counts, last of all: whoever raises the level of one
/// Java class wants to see what we say about it.
fn nearness(logger: &str, package: &str) -> Option<i64> {
    let under = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let depth = i64::try_from(logger.split('.').count()).ok()?;
    if under(logger, package) {
        Some(depth)
    } else if under(package, logger) {
        Some(-depth)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
