//! An egress compiled: what a shard needs to deliver its records, checked before anything starts.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use millrace_client::Target;
use millrace_contract::diff::Wanted;
use millrace_contract::model::{
    Backoff, DeliveryOrder, Endpoint, Filter as FilterTree, Format, KeyType as ContractKeyType,
    Reference, Reply,
};
use millrace_delivery::{RetryPolicy, max_poll_interval_ms};
use millrace_event::{KeyType, Overrides, PlainSource};
use millrace_filter::{CesqlError, Filter, Mode};
use millrace_observe::EgressName;
use millrace_settings::secret::user_info_end;

/// Java's assumption for its formula when the file has no `max.poll.records` (dispatcher.md 4.1).
const POLL_RECORDS_FORMULA: u32 = 500;

/// What holds for all egresses.
#[derive(Clone, Debug)]
pub(crate) struct PlanOptions {
    pub(crate) cesql: Mode,
    /// No backoff is longer.
    pub(crate) backoff_cap_ms: Option<u64>,
    pub(crate) jitter_percent: u8,
    pub(crate) retry_after_cap_ms: Option<u64>,
    /// A dead letter sink that fails keeps the offset where it is.
    pub(crate) hold: bool,
    /// `cloudevent.invalid.kind.plural`, if plain records are to become events.
    pub(crate) plain_kind: Option<String>,
    pub(crate) max_poll_records: Option<u32>,
}

/// See the head of this file.
pub(crate) struct Plan {
    pub(crate) uid: Arc<str>,
    pub(crate) group: Arc<str>,
    pub(crate) topics: Vec<Arc<str>>,
    pub(crate) bootstrap: Arc<str>,
    pub(crate) reference: Reference,
    pub(crate) filter: Filter,
    pub(crate) subscriber: Endpoints,
    pub(crate) dead_letter: Option<Endpoints>,
    pub(crate) reply: ReplyPlan,
    pub(crate) policy: RetryPolicy,
    /// For one attempt.
    pub(crate) timeout: Duration,
    pub(crate) hold: bool,
    pub(crate) ordered: bool,
    pub(crate) structured: bool,
    pub(crate) overrides: Overrides,
    pub(crate) plain: Option<PlainSource>,
    /// Byte for byte as in the contract, but without user-info: for `knativeerrordest` and logs.
    pub(crate) destination: String,
    pub(crate) max_poll_interval_ms: u64,
    pub(crate) rate_limiter: bool,
    /// `enableOrderedExecutorMetrics`, where it has a meaning.
    pub(crate) queue_meters: bool,
    pub(crate) virtual_replicas: NonZeroU32,
    /// For metrics.
    pub(crate) label: EgressName,
}

/// An address that events are sent to, and the part of the request's head that never changes.
pub(crate) struct Endpoints {
    pub(crate) target: Target,
    /// Header lines that go with each request.
    pub(crate) headers: String,
}

/// What happens with an event that the subscriber answers.
pub(crate) enum ReplyPlan {
    Topic(Arc<str>),
    Discard,
    Url(Endpoints),
}

/// Why an egress cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("{what}: {reason}")]
    Url { what: &'static str, reason: String },
    #[error("the filter {expression:?} is no CloudEvents SQL: {error}")]
    Cesql { expression: String, error: CesqlError },
    #[error(
        "credentials for Kafka come from a Kubernetes secret, which this version cannot read; only plaintext without credentials works"
    )]
    Credentials,
    #[error("{0} asks for a bearer token (audience), which this version cannot get")]
    Audience(&'static str),
}

