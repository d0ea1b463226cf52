//! More is offered than can be done: goal P4.

use std::collections::BTreeSet;
use std::time::Duration;

use millrace_bench::ids::EventId;
use millrace_bench::load::{self, Outcome, Plan, Shape};
use millrace_bench::oracle::Arrivals;
use millrace_tests::broker::Broker;
use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::http::Request;
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::rig::unique;
use millrace_tests::schedule::Run;
use millrace_tests::wait::{SOON, until};

use crate::clients::{Clients, Times};
use crate::place::Place;

/// Room for fewer events than there are connections in the flood, so that some have to be refused.
const BUFFER_KIB: u64 = 64;
/// As many as there is room for.
const FEW: usize = 48;
const FLOOD: usize = 512;
/// Offered a second at least: more than any machine does here that was slow while the maximum was measured.
const OFFERED_MIN: f64 = 10_000.0;
const PATH: &str = "/ns/p4";

/// Goal P4.
#[test]
fn goal_p4_offered_load_three_times_the_maximum() {
    matrix::run(Driver::IoUring, Apache, |variant: Variant| {
        let run = Run::begin("P4");
        let place = Place::new(Broker::shared(Apache), variant.driver, "p4", BUFFER_KIB, |setup| {
            setup.producer("max.block.ms", "50")
        });
        let most = offer(&place, FEW, None, run.seconds(3.0, 10.0));
        let maximum = rate(&most);
        let clients = Clients::start(place.receiver.port(), PATH, 4);
        let offered = OFFERED_MIN.max(3.0 * maximum);
        let flood = offer(&place, FLOOD, Some(offered), run.seconds(5.0, 60.0));
        let told = clients.stop();
        until("20 events in turn to be accepted", SOON, || accepted_in_turn(&place, 20));
        let after = offer(&place, FEW, Some(maximum / 2.0), run.seconds(2.0, 10.0));
        println!(
            "P4: at most {maximum:.0} a second; offered {offered:.0}, accepted {:.0} ({:.0} %), answers {:?}, {:?}",
            rate(&flood),
            100.0 * rate(&flood) / maximum,
            flood.tally.statuses,
            flood.tally.faults,
        );
        let refused = Times::of(told.iter().filter(|told| told.status == 503));
        let accepted = Times::of(told.iter().filter(|told| told.status == 202));
        println!(
            "P4: beside the flood: refused {refused}, accepted {accepted} (goal: refused within 100 ms)"
        );
        println!(
            "P4: p99 {:.1} ms at half the maximum afterwards; {}; seed {}",
            after.tally.latency.percentile_ns(99.0) as f64 / 1e6,
            place.assert_bounded(),
            run.seed
        );
        assert!(flood.tally.accepted > 0, "nothing was accepted any more");
        let refused = flood.tally.statuses.get(&503).copied().unwrap_or(0);
        assert!(refused > 0, "nothing was refused: {:?}", flood.tally.statuses);
        for outcome in [&most, &flood, &after] {
            let statuses: BTreeSet<u16> = outcome.tally.statuses.keys().copied().collect();
            assert!(statuses.is_subset(&BTreeSet::from([202, 503])), "{statuses:?}");
        }
        let landed = place.landed();
        for outcome in [&most, &flood, &after] {
            let mut arrivals = Arrivals::default();
            let ids = landed.iter().filter_map(|id| EventId::parse(id.as_bytes()));
            for id in ids.filter(|id| id.run == outcome.tally.owed.run) {
                arrivals.note(&id, None, None);
            }
            let verdict = arrivals.judge(&outcome.tally.owed);
            println!("P4: owed {}, lost {}", verdict.owed, verdict.lost);
            assert_eq!(verdict.lost, 0, "such as {:?}", verdict.some_lost);
        }
        let accepted = told.iter().filter(|told| told.status == 202);
        let lost: Vec<_> = accepted.filter(|told| !landed.contains(&told.id)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
    });
}

/// Events of 1 KiB, at a rate or as fast as they are answered.
fn offer(place: &Place, connections: usize, rate: Option<f64>, duration: Duration) -> Outcome {
    let url = format!("http://127.0.0.1:{}{PATH}", place.receiver.port());
    let plan = Plan {
        url: url.parse().unwrap(),
        shape: Shape::default(),
        connections,
        rate,
        threads: vec![None],
        warm_up: Duration::ZERO,
        duration,
        timeout: SOON,
        spin: false,
        owed: true,
        pid: None,
    };
    load::send(&plan, |_, _| {}).unwrap()
}

/// Accepted a second.
fn rate(outcome: &Outcome) -> f64 {
    outcome.tally.accepted as f64 / outcome.seconds
}

fn accepted_in_turn(place: &Place, count: usize) -> Option<()> {
    let accepted = |_| place.receiver.status(&Request::minimal(PATH, &unique())) == 202;
    (0..count).all(accepted).then_some(())
}
