//! Contracts as receivers get them.
use std::collections::BTreeSet;

use millrace_contract::diff::{self, Change};
use millrace_contract::model::{
    Auth, Backoff, ContentMode, Delivery, Endpoint, Filter, Format, Ingress, KeyField, Protocol,
    Route, SecretField, TokenMatcher,
};

use super::{attributes, clean, named, parse, paths};

#[test]
fn c004_brokers_with_their_paths() {
    let contract = clean("broker-receiver.json");
    assert_eq!(contract.generation, 41);
    assert_eq!(paths(&contract), BTreeSet::from(["/orders/default", "/payments/ledger"]));
    let orders = named(&contract, "default");
    assert_eq!(&*orders.uid, "972d882e-ce4b-4faf-a0d1-81e0ce01fba0");
    assert_eq!(&**orders.topics.first(), "knative-broker-orders-default");
    assert_eq!(&*orders.bootstrap_servers, "orders-cluster-kafka-bootstrap.streaming.svc:9092");
    assert_eq!(
        orders.ingress,
        Some(Ingress {
            route: Route::Path("/orders/default".into()),
            content_mode: ContentMode::Binary,
            audience: None,
            policies: vec![],
        })
    );
    assert_eq!(
        orders.egress_config,
        Some(Delivery {
            dead_letter: Endpoint::new(
                "http://dead-letters.orders.svc.cluster.local".to_owned(),
                String::new(),
                String::new(),
            ),
            retries: 5,
            backoff: Backoff::Exponential,
            backoff_delay_ms: 1000,
            timeout_ms: 30_000,
            format: Format::Binary,
        })
    );
    assert_eq!(orders.auth, Auth::Absent);
    assert_eq!(orders.reference.uuid, *orders.uid);
    assert_eq!(orders.reference.namespace, "orders");
    assert_eq!(orders.reference.kind, "Broker");
    assert_eq!(orders.reference.group_version, "eventing.knative.dev/v1");
    assert!(!orders.event_type_autocreate);
    assert!(named(&contract, "ledger").event_type_autocreate);
}

#[test]
fn c005_the_compact_file_says_the_same() {
    assert_eq!(clean("broker-receiver.compact.json"), clean("broker-receiver.json"));
}

#[test]
fn c015_generation_only_removes_everything() {
    let (before, after) = (clean("broker-receiver.json"), clean("generation-only.json"));
    assert_eq!(after.generation, 23);
    assert!(after.resources.is_empty());
    let changes = diff::ingresses(&before.resources, &after);
    assert_eq!(changes.len(), 2);
    assert!(changes.iter().all(|change| matches!(change, Change::Removed(_))));
}

#[test]
fn c024_channels_by_path_and_host() {
    let contract = clean("channel-receiver.json");
    let route = |name| named(&contract, name).ingress.as_ref().unwrap().route.clone();
    assert_eq!(
        route("invoices"),
        Route::PathAndHost {
            path: "/billing/invoices".into(),
            host: "invoices-kn-channel.billing.svc.cluster.local".into(),
        }
    );
    let long = route("quarterly-reconciliation-of-settlement-statements-emea");
    let host = "quarterly-reconciliation-of-settlement-statements-emea.billing.svc.cluster.local";
    assert_eq!(long.host().map(|it| &**it), Some(host));
}

#[test]
fn c027_sinks_with_their_content_modes() {
    let contract = clean("sink-receiver.json");
    let mode = |name| named(&contract, name).ingress.as_ref().unwrap().content_mode;
    assert_eq!(mode("audit-sink"), ContentMode::Structured);
    assert_eq!(mode("clicks"), ContentMode::Binary);
    let servers = "k0.streaming.example:9094,k1.streaming.example:9094,k2.streaming.example:9094";
    assert_eq!(&*named(&contract, "clicks").bootstrap_servers, servers);
}

