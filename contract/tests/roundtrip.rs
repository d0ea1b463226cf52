//! Random input: no bytes panic, and what a writer writes is read back, model included.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests too.

mod writer;

use millrace_contract::json;
use millrace_contract::proto::{
    self, Contract, DialectedFilter, Egress, EgressConfig, EventPolicy, Ingress, Reference,
    Resource, dialected_filter::Filter, egress::ReplyStrategy, resource::Auth,
    token_matcher::Matcher,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z./:-]{1,12}",
        "\\PC{0,6}",
        Just("\"\\\u{0}\u{7f}\u{1f600}".to_owned())
    ]
}

fn attributes() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    btree_map("[a-z]{1,5}", text(), 0..3)
}

fn reference() -> impl Strategy<Value = Reference> {
    (text(), text(), text(), text(), text(), text()).prop_map(
        |(uuid, namespace, name, version, kind, group_version)| Reference {
            uuid,
            namespace,
            name,
            version,
            kind,
            group_version,
        },
    )
}

fn filter() -> impl Strategy<Value = DialectedFilter> {
    let leaf = prop_oneof![
        Just(None),
        attributes().prop_map(|attributes| Some(Filter::Exact(proto::Exact { attributes }))),
        attributes().prop_map(|attributes| Some(Filter::Prefix(proto::Prefix { attributes }))),
        attributes().prop_map(|attributes| Some(Filter::Suffix(proto::Suffix { attributes }))),
        text().prop_map(|expression| Some(Filter::Cesql(proto::Cesql { expression }))),
    ];
    let leaf = leaf.prop_map(|filter| DialectedFilter { filter });
    leaf.prop_recursive(4, 16, 3, |inner| {
        let list = vec(inner.clone(), 0..3);
        prop_oneof![
            list.clone().prop_map(|filters| Filter::All(proto::All { filters })),
            list.prop_map(|filters| Filter::Any(proto::Any { filters })),
            of(inner).prop_map(|it| Filter::Not(Box::new(proto::Not { filter: it.map(Box::new) }))),
        ]
        .prop_map(|filter| DialectedFilter { filter: Some(filter) })
    })
}

fn egress_config() -> impl Strategy<Value = EgressConfig> {
    (text(), any::<u32>(), 0..4_i32, any::<u64>(), any::<u64>(), text(), text(), text()).prop_map(
        |(dead_letter, retry, backoff_policy, backoff_delay, timeout, certs, audience, format)| {
            EgressConfig {
                dead_letter,
                retry,
                backoff_policy,
                backoff_delay,
                timeout,
                dead_letter_ca_certs: certs,
                dead_letter_audience: audience,
                format,
            }
        },
    )
}

fn reply() -> impl Strategy<Value = Option<ReplyStrategy>> {
    prop_oneof![
        Just(None),
        text().prop_map(|url| Some(ReplyStrategy::ReplyUrl(url))),
        Just(Some(ReplyStrategy::ReplyToOriginalTopic(proto::Empty {}))),
        Just(Some(ReplyStrategy::DiscardReply(proto::Empty {}))),
    ]
}

fn egress() -> impl Strategy<Value = Egress> {
    let names = (text(), text(), text(), text(), text());
    let more = (text(), text(), text(), any::<i32>(), 0..3_i32, 0..6_i32);
    let flags =
        of((any::<bool>(), any::<bool>()).prop_map(|(limit, metrics)| proto::EgressFeatureFlags {
            enable_rate_limiter: limit,
            enable_ordered_executor_metrics: metrics,
        }));
    let filters = (of(attributes()), vec(filter(), 0..3));
    (names, more, reply(), filters, of(egress_config()), of(reference()), flags).prop_map(
        |(names, more, reply_strategy, filters, egress_config, reference, feature_flags)| Egress {
            uid: names.0,
            consumer_group: names.1,
            destination: names.2,
            destination_ca_certs: names.3,
            destination_audience: names.4,
            reply_url_ca_certs: more.0,
            reply_url_audience: more.1,
            oidc_service_account_name: more.2,
            v_replicas: more.3,
            delivery_order: more.4,
            key_type: more.5,
            reply_strategy,
            filter: filters.0.map(|attributes| proto::Filter { attributes }),
            dialected_filter: filters.1,
            egress_config,
            reference,
            feature_flags,
        },
    )
}

