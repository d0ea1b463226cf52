//! Every environment variable of the dispatcher alone: name, default, meaning, unit and range
//! (dispatcher.md 1.1). Those without a Java counterpart are marked "ours". The others are the
//! same for both programs: `millrace_process::env`.

mod table;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

use millrace_process::env::{CommonEnv, seconds};
use millrace_settings::{Reader, Report, Source};

pub(crate) use table::variables;

/// File of Kafka consumer properties.
pub(crate) const CONSUMER_CONFIG_FILE_PATH: &str = "CONSUMER_CONFIG_FILE_PATH";
/// File of HTTP client options.
pub(crate) const WEBCLIENT_CONFIG_FILE_PATH: &str = "WEBCLIENT_CONFIG_FILE_PATH";
/// Egresses to make room for; a hint without effect, but a mistake in it is one in Java, too.
pub(crate) const EGRESSES_INITIAL_CAPACITY: &str = "EGRESSES_INITIAL_CAPACITY";
/// Namespace of the system's secrets.
pub(crate) const SERVICE_NAMESPACE: &str = "SERVICE_NAMESPACE";

/// Ours: true evaluates CESQL as its specification says: an error does not pass.
pub(crate) const CESQL_STRICT: &str = "CESQL_STRICT";
/// Ours: longest `Retry-After` in milliseconds that is waited for; 0 takes no notice of any.
pub(crate) const RETRY_AFTER_MAX_MS: &str = "RETRY_AFTER_MAX_MS";
/// Ours: longest wait before a retry in milliseconds; 0 bounds none.
pub(crate) const BACKOFF_MAX_MS: &str = "BACKOFF_MAX_MS";
/// Ours: share of a wait that is left to chance.
pub(crate) const BACKOFF_JITTER: &str = "BACKOFF_JITTER";
/// Ours: what becomes of a record that neither subscriber nor dead letter sink took.
pub(crate) const DEAD_LETTER_ON_FAILURE: &str = "DEAD_LETTER_ON_FAILURE";
/// Ours: seconds for what is in flight when the process or an egress ends.
pub(crate) const DRAIN_SECONDS: &str = "DRAIN_SECONDS";
/// Ours: seconds for what is in flight when a partition goes to another member.
pub(crate) const REVOKE_DRAIN_SECONDS: &str = "REVOKE_DRAIN_SECONDS";
/// Ours: seconds for which an answer of the DNS is used.
pub(crate) const RESOLVE_INTERVAL_SECONDS: &str = "RESOLVE_INTERVAL_SECONDS";
/// Ours: seconds without progress after which a partition counts as stalled.
pub(crate) const STALL_AFTER_SECONDS: &str = "STALL_AFTER_SECONDS";
/// Ours: bytes of a reply event that are taken; a larger one fails the delivery.
pub(crate) const RESPONSE_BODY_MAX_BYTES: &str = "RESPONSE_BODY_MAX_BYTES";
/// Ours: the file whose existence means ready.
pub(crate) const HEALTHY_FILE: &str = "HEALTHY_FILE";

/// Bounded by what one event may sensibly be; ten times Kafka's default record.
const RESPONSE_BODY_DEFAULT: i64 = 4 << 20;
const HEALTHY_DEFAULT: &str = "/tmp/healthy";
const DAY_MS: i64 = 86_400_000;

/// What the environment says, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Env {
    pub(crate) common: CommonEnv,
    pub(crate) consumer_config: PathBuf,
    pub(crate) webclient_config: PathBuf,
    pub(crate) service_namespace: String,
    pub(crate) cesql_strict: bool,
    /// Longest `Retry-After` that is waited for. `None` takes no notice of any, as Java.
    pub(crate) retry_after_max: Option<Duration>,
    /// Longest wait before a retry. `None` bounds none, as Java.
    pub(crate) backoff_max: Option<Duration>,
    /// Share of each wait that is left to chance, in percent; 0 is none, as Java.
    pub(crate) backoff_jitter_percent: u8,
    pub(crate) dead_letter_on_failure: OnLastFailure,
    pub(crate) drain: Duration,
    pub(crate) revoke_drain: Duration,
    pub(crate) resolve_interval: Duration,
    pub(crate) stall_after: Duration,
    pub(crate) response_body_max: usize,
}

