//! The receiver at half of its maximum: how much it adds to the acknowledgement, and its tail.

use super::GoalsArguments;
use super::bed::{Bed, Failure, each, send, turns};
use super::judge::{Findings, Goal, differences};
use crate::latency::Summary;
use crate::load::Plan;
use crate::products::Product;

const TOPIC: &str = "in";

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let bed = Bed::new(arguments)?;
    bed.topic(TOPIC, arguments.partitions)?;
    let receiver = Product::receiver(&bed.bootstrap(), TOPIC, &arguments.cpus.0)?;
    let plan = bed.plan(&receiver, bed.shape())?;
    let most = send(&plan)?.events_per_s;
    let rate = most / 2.0;
    let paced = Plan { rate: Some(rate), ..plan };
    let results = turns(arguments.rounds, 2, |side| match side {
        0 => bed.acknowledged(TOPIC, arguments.connections, rate),
        _ => {
            let figures = send(&paced)?;
            if figures.kept_up() < 0.99 {
                return Err(format!("only {:.1} % were accepted", figures.kept_up() * 100.0).into());
            }
            Ok(figures.latency)
        }
    })?;
    let [bare, ours] = results.as_slice() else { return Err("a side is missing".into()) };
    let ms = |side: &[Summary], of: fn(&Summary) -> f64| each(side, |one| of(one) / 1e3);
    let (p99, bare_p99) = (ms(ours, |one| one.p99_us), ms(bare, |one| one.p99_us));
    let mut found = Findings::default();
    let added = differences(&p99, &bare_p99);
    found.goal("p99 − p99 of the bare acknowledgement", "ms", Goal::AtMost(0.3), added);
    found.goal("p99.9", "ms", Goal::AtMost(10.0), ms(ours, |one| one.p999_us));
    found.goal("longest", "ms", Goal::AtMost(10.0), ms(ours, |one| one.max_us));
    found.beside("p50", "ms", ms(ours, |one| one.p50_us));
    found.beside("p99", "ms", p99);
    found.beside("bare acknowledgement, p50", "ms", ms(bare, |one| one.p50_us));
    found.beside("bare acknowledgement, p99", "ms", bare_p99);
    found.beside("bare acknowledgement, longest", "ms", ms(bare, |one| one.max_us));
    found.notes.push(format!(
        "Most in a closed loop: {most:.0} events/s; half of it: {rate:.0}. The bare acknowledgement is F2 at the same \
         rate, on the same schedule. The receiver's latencies hold the sender's own lateness, too."
    ));
    Ok(found)
}
