//! Whether an event costs the same with many routes and many egresses as with one.

use serde_json::Value;

use super::GoalsArguments;
use super::bed::{Bed, Drained, Failure, cost_us, each, send, since, turns, until_count};
use super::judge::{Findings, Goal};
use crate::clock;
use crate::floor::rig::fixed_server;
use crate::products::{Changes, LOAD_PATH, Product, broker, egress, egresses};
use crate::stats::ratios;
use crate::usage;

const IN: &str = "in";
const BACKLOG: &str = "backlog";
/// Read by the egresses that have nothing to do but for one event at first.
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
         topic with a single record, delivered before. The other finds its backlog when it comes; counted is what it does from a tenth of it to eight tenths.",
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
    bed.fill(IDLE, 1)?;
    let (answered, port) = fixed_server(arguments.epoll)?;
    let url = format!("http://127.0.0.1:{port}/");
    let drained = turns(arguments.rounds, 2, |side| {
        let idles = if side == 0 { 0 } else { EGRESSES - 1 };
        let idle = (0..idles)
            .map(|number| egress(&format!("idle-{number}"), &bed.new_group(), false, &url));
        let idle = egresses("1", &bed.bootstrap(), IDLE, idle.collect());
        beside(&bed, &idle, since(&answered), records, &url)
    })?;
    let costs: Vec<Vec<f64>> = drained.iter().map(|side| each(side, Drained::cost_us)).collect();
    let [one, many] = costs.as_slice() else { return Err("a side is missing".into()) };
    let name = format!("dispatcher, {EGRESSES} egresses ÷ 1, CPU per event");
    found.goal(&name, "", FLAT, ratios(many, one));
    found.beside("dispatcher, 1 egress", "µs", one.clone());
    found.beside(&format!("dispatcher, {EGRESSES} egresses"), "µs", many.clone());
    for (name, side) in ["1 egress", &format!("{EGRESSES} egresses")].iter().zip(&drained) {
        let rates = each(side, Drained::events_per_s);
        found.beside(&format!("dispatcher, {name}"), "events/s", rates);
    }
    Ok(())
}

/// What an egress does that comes to a dispatcher whose others, those of `idle`, have delivered their only event, and
/// finds the backlog; then another in its place, until there is enough to judge.
///
/// Nothing is filled meanwhile: a fetch that finds nothing is answered by the embedded Kafka after all of its wait,
/// which with so many egresses is half a second (`ConsumerSettings::fetch_wait_among`), and records that have come
/// since wait with it. For the same reason the end of a backlog, where partitions run dry, does not count.
fn beside(
    bed: &Bed<'_>,
    idle: &Value,
    count: impl Fn() -> u64,
    records: u64,
    url: &str,
) -> Result<Drained, Failure> {
    let idles = idle.get("egresses").and_then(Value::as_array).map_or(0, Vec::len) as u64;
    let cpus = &bed.arguments.cpus.0;
    let product = Product::dispatcher_of(std::slice::from_ref(idle), cpus, &Changes::default())?;
    let pid = product.program.pid();
    let mut before = until_count(&count, idles).map(|_| idles)?;
    let mut drained = Drained { events: 0, seconds: 0.0, cpu_us: 0.0 };
    let mut generation = 1;
    while drained.seconds < bed.arguments.duration.as_secs_f64() {
        generation += 1;
        let used = egress(&format!("used-{generation}"), &bed.new_group(), false, url);
        let used = egresses("2", &bed.bootstrap(), BACKLOG, vec![used]);
        product.change(generation, &[idle.clone(), used])?;
        until_count(&count, before + records / 10)?;
        // Of the process, not of its threads: those of the egress before may end meanwhile.
        let (first, used, began) = (count(), usage::cpu_of(pid)?, clock::now_ns());
        until_count(&count, before + records * 8 / 10)?;
        drained.cpu_us += (usage::cpu_of(pid)? - used).total_us();
        drained.seconds += (clock::now_ns() - began) as f64 / 1e9;
        drained.events += count() - first;
        before += records;
        until_count(&count, before)?;
    }
    Ok(drained)
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
