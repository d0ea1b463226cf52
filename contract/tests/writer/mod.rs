//! Writes contracts as the control plane does (contract.md 3): defaults left out, set messages kept
//! even when empty, 64-bit numbers as strings, enums by name where they have one.
use std::collections::BTreeMap;

use millrace_contract::proto::{
    self, Contract, DialectedFilter, Egress, EgressConfig, Ingress, Reference, Resource,
    dialected_filter::Filter, egress::ReplyStrategy, resource::Auth, token_matcher::Matcher,
};
use serde_json::{Map, Value, json};

pub(crate) fn contract(it: &Contract) -> String {
    let mut object = Object::default();
    object.long("generation", it.generation);
    object.list("resources", &it.resources, resource);
    object.list("trustBundles", &it.trust_bundles, |text| json!(text));
    Value::from(object.0).to_string()
}

#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.set(name, json!(text));
        }
    }

    fn long(&mut self, name: &str, number: u64) {
        if number != 0 {
            self.set(name, json!(number.to_string()));
        }
    }

    fn int(&mut self, name: &str, number: i64) {
        if number != 0 {
            self.set(name, json!(number));
        }
    }

    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.set(name, json!(true));
        }
    }

    fn named<E: TryFrom<i32>>(
        &mut self,
        name: &str,
        number: i32,
        text: impl Fn(&E) -> &'static str,
    ) {
        match E::try_from(number) {
            Ok(_) if number == 0 => {}
            Ok(known) => self.set(name, json!(text(&known))),
            Err(_) => self.set(name, json!(number)),
        }
    }

    fn list<T>(&mut self, name: &str, list: &[T], write: impl Fn(&T) -> Value) {
        if !list.is_empty() {
            self.set(name, list.iter().map(write).collect());
        }
    }

    fn message<T>(&mut self, name: &str, message: Option<&T>, write: impl Fn(&T) -> Value) {
        if let Some(message) = message {
            self.set(name, write(message));
        }
    }

    fn map(&mut self, name: &str, map: &BTreeMap<String, String>) {
        if !map.is_empty() {
            self.set(name, json!(map));
        }
    }
}

fn built(fill: impl FnOnce(&mut Object)) -> Value {
    let mut object = Object::default();
    fill(&mut object);
    object.0.into()
}

fn resource(it: &Resource) -> Value {
    built(|object| {
        object.text("uid", &it.uid);
        object.list("topics", &it.topics, |text| json!(text));
        object.text("bootstrapServers", &it.bootstrap_servers);
        object.message("ingress", it.ingress.as_ref(), ingress);
        object.message("egressConfig", it.egress_config.as_ref(), egress_config);
        object.list("egresses", &it.egresses, egress);
        match &it.auth {
            None => {}
            Some(Auth::AbsentAuth(_)) => object.set("absentAuth", json!({})),
            Some(Auth::AuthSecret(it)) => object.set("authSecret", reference(it)),
            Some(Auth::MultiAuthSecret(it)) => object.set("multiAuthSecret", multi(it)),
        }
        object.message("cloudEventOverrides", it.cloud_event_overrides.as_ref(), |it| {
            built(|object| object.map("extensions", &it.extensions))
        });
        object.message("reference", it.reference.as_ref(), reference);
        object.message("featureFlags", it.feature_flags.as_ref(), |it| {
            built(|object| {
                object.flag("enableEventTypeAutocreate", it.enable_event_type_autocreate)
            })
        });
    })
}

fn ingress(it: &Ingress) -> Value {
    built(|object| {
        object.named("contentMode", it.content_mode, proto::ContentMode::as_str_name);
        object.text("path", &it.path);
        object.text("host", &it.host);
        object.text("audience", &it.audience);
        object.list("eventPolicies", &it.event_policies, |it| {
            built(|object| {
                object.list("tokenMatchers", &it.token_matchers, |it| match &it.matcher {
                    None => json!({}),
                    Some(Matcher::Exact(it)) => json!({ "exact": attributes(&it.attributes) }),
                    Some(Matcher::Prefix(it)) => json!({ "prefix": attributes(&it.attributes) }),
                });
                object.list("filters", &it.filters, filter);
            })
        });
    })
}

