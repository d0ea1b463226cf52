//! The receiver with two shards against one, on the same two CPUs: whether shards stand in each other's way.

use super::GoalsArguments;
use super::bed::{Bed, Failure, cost_us, each, send, turns};
use super::judge::{Findings, Goal};
use crate::products::{Changes, Product};
use crate::stats::ratios;

const TOPIC: &str = "in";
/// Nine tenths of twice the rate is this much more CPU for each event.
const COST: f64 = 1.11;

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let bed = Bed::new(arguments)?;
    bed.topic(TOPIC, arguments.partitions)?;
    let cpus = two(&arguments.cpus.0, &arguments.other_cpus.0)?;
    let start = |shards: &str| {
        let environment = vec![("SHARDS".to_owned(), shards.to_owned())];
        let changes = Changes { environment, ..Changes::default() };
        Product::receiver_with(&bed.bootstrap(), TOPIC, &cpus, &changes)
    };
    let receivers = [start("1")?, start("2")?];
    let results = turns(arguments.rounds, receivers.len(), |side| {
        let receiver = receivers.get(side).ok_or("no such side")?;
        send(&bed.plan(receiver, bed.shape())?)
    })?;
    let [one, two] = results.as_slice() else { return Err("a side is missing".into()) };
    let (cost_one, cost_two) = (each(one, cost_us), each(two, cost_us));
    let mut found = Findings::default();
    let cost = ratios(&cost_two, &cost_one);
    found.goal("two shards ÷ one, CPU per event", "", Goal::AtMost(COST), cost);
    found.beside("one shard", "µs", cost_one);
    found.beside("two shards", "µs", cost_two);
    let rate = |side: &[_]| each(side, |figures: &crate::load::LoadFigures| figures.events_per_s);
    found.beside("one shard", "events/s", rate(one));
    found.beside("two shards", "events/s", rate(two));
    let shared = cpus.iter().any(|cpu| arguments.other_cpus.0.contains(cpu));
    found.notes.push(format!(
        "Both sides on CPUs {cpus:?}.{}",
        if shared {
            " The sender and Kafka take their part of one of them, so that the rates say how much is left, not how it grows."
        } else {
            ""
        }
    ));
    Ok(found)
}

/// Two CPUs of those under test; of a machine with too few the second is shared with everything else.
fn two(tested: &[usize], others: &[usize]) -> Result<Vec<usize>, Failure> {
    let chosen: Vec<usize> = tested.iter().chain(others).copied().take(2).collect();
    if chosen.len() < 2 || chosen.first() == chosen.get(1) {
        return Err("two CPUs are needed".into());
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_cpu_is_shared_only_where_there_is_none_else() {
        assert_eq!(two(&[2, 3, 4], &[0]).unwrap(), [2, 3]);
        assert_eq!(two(&[0], &[1]).unwrap(), [0, 1]);
        assert!(two(&[0], &[0]).is_err());
        assert!(two(&[0], &[]).is_err());
    }
}