/// What becomes of a record that neither subscriber nor dead letter sink took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnLastFailure {
    /// Its offset is committed, as Java: the event is lost, logged and counted.
    Commit,
    /// Its offset stays open: the partition is not committed beyond it, and it is delivered again
    /// to whoever reads the partition next.
    Hold,
}

impl Env {
    /// Reads all of it. `None` if the process cannot run with it; `report` then says why, all
    /// mistakes at once.
    pub(crate) fn from_source(source: &dyn Source, report: &mut Report) -> Option<Self> {
        let mut reader = Reader::new(source, report);
        let read = &mut reader;
        // Every field is read before any is missed, so that one run shows all mistakes.
        let consumer_config = read.required(CONSUMER_CONFIG_FILE_PATH);
        let webclient_config = read.required(WEBCLIENT_CONFIG_FILE_PATH);
        let capacity = read.required_int(EGRESSES_INITIAL_CAPACITY, 1..=i64::from(i32::MAX));
        let service_namespace = read.required(SERVICE_NAMESPACE);
        let cesql_strict = read.flag(CESQL_STRICT);
        let retry_after_max = read.int_or(RETRY_AFTER_MAX_MS, 0, 0..=DAY_MS).map(bound);
        let backoff_max = read.int_or(BACKOFF_MAX_MS, 0, 0..=DAY_MS).map(bound);
        let backoff_jitter_percent = percent(read, BACKOFF_JITTER);
        let endings = [("commit", OnLastFailure::Commit), ("hold", OnLastFailure::Hold)];
        let dead_letter_on_failure =
            read.one_of(DEAD_LETTER_ON_FAILURE, &endings, OnLastFailure::Commit);
        let drain = read.int_or(DRAIN_SECONDS, 20, 0..=3600).map(seconds);
        let revoke_drain = read.int_or(REVOKE_DRAIN_SECONDS, 5, 0..=300).map(seconds);
        let resolve_interval = read.int_or(RESOLVE_INTERVAL_SECONDS, 25, 1..=3600).map(seconds);
        let stall_after = read.int_or(STALL_AFTER_SECONDS, 60, 1..=86_400).map(seconds);
        let response_body_max =
            read.int_or(RESPONSE_BODY_MAX_BYTES, RESPONSE_BODY_DEFAULT, 1024..=1 << 30);
        let common = CommonEnv::read(read);
        capacity?;
        Some(Self {
            common: common?,
            consumer_config: consumer_config?.into(),
            webclient_config: webclient_config?.into(),
            service_namespace: service_namespace?,
            cesql_strict,
            retry_after_max: retry_after_max?,
            backoff_max: backoff_max?,
            backoff_jitter_percent: backoff_jitter_percent?,
            dead_letter_on_failure: dead_letter_on_failure?,
            drain: drain?,
            revoke_drain: revoke_drain?,
            resolve_interval: resolve_interval?,
            stall_after: stall_after?,
            response_body_max: usize::try_from(response_body_max?).ok()?,
        })
        .filter(|_| !report.has_errors())
    }
}

/// The file whose existence means ready. It is removed before anything is checked: a process that
/// ends for its settings must not look ready by what the one before has left.
pub(crate) fn healthy_file(source: &dyn Source) -> PathBuf {
    let text = source.text(HEALTHY_FILE).ok().flatten().filter(|text| !text.is_empty());
    text.unwrap_or_else(|| HEALTHY_DEFAULT.to_owned()).into()
}

/// A share from 0 to 1, in percent.
fn percent(read: &mut Reader<'_>, name: &str) -> Option<u8> {
    let Some(text) = read.optional(name) else { return Some(0) };
    let share = text.parse().ok().filter(|share: &f64| (0.0..=1.0).contains(share));
    if share.is_none() {
        read.error(name, Some(&text), "must be a number from 0 to 1");
    }
    // In range, so nothing is cut off.
    share.map(|share| (share * 100.0).round() as u8)
}

/// Milliseconds, where 0 stands for "no bound".
fn bound(ms: i64) -> Option<Duration> {
    Some(Duration::from_millis(ms.unsigned_abs())).filter(|bound| !bound.is_zero())
}