fn egress(it: &Egress) -> Value {
    built(|object| {
        object.text("consumerGroup", &it.consumer_group);
        object.text("destination", &it.destination);
        match &it.reply_strategy {
            None => {}
            Some(ReplyStrategy::ReplyUrl(url)) => object.set("replyUrl", json!(url)),
            Some(ReplyStrategy::ReplyToOriginalTopic(_)) => {
                object.set("replyToOriginalTopic", json!({}))
            }
            Some(ReplyStrategy::DiscardReply(_)) => object.set("discardReply", json!({})),
        }
        object.message("filter", it.filter.as_ref(), |it| attributes(&it.attributes));
        object.text("uid", &it.uid);
        object.message("egressConfig", it.egress_config.as_ref(), egress_config);
        object.named("deliveryOrder", it.delivery_order, proto::DeliveryOrder::as_str_name);
        object.named("keyType", it.key_type, proto::KeyType::as_str_name);
        object.message("reference", it.reference.as_ref(), reference);
        object.list("dialectedFilter", &it.dialected_filter, filter);
        object.int("vReplicas", it.v_replicas.into());
        object.message("featureFlags", it.feature_flags.as_ref(), |it| {
            built(|object| {
                object.flag("enableRateLimiter", it.enable_rate_limiter);
                object.flag("enableOrderedExecutorMetrics", it.enable_ordered_executor_metrics);
            })
        });
        object.text("destinationCACerts", &it.destination_ca_certs);
        object.text("replyUrlCACerts", &it.reply_url_ca_certs);
        object.text("destinationAudience", &it.destination_audience);
        object.text("replyUrlAudience", &it.reply_url_audience);
        object.text("oidcServiceAccountName", &it.oidc_service_account_name);
    })
}

fn egress_config(it: &EgressConfig) -> Value {
    built(|object| {
        object.text("deadLetter", &it.dead_letter);
        object.int("retry", it.retry.into());
        object.named("backoffPolicy", it.backoff_policy, proto::BackoffPolicy::as_str_name);
        object.long("backoffDelay", it.backoff_delay);
        object.long("timeout", it.timeout);
        object.text("deadLetterCACerts", &it.dead_letter_ca_certs);
        object.text("deadLetterAudience", &it.dead_letter_audience);
        object.text("format", &it.format);
    })
}

fn multi(it: &proto::MultiSecretReference) -> Value {
    built(|object| {
        object.named("protocol", it.protocol, proto::Protocol::as_str_name);
        object.list("references", &it.references, |it| {
            built(|object| {
                object.message("reference", it.reference.as_ref(), reference);
                object.list("keyFieldReferences", &it.key_field_references, |it| {
                    built(|object| {
                        object.text("secretKey", &it.secret_key);
                        object.named("field", it.field, proto::SecretField::as_str_name);
                    })
                });
            })
        });
    })
}

fn reference(it: &Reference) -> Value {
    built(|object| {
        object.text("uuid", &it.uuid);
        object.text("namespace", &it.namespace);
        object.text("name", &it.name);
        object.text("version", &it.version);
        object.text("kind", &it.kind);
        object.text("groupVersion", &it.group_version);
    })
}

fn filter(it: &DialectedFilter) -> Value {
    let filters = |list| built(|object| object.list("filters", list, filter));
    match &it.filter {
        None => json!({}),
        Some(Filter::Exact(it)) => json!({ "exact": attributes(&it.attributes) }),
        Some(Filter::Prefix(it)) => json!({ "prefix": attributes(&it.attributes) }),
        Some(Filter::Suffix(it)) => json!({ "suffix": attributes(&it.attributes) }),
        Some(Filter::All(it)) => json!({ "all": filters(&it.filters) }),
        Some(Filter::Any(it)) => json!({ "any": filters(&it.filters) }),
        Some(Filter::Not(it)) => {
            json!({ "not": built(|object| object.message("filter", it.filter.as_deref(), filter)) })
        }
        Some(Filter::Cesql(it)) => {
            json!({ "cesql": built(|object| object.text("expression", &it.expression)) })
        }
    }
}

fn attributes(map: &BTreeMap<String, String>) -> Value {
    built(|object| object.map("attributes", map))
}
