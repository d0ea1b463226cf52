//! Any bytes as a contract file: no panic, no endless work, and the model keeps its promises.
//! Run with `cargo +nightly fuzz run contract` in the folder `contract`.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use millrace_contract::Contract;
use millrace_contract::diff::{self, Change};

fuzz_target!(|bytes: &[u8]| {
    let Ok(parsed) = Contract::parse(bytes) else { return };
    let contract = parsed.contract;
    let uids: HashSet<_> = contract.resources.iter().map(|it| &it.uid).collect();
    assert_eq!(uids.len(), contract.resources.len());
    let egresses = || contract.resources.iter().flat_map(|it| &it.egresses);
    assert_eq!(egresses().map(|it| &it.uid).collect::<HashSet<_>>().len(), egresses().count());
    let changes = diff::ingresses(&contract.resources, &contract);
    assert!(changes.iter().all(|change| matches!(change, Change::Unchanged(_))));
});