impl Plan {
    /// Checks and compiles; touches nothing.
    ///
    /// # Errors
    /// What is wrong, naming the field.
    pub(crate) fn build(wanted: &Wanted, options: &PlanOptions) -> Result<Plan, PlanError> {
        let Wanted { resource, egress, .. } = wanted;
        if !resource.auth.is_plaintext() {
            return Err(PlanError::Credentials);
        }
        let delivery = &egress.delivery;
        let policy = RetryPolicy {
            cap_ms: options.backoff_cap_ms,
            jitter_percent: options.jitter_percent,
            retry_after_cap_ms: options.retry_after_cap_ms,
            ..RetryPolicy::new(
                delivery.retries,
                match delivery.backoff {
                    Backoff::Exponential => millrace_delivery::Backoff::Exponential,
                    Backoff::Linear => millrace_delivery::Backoff::Linear,
                },
                delivery.backoff_delay_ms,
            )
        };
        let namespace = &egress.reference.namespace;
        let (overrides, ignored) = Overrides::new(&resource.overrides);
        if !ignored.is_empty() {
            tracing::warn!(egress = %egress.uid, names = ?ignored,
                "Overrides are ignored: their names are not those of extensions.");
        }
        let key_type = match egress.key_type {
            ContractKeyType::String => KeyType::String,
            ContractKeyType::Integer => KeyType::Integer,
            ContractKeyType::Double => KeyType::Double,
            ContractKeyType::ByteArray => KeyType::ByteArray,
        };
        let plain = options.plain_kind.as_deref().and_then(|kind| {
            let source = &resource.reference;
            PlainSource::new(&source.namespace, kind, &source.name, key_type)
        });
        let records = options.max_poll_records.unwrap_or(POLL_RECORDS_FORMULA);
        let subscriber = endpoint("destination", &egress.destination, namespace)?;
        Ok(Plan {
            uid: egress.uid.clone(),
            group: egress.consumer_group.as_str().into(),
            topics: resource.topics.iter().cloned().collect(),
            bootstrap: resource.bootstrap_servers.clone(),
            reference: egress.reference.clone(),
            filter: compile(&egress.filter, options.cesql)?,
            destination: shown(&egress.destination.url, &subscriber.target),
            subscriber,
            dead_letter: match &delivery.dead_letter {
                Some(sink) => Some(endpoint("egressConfig.deadLetter", sink, namespace)?),
                None => None,
            },
            reply: match &egress.reply {
                Reply::Topic => ReplyPlan::Topic(resource.topics.first().clone()),
                Reply::Discard => ReplyPlan::Discard,
                Reply::Url(url) => ReplyPlan::Url(endpoint("replyUrl", url, namespace)?),
            },
            max_poll_interval_ms: max_poll_interval_ms(delivery.timeout_ms, &policy, records),
            policy,
            timeout: Duration::from_millis(delivery.timeout_ms),
            hold: options.hold,
            ordered: egress.order == DeliveryOrder::Ordered,
            structured: delivery.format == Format::Json,
            overrides,
            plain,
            rate_limiter: egress.rate_limiter && egress.order == DeliveryOrder::Ordered,
            queue_meters: egress.ordered_metrics && egress.order == DeliveryOrder::Ordered,
            virtual_replicas: egress.virtual_replicas,
            label: EgressName::new(
                &egress.reference.kind,
                &egress.reference.name,
                &egress.reference.namespace,
                &egress.consumer_group,
            ),
        })
    }

    /// `namespace/name` of what the user made, for logs.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.reference.namespace, self.reference.name)
    }
}

/// A password is for the subscriber alone: a dead letter sink and a log are somebody else.
fn shown(url: &str, target: &Target) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    if user_info_end(rest).is_some() { target.url().to_owned() } else { url.to_owned() }
}

fn endpoint(
    what: &'static str,
    endpoint: &Endpoint,
    kn_namespace: &str,
) -> Result<Endpoints, PlanError> {
    if endpoint.audience.is_some() {
        return Err(PlanError::Audience(what));
    }
    let target = Target::parse(&endpoint.url)
        .map_err(|error| PlanError::Url { what, reason: error.to_string() })?;
    // The namespace comes from a file and may be anything.
    let plain: String = kn_namespace.chars().filter(|c| !c.is_control()).collect();
    Ok(Endpoints { target, headers: format!("prefer: reply\r\nkn-namespace: {plain}\r\n") })
}

fn compile(tree: &FilterTree, mode: Mode) -> Result<Filter, PlanError> {
    let entries = |attributes: &millrace_contract::model::Attributes| attributes.clone();
    let inner = |filters: &[FilterTree]| {
        filters.iter().map(|filter| compile(filter, mode)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match tree {
        FilterTree::Exact(attributes) => Filter::exact(entries(attributes)),
        FilterTree::Prefix(attributes) => Filter::prefix(entries(attributes)),
        FilterTree::Suffix(attributes) => Filter::suffix(entries(attributes)),
        FilterTree::All(filters) => Filter::all(inner(filters)?),
        FilterTree::Any(filters) => Filter::any(inner(filters)?),
        FilterTree::Not(filter) => Filter::not(compile(filter, mode)?),
        FilterTree::Cesql(expression) => Filter::cesql(expression, mode)
            .map_err(|error| PlanError::Cesql { expression: expression.clone(), error })?,
    })
}