#[test]
fn c012_unknown_enum_name_is_binary() {
    let parsed = parse("edge/unknown-enum-name.json").unwrap();
    let ingress = named(&parsed.contract, "audit-sink").ingress.clone().unwrap();
    assert_eq!(ingress.content_mode, ContentMode::Binary);
    let warnings: Vec<_> = parsed.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["contract field `resources[0].ingress.contentMode`: \
          \"HOLOGRAM\" is not known here, the default is used"]
    );
}

#[test]
fn c019_recreated_on_the_same_path_is_one_more_and_one_less() {
    let before = clean("broker-receiver.json");
    let after = clean("edge/broker-recreated-same-path.json");
    let changes = diff::ingresses(&before.resources, &after);
    let path = |resource: &millrace_contract::Resource| {
        resource.ingress.as_ref().unwrap().route.path().map(|it| it.to_string())
    };
    let mut same_path = Vec::new();
    for change in &changes {
        match change {
            Change::Added(it) => same_path.push(("added", path(it))),
            Change::Removed(it) => same_path.push(("removed", path(it))),
            Change::Unchanged(it) => assert_eq!(it.reference.name, "ledger"),
            other => panic!("{other:?}"),
        }
    }
    let path = Some("/orders/default".to_owned());
    assert_eq!(same_path, [("added", path.clone()), ("removed", path)]);
    assert_eq!(changes.len(), 3);
}

#[test]
fn one_secret_with_its_version() {
    let contract = clean("broker-receiver-auth-secret.json");
    let resource = named(&contract, "default");
    let Auth::Secret(secret) = &resource.auth else { panic!("{:?}", resource.auth) };
    assert_eq!(
        (secret.namespace(), secret.name(), secret.version()),
        ("knative-eventing", "kafka-tls-credentials", "884213")
    );
    assert!(!resource.auth.is_plaintext());
}

#[test]
fn c038_a_key_without_field_is_the_sasl_mechanism() {
    let contract = clean("channel-receiver-legacy-secret.json");
    let Auth::Multi { protocol, secrets } = &named(&contract, "onboarding").auth else { panic!() };
    assert_eq!(*protocol, Protocol::SaslPlaintext);
    let [secret] = secrets.as_slice() else { panic!("{secrets:?}") };
    assert_eq!(secret.secret.name(), "kafka-channel-login");
    let key = |key: &str, field| KeyField { key: key.to_owned(), field };
    assert_eq!(
        secret.keys,
        [
            key("password", SecretField::Password),
            key("username", SecretField::User),
            key("saslType", SecretField::SaslMechanism),
        ]
    );
}

#[test]
fn audiences_and_policies() {
    let contract = clean("broker-receiver-oidc-policies.json");
    let ingress = |name| named(&contract, name).ingress.clone().unwrap();
    let orders = ingress("default");
    assert_eq!(orders.audience.as_deref(), Some("eventing.knative.dev/broker/orders/default"));
    let [first, second] = orders.policies.as_slice() else { panic!("{:?}", orders.policies) };
    assert_eq!(
        first.token_matchers,
        [
            TokenMatcher::Exact(attributes([(
                "sub",
                "system:serviceaccount:checkout:checkout-api"
            )])),
            TokenMatcher::Prefix(attributes([("sub", "system:serviceaccount:warehouse:")])),
        ]
    );
    assert_eq!(
        first.filters,
        [
            Filter::Prefix(attributes([("type", "com.example.order.")])),
            Filter::Not(Box::new(Filter::Exact(attributes([("source", "/replay")])))),
        ]
    );
    assert_eq!(second.filters, [Filter::Cesql("type LIKE 'com.example.%'".to_owned())]);
    // An empty prefix means anyone with a token: it must survive, unlike in event filters.
    let anyone = TokenMatcher::Prefix(attributes([("sub", "")]));
    assert_eq!(ingress("inbox").policies.first().unwrap().token_matchers, [anyone]);
    assert_eq!(ingress("closed").policies, []);
    assert!(ingress("closed").audience.is_some());
}
