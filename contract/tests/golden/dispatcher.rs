//! Contracts as dispatchers get them.
use millrace_contract::model::{
    Auth, Backoff, Delivery, DeliveryOrder, Endpoint, Filter, Format, KeyType, Protocol, Reply,
    SecretField, TIMEOUT_MS_DEFAULT,
};

use super::{attributes, clean, egress, named};

fn plain(url: &str) -> Endpoint {
    Endpoint { url: url.to_owned(), ca_certs: None, audience: None }
}

#[test]
fn c030_triggers_with_their_groups() {
    let contract = clean("broker-dispatcher.json");
    let groups: Vec<_> = contract
        .resources
        .iter()
        .flat_map(|it| &it.egresses)
        .map(|it| it.consumer_group.as_str())
        .collect();
    assert_eq!(
        groups,
        [
            "knative-trigger-orders-ship-on-paid",
            "knative-trigger-orders-fraud-screen",
            "knative-trigger-payments-ledger-archive",
            "acc86dbc-c48d-4c38-ae71-b5246dbc9b83",
        ]
    );
    assert!(contract.resources.iter().all(|it| it.ingress.is_none()));
    let archive = egress(&contract, "ledger-archive");
    assert_eq!(archive.delivery, Delivery::default());
    assert_eq!((archive.delivery.retries, archive.delivery.timeout_ms), (0, 600_000));
}

#[test]
fn c031_order_of_delivery() {
    let contract = clean("broker-dispatcher.json");
    let order = |name| egress(&contract, name).order;
    assert_eq!(order("ship-on-paid"), DeliveryOrder::Unordered);
    assert_eq!(order("fraud-screen"), DeliveryOrder::Ordered);
    let flags = |name| {
        let egress = egress(&contract, name);
        (egress.rate_limiter, egress.ordered_metrics)
    };
    assert_eq!(flags("fraud-screen"), (false, false));
    assert_eq!(flags("old-style-group"), (true, true));
}

#[test]
fn c043_c044_filters() {
    let contract = clean("broker-dispatcher.json");
    let filter = |name| egress(&contract, name).filter.clone();
    let legacy = attributes([("type", "com.example.order.paid"), ("source", "/checkout/eu")]);
    assert_eq!(filter("ship-on-paid"), Filter::Exact(legacy));
    assert_eq!(filter("ledger-archive"), Filter::Exact(attributes([])), "passes everything");
    assert_eq!(
        filter("fraud-screen"),
        Filter::All(vec![
            Filter::Any(vec![
                Filter::Prefix(attributes([("type", "com.example.order.")])),
                Filter::Suffix(attributes([("source", "/mobile")])),
            ]),
            Filter::Not(Box::new(Filter::Exact(attributes([("subject", "test")])))),
            Filter::All(vec![
                Filter::Exact(attributes([("region", "eu")])),
                Filter::Cesql("amount > 500 OR EXISTS urgent".to_owned()),
            ]),
        ])
    );
}

#[test]
fn delivery_and_placement() {
    let contract = clean("broker-dispatcher.json");
    let screen = egress(&contract, "fraud-screen");
    assert_eq!(
        screen.delivery,
        Delivery {
            dead_letter: None,
            retries: 3,
            backoff: Backoff::Linear,
            backoff_delay_ms: 250,
            timeout_ms: TIMEOUT_MS_DEFAULT,
            format: Format::Binary,
        }
    );
    assert_eq!(screen.virtual_replicas.get(), 2);
    assert_eq!(screen.destination, plain("http://fraud.orders.svc.cluster.local/v2/screen"));
    assert_eq!(screen.reply, Reply::Topic);
    assert_eq!(screen.service_account, None);
}

#[test]
fn subscriptions_with_reply_url_and_discard() {
    let contract = clean("channel-dispatcher.json");
    let replies: Vec<_> =
        contract.resources.iter().flat_map(|it| &it.egresses).map(|it| it.reply.clone()).collect();
    let url = plain("http://rendered-kn-channel.billing.svc.cluster.local");
    assert_eq!(replies, [Reply::Url(url), Reply::Discard]);
}

