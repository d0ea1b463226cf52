//! One event alone: one connection, a pause before each event, the shipped properties.

use std::thread;
use std::time::{Duration, Instant};

use super::GoalsArguments;
use super::bed::{Bed, Failure, each, turns};
use super::exchange::Exchange;
use super::judge::{Findings, Goal, differences};
use crate::clock;
use crate::floor::rig::silent_server;
use crate::ids;
use crate::latency::{Latency, Summary};
use crate::load::Url;
use crate::load::wire::Wire;
use crate::products::Product;

const TOPIC: &str = "in";
const PAUSE: Duration = Duration::from_millis(5);
/// Events before the first that counts.
const WARM_UP: u32 = 50;

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let bed = Bed::new(arguments)?;
    bed.topic(TOPIC, arguments.partitions)?;
    let receiver = Product::receiver(&bed.bootstrap(), TOPIC, &arguments.cpus.0)?;
    let url: Url = receiver.url().parse()?;
    let (_silent, silent_url) = silent_server(arguments.epoll, &arguments.cpus.0)?;
    let silent_url: Url = silent_url.parse()?;
    let results = turns(arguments.rounds, 3, |side| match side {
        0 => bed.acknowledged(TOPIC, 1, 1.0 / PAUSE.as_secs_f64()),
        1 => answered(&bed, &silent_url),
        _ => answered(&bed, &url),
    })?;
    let ms = |of: fn(&Summary) -> f64| -> Vec<Vec<f64>> {
        results.iter().map(|side| each(side, |one| of(one) / 1e3)).collect()
    };
    let (p50, p99) = (ms(|one| one.p50_us), ms(|one| one.p99_us));
    let [acknowledged, silent, answered] = p50.as_slice() else {
        return Err("a side is missing".into());
    };
    let both: Vec<f64> =
        acknowledged.iter().zip(silent).map(|(left, right)| left + right).collect();
    let mut found = Findings::default();
    found.goal("event to 202, p50", "ms", Goal::AtMost(0.5), answered.clone());
    found.beside("event to 202, p99", "ms", p99.last().cloned().unwrap_or_default());
    found.beside("bare acknowledgement, p50", "ms", acknowledged.clone());
    found.beside("a server that does nothing, p50", "ms", silent.clone());
    found.beside("added to the two, p50", "ms", differences(answered, &both));
    found.notes.push(format!(
        "One connection, {} ms between an answer and the next event. The bare acknowledgement is F2 with one record \
         at a time and the same pauses, the server that does nothing F1: after each pause all cores have to wake.",
        PAUSE.as_millis()
    ));
    Ok(found)
}

fn answered(bed: &Bed<'_>, url: &Url) -> Result<Summary, Failure> {
    let mut wire = Wire::new(&bed.shape(), url, ids::new_run());
    let mut exchange = Exchange::connect(url.address)?;
    let (mut latency, mut number) = (Latency::default(), 0_u32);
    let began = Instant::now();
    while began.elapsed() < bed.arguments.duration || number <= WARM_UP {
        thread::sleep(PAUSE);
        let since = clock::now_ns();
        let status = exchange.send(wire.fill(0, number.into(), since))?;
        if status != 202 {
            return Err(format!("an event was answered {status}").into());
        }
        if number >= WARM_UP {
            latency.record(clock::now_ns() - since);
        }
        number += 1;
    }
    Ok(latency.summary())
}
