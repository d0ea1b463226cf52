//! Which field of which message a JSON name sets (contract.md 4).

use super::ParseError;
use super::field::{Field, Message};
use crate::proto::{
    All, Any, BackoffPolicy, Cesql, CloudEventOverrides, ContentMode, Contract, DeliveryOrder,
    DialectedFilter, Egress, EgressConfig, EgressFeatureFlags, Empty, EventPolicy, Exact,
    FeatureFlags, Filter, Ingress, KeyFieldReference, KeyType, MultiSecretReference, Not, Prefix,
    Protocol, Reference, Resource, SecretField, SecretReference, Suffix, TokenMatcher,
    dialected_filter, egress::ReplyStrategy, resource::Auth, token_matcher::Matcher,
};

/// Implements [`Message`] from a table of JSON name to statement. The statement sees the message as
/// `$self` and the value as `$field`.
macro_rules! message {
    ($message:ty, |$self:ident, $field:ident| { $($name:literal => $set:expr,)* }) => {
        impl Message for $message {
            fn set(&mut self, name: &str, $field: Field<'_>) -> Result<(), ParseError> {
                let $self = self;
                match name {
                    $($name => $set,)*
                    // A newer control plane may say more than we know.
                    _ => {}
                }
                Ok(())
            }
        }
    };
}

message!(Contract, |it, field| {
    "generation" => it.generation = field.integer()?,
    "resources" => it.resources = field.messages()?,
    "trustBundles" => it.trust_bundles = field.strings()?,
});

message!(Resource, |it, field| {
    "uid" => it.uid = field.string()?,
    "topics" => it.topics = field.strings()?,
    "bootstrapServers" => it.bootstrap_servers = field.string()?,
    "ingress" => it.ingress = Some(field.message()?),
    "egressConfig" => it.egress_config = Some(field.message()?),
    "egresses" => it.egresses = field.messages()?,
    "absentAuth" => field.oneof(&mut it.auth, |field| Ok(Auth::AbsentAuth(field.message()?)))?,
    "authSecret" => field.oneof(&mut it.auth, |field| Ok(Auth::AuthSecret(field.message()?)))?,
    "multiAuthSecret" => {
        field.oneof(&mut it.auth, |field| Ok(Auth::MultiAuthSecret(field.message()?)))?;
    },
    "cloudEventOverrides" => it.cloud_event_overrides = Some(field.message()?),
    "reference" => it.reference = Some(field.message()?),
    "featureFlags" => it.feature_flags = Some(field.message()?),
});

message!(Ingress, |it, field| {
    "contentMode" => it.content_mode = field.enumeration(ContentMode::from_str_name)?,
    "path" => it.path = field.string()?,
    "host" => it.host = field.string()?,
    "audience" => it.audience = field.string()?,
    "eventPolicies" => it.event_policies = field.messages()?,
});

message!(EventPolicy, |it, field| {
    "tokenMatchers" => it.token_matchers = field.messages()?,
    "filters" => it.filters = field.messages()?,
});

message!(TokenMatcher, |it, field| {
    "exact" => field.oneof(&mut it.matcher, |field| Ok(Matcher::Exact(field.message()?)))?,
    "prefix" => field.oneof(&mut it.matcher, |field| Ok(Matcher::Prefix(field.message()?)))?,
});

message!(Egress, |it, field| {
    "consumerGroup" => it.consumer_group = field.string()?,
    "destination" => it.destination = field.string()?,
    "replyUrl" => {
        field.oneof(&mut it.reply_strategy, |field| Ok(ReplyStrategy::ReplyUrl(field.string()?)))?;
    },
    "replyToOriginalTopic" => {
        field.oneof(&mut it.reply_strategy, |field| {
            Ok(ReplyStrategy::ReplyToOriginalTopic(field.message()?))
        })?;
    },
    "discardReply" => {
        field.oneof(&mut it.reply_strategy, |field| {
            Ok(ReplyStrategy::DiscardReply(field.message()?))
        })?;
    },
    "filter" => it.filter = Some(field.message()?),
    "uid" => it.uid = field.string()?,
    "egressConfig" => it.egress_config = Some(field.message()?),
    "deliveryOrder" => it.delivery_order = field.enumeration(DeliveryOrder::from_str_name)?,
    "keyType" => it.key_type = field.enumeration(KeyType::from_str_name)?,
    "reference" => it.reference = Some(field.message()?),
    "dialectedFilter" => it.dialected_filter = field.messages()?,
    "vReplicas" => it.v_replicas = field.integer()?,
    "featureFlags" => it.feature_flags = Some(field.message()?),
    "destinationCACerts" => it.destination_ca_certs = field.string()?,
    "replyUrlCACerts" => it.reply_url_ca_certs = field.string()?,
    "destinationAudience" => it.destination_audience = field.string()?,
    "replyUrlAudience" => it.reply_url_audience = field.string()?,
    "oidcServiceAccountName" => it.oidc_service_account_name = field.string()?,
});

