//! Messages to model: the one place that decides what is usable.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::{
    Auth, Backoff, ContentMode, Contract, Delivery, DeliveryOrder, Egress, Endpoint, EventPolicy,
    Filter, Format, Ingress, KeyField, KeyType, Part, Protocol, Reason, Reference, Rejection,
    Reply, Resource, Route, SecretField, SecretKeys, SecretRef, TIMEOUT_MS_DEFAULT, TokenMatcher,
    Topics,
};
use crate::json::{Warnings, shown_text};
use crate::proto::{
    self, egress::ReplyStrategy, resource::Auth as AuthMessage, token_matcher::Matcher,
};

pub(super) fn contract(message: proto::Contract, warnings: &mut Warnings) -> Contract {
    let mut build = Build { seen: Seen::default(), rejected: Vec::new(), warnings };
    let resources = message.resources.into_iter().enumerate();
    let resources = resources.filter_map(|(index, it)| build.resource(index, it)).collect();
    Contract {
        generation: message.generation,
        resources,
        trust_bundles: message.trust_bundles,
        rejected: build.rejected,
    }
}

struct Build<'a> {
    seen: Seen,
    rejected: Vec<Rejection>,
    warnings: &'a mut Warnings,
}

/// Identities already taken; the first one to come keeps it.
#[derive(Default)]
struct Seen {
    resources: HashSet<Arc<str>>,
    egresses: HashSet<Arc<str>>,
}

impl Build<'_> {
    fn resource(&mut self, index: usize, message: proto::Resource) -> Option<Arc<Resource>> {
        let at = format!("resources[{index}]");
        let uid: Arc<str> = message.uid.into();
        let reference = reference(message.reference.unwrap_or_default());
        let whole = if self.seen.resources.insert(uid.clone()) {
            kafka(&message.topics, &message.bootstrap_servers, message.auth)
        } else {
            Err(Reason::DuplicateUid)
        };
        let (topics, bootstrap_servers, auth) = match whole {
            Ok(kafka) => kafka,
            Err(reason) => {
                self.reject(Part::Resource, &uid, &reference, reason);
                return None;
            }
        };

        let egress_config = message.egress_config.map(|it| delivery(it, &at, self.warnings));
        let had_egresses = !message.egresses.is_empty();
        let mut egresses = Vec::with_capacity(message.egresses.len());
        for (number, it) in message.egresses.into_iter().enumerate() {
            let at = format!("{at}.egresses[{number}]");
            egresses.extend(self.egress(&at, it, egress_config.as_ref()));
        }
        let ingress = match message.ingress.map(|it| ingress(it, &at, self.warnings)) {
            None => None,
            Some(Some(ingress)) => Some(ingress),
            Some(None) if had_egresses => {
                // A namespaced broker: senders cannot reach it, its triggers still can read.
                self.reject(Part::Ingress, &uid, &reference, Reason::NoRoute);
                None
            }
            Some(None) => {
                self.reject(Part::Resource, &uid, &reference, Reason::NoRoute);
                return None;
            }
        };
        Some(Arc::new(Resource {
            uid,
            topics,
            bootstrap_servers,
            ingress,
            egresses,
            auth,
            overrides: message.cloud_event_overrides.unwrap_or_default().extensions,
            reference,
            egress_config,
            event_type_autocreate: message
                .feature_flags
                .unwrap_or_default()
                .enable_event_type_autocreate,
        }))
    }

    fn egress(
        &mut self,
        at: &str,
        message: proto::Egress,
        fallback: Option<&Delivery>,
    ) -> Option<Egress> {
        let uid: Arc<str> = message.uid.as_str().into();
        let reference = reference(message.reference.clone().unwrap_or_default());
        let built = if self.seen.egresses.insert(uid.clone()) {
            egress(uid.clone(), reference.clone(), message, at, fallback, self.warnings)
        } else {
            Err(Reason::DuplicateUid)
        };
        built.map_err(|reason| self.reject(Part::Egress, &uid, &reference, reason)).ok()
    }

    fn reject(&mut self, part: Part, uid: &str, reference: &Reference, reason: Reason) {
        self.rejected.push(Rejection {
            part,
            uid: uid.to_owned(),
            namespace: reference.namespace.clone(),
            name: reference.name.clone(),
            reason,
        });
    }
}

