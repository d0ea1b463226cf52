//! Twenty egresses of which one has a dead subscriber: whether the others are as quick as without it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use super::GoalsArguments;
use super::bed::{Bed, Drained, Failure, each, since, turns};
use super::judge::{Findings, Goal};
use crate::floor::rig::fixed_server;
use crate::products::{Changes, Product, egress, egresses};
use crate::stats::ratios;

const OTHERS: u64 = 19;
/// Records of a partition in each filling.
const EACH: u64 = 128;

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let bed = Bed::new(arguments)?;
    let (answered, port) = fixed_server(arguments.epoll)?;
    let (_, healthy) = fixed_server(arguments.epoll)?;
    // Bound, so that nobody else takes it, but not listening: connections are refused.
    let down = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    down.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let down_port = down.local_addr()?.as_socket().ok_or("no port")?.port();
    // The system accepts for it, and nobody ever reads.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let twentieth = [healthy, down_port, silent.local_addr()?.port()];
    let mut topics = 0;
    let results = turns(arguments.rounds, twentieth.len(), |side| {
        // A topic of its own, or the backlog would grow from turn to turn.
        topics += 1;
        let topic = format!("turn-{topics}");
        bed.topic(&topic, arguments.partitions)?;
        let records = u64::from(arguments.partitions) * EACH;
        bed.fill(&topic, records)?;
        let twentieth = *twentieth.get(side).ok_or("no such side")?;
        let all = (0..=OTHERS).map(|number| {
            let port = if number == OTHERS { twentieth } else { port };
            insistent(&format!("e{number}"), &bed.new_group(), port)
        });
        let resource = egresses("1", &bed.bootstrap(), &topic, all.collect());
        let count = since(&answered);
        let cpus = &arguments.cpus.0;
        let dispatcher = Product::dispatcher_of(&[resource], cpus, &Changes::default())?;
        bed.drain(&dispatcher, count, (&topic, records, OTHERS))
    })?;
    let rates: Vec<Vec<f64>> =
        results.iter().map(|side| each(side, Drained::events_per_s)).collect();
    let [without, down, silent] = rates.as_slice() else { return Err("a side is missing".into()) };
    let mut found = Findings::default();
    let goal = Goal::AtLeast(0.99);
    found.goal("others, one is down ÷ none", "", goal, ratios(down, without));
    found.goal("others, one never answers ÷ none", "", goal, ratios(silent, without));
    found.beside("19 others, all healthy", "events/s", without.clone());
    found.beside("19 others, the 20th is down", "events/s", down.clone());
    found.beside("19 others, the 20th never answers", "events/s", silent.clone());
    Ok(found)
}

/// An egress that tries again as Knative's brokers ask for.
fn insistent(uid: &str, group: &str, port: u16) -> Value {
    let mut egress = egress(uid, group, false, &format!("http://127.0.0.1:{port}/"));
    if let Some(egress) = egress.as_object_mut() {
        let config = json!({ "retry": 10, "backoffPolicy": "Exponential", "backoffDelay": "200" });
        egress.insert("egressConfig".to_owned(), config);
    }
    egress
}