message!(EgressConfig, |it, field| {
    "deadLetter" => it.dead_letter = field.string()?,
    "retry" => it.retry = field.integer()?,
    "backoffPolicy" => it.backoff_policy = field.enumeration(BackoffPolicy::from_str_name)?,
    "backoffDelay" => it.backoff_delay = field.integer()?,
    "timeout" => it.timeout = field.integer()?,
    "deadLetterCACerts" => it.dead_letter_ca_certs = field.string()?,
    "deadLetterAudience" => it.dead_letter_audience = field.string()?,
    "format" => it.format = field.string()?,
});

message!(EgressFeatureFlags, |it, field| {
    "enableRateLimiter" => it.enable_rate_limiter = field.bool()?,
    "enableOrderedExecutorMetrics" => it.enable_ordered_executor_metrics = field.bool()?,
});

message!(FeatureFlags, |it, field| {
    "enableEventTypeAutocreate" => it.enable_event_type_autocreate = field.bool()?,
});

message!(CloudEventOverrides, |it, field| {
    "extensions" => it.extensions = field.string_map()?,
});

message!(Reference, |it, field| {
    "uuid" => it.uuid = field.string()?,
    "namespace" => it.namespace = field.string()?,
    "name" => it.name = field.string()?,
    "version" => it.version = field.string()?,
    "kind" => it.kind = field.string()?,
    "groupVersion" => it.group_version = field.string()?,
});

message!(SecretReference, |it, field| {
    "reference" => it.reference = Some(field.message()?),
    "keyFieldReferences" => it.key_field_references = field.messages()?,
});

message!(KeyFieldReference, |it, field| {
    "secretKey" => it.secret_key = field.string()?,
    "field" => it.field = field.enumeration(SecretField::from_str_name)?,
});

message!(MultiSecretReference, |it, field| {
    "protocol" => it.protocol = field.enumeration(Protocol::from_str_name)?,
    "references" => it.references = field.messages()?,
});

message!(Filter, |it, field| {
    "attributes" => it.attributes = field.string_map()?,
});

message!(Exact, |it, field| {
    "attributes" => it.attributes = field.string_map()?,
});

message!(Prefix, |it, field| {
    "attributes" => it.attributes = field.string_map()?,
});

message!(Suffix, |it, field| {
    "attributes" => it.attributes = field.string_map()?,
});

message!(All, |it, field| {
    "filters" => it.filters = field.messages()?,
});

message!(Any, |it, field| {
    "filters" => it.filters = field.messages()?,
});

message!(Not, |it, field| {
    "filter" => it.filter = Some(Box::new(field.message()?)),
});

message!(Cesql, |it, field| {
    "expression" => it.expression = field.string()?,
});

impl Message for DialectedFilter {
    fn set(&mut self, name: &str, field: Field<'_>) -> Result<(), ParseError> {
        use dialected_filter::Filter as Dialect;

        let slot = &mut self.filter;
        match name {
            "exact" => field.oneof(slot, |field| Ok(Dialect::Exact(field.message()?))),
            "prefix" => field.oneof(slot, |field| Ok(Dialect::Prefix(field.message()?))),
            "suffix" => field.oneof(slot, |field| Ok(Dialect::Suffix(field.message()?))),
            "all" => field.oneof(slot, |field| Ok(Dialect::All(field.message()?))),
            "any" => field.oneof(slot, |field| Ok(Dialect::Any(field.message()?))),
            "not" => field.oneof(slot, |field| Ok(Dialect::Not(Box::new(field.message()?)))),
            "cesql" => field.oneof(slot, |field| Ok(Dialect::Cesql(field.message()?))),
            _ => Ok(()),
        }
    }
}

impl Message for Empty {
    fn set(&mut self, _: &str, _: Field<'_>) -> Result<(), ParseError> {
        Ok(())
    }
}