/// What both an ingress and an egress need to reach Kafka.
fn kafka(
    topics: &[String],
    bootstrap_servers: &str,
    auth: Option<AuthMessage>,
) -> Result<(Topics, Arc<str>, Auth), Reason> {
    let topics = Topics::new(topics.iter().map(String::as_str)).ok_or(Reason::NoTopic)?;
    if bootstrap_servers.trim().is_empty() {
        return Err(Reason::NoBootstrapServers);
    }
    // librdkafka would take these for part of the name, and tell it in every line of its log.
    if bootstrap_servers.contains('@') {
        return Err(Reason::UserInfoInBootstrapServers);
    }
    Ok((topics, bootstrap_servers.into(), self::auth(auth)?))
}

fn auth(message: Option<AuthMessage>) -> Result<Auth, Reason> {
    match message {
        None | Some(AuthMessage::AbsentAuth(_)) => Ok(Auth::Absent),
        Some(AuthMessage::AuthSecret(it)) => Ok(Auth::Secret(secret(Some(it))?)),
        Some(AuthMessage::MultiAuthSecret(it)) => {
            let protocol = protocol(it.protocol)?;
            let secrets = it.references.into_iter().map(secret_keys).collect::<Result<_, _>>()?;
            Ok(Auth::Multi { protocol, secrets })
        }
    }
}

fn secret(message: Option<proto::Reference>) -> Result<SecretRef, Reason> {
    SecretRef::new(reference(message.unwrap_or_default())).ok_or(Reason::NamelessSecret)
}

fn secret_keys(message: proto::SecretReference) -> Result<SecretKeys, Reason> {
    let key = |it: proto::KeyFieldReference| {
        Ok(KeyField { key: it.secret_key, field: secret_field(it.field)? })
    };
    Ok(SecretKeys {
        secret: secret(message.reference)?,
        keys: message.key_field_references.into_iter().map(key).collect::<Result<_, _>>()?,
    })
}

fn protocol(number: i32) -> Result<Protocol, Reason> {
    let known = proto::Protocol::try_from(number).map_err(|_| Reason::UnknownProtocol(number))?;
    Ok(match known {
        proto::Protocol::Plaintext => Protocol::Plaintext,
        proto::Protocol::SaslPlaintext => Protocol::SaslPlaintext,
        proto::Protocol::Ssl => Protocol::Ssl,
        proto::Protocol::SaslSsl => Protocol::SaslSsl,
    })
}

fn secret_field(number: i32) -> Result<SecretField, Reason> {
    let known =
        proto::SecretField::try_from(number).map_err(|_| Reason::UnknownSecretField(number))?;
    Ok(match known {
        proto::SecretField::SaslMechanism => SecretField::SaslMechanism,
        proto::SecretField::CaCrt => SecretField::CaCrt,
        proto::SecretField::UserCrt => SecretField::UserCrt,
        proto::SecretField::UserKey => SecretField::UserKey,
        proto::SecretField::User => SecretField::User,
        proto::SecretField::Password => SecretField::Password,
        proto::SecretField::Type => SecretField::Type,
        proto::SecretField::TokenProvider => SecretField::TokenProvider,
        proto::SecretField::RoleArn => SecretField::RoleArn,
    })
}

fn ingress(message: proto::Ingress, at: &str, warnings: &mut Warnings) -> Option<Ingress> {
    let route = Route::new(&message.path, &message.host)?;
    let content_mode = match proto::ContentMode::try_from(message.content_mode) {
        Ok(proto::ContentMode::Binary) => ContentMode::Binary,
        Ok(proto::ContentMode::Structured) => ContentMode::Structured,
        Err(_) => unknown(at, "ingress.contentMode", message.content_mode, warnings),
    };
    let audience = (!message.audience.is_empty()).then(|| message.audience.into());
    let policies = message.event_policies.into_iter().map(policy).collect();
    Some(Ingress { route, content_mode, audience, policies })
}

fn policy(message: proto::EventPolicy) -> EventPolicy {
    let matcher = |it: proto::TokenMatcher| match it.matcher? {
        Matcher::Exact(it) => Some(TokenMatcher::Exact(it.attributes)),
        Matcher::Prefix(it) => Some(TokenMatcher::Prefix(it.attributes)),
    };
    EventPolicy {
        token_matchers: message.token_matchers.into_iter().filter_map(matcher).collect(),
        filters: Filter::from_messages(message.filters),
    }
}

