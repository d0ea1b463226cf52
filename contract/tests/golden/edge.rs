//! Contracts that are broken, odd or in part unusable.
use std::collections::BTreeSet;

use millrace_contract::Contract;
use millrace_contract::json::ParseError;
use millrace_contract::model::{Backoff, ContentMode, Part, Reason, Rejection};
use serde_json::json;

use super::{clean, named, parse, paths};

#[test]
fn c001_the_empty_file_is_no_fault() {
    assert_eq!(parse("edge/empty.json"), Err(ParseError::Empty));
}

#[test]
fn c009_a_cut_file_is_rejected() {
    let error = parse("edge/truncated.json").unwrap_err();
    assert!(matches!(&error, ParseError::Syntax { line: 1, column: 467.., .. }), "{error:?}");
}

#[test]
fn c010_a_oneof_conflict_rejects_the_whole_contract() {
    let ParseError::Field { path, reason } = parse("edge/oneof-conflict.json").unwrap_err() else {
        panic!("not refused for a field");
    };
    assert!(path.starts_with("resources[0].egresses[0]."), "{path}");
    assert_eq!(reason, "another member of the same oneof is set as well");
}

#[test]
fn c011_unknown_fields_are_ignored() {
    let contract = clean("edge/unknown-fields.json");
    assert_eq!(contract.generation, 42);
    assert_eq!(contract.resources, clean("broker-receiver.json").resources);
}

#[test]
fn c013_lenient_scalars_mean_the_same() {
    let mut lenient = clean("edge/lenient-scalars.json");
    assert_eq!(lenient.generation, 18);
    lenient.generation = 17;
    assert_eq!(lenient, clean("broker-dispatcher.json"));
}

#[test]
fn c021_of_two_resources_with_one_uid_the_first_is_used() {
    let contract = parse("edge/duplicate-resource-uid.json").unwrap().contract;
    assert_eq!(paths(&contract), BTreeSet::from(["/orders/default"]));
    let [rejection] = contract.rejected.as_slice() else { panic!("{:?}", contract.rejected) };
    assert_eq!(
        *rejection,
        Rejection {
            part: Part::Resource,
            uid: "972d882e-ce4b-4faf-a0d1-81e0ce01fba0".to_owned(),
            namespace: "payments".to_owned(),
            name: "ledger".to_owned(),
            reason: Reason::DuplicateUid,
        }
    );
    let shown = rejection.to_string();
    assert!(shown.contains("972d882e-ce4b-4faf-a0d1-81e0ce01fba0 (payments/ledger)"), "{shown}");
}

#[test]
fn c022_of_two_egresses_with_one_uid_the_first_is_used() {
    let contract = parse("edge/duplicate-egress-uid.json").unwrap().contract;
    let names: Vec<_> = contract
        .resources
        .iter()
        .flat_map(|it| &it.egresses)
        .map(|it| it.reference.name.as_str())
        .collect();
    assert_eq!(names, ["ship-on-paid", "fraud-screen", "ledger-archive"]);
    let [rejection] = contract.rejected.as_slice() else { panic!("{:?}", contract.rejected) };
    assert_eq!((rejection.part, rejection.name.as_str()), (Part::Egress, "old-style-group"));
    assert_eq!(rejection.reason, Reason::DuplicateUid);
}

#[test]
fn c023_an_ingress_without_route_rejects_only_itself() {
    let contract = parse("edge/ingress-without-route.json").unwrap().contract;
    assert_eq!(paths(&contract), BTreeSet::from(["/orders/default", "/payments/ledger"]));
    let [rejection] = contract.rejected.as_slice() else { panic!("{:?}", contract.rejected) };
    assert_eq!((rejection.part, rejection.name.as_str()), (Part::Resource, "no-route"));
    assert_eq!(rejection.reason, Reason::NoRoute);
}

/// A contract of one resource, a usable one with `changes` laid over it.
fn one(changes: serde_json::Value) -> Contract {
    let mut resource = json!({
        "uid": "u", "topics": ["t"], "bootstrapServers": "k:9092",
        "ingress": {"path": "/n/a"},
        "egresses": [{"uid": "e", "consumerGroup": "g", "destination": "http://s"}],
        "reference": {"namespace": "n", "name": "a"},
    });
    for (name, value) in changes.as_object().unwrap() {
        resource[name] = value.clone();
    }
    Contract::parse(json!({ "resources": [resource] }).to_string().as_bytes()).unwrap().contract
}