#[test]
fn c037_an_empty_multi_secret_is_plaintext() {
    let contract = clean("source-dispatcher.json");
    let source = named(&contract, "telemetry");
    assert_eq!(source.auth, Auth::Multi { protocol: Protocol::Plaintext, secrets: vec![] });
    assert!(source.auth.is_plaintext());
}

#[test]
fn sources_with_topics_keys_and_overrides() {
    let contract = clean("source-dispatcher.json");
    let source = named(&contract, "telemetry");
    let topics: Vec<_> = source.topics.iter().map(|it| &**it).collect();
    assert_eq!(topics, ["telemetry.temperature", "telemetry.pressure"]);
    assert_eq!(source.overrides, attributes([("plant", "north"), ("schemaver", "2")]));
    assert_eq!(egress(&contract, "telemetry").key_type, KeyType::Integer);
    let alarms = egress(&contract, "alarms");
    assert_eq!(alarms.key_type, KeyType::ByteArray);
    let dead = plain("http://kafka-sink-ingress.knative-eventing.svc.cluster.local/iot/dead");
    assert_eq!(alarms.delivery.dead_letter, Some(dead));
    assert_eq!(alarms.filter, Filter::pass());
}

#[test]
fn fields_from_several_secrets() {
    let contract = clean("source-dispatcher-multi-auth.json");
    let fields = |name| {
        let Auth::Multi { protocol, secrets } = &named(&contract, name).auth else { panic!() };
        let keys = secrets.iter().flat_map(|it| it.keys.iter().map(|key| key.field));
        (*protocol, secrets.len(), keys.collect::<Vec<_>>())
    };
    use SecretField::{CaCrt, Password, SaslMechanism, User, UserCrt, UserKey};
    let login = vec![SaslMechanism, User, Password, CaCrt];
    assert_eq!(fields("trades"), (Protocol::SaslSsl, 2, login));
    assert_eq!(fields("quotes"), (Protocol::Ssl, 1, vec![UserCrt, UserKey, CaCrt]));
}

#[test]
fn certificates_audiences_and_accounts() {
    let contract = clean("broker-dispatcher-oidc-tls.json");
    assert_eq!(contract.trust_bundles.len(), 2);
    let audit = egress(&contract, "audit");
    assert_eq!(audit.destination.audience.as_deref(), Some("audit-service"));
    let pem = audit.destination.ca_certs.as_deref().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
    let dead = audit.delivery.dead_letter.as_ref().unwrap();
    assert_eq!(dead.audience.as_deref(), Some("eventing.knative.dev/kafkasink/orders/dead"));
    assert!(dead.ca_certs.is_some());
    let account = "audit-oidc-eventing.knative.dev-trigger";
    assert_eq!(audit.service_account.as_deref(), Some(account));
    let Reply::Url(reply) = &egress(&contract, "stage").reply else { panic!() };
    assert_eq!(reply.audience.as_deref(), Some("messaging.knative.dev/kafkachannel/orders/done"));
    assert!(reply.ca_certs.is_some());
}

#[test]
fn c029_c042_a_namespaced_broker_has_both_ends() {
    let contract = clean("namespaced-broker-combined.json");
    let broker = named(&contract, "private");
    let route = &broker.ingress.as_ref().unwrap().route;
    assert_eq!(route.path().map(|it| &**it), Some("/tenant-a/private"));
    let groups: Vec<_> = broker.egresses.iter().map(|it| it.consumer_group.as_str()).collect();
    assert_eq!(groups, ["knative-trigger-tenant-a-first", "knative-trigger-tenant-a-second"]);
    assert!(broker.egresses.iter().all(|it| it.reply == Reply::Topic));
    assert!(broker.egresses.iter().all(|it| it.virtual_replicas.get() == 1));
    assert_eq!(egress(&contract, "first").reference.kind, "");
}
