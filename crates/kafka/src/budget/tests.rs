//! The budget against a naive model, and under threads.

use std::thread;

use proptest::prelude::*;

use super::*;

#[test]
fn one_cluster_may_use_everything_and_not_more() {
    let budget = ByteBudget::new(101);
    let cluster = budget.cluster();
    let all = cluster.try_reserve(101).unwrap();
    assert_eq!((budget.used(), all.bytes()), (101, 101));
    assert_eq!(cluster.try_reserve(1), Err(OverBudget::Full));
    assert_eq!(cluster.try_reserve(0).map(|none| none.bytes()), Ok(0));
    cluster.release(all);
    assert_eq!(cluster.try_reserve(102), Err(OverBudget::TooLarge));
    assert_eq!(cluster.try_reserve(u64::MAX), Err(OverBudget::TooLarge));
    assert_eq!(budget.used(), 0);
}

#[test]
fn dead_cluster_leaves_the_others_their_guarantee() {
    let budget = ByteBudget::new(1_000);
    let (dead, alive) = (budget.cluster(), budget.cluster());
    let mut stuck = Vec::new();
    while let Ok(reservation) = dead.try_reserve(10) {
        stuck.push(reservation);
    }
    assert_eq!(budget.used(), 750, "its share and the common half");
    let own = alive.try_reserve(250).unwrap();
    assert_eq!(alive.try_reserve(1), Err(OverBudget::Full));
    alive.release(own);
    assert_eq!(alive.try_reserve(751), Err(OverBudget::TooLarge));
    assert_eq!(alive.largest(), 750);
}

#[test]
fn newcomer_cannot_push_the_sum_over_the_budget() {
    let budget = ByteBudget::new(1_000);
    let first = budget.cluster();
    let everything = first.try_reserve(1_000).unwrap();
    let second = budget.cluster();
    assert_eq!(second.try_reserve(1), Err(OverBudget::Full));
    first.release(everything);
    let own = second.try_reserve(250).unwrap();
    assert_eq!(own.from_common, 0);
    second.release(own);
}

#[test]
fn share_of_an_ended_cluster_goes_to_the_others() {
    let budget = ByteBudget::new(1_000);
    let first = budget.cluster();
    let second = budget.cluster();
    let other_shard = second.clone();
    drop(second);
    assert_eq!(first.largest(), 750);
    let _left_behind = other_shard.try_reserve(100).unwrap();
    drop(other_shard);
    assert_eq!((first.largest(), budget.used()), (1_000, 0));
}

#[test]
fn threads_never_exceed_the_budget_and_leave_nothing_behind() {
    const TOTAL: u64 = 10_000;
    let budget = ByteBudget::new(TOTAL);
    let clusters = [budget.cluster(), budget.cluster()];
    thread::scope(|scope| {
        for (index, cluster) in (0_u64..).zip(clusters.iter().cycle().take(4)) {
            let budget = budget.clone();
            scope.spawn(move || {
                let mut held = Vec::new();
                let mut random = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                for _ in 0..20_000 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    match cluster.try_reserve(random % 900) {
                        Ok(reservation) => held.push(reservation),
                        Err(OverBudget::TooLarge) => unreachable!("at most 899 of 10,000"),
                        Err(OverBudget::Full) => {
                            held.drain(..held.len() / 2).for_each(|old| cluster.release(old));
                        }
                    }
                    let (common, guaranteed) = (&budget.0.common, &budget.0.guaranteed);
                    assert!(common.used.load(Relaxed) <= common.limit);
                    assert!(guaranteed.used.load(Relaxed) <= guaranteed.limit);
                    // Shares shrink and grow meanwhile.
                    if random % 64 == 0 {
                        drop(budget.cluster());
                    }
                }
                held.into_iter().for_each(|left| cluster.release(left));
            });
        }
    });
    assert_eq!(budget.used(), 0);
    let shares: Vec<u64> = clusters.iter().map(ClusterBudget::largest).collect();
    assert_eq!(shares, [7_500, 7_500]);
}

#[derive(Debug, Clone)]
enum Step {
    Add,
    End(usize),
    Reserve(usize, u64),
    Release(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => Just(Step::Add),
        1 => any::<usize>().prop_map(Step::End),
        8 => (any::<usize>(), 0_u64..600).prop_map(|(who, bytes)| Step::Reserve(who, bytes)),
        6 => any::<usize>().prop_map(Step::Release),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// The model: a list of what each cluster holds. A reservation succeeds exactly when the
    /// cluster's free guarantee and the free common bytes suffice.
    #[test]
    fn behaves_like_a_list_of_holdings(total in 0_u64..2_000, steps in steps()) {
        let budget = ByteBudget::new(total);
        let (guaranteed_limit, common_limit) = (total / 2, total - total / 2);
        let mut clusters: Vec<(ClusterBudget, Vec<Reservation>)> = Vec::new();
        for step in steps {
            match step {
                Step::Add if clusters.len() < 5 => clusters.push((budget.cluster(), Vec::new())),
                Step::Add => {}
                Step::End(who) => {
                    if !clusters.is_empty() {
                        let (cluster, held) = clusters.swap_remove(who % clusters.len());
                        held.into_iter().for_each(|old| cluster.release(old));
                    }
                }
                Step::Release(which) => {
                    let count = clusters.len().max(1);
                    if let Some((cluster, held)) = clusters.get_mut(which % count)
                        && !held.is_empty()
                    {
                        let old = held.swap_remove(which / count % held.len());
                        cluster.release(old);
                    }
                }
                Step::Reserve(who, bytes) => {
                    if clusters.is_empty() {
                        continue;
                    }
                    let who = who % clusters.len();
                    let share = guaranteed_limit / clusters.len() as u64;
                    let granted = |held: &[Reservation]| -> u64 {
                        held.iter().map(|r| r.bytes - r.from_common).sum()
                    };
                    let all: u64 = clusters.iter().map(|(_, held)| granted(held)).sum();
                    let common: u64 = clusters
                        .iter()
                        .flat_map(|(_, held)| held)
                        .map(|r| r.from_common)
                        .sum();
                    let own_room = share
                        .saturating_sub(granted(&clusters[who].1))
                        .min(guaranteed_limit - all);
                    let room = own_room + (common_limit - common);
                    let (cluster, held) = &mut clusters[who];
                    match cluster.try_reserve(bytes) {
                        Ok(reservation) => {
                            prop_assert!(bytes <= room);
                            held.push(reservation);
                        }
                        Err(OverBudget::Full) => prop_assert!(bytes > room),
                        Err(OverBudget::TooLarge) => prop_assert!(bytes > share + common_limit),
                    }
                }
            }
            let held: u64 =
                clusters.iter().flat_map(|(_, held)| held).map(Reservation::bytes).sum();
            prop_assert_eq!(budget.used(), held);
            prop_assert!(held <= total);
        }
    }
}
