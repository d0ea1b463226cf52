//! Whether an event costs the same with many routes and many egresses as with one.

use serde_json::Value;

use super::GoalsArguments;
use super::bed::{Bed, Drained, Failure, cost_us, each, send, since, turns};
use super::judge::{Findings, Goal};
use crate::floor::rig::fixed_server;
use crate::products::{Changes, LOAD_PATH, Product, broker, egress, egresses};
use crate::stats::ratios;

const IN: &str = "in";
const BACKLOG: &str = "backlog";
/// Read by the egresses that have nothing to do.
const IDLE: &str = "idle";
const ROUTES: u32 = 2_000;
/// Of the routes without events. The embedded Kafka takes up to a second to make one.
const TOPICS: u32 = 4;
const EGRESSES: u32 = 500;
const FLAT: Goal = Goal::Within(0.9, 1.1);

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let mut found = Findings::default();
    receiver(arguments, &mut found)?;
    dispatcher(arguments, &mut found)?;
    found.notes.push(format!(
        "All events go to one of the {ROUTES} routes, the others have {TOPICS} topics; {} of the {EGRESSES} egresses are idle, each in its own group on a \
         topic without records.",
        EGRESSES - 1
    ));
    Ok(found)
}

fn receiver(arguments: &GoalsArguments, found: &mut Findings) -> Result<(), Failure> {
    let bed = Bed::new(arguments)?;
    bed.topic(IN, arguments.partitions)?;
    // They exist, as Brokers' topics do: librdkafka asks again and again for one that does not.
    for number in 0..TOPICS {
        bed.topic(&format!("topic-{number}"), 1)?;
    }
    let start = |routes: u32| {
        Product::receiver_of(
            &brokers(&bed.bootstrap(), routes),
            &arguments.cpus.0,
            &Changes::default(),
        )
    };
    let receivers = [start(1)?, start(ROUTES)?];
    let costs = turns(arguments.rounds, receivers.len(), |side| {
        let receiver = receivers.get(side).ok_or("no such side")?;
        Ok(cost_us(&send(&bed.plan(receiver, bed.shape())?)?))
    })?;
    let [one, many] = costs.as_slice() else { return Err("a side is missing".into()) };
    let name = format!("receiver, {ROUTES} routes ÷ 1, CPU per event");
    found.goal(&name, "", FLAT, ratios(many, one));
    found.beside("receiver, 1 route", "µs", one.clone());
    found.beside(&format!("receiver, {ROUTES} routes"), "µs", many.clone());
    Ok(())
}

/// The one that is used lies in the middle.
fn brokers(bootstrap: &str, routes: u32) -> Vec<Value> {
    let one = |number: u32| {
        if number == routes / 2 {
            return broker("used", bootstrap, IN, LOAD_PATH);
        }
        let (uid, path) = (format!("b{number}"), format!("/bench/broker-{number}"));
        broker(&uid, bootstrap, &format!("topic-{}", number % TOPICS), &path)
    };
    (0..routes).map(one).collect()
}

fn dispatcher(arguments: &GoalsArguments, found: &mut Findings) -> Result<(), Failure> {
    let bed = Bed::new(arguments)?;
    bed.topic(BACKLOG, arguments.partitions)?;
    bed.topic(IDLE, 1)?;
    let records = bed.room(arguments.partitions);
    bed.fill(BACKLOG, records)?;
    let (answered, port) = fixed_server(arguments.epoll)?;
    let url = format!("http://127.0.0.1:{port}/");
    let drained = turns(arguments.rounds, 2, |side| {
        let idle = if side == 0 { 0 } else { EGRESSES - 1 };
        let used = egress("used", &bed.new_group(), false, &url);
        let mut resources = vec![egresses("1", &bed.bootstrap(), BACKLOG, vec![used])];
        let idle = (0..idle)
            .map(|number| egress(&format!("idle-{number}"), &bed.new_group(), false, &url));
        let idle: Vec<Value> = idle.collect();
        if !idle.is_empty() {
            resources.push(egresses("2", &bed.bootstrap(), IDLE, idle));
        }
        let count = since(&answered);
        let product = Product::dispatcher_of(&resources, &arguments.cpus.0, &Changes::default())?;
        bed.drain(&product, count, (BACKLOG, records, 1))
    })?;
    let costs: Vec<Vec<f64>> = drained.iter().map(|side| each(side, Drained::cost_us)).collect();
    let [one, many] = costs.as_slice() else { return Err("a side is missing".into()) };
    let name = format!("dispatcher, {EGRESSES} egresses ÷ 1, CPU per event");
    found.goal(&name, "", FLAT, ratios(many, one));
    found.beside("dispatcher, 1 egress", "µs", one.clone());
    found.beside(&format!("dispatcher, {EGRESSES} egresses"), "µs", many.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_routes_is_the_used_one() {
        for routes in [1, 2_000] {
            let all = brokers("localhost:9092", routes);
            assert_eq!(all.len(), routes as usize);
            let used = all.iter().filter(|one| one["ingress"]["path"] == LOAD_PATH);
            assert_eq!(used.count(), 1);
        }
    }
}
