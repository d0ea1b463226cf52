//! The receiver against the floor and the naive peer under other conditions: Kafka near and far, events with and
//! without keys, few connections and many.

use super::GoalsArguments;
use super::bed::{Failure, each, turns};
use super::judge::{Findings, Goal};
use crate::floor::part::PartFigures;
use crate::floor::rig::Rig;
use crate::floor::{FloorArguments, Part};
use crate::report::Output;
use crate::stats::ratios;

const PARTS: [Part; 4] = [Part::F1, Part::F2, Part::Nr, Part::R];
/// Milliseconds that Kafka waits before each answer.
const DELAYS_MS: [i32; 2] = [0, 2];
/// Distinct keys; none at 0.
const KEYS: [u32; 2] = [0, 1_000];
const CONNECTIONS: [u32; 3] = [1, 64, 256];

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let mut found = Findings::default();
    for kafka_delay_ms in DELAYS_MS {
        let mut rig = Rig::start(&floor(arguments, kafka_delay_ms), &PARTS)?;
        for keys in KEYS {
            for connections in CONNECTIONS {
                rig.change(connections, keys);
                let condition = condition(kafka_delay_ms, keys, connections);
                let results = turns(arguments.rounds, PARTS.len(), |side| {
                    let part = PARTS.get(side).copied().ok_or("no such part")?;
                    let figures = rig.measure(part)?;
                    if figures.failed > 0 || figures.events == 0 {
                        return Err(format!("{condition}: {part:?} failed: {figures:?}").into());
                    }
                    Ok(figures)
                })?;
                compare(&mut found, &condition, &results)?;
            }
        }
    }
    Ok(found)
}

fn floor(arguments: &GoalsArguments, kafka_delay_ms: i32) -> FloorArguments {
    FloorArguments {
        parts: PARTS.to_vec(),
        rounds: arguments.rounds,
        duration: arguments.duration,
        connections: arguments.connections,
        partitions: arguments.partitions,
        keys: 0,
        size: arguments.size,
        kafka_delay_ms,
        cpus: arguments.cpus.clone(),
        other_cpus: arguments.other_cpus.clone(),
        epoll: arguments.epoll,
        output: Output::default(),
    }
}

fn condition(delay_ms: i32, keys: u32, connections: u32) -> String {
    let keyed = if keys == 0 { "no keys" } else { "keys" };
    let plural = if connections == 1 { "connection" } else { "connections" };
    format!("{delay_ms} ms, {keyed}, {connections} {plural}")
}

fn compare(
    found: &mut Findings,
    condition: &str,
    results: &[Vec<PartFigures>],
) -> Result<(), Failure> {
    let [f1, f2, naive, receiver] = results else { return Err("a part is missing".into()) };
    let cost = |part: &[PartFigures]| each(part, PartFigures::cost_us);
    let bare: Vec<f64> = cost(f1).iter().zip(cost(f2)).map(|(f1, f2)| f1 + f2).collect();
    let (receiver_us, naive_us) = (cost(receiver), cost(naive));
    found.goal(
        &format!("{condition}: R ÷ (F1 + F2), CPU"),
        "",
        Goal::AtMost(1.20),
        ratios(&receiver_us, &bare),
    );
    found.goal(
        &format!("{condition}: R ÷ NR, CPU"),
        "",
        Goal::AtMost(0.55),
        ratios(&receiver_us, &naive_us),
    );
    found.beside(&format!("{condition}: R, CPU of an event"), "µs", receiver_us);
    for (name, part) in [("R", receiver), ("NR", naive)] {
        let rate = each(part, PartFigures::events_per_s);
        found.beside(&format!("{condition}: {name}"), "events/s", rate);
        let p99 = each(part, |figures| figures.latency.p99_us / 1e3);
        found.beside(&format!("{condition}: {name}, p99"), "ms", p99);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goals::judge::Verdict;
    use crate::latency::Summary;
    use crate::usage::Cpu;

    fn part(cost_us: f64) -> Vec<PartFigures> {
        vec![PartFigures {
            events: 1_000,
            failed: 0,
            seconds: 1.0,
            cpu: Cpu { user_us: cost_us * 400.0, system_us: cost_us * 600.0 },
            latency: Summary::default(),
            peak_rss_kib: 1,
        }]
    }

    #[test]
    fn each_condition_is_judged_against_floor_and_naive_peer() {
        let mut found = Findings::default();
        let results = [part(4.0), part(6.0), part(20.0), part(11.5)];
        compare(&mut found, &condition(2, 1_000, 1), &results).unwrap();
        let judged: Vec<_> = found
            .figures
            .iter()
            .filter_map(|figure| {
                Some((figure.name.as_str(), figure.spread.median, figure.verdict?))
            })
            .collect();
        assert_eq!(judged.len(), 2);
        let (name, ratio, verdict) = judged[0];
        assert_eq!(name, "2 ms, keys, 1 connection: R ÷ (F1 + F2), CPU");
        assert!((ratio - 1.15).abs() < 1e-9);
        assert_eq!(verdict, Verdict::Met);
        assert!((judged[1].1 - 0.575).abs() < 1e-9);
        assert_eq!(judged[1].2, Verdict::NotMet);
        assert!(compare(&mut found, "", &results[..3]).is_err());
    }
}
