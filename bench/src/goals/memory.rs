//! The memory of the programs: under load, with idle connections, with many egresses that lag.

use std::thread;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::GoalsArguments;
use super::bed::{Bed, Failure, each, send, turns, until_count};
use super::exchange::Exchange;
use super::judge::{Findings, Goal};
use crate::ids;
use crate::load::Plan;
use crate::load::wire::Wire;
use crate::products::{Changes, Product, egress, egresses};
use crate::sink::{Behaviour, Delay, Sink, SinkPlan};
use crate::stats::ratios;
use crate::usage;

const IN: &str = "in";
const IDLE_CONNECTIONS: u64 = 10_000;
/// Open files that are kept for other things.
const FILES_LEFT: u64 = 500;
const EGRESSES: usize = 20;
/// So slow that the lag lasts.
const ANSWER_TIME: Duration = Duration::from_millis(50);
const SHORT: &str = "short";
const LONG: &str = "long";

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let mut found = Findings::default();
    receiver(arguments, &mut found)?;
    dispatcher(arguments, &mut found)?;
    Ok(found)
}

fn receiver(arguments: &GoalsArguments, found: &mut Findings) -> Result<(), Failure> {
    let bed = Bed::new(arguments)?;
    bed.topic(IN, arguments.partitions)?;
    let connections = IDLE_CONNECTIONS.min(open_files().saturating_sub(FILES_LEFT));
    let (mut loaded, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let receiver = Product::receiver(&bed.bootstrap(), IN, &arguments.cpus.0)?;
        send(&bed.plan(&receiver, bed.shape())?)?;
        loaded.push(usage::peak_rss_kib(receiver.program.pid()) as f64 * 1024.0 / 1e6);
        drop(receiver);
        let receiver = Product::receiver(&bed.bootstrap(), IN, &arguments.cpus.0)?;
        idle.push(idle_kib(
            &bed.plan(&receiver, bed.shape())?,
            connections,
            receiver.program.pid(),
        )?);
    }
    let name = format!("receiver under load, {} connections, peak", arguments.connections);
    found.goal(&name, "MB", Goal::AtMost(22.0), loaded);
    let name = format!("receiver, {connections} idle connections, each");
    found.goal(&name, "KiB", Goal::AtMost(16.0), idle);
    if connections < IDLE_CONNECTIONS {
        found.notes.push(format!("The limit of open files allows {connections} idle connections."));
    }
    Ok(())
}

/// What each of so many connections takes that has had its answer and stays open.
fn idle_kib(plan: &Plan, connections: u64, pid: u32) -> Result<f64, Failure> {
    let request = Wire::new(&plan.shape, &plan.url, ids::new_run()).fill(0, 0, 0).to_vec();
    let accepted = |exchange: &mut Exchange| match exchange.send(&request)? {
        202 => Ok(()),
        status => Err(Failure::from(format!("an event was answered {status}"))),
    };
    // What the first events need is not a connection's.
    let mut first = Exchange::connect(plan.url.address)?;
    for _ in 0..1_000 {
        accepted(&mut first)?;
    }
    drop(first);
    let before = usage::rss_kib(pid);
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut exchange = Exchange::connect(plan.url.address)?;
        accepted(&mut exchange)?;
        open.push(exchange);
    }
    let after = usage::rss_kib(pid);
    Ok((after as f64 - before as f64) / open.len().max(1) as f64)
}

fn open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn dispatcher(arguments: &GoalsArguments, found: &mut Findings) -> Result<(), Failure> {
    let bed = Bed::new(arguments)?;
    let lag = bed.room(arguments.partitions);
    for (topic, records) in [(SHORT, lag / 10), (LONG, lag)] {
        bed.topic(topic, arguments.partitions)?;
        bed.fill(topic, records)?;
    }
    let peaks = turns(arguments.rounds, 2, |side| match side {
        0 => lagging(&bed, SHORT, lag / 10),
        _ => lagging(&bed, LONG, lag),
    })?;
    let peaks: Vec<Vec<f64>> = peaks.iter().map(|side| each(side, |mb| *mb)).collect();
    let [short, long] = peaks.as_slice() else { return Err("a side is missing".into()) };
    let name = format!("dispatcher, {EGRESSES} egresses with a lag of {lag} each, peak");
    found.goal(&name, "MB", Goal::AtMost(70.0), long.clone());
    let name = format!("dispatcher, a lag of {lag} ÷ {}, peak", lag / 10);
    found.goal(&name, "", Goal::Within(0.9, 1.1), ratios(long, short));
    found.notes.push(format!(
        "The embedded Kafka keeps no more than {lag} records of this size in {} partitions; the subscriber takes {} ms.",
        arguments.partitions,
        ANSWER_TIME.as_millis()
    ));
    Ok(())
}

/// The peak, in MB, of a dispatcher whose egresses all lag.
fn lagging(bed: &Bed<'_>, topic: &str, lag: u64) -> Result<f64, Failure> {
    let behaviour = Behaviour { delay: Delay::Fixed(ANSWER_TIME), ..Behaviour::default() };
    let cpus = bed.arguments.other_cpus.0.clone();
    let sink = Sink::start(
        ([127, 0, 0, 1], 0).into(),
        SinkPlan { behaviour, cpus, ..SinkPlan::default() },
    )?;
    let one = |number: usize| {
        let url = format!("http://{}/{number}", sink.address());
        egress(&format!("e{number}"), &bed.new_group(), false, &url)
    };
    let all = (0..EGRESSES).map(one).collect();
    let resource = egresses("1", &bed.bootstrap(), topic, all);
    let product = Product::dispatcher_of(&[resource], &bed.arguments.cpus.0, &Changes::default())?;
    let at_work = || sink.look(|check, _| check.found(None).len() as u64);
    until_count(at_work, EGRESSES as u64)?;
    thread::sleep(bed.arguments.duration);
    let peak = usage::peak_rss_kib(product.program.pid());
    let left = (lag * EGRESSES as u64).saturating_sub(sink.accepted());
    if left < lag {
        return Err(
            "the subscriber was quicker than the lag is long; use a shorter --duration".into()
        );
    }
    Ok(peak as f64 * 1024.0 / 1e6)
}