fn ingress() -> impl Strategy<Value = Ingress> {
    let matcher = prop_oneof![
        Just(None),
        attributes().prop_map(|attributes| Some(Matcher::Exact(proto::Exact { attributes }))),
        attributes().prop_map(|attributes| Some(Matcher::Prefix(proto::Prefix { attributes }))),
    ];
    let matchers = vec(matcher.prop_map(|matcher| proto::TokenMatcher { matcher }), 0..3);
    let policy = (matchers, vec(filter(), 0..2))
        .prop_map(|(token_matchers, filters)| EventPolicy { token_matchers, filters });
    (-1..4_i32, text(), text(), text(), vec(policy, 0..3)).prop_map(
        |(content_mode, path, host, audience, event_policies)| Ingress {
            content_mode,
            path,
            host,
            audience,
            event_policies,
        },
    )
}

fn auth() -> impl Strategy<Value = Option<Auth>> {
    let key = (text(), 0..10_i32)
        .prop_map(|(secret_key, field)| proto::KeyFieldReference { secret_key, field });
    let secret = (of(reference()), vec(key, 0..3)).prop_map(|(reference, key_field_references)| {
        proto::SecretReference { reference, key_field_references }
    });
    let multi = (0..5_i32, vec(secret, 0..3))
        .prop_map(|(protocol, references)| proto::MultiSecretReference { protocol, references });
    prop_oneof![
        Just(None),
        Just(Some(Auth::AbsentAuth(proto::Empty {}))),
        reference().prop_map(|it| Some(Auth::AuthSecret(it))),
        multi.prop_map(|it| Some(Auth::MultiAuthSecret(it))),
    ]
}

fn resource() -> impl Strategy<Value = Resource> {
    let flag = of(any::<bool>().prop_map(|enable_event_type_autocreate| proto::FeatureFlags {
        enable_event_type_autocreate,
    }));
    let overrides =
        of(attributes().prop_map(|extensions| proto::CloudEventOverrides { extensions }));
    let names = (text(), vec(text(), 0..3), text());
    let ends = (of(ingress()), vec(egress(), 0..3), of(egress_config()));
    (names, ends, auth(), overrides, of(reference()), flag).prop_map(
        |(names, ends, auth, cloud_event_overrides, reference, feature_flags)| Resource {
            uid: names.0,
            topics: names.1,
            bootstrap_servers: names.2,
            ingress: ends.0,
            egresses: ends.1,
            egress_config: ends.2,
            auth,
            cloud_event_overrides,
            reference,
            feature_flags,
        },
    )
}

fn contract() -> impl Strategy<Value = Contract> {
    (any::<u64>(), vec(resource(), 0..4), vec(text(), 0..3)).prop_map(
        |(generation, resources, trust_bundles)| Contract { generation, resources, trust_bundles },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_written_is_read_back(contract in contract()) {
        let text = writer::contract(&contract);
        let (read, _) = json::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(read, contract);
    }

    #[test]
    fn every_resource_is_either_used_or_rejected(message in contract()) {
        let resources = message.resources.len();
        let uids = message.resources.iter().map(|it| it.uid.clone());
        let uids = std::collections::HashSet::<_>::from_iter(uids);
        let text = writer::contract(&message);
        let contract = millrace_contract::Contract::parse(text.as_bytes()).unwrap().contract;
        let whole = |it: &&millrace_contract::model::Rejection| {
            it.part == millrace_contract::model::Part::Resource
        };
        let rejected = contract.rejected.iter().filter(whole).count();
        prop_assert_eq!(contract.resources.len() + rejected, resources);
        prop_assert!(contract.resources.len() <= uids.len());
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..64)) {
        let _ = millrace_contract::Contract::parse(&bytes);
    }

    #[test]
    fn no_damage_to_a_contract_panics(
        contract in contract(),
        at in any::<prop::sample::Index>(),
        with in vec(any::<u8>(), 0..3),
    ) {
        let mut text = writer::contract(&contract).into_bytes();
        let at = at.index(text.len());
        text.splice(at..(at + 1).min(text.len()), with);
        let _ = millrace_contract::Contract::parse(&text);
    }

    #[test]
    fn no_cut_contract_is_accepted(contract in contract(), at in any::<prop::sample::Index>()) {
        let text = writer::contract(&contract);
        let cut = &text.as_bytes()[..at.index(text.len())];
        prop_assert!(json::parse(cut).is_err());
    }
}
