//! How long the programs take from their start until they are ready, and the receiver to know a large contract.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::GoalsArguments;
use super::bed::{Bed, Failure, WITHIN};
use super::exchange::Exchange;
use super::judge::{Findings, Goal};
use crate::ids;
use crate::load::Url;
use crate::load::wire::Wire;
use crate::products::{Changes, LOAD_PATH, Product, broker, egress, egresses};

const TOPIC: &str = "in";
const BROKERS: u32 = 2_000;
const PAUSE: Duration = Duration::from_micros(500);

/// Milliseconds of one round.
struct Times {
    ready: f64,
    accepted: f64,
    applied: f64,
    dispatcher_ready: f64,
}

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let bed = Bed::new(arguments)?;
    bed.topic(TOPIC, arguments.partitions)?;
    let all: Vec<Times> = (0..arguments.rounds).map(|_| round(&bed)).collect::<Result<_, _>>()?;
    let of = |value: fn(&Times) -> f64| all.iter().map(value).collect::<Vec<f64>>();
    let mut found = Findings::default();
    found.goal("receiver, start to ready", "ms", Goal::AtMost(50.0), of(|it| it.ready));
    found.goal("receiver, start to first 202", "ms", Goal::AtMost(200.0), of(|it| it.accepted));
    found.goal(
        "dispatcher, start to ready",
        "ms",
        Goal::AtMost(50.0),
        of(|it| it.dispatcher_ready),
    );
    let name = format!("receiver, contract with {BROKERS} Brokers in place to applied");
    found.goal(&name, "ms", Goal::AtMost(200.0), of(|it| it.applied));
    found.notes.push(
        "Ready is asked for every millisecond. A contract is applied once the path of its last Broker is \
         no longer unknown."
            .to_owned(),
    );
    Ok(found)
}

fn round(bed: &Bed<'_>) -> Result<Times, Failure> {
    let (bootstrap, cpus) = (bed.bootstrap(), &bed.arguments.cpus.0);
    let receiver = Product::receiver(&bootstrap, TOPIC, cpus)?;
    let url: Url = receiver.url().parse()?;
    let mut wire = Wire::new(&bed.shape(), &url, ids::new_run());
    let request = wire.fill(0, 0, 0).to_vec();
    until_status(url.address, &request, 202)?;
    let accepted = ms(receiver.program.began.elapsed());
    let many = brokers(&bootstrap);
    let last: Url = receiver.url_of(&path(BROKERS)).parse()?;
    // No event, so that Kafka has no part in it: 404 while the path is unknown, 400 from then on.
    let probe =
        format!("POST {} HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n", last.path, last.host);
    receiver.change(2, &many)?;
    let began = Instant::now();
    until_status(last.address, probe.as_bytes(), 400)?;
    let applied = ms(began.elapsed());
    let egress = egress("2", &bed.new_group(), false, "http://127.0.0.1:9/");
    let resource = egresses("1", &bootstrap, TOPIC, vec![egress]);
    let dispatcher = Product::dispatcher_of(&[resource], cpus, &Changes::default())?;
    let ready = ms(receiver.program.within);
    Ok(Times { ready, accepted, applied, dispatcher_ready: ms(dispatcher.program.within) })
}

fn brokers(bootstrap: &str) -> Vec<Value> {
    let one = |number: u32| {
        broker(&format!("b{number}"), bootstrap, &format!("topic-{number}"), &path(number))
    };
    let first = broker("1", bootstrap, TOPIC, LOAD_PATH);
    std::iter::once(first).chain((2..=BROKERS).map(one)).collect()
}

fn path(number: u32) -> String {
    format!("/bench/broker-{number}")
}

fn until_status(address: SocketAddr, request: &[u8], wanted: u16) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let status = Exchange::connect(address)?.send(request)?;
        if status == wanted {
            return Ok(());
        }
        if began.elapsed() > WITHIN {
            return Err(format!("still answered {status}, not {wanted}").into());
        }
        thread::sleep(PAUSE);
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
