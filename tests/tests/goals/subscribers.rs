//! Bad subscribers and sinks: F1 to F5 of reliability.md 5.

mod broken;
mod dead_letters;
mod hostile;
mod many;
mod names;
mod statuses;

use std::collections::BTreeMap;

use millrace_tests::schedule::Seed;
use millrace_tests::subscriber::Received;

/// A way to put so many things in order, by the seed.
fn shuffled<T>(mut things: Vec<T>, seed: Seed, place: u64) -> Vec<T> {
    for last in (1..things.len()).rev() {
        let other = seed.below(last as u64 + 1, &[place, last as u64]);
        things.swap(last, usize::try_from(other).unwrap());
    }
    things
}

/// Requests by the id of their event.
fn by_id(received: Vec<Received>) -> BTreeMap<String, Vec<Received>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for request in received {
        found.entry(request.header("ce-id").unwrap()).or_default().push(request);
    }
    found
}

/// What the dispatcher says of the failure in a dead letter: destination, status, body.
fn reasons(letter: &Received) -> [Option<String>; 3] {
    ["dest", "code", "data"].map(|name| letter.header(&format!("ce-knativeerror{name}")))
}
