//! Kafka is gone for a while under full load: goal P5.

use std::time::{Duration, Instant};

use millrace_tests::broker::Broker;
use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::footprint::Footprint;
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::schedule::Run;
use millrace_tests::wait::{SOON, pass};

use crate::clients::{Clients, Times};
use crate::place::Place;

/// Room for a quarter of what the clients send at a time.
const BUFFER_KIB: u64 = 64;
const CLIENTS: usize = 200;
/// `max.block.ms`: how long a request waits for room.
const BLOCK: Duration = Duration::from_millis(500);

/// Goal P5.
#[test]
fn goal_p5_kafka_gone_under_full_load() {
    matrix::run(Driver::Epoll, Apache, |variant: Variant| {
        let run = Run::begin("P5");
        let broker = Broker::start(Apache);
        let place = Place::new(&broker, variant.driver, "p5", BUFFER_KIB, |setup| {
            setup.producer("max.block.ms", &BLOCK.as_millis().to_string())
        });
        let clients = Clients::start(place.receiver.port(), "/ns/p5", CLIENTS);
        clients.wait_for_accepted(1_000);
        pass(run.seconds(1.0, 10.0));
        broker.down();
        let down = Instant::now();
        pass(run.seconds(20.0, 300.0));
        let at_its_end = Footprint::of(place.receiver.pid()).unwrap();
        let rising = Instant::now();
        broker.up();
        let up = Instant::now();
        clients.wait_for_accepted(1_000);
        let told = clients.stop();
        let gone: Vec<_> = told
            .iter()
            .filter(|told| told.sent >= down && told.sent + told.took < rising)
            .collect();
        let refused = Times::of(gone.iter().copied().filter(|told| told.status == 503));
        let first = told.iter().filter(|told| told.status == 202).map(|it| it.sent + it.took);
        let first = first.filter(|at| *at > up).min().expect("waited for above");
        println!(
            "P5: gone for {:.1?}; meanwhile refused {refused} (goal: 1 s once there is no room); first accepted {:.1?} \
             after Kafka was back (goal: 10 s); {at_its_end} at the end of the outage; {}; seed {}",
            up.duration_since(down),
            first.duration_since(up),
            place.assert_bounded(),
            run.seed
        );
        assert!(refused.count() > CLIENTS, "hardly anybody was refused: {refused}");
        assert!(refused.within(50) < BLOCK + SOON, "refused late: {refused}");
        let odd: Vec<_> = told.iter().filter(|told| ![202, 503].contains(&told.status)).collect();
        assert!(odd.is_empty(), "other answers: {odd:?}");
        let landed = place.landed();
        let accepted = told.iter().filter(|told| told.status == 202);
        let lost: Vec<_> = accepted.clone().filter(|told| !landed.contains(&told.id)).collect();
        println!("P5: owed {}, lost {}", accepted.count(), lost.len());
        assert!(lost.is_empty(), "lost: {lost:?}");
        // Room is given back: as many as before can wait again.
        let samples = place.receiver.scrape();
        assert!(samples.sum("millrace_receiver_in_flight_bytes", &[]) < 1.0, "bytes left over");
    });
}