#[test]
fn what_a_resource_lacks_is_the_reason_it_is_rejected_for() {
    assert_eq!(one(json!({})).rejected, []);
    for (changes, reason) in [
        (json!({"topics": []}), Reason::NoTopic),
        (json!({"topics": ["t", ""]}), Reason::NoTopic),
        (json!({"bootstrapServers": " "}), Reason::NoBootstrapServers),
        (json!({"bootstrapServers": "k:1,me:pw@k:2"}), Reason::UserInfoInBootstrapServers),
        (json!({"ingress": {"path": "/"}, "egresses": []}), Reason::NoRoute),
        (json!({"authSecret": {"name": "s"}}), Reason::NamelessSecret),
        (json!({"multiAuthSecret": {"protocol": 4}}), Reason::UnknownProtocol(4)),
        (json!({"multiAuthSecret": {"references": [{}]}}), Reason::NamelessSecret),
        (
            json!({"multiAuthSecret": {"references": [{
                "reference": {"namespace": "n", "name": "s"},
                "keyFieldReferences": [{"field": 9}],
            }]}}),
            Reason::UnknownSecretField(9),
        ),
    ] {
        let contract = one(changes.clone());
        assert_eq!(contract.resources, [], "{changes}");
        let [rejection] = contract.rejected.as_slice() else { panic!("{changes}") };
        assert_eq!((rejection.part, &rejection.reason), (Part::Resource, &reason), "{changes}");
        assert_eq!((&*rejection.uid, &*rejection.namespace, &*rejection.name), ("u", "n", "a"));
    }
}

#[test]
fn what_an_egress_lacks_rejects_the_egress_alone() {
    for (egress, reason) in [
        (json!({"uid": "e", "destination": "http://s"}), Reason::NoConsumerGroup),
        (json!({"uid": "e", "consumerGroup": "g"}), Reason::NoDestination),
        (
            json!({"uid": "e", "consumerGroup": "g", "destination": "http://s", "replyUrl": ""}),
            Reason::NoReplyUrl,
        ),
    ] {
        let contract = one(json!({ "egresses": [egress] }));
        assert_eq!(paths(&contract), BTreeSet::from(["/n/a"]));
        let [rejection] = contract.rejected.as_slice() else { panic!("{reason}") };
        assert_eq!((rejection.part, &*rejection.uid), (Part::Egress, "e"));
        assert_eq!(rejection.reason, reason);
    }
}

#[test]
fn triggers_outlive_the_bad_route_of_their_broker() {
    let contract = one(json!({"ingress": {}}));
    let resource = named(&contract, "a");
    assert_eq!((&resource.ingress, resource.egresses.len()), (&None, 1));
    let [rejection] = contract.rejected.as_slice() else { panic!() };
    assert_eq!((rejection.part, &rejection.reason), (Part::Ingress, &Reason::NoRoute));
}

#[test]
fn a_resource_with_egresses_only_is_fine() {
    let contract = one(json!({"ingress": null}));
    assert_eq!(contract.rejected, []);
    assert_eq!(named(&contract, "a").egresses.len(), 1);
}

#[test]
fn c045_an_empty_own_config_hides_the_one_of_the_resource() {
    let egress = |uid: &str, own: serde_json::Value| json!({"uid": uid, "consumerGroup": "g", "destination": "http://s", "egressConfig": own});
    let contract = one(json!({
        "egressConfig": {"deadLetter": "http://dead", "retry": 2, "backoffPolicy": "Linear"},
        "egresses": [egress("own", json!({})), egress("inherited", json!(null))],
    }));
    let [own, inherited] = named(&contract, "a").egresses.as_slice() else { panic!() };
    assert_eq!((&own.delivery.dead_letter, own.delivery.retries), (&None, 0));
    assert_eq!(inherited.delivery.dead_letter.as_ref().unwrap().url, "http://dead");
    assert_eq!((inherited.delivery.retries, inherited.delivery.backoff), (2, Backoff::Linear));
}

#[test]
fn unknown_enum_numbers_fall_back_with_a_warning() {
    let text = json!({"resources": [{
        "uid": "u", "topics": ["t"], "bootstrapServers": "k",
        "ingress": {"path": "/a", "contentMode": 9},
        "egressConfig": {"backoffPolicy": 9},
        "egresses": [{
            "uid": "e", "consumerGroup": "g", "destination": "d", "deliveryOrder": 9, "keyType": 9,
        }],
    }]});
    let parsed = Contract::parse(text.to_string().as_bytes()).unwrap();
    let [resource] = parsed.contract.resources.as_slice() else { panic!() };
    assert_eq!(resource.ingress.as_ref().unwrap().content_mode, ContentMode::Binary);
    let paths: BTreeSet<_> = parsed.warnings.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(
        paths,
        BTreeSet::from([
            "resources[0].egressConfig.backoffPolicy",
            "resources[0].egresses[0].deliveryOrder",
            "resources[0].egresses[0].keyType",
            "resources[0].ingress.contentMode",
        ])
    );
}
