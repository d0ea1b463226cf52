//! Nothing but time: goal P8, on the whole way from sender to subscriber.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::oracle::{Id, Oracle, Verdict};
use millrace_tests::process::Receiver;
use millrace_tests::schedule::{Run, is_long};
use millrace_tests::setup::Setup;
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::subscriber::Answer;
use millrace_tests::wait::{SOON, pass, until};

use crate::drift::Drift;

const CLIENTS: u32 = 8;
/// Of all clients together: about half of what debug builds carry beside a broker on two cores.
const EVENTS_A_SECOND: u32 = 200;
const BODY_BYTES: usize = 1024;
/// A client that is later than this does not make up for it: a machine that stood still is no change of pace.
const LATE_MAX: Duration = Duration::from_secs(1);
/// Memory may rise so much in the short form, in which pools and allocators still fill: the bodies of four times as
/// many events as are sent meanwhile.
const GROWN_KIB_MAX: u64 = 16 * 1024;
/// Memory may rise so fast in the long form. The goal is 1 MiB an hour, which ten minutes cannot tell from a moment's
/// backlog on a busy machine; bodies alone come at 700.
const MIB_AN_HOUR_MAX: f64 = 16.0;

/// Goal P8.
#[test]
fn goal_p8_a_soak_changes_nothing() {
    matrix::run(Driver::Epoll, Apache, |variant: Variant| {
        let run = Run::begin("P8");
        let oracles = [Oracle::default(), Oracle::default()];
        let stage = Stage::prepare(variant, Kind::Broker)
            .with("p8", |plan| plan.partitions(4).and("ordered", |egress| egress.ordered()))
            .start();
        let case = stage.case("p8");
        for (egress, oracle) in case.plan.egresses.iter().zip(&oracles) {
            let (endpoint, oracle) = (case.subscriber_of(egress), oracle.clone());
            endpoint.keep_none();
            endpoint.answers(move |request, _| {
                let id = request.header("ce-id").unwrap_or_default().parse().unwrap();
                oracle.attempted(id, 0, request.arrived);
                oracle.done(id);
                Answer::status(200)
            });
        }
        let ingress = Resource::new("Broker", "ns", "p8", &case.plan.topic, stage.bootstrap());
        let receiver = Receiver::start(
            &Setup::new(variant.driver).contract(Contract::new(1).with(ingress).to_bytes()),
        );
        let senders = Senders::start(receiver.port(), &oracles);

        // Whoever has to connect has done so.
        let all_at_work = || oracles.iter().all(|oracle| oracle.delivered() > 200).then_some(());
        until("the first deliveries", SOON * 2, all_at_work);
        pass(run.seconds(4.0, 600.0));
        let mut drifts = [
            Drift::of("receiver", receiver.pid()),
            Drift::of("dispatcher", stage.dispatcher.pid()),
        ];
        let ends = Instant::now() + run.seconds(20.0, 600.0);
        while Instant::now() < ends {
            let [of_receiver, of_dispatcher] = &mut drifts;
            of_receiver.look(0);
            of_dispatcher.look(stage.subscriber.open_connections());
            pass(run.seconds(0.5, 5.0));
        }

        let posted = senders.stop();
        oracles.iter().for_each(|oracle| oracle.settle(run.seconds(1.0, 10.0), SOON * 2));
        println!("P8: accepted {}", drifting(posted.iter().map(|it| (it.due, it.took)).collect()));
        let due: BTreeMap<Id, Instant> = posted.iter().map(|it| (it.id, it.due)).collect();
        for (order, oracle) in ["unordered", "ordered"].iter().zip(&oracles) {
            let attempts = oracle.attempts();
            let ways = attempts.iter().filter_map(|attempt| {
                let due = *due.get(&attempt.id)?;
                Some((due, attempt.at.saturating_duration_since(due)))
            });
            println!("P8 {order}: delivered {}; {}", drifting(ways.collect()), oracle.verdict());
        }
        drifts.iter().for_each(|drift| println!("P8 {drift} (goal: 1 MiB); seed {}", run.seed));

        oracles
            .iter()
            .map(Oracle::verdict)
            .for_each(|verdict: Verdict| verdict.assert_nothing_lost());
        for drift in &drifts {
            drift.assert_nothing_left_over();
            if is_long() {
                assert!(drift.mib_an_hour() < MIB_AN_HOUR_MAX, "{drift}");
            } else {
                assert!(drift.grown_kib() < GROWN_KIB_MAX, "{drift}");
            }
        }
    });
}

/// How long things took, and how that of the last third compares with that of the first (goal: less than 10 %).
fn drifting(mut took: Vec<(Instant, Duration)>) -> String {
    took.sort();
    let within = |some: &[(Instant, Duration)], percent: usize| {
        let mut times: Vec<Duration> = some.iter().map(|(_, took)| *took).collect();
        times.sort();
        times.get(times.len() * percent / 100).copied().unwrap_or_default()
    };
    let third = took.len() / 3;
    let [first, last] = [&took[..third], &took[took.len() - third..]].map(|some| within(some, 99));
    let change = 100.0 * (last.as_secs_f64() / first.as_secs_f64() - 1.0);
    format!(
        "{} within {:.1?} (p50) and {:.1?} (p99); p99 of the first third {first:.1?}, of the last {last:.1?} \
         ({change:+.0} %)",
        took.len(),
        within(&took, 50),
        within(&took, 99),
    )
}

/// One event that was accepted.
struct Posted {
    id: Id,
    /// When it was to be sent: what is late counts from there.
    due: Instant,
    took: Duration,
}

/// Clients that post on a schedule, each on a connection that it keeps.
struct Senders {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Posted>>>,
}

impl Senders {
    fn start(port: u16, oracles: &[Oracle; 2]) -> Self {
        let over = Arc::<AtomicBool>::default();
        let clients = (0..CLIENTS).map(|key| {
            let (over, oracles) = (Arc::clone(&over), oracles.clone());
            thread::spawn(move || post(port, key, &oracles, &over))
        });
        Self { clients: clients.collect(), over }
    }

    fn stop(self) -> Vec<Posted> {
        self.over.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().expect("202 for all")).collect()
    }
}

fn post(port: u16, key: u32, oracles: &[Oracle; 2], over: &AtomicBool) -> Vec<Posted> {
    let every = Duration::from_secs(1) * CLIENTS / EVENTS_A_SECOND;
    let mut connection = Connection::open(port);
    let mut posted = Vec::new();
    // Side by side, not all at once.
    let mut due = Instant::now() + every * key / CLIENTS;
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        pass(due.saturating_duration_since(Instant::now()));
        let id = Id { key, number };
        oracles.iter().for_each(|oracle| oracle.sent(id));
        let request = Request::minimal("/ns/p8", &id.to_string())
            .header("ce-partitionkey", format!("key-{key}"))
            .header("Content-Type", "text/plain")
            .body(vec![b'x'; BODY_BYTES]);
        let answer = connection.exchange_within(&request, SOON * 2);
        assert_eq!(answer.status, 202, "{id}: {answer:?}");
        oracles.iter().for_each(|oracle| oracle.owe(id));
        posted.push(Posted { id, due, took: due.elapsed() });
        due = (due + every).max(Instant::now().checked_sub(LATE_MAX).unwrap_or(due));
    }
    posted
}
