//! Shards that reserve bytes for two clusters.

use loom::thread;

use super::explore;
use crate::product::budget::{ByteBudget, ClusterBudget};

fn reserve_and_release(cluster: &ClusterBudget, bytes: u64, budget: &ByteBudget) -> bool {
    let Ok(reserved) = cluster.try_reserve(bytes) else { return false };
    assert!(budget.used() <= budget.total(), "{} bytes are reserved", budget.used());
    cluster.release(reserved);
    true
}

/// Shards of two clusters want more together than there is.
pub fn never_more_than_the_total() {
    explore(|| {
        let budget = ByteBudget::new(8);
        let (one, two) = (budget.cluster(), budget.cluster());
        let other = {
            let budget = budget.clone();
            thread::spawn(move || reserve_and_release(&two, 5, &budget))
        };
        let own = reserve_and_release(&one, 5, &budget);
        let other = other.join().unwrap();
        assert!(own || other, "there is room for one");
        assert_eq!(budget.used(), 0, "all was given back");
        assert!(reserve_and_release(&one, 6, &budget), "and can be had again");
    });
}

/// Shards of one cluster want more together than its share and the common half.
pub fn shards_of_a_cluster_share_its_share() {
    explore(|| {
        let budget = ByteBudget::new(8);
        let (one, _other) = (budget.cluster(), budget.cluster());
        let thread = {
            let (one, budget) = (one.clone(), budget.clone());
            thread::spawn(move || reserve_and_release(&one, 4, &budget))
        };
        let own = reserve_and_release(&one, 3, &budget);
        assert!(thread.join().unwrap() || own, "there is room for one");
        assert_eq!(budget.used(), 0);
    });
}

/// A cluster that comes or goes shrinks the shares under the others' hands.
pub fn shares_that_change_lose_no_byte() {
    explore(|| {
        let budget = ByteBudget::new(8);
        let stays = budget.cluster();
        let passing = {
            let budget = budget.clone();
            thread::spawn(move || {
                let cluster = budget.cluster();
                reserve_and_release(&cluster, 4, &budget)
            })
        };
        reserve_and_release(&stays, 6, &budget);
        passing.join().unwrap();
        assert_eq!(budget.used(), 0);
        assert!(reserve_and_release(&stays, 8, &budget), "all is its own again");
    });
}
