//! Shards that meet event types for the first time, and a resource that goes.

use std::sync::Arc;

use loom::thread;

use super::explore;
use crate::product::owner::{Admission, EventTypeBudget, Owner};

/// Two shards meet two types where there is room for one in the process, and the resource goes.
pub fn types_are_bounded_and_given_back() {
    explore(|| {
        let budget = Arc::new(EventTypeBudget::new(1));
        let owner = Owner::new(budget.clone());
        let other = {
            let owner = owner.clone();
            thread::spawn(move || matches!(owner.admit("b", 2), Admission::Admitted(_)))
        };
        let remover = {
            let owner = owner.clone();
            thread::spawn(move || owner.retire())
        };
        let own = matches!(owner.admit("a", 2), Admission::Admitted(_));
        assert!(!(own && other.join().unwrap()), "two series where one is the bound");
        remover.join().unwrap();
        assert!(matches!(owner.admit("c", 2), Admission::Removed | Admission::Overflow));
        let next = Owner::new(budget);
        assert!(matches!(next.admit("a", 2), Admission::Admitted(_)), "the room came back");
    });
}
