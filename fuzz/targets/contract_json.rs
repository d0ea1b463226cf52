//! Any bytes as a contract file: no panic, and a contract that was read changes nothing when it is read again.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use millrace_contract::Contract;
use millrace_contract::diff::{self, Change, EgressStep, Wanted};

fuzz_target!(|text: &[u8]| {
    let Ok(parsed) = Contract::parse(text) else { return };
    let again = Contract::parse(text).expect("it was read once");
    assert_eq!(parsed, again);
    for warning in parsed.warnings.iter() {
        assert!(!warning.to_string().is_empty());
    }
    let contract = parsed.contract;
    let mut uids: Vec<&Arc<str>> = contract.resources.iter().map(|it| &it.uid).collect();
    uids.sort_unstable();
    uids.dedup();
    assert_eq!(uids.len(), contract.resources.len(), "a uid came twice");
    for change in diff::ingresses(contract.resources.iter(), &again.contract) {
        assert!(matches!(change, Change::Unchanged(_)), "{change:?}");
    }
    for change in diff::ingresses(contract.resources.iter(), &Contract::default()) {
        assert!(matches!(change, Change::Removed(_)), "{change:?}");
    }
    let running: Vec<Wanted> = diff::egresses([], &contract)
        .into_iter()
        .map(|step| match step {
            EgressStep::Start(wanted) => wanted,
            other => panic!("nothing runs yet, but {other:?}"),
        })
        .collect();
    for step in diff::egresses(running.iter(), &again.contract) {
        assert!(matches!(step, EgressStep::Keep(_)), "{step:?}");
    }
    for step in diff::egresses(running.iter(), &Contract::default()) {
        assert!(matches!(step, EgressStep::Stop(_)), "{step:?}");
    }
});
