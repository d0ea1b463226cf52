//! What a consumer is made from.

use crate::error::CreateError;
use crate::ffi::conf::Config;
use crate::properties::ConsumerSettings;

/// librdkafka's greatest `max.poll.interval.ms` (dispatcher.md 4.3).
pub const MAX_POLL_INTERVAL_MS_MAX: u64 = 86_400_000;

/// What a consumer is made from.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// librdkafka's names and values, already translated from the Java names (platform.md 4.3).
    /// What follows, and what this crate relies on, is set over them.
    pub pairs: Vec<(String, String)>,
    /// `host:port`, separated by commas.
    pub bootstrap: String,
    /// `group.id`.
    pub group_id: String,
    /// Name for logs, metrics and the brokers.
    pub client_id: String,
    /// How long the member may go without a poll, and may take for a rebalance, in milliseconds
    /// (dispatcher.md 4.1). Held between the session timeout and librdkafka's
    /// [`MAX_POLL_INTERVAL_MS_MAX`].
    pub max_poll_interval_ms: u64,
}

impl ConsumerOptions {
    /// From a translated properties file.
    #[must_use]
    pub fn new(settings: &ConsumerSettings, bootstrap: &str, group_id: &str) -> Self {
        let client_id = settings.client_id.clone();
        Self {
            pairs: settings.librdkafka.clone(),
            bootstrap: bootstrap.to_owned(),
            group_id: group_id.to_owned(),
            // As Java names them.
            client_id: client_id.unwrap_or_else(|| format!("consumer-{group_id}-1")),
            max_poll_interval_ms: settings.max_poll_interval_ms,
        }
    }

    /// The same as one of so many consumers of this process.
    #[must_use]
    pub fn among(mut self, settings: &ConsumerSettings, consumers: usize) -> Self {
        for (key, value) in [
            ("fetch.wait.max.ms", settings.fetch_wait_among(consumers)),
            ("queued.min.messages", settings.queued_among(consumers)),
        ] {
            self.pairs.push((key.to_owned(), value.to_string()));
        }
        self
    }

    pub(super) fn config(&self) -> Result<Config, CreateError> {
        let mut conf = Config::new();
        for (key, value) in &self.pairs {
            conf.set(key, value)?;
        }
        let value = |key: &str| self.pairs.iter().rev().find(|(found, _)| found == key);
        let session_ms = value("session.timeout.ms").and_then(|(_, ms)| ms.parse::<u64>().ok());
        let session_ms = session_ms.unwrap_or(45_000).min(MAX_POLL_INTERVAL_MS_MAX);
        let poll_ms = self.max_poll_interval_ms.clamp(session_ms, MAX_POLL_INTERVAL_MS_MAX);
        for (key, value) in [
            ("bootstrap.servers", self.bootstrap.as_str()),
            ("group.id", &self.group_id),
            ("client.id", &self.client_id),
            ("max.poll.interval.ms", &poll_ms.to_string()),
            // Offsets are the dispatcher's business.
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // Taking the event for the end of a partition counts as taking the record behind it.
            ("enable.partition.eof", "false"),
        ] {
            conf.set(key, value)?;
        }
        Ok(conf)
    }
}
