//! The diff against a naive model, and the cases the model cannot show.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::json::Warnings;
use crate::proto;

/// A small resource: few uids and few values, so that equal ones are met often.
#[derive(Clone, Debug, PartialEq)]
struct Small {
    uid: u8,
    topic: u8,
    path: Option<u8>,
    autocreate: bool,
    egress: bool,
}

fn small() -> impl Strategy<Value = Small> {
    let path = prop_oneof![1 => Just(None), 1 => Just(Some(0)), 4 => (1..3_u8).prop_map(Some)];
    (0..5_u8, 0..2_u8, path, any::<bool>(), any::<bool>()).prop_map(
        |(uid, topic, path, autocreate, egress)| Small { uid, topic, path, autocreate, egress },
    )
}

/// Path 0 stands for a route that cannot be used.
fn contract(smalls: &[Small]) -> Contract {
    let resources = smalls.iter().map(|small| proto::Resource {
        uid: format!("u{}", small.uid),
        topics: vec![format!("t{}", small.topic)],
        bootstrap_servers: "k:9092".to_owned(),
        ingress: small.path.map(|path| proto::Ingress {
            path: if path == 0 { "/".to_owned() } else { format!("/p{path}") },
            ..Default::default()
        }),
        egresses: Vec::from_iter(small.egress.then(|| proto::Egress {
            uid: format!("e{}", small.uid),
            consumer_group: "g".to_owned(),
            destination: "http://s".to_owned(),
            ..Default::default()
        })),
        feature_flags: Some(proto::FeatureFlags { enable_event_type_autocreate: small.autocreate }),
        ..Default::default()
    });
    let message = proto::Contract { resources: resources.collect(), ..Default::default() };
    Contract::from_message(message, &mut Warnings::default())
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Added,
    Changed,
    Unchanged,
    Kept,
    Removed,
}

fn kinds(changes: &[Change]) -> BTreeMap<String, Kind> {
    let kinds = changes.iter().map(|change| {
        let kind = match change {
            Change::Added(_) => Kind::Added,
            Change::Changed { .. } => Kind::Changed,
            Change::Unchanged(_) => Kind::Unchanged,
            Change::Kept { .. } => Kind::Kept,
            Change::Removed(_) => Kind::Removed,
        };
        (change.uid().to_string(), kind)
    });
    let kinds: BTreeMap<_, _> = kinds.collect();
    assert_eq!(kinds.len(), changes.len(), "a uid appears twice in {changes:?}");
    kinds
}

/// The same answer from the small values alone, one uid at a time.
fn expected(old: &[Small], new: &[Small]) -> BTreeMap<String, Kind> {
    let first = |smalls: &[Small], uid| smalls.iter().find(|small| small.uid == uid).cloned();
    let served = |small: &Small| small.path.is_some_and(|path| path != 0);
    let mut kinds = BTreeMap::new();
    for uid in 0..5 {
        let (was, is) = (first(old, uid).filter(served), first(new, uid));
        let broken = is.as_ref().is_some_and(|is| is.path == Some(0));
        let is = is.filter(served);
        let kind = match (&was, &is) {
            (None, None) => continue,
            (None, Some(_)) => Kind::Added,
            (Some(_), None) if broken => Kind::Kept,
            (Some(_), None) => Kind::Removed,
            (Some(was), Some(is)) if Small { egress: is.egress, ..was.clone() } == *is => {
                Kind::Unchanged
            }
            (Some(_), Some(_)) => Kind::Changed,
        };
        kinds.insert(format!("u{uid}"), kind);
    }
    kinds
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model_and_ignores_order(
        old in prop::collection::vec(small(), 0..6),
        new in prop::collection::vec(small(), 0..6),
    ) {
        let (before, mut after) = (contract(&old), contract(&new));
        let changes = ingresses(&before.resources, &after);
        prop_assert_eq!(kinds(&changes), expected(&old, &new));
        after.resources.reverse();
        let reversed = ingresses(before.resources.iter().rev(), &after);
        prop_assert_eq!(kinds(&reversed), expected(&old, &new));
    }

    #[test]
    fn after_applying_a_contract_it_changes_nothing(new in prop::collection::vec(small(), 0..6)) {
        let after = contract(&new);
        let changes = ingresses(&after.resources, &after);
        prop_assert!(changes.iter().all(|change| matches!(change, Change::Unchanged(_))));
    }
}

fn resource(edit: impl FnOnce(&mut proto::Resource)) -> Arc<Resource> {
    let mut message = proto::Resource {
        uid: "u".to_owned(),
        topics: vec!["a".to_owned(), "b".to_owned()],
        bootstrap_servers: "k:9092".to_owned(),
        ingress: Some(proto::Ingress { path: "/a/b".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    edit(&mut message);
    let message = proto::Contract { resources: vec![message], ..Default::default() };
    let contract = Contract::from_message(message, &mut Warnings::default());
    Arc::clone(contract.resources.first().expect("a usable resource"))
}

type Edit = fn(&mut proto::Resource);

#[test]
fn every_compared_field_counts() {
    let edits: [(&str, Edit); 12] = [
        ("uid", |it| it.uid = "v".to_owned()),
        ("order of topics", |it| it.topics.reverse()),
        ("bootstrapServers", |it| it.bootstrap_servers.push_str(",l:9092")),
        ("ingress.path", |it| it.ingress.as_mut().unwrap().path.push('c')),
        ("ingress.host", |it| it.ingress.as_mut().unwrap().host.push('h')),
        ("ingress.contentMode", |it| it.ingress.as_mut().unwrap().content_mode = 1),
        ("ingress.audience", |it| it.ingress.as_mut().unwrap().audience.push('a')),
        ("ingress.eventPolicies", |it| {
            it.ingress.as_mut().unwrap().event_policies.push(proto::EventPolicy::default());
        }),
        ("auth", |it| {
            it.auth = Some(proto::resource::Auth::MultiAuthSecret(Default::default()));
        }),
        ("cloudEventOverrides", |it| {
            let extensions = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
            it.cloud_event_overrides = Some(proto::CloudEventOverrides { extensions });
        }),
        ("reference", |it| {
            it.reference = Some(proto::Reference { name: "n".to_owned(), ..Default::default() });
        }),
        ("egressConfig", |it| {
            it.egress_config = Some(proto::EgressConfig { retry: 1, ..Default::default() });
        }),
    ];
    let plain = resource(|_| {});
    assert!(same_ingress(&plain, &resource(|_| {})));
    for (field, edit) in edits {
        assert!(!same_ingress(&plain, &resource(edit)), "{field}");
    }
}

#[test]
fn the_version_of_a_secret_counts() {
    let secret = |version: &str| {
        let reference = proto::Reference {
            namespace: "n".to_owned(),
            name: "s".to_owned(),
            version: version.to_owned(),
            ..Default::default()
        };
        resource(|it| it.auth = Some(proto::resource::Auth::AuthSecret(reference)))
    };
    assert!(same_ingress(&secret("1"), &secret("1")));
    assert!(!same_ingress(&secret("1"), &secret("2")));
}

#[test]
fn c041_the_feature_flag_alone_is_a_change() {
    let on = resource(|it| {
        it.feature_flags = Some(proto::FeatureFlags { enable_event_type_autocreate: true });
    });
    assert!(!same_ingress(&resource(|_| {}), &on));
}