fn egress(
    uid: Arc<str>,
    reference: Reference,
    message: proto::Egress,
    at: &str,
    fallback: Option<&Delivery>,
    warnings: &mut Warnings,
) -> Result<Egress, Reason> {
    if message.consumer_group.trim().is_empty() {
        return Err(Reason::NoConsumerGroup);
    }
    let destination = Endpoint::new(
        message.destination,
        message.destination_ca_certs,
        message.destination_audience,
    );
    let reply = match message.reply_strategy {
        None | Some(ReplyStrategy::ReplyToOriginalTopic(_)) => Reply::Topic,
        Some(ReplyStrategy::DiscardReply(_)) => Reply::Discard,
        Some(ReplyStrategy::ReplyUrl(url)) => {
            let url = Endpoint::new(url, message.reply_url_ca_certs, message.reply_url_audience);
            Reply::Url(url.ok_or(Reason::NoReplyUrl)?)
        }
    };
    let order = match proto::DeliveryOrder::try_from(message.delivery_order) {
        Ok(proto::DeliveryOrder::Unordered) => DeliveryOrder::Unordered,
        Ok(proto::DeliveryOrder::Ordered) => DeliveryOrder::Ordered,
        Err(_) => unknown(at, "deliveryOrder", message.delivery_order, warnings),
    };
    let key_type = match proto::KeyType::try_from(message.key_type) {
        Ok(proto::KeyType::String) => KeyType::String,
        Ok(proto::KeyType::Integer) => KeyType::Integer,
        Ok(proto::KeyType::Double) => KeyType::Double,
        Ok(proto::KeyType::ByteArray) => KeyType::ByteArray,
        Err(_) => unknown(at, "keyType", message.key_type, warnings),
    };
    let own = message.egress_config.map(|it| delivery(it, at, warnings));
    let flags = message.feature_flags.unwrap_or_default();
    let virtual_replicas = u32::try_from(message.v_replicas).ok().and_then(NonZeroU32::new);
    let service_account = message.oidc_service_account_name;
    Ok(Egress {
        uid,
        consumer_group: message.consumer_group,
        destination: destination.ok_or(Reason::NoDestination)?,
        reply,
        filter: Filter::of_egress(message.filter, message.dialected_filter),
        delivery: own.or_else(|| fallback.cloned()).unwrap_or_default(),
        order,
        key_type,
        reference,
        virtual_replicas: virtual_replicas.unwrap_or(NonZeroU32::MIN),
        rate_limiter: flags.enable_rate_limiter,
        ordered_metrics: flags.enable_ordered_executor_metrics,
        service_account: (!service_account.is_empty()).then_some(service_account),
    })
}

fn delivery(message: proto::EgressConfig, at: &str, warnings: &mut Warnings) -> Delivery {
    let backoff = match proto::BackoffPolicy::try_from(message.backoff_policy) {
        Ok(proto::BackoffPolicy::Exponential) => Backoff::Exponential,
        Ok(proto::BackoffPolicy::Linear) => Backoff::Linear,
        Err(_) => unknown(at, "egressConfig.backoffPolicy", message.backoff_policy, warnings),
    };
    let format = match message.format.as_str() {
        "" | "binary" => Format::Binary,
        "json" => Format::Json,
        other => {
            warnings.push(
                format_args!("{at}.egressConfig.format"),
                format_args!(
                    "{} is not known here (binary, json), binary is used",
                    shown_text(other)
                ),
            );
            Format::Binary
        }
    };
    let timeout_ms = if message.timeout == 0 { TIMEOUT_MS_DEFAULT } else { message.timeout };
    Delivery {
        dead_letter: Endpoint::new(
            message.dead_letter,
            message.dead_letter_ca_certs,
            message.dead_letter_audience,
        ),
        retries: message.retry,
        backoff,
        backoff_delay_ms: message.backoff_delay,
        timeout_ms,
        format,
    }
}

/// The default instead of an enum number of a newer control plane (contract.md 3).
fn unknown<T: Default>(at: &str, field: &str, number: i32, warnings: &mut Warnings) -> T {
    warnings.push(
        format_args!("{at}.{field}"),
        format_args!("{number} is not known here, the default is used"),
    );
    T::default()
}

fn reference(message: proto::Reference) -> Reference {
    Reference {
        uuid: message.uuid,
        namespace: message.namespace,
        name: message.name,
        version: message.version,
        kind: message.kind,
        group_version: message.group_version,
    }
}
