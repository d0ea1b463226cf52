//! Real contract files in, model out. The names of tests carry the case of contract.md 10 that
//! they prove as far as a pure test can.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests too.

mod dispatcher;
mod edge;
mod receiver;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_contract::json::ParseError;
use millrace_contract::model::{Egress, Parsed, Resource};
use millrace_contract::{Contract, model::Attributes};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn parse(name: &str) -> Result<Parsed, ParseError> {
    let text = std::fs::read(data().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Contract::parse(&text)
}

/// The contract of a file in which nothing is odd and nothing is rejected.
fn clean(name: &str) -> Contract {
    let Parsed { contract, warnings } =
        parse(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(warnings.is_empty(), "{name}: {warnings:?}");
    assert_eq!(contract.rejected, [], "{name}");
    contract
}

fn named<'a>(contract: &'a Contract, name: &str) -> &'a Arc<Resource> {
    let mut found = contract.resources.iter().filter(|it| it.reference.name == name);
    found.next().unwrap_or_else(|| panic!("no resource {name}"))
}

fn egress<'a>(contract: &'a Contract, name: &str) -> &'a Egress {
    let mut egresses = contract.resources.iter().flat_map(|it| &it.egresses);
    egresses.find(|it| it.reference.name == name).unwrap_or_else(|| panic!("no egress {name}"))
}

fn attributes<const N: usize>(pairs: [(&str, &str); N]) -> Attributes {
    pairs.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

fn paths(contract: &Contract) -> BTreeSet<&str> {
    let ingresses = contract.resources.iter().filter_map(|it| it.ingress.as_ref());
    ingresses.filter_map(|it| it.route.path()).map(|path| &**path).collect()
}

#[test]
fn every_example_but_the_broken_ones_parses_without_loss() {
    let mut seen = 0;
    for entry in std::fs::read_dir(data()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let contract = clean(entry.file_name().to_str().unwrap());
            assert!(contract.generation > 0);
            seen += 1;
        }
    }
    assert_eq!(seen, 14, "a file of contract.md 8 is missing or has no test");
}
