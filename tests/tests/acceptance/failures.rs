//! When Kafka, a topic or a client fails: R91, R92, R96, R97, R166 and P86.

use std::thread;
use std::time::{Duration, Instant};

use millrace_tests::broker::Broker;
use millrace_tests::contract::{Resource, Topics, fixture};
use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Receiver;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::setup::Setup;
use millrace_tests::wait::{SOON, until};

use crate::contracts::wait_for_status;
use crate::load::Load;

/// The time of one exchange and its status.
fn timed(rig: &Rig, request: &Request) -> (u16, Duration) {
    let started = Instant::now();
    let status = Connection::open(rig.receiver.port())
        .exchange_within(request, Duration::from_secs(60))
        .status;
    (status, started.elapsed())
}

matrix! {
    fn r091_all_brokers_down(variant: Variant) {
        let broker = Broker::start(variant.broker);
        let rig = Rig::on(&broker, variant, |setup| setup.producer("delivery.timeout.ms", "5000"));
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        broker.down();
        let (status, took) = timed(&rig, &Request::minimal("/ns/a", &unique()));
        assert_eq!(status, 503);
        assert!((Duration::from_secs(4)..Duration::from_secs(9)).contains(&took), "it took {took:?}");
        let labels = [("http_response_status_code", "503"), ("kn_broker_name", "a"), ("cloudevents_type", "t")];
        assert_eq!(rig.receiver.scrape().sum("kn_eventing_dispatch_latency_ms_count", &labels), 1.0);
        rig.answers(&Request::get("/readyz"), 200);
    }

    /// The promise of a 202 (receiver.md W48): Kafka has the record.
    fn no_202_before_kafka_has_acknowledged(variant: Variant) {
        let broker = Broker::start(variant.broker);
        let rig = Rig::on(&broker, variant, |setup| setup.producer("request.timeout.ms", "20000"));
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        let id = unique();
        let mut connection = Connection::open(rig.receiver.port());
        broker.pause();
        connection.send(&Request::minimal("/ns/a", &id).to_bytes());
        let early = connection.answer_within(Duration::from_secs(2));
        broker.resume();
        assert_eq!(early, Err(NoAnswer::Silent(Vec::new())), "an answer while Kafka stood still");
        assert_eq!(connection.answer().status, 202);
        rig.tail.one(&rig.topics.a, &id);
    }

    fn p086_kafka_down_at_start(variant: Variant) {
        let broker = Broker::start(variant.broker);
        let topics = Topics::new(&unique());
        broker.create_topic(&topics.a, 3);
        broker.down();
        let contract = fixture(&topics, broker.bootstrap());
        let setup = Setup::new(variant.driver).contract(contract.to_bytes()).producer("max.block.ms", "2000").producer("delivery.timeout.ms", "5000");
        let receiver = Receiver::start(&setup);
        let started = Instant::now();
        assert_eq!(receiver.status(&Request::minimal("/ns/a", &unique())), 503);
        assert!(started.elapsed() < Duration::from_secs(6), "it took {:?}", started.elapsed());
        assert_eq!(receiver.status(&Request::get("/readyz")), 200);
        broker.up();
        wait_for_status(&receiver, "/ns/a", 202, Duration::from_secs(60));
    }

    fn r092_missing_topic_delays_no_other(variant: Variant) {
        let missing = format!("missing-{}", unique());
        let broker = Broker::shared(variant.broker);
        broker.keep_missing(&missing);
        let rig = Rig::own(variant, |setup| setup.producer("max.block.ms", "3000"));
        let resource = Resource::new("Broker", "ns", "m", &missing, broker.bootstrap());
        rig.receiver.swap_contract(rig.contract.next().with(resource).to_bytes());
        until("the new resource to be routed", SOON, || {
            (rig.status(&Request::new("POST", "/ns/m").body("")) == 400).then_some(())
        });
        wait_for_status(&rig.receiver, "/ns/a", 202, SOON);
        thread::scope(|scope| {
            let blocked = scope.spawn(|| timed(&rig, &Request::minimal("/ns/m", &unique())));
            let mut slowest = Duration::ZERO;
            while !blocked.is_finished() {
                let (status, took) = timed(&rig, &Request::minimal("/ns/a", &unique()));
                assert_eq!(status, 202);
                slowest = slowest.max(took);
            }
            let (status, took) = blocked.join().unwrap();
            assert_eq!(status, 503);
            assert!((Duration::from_millis(2500)..Duration::from_secs(6)).contains(&took), "it took {took:?}");
            assert!(slowest < Duration::from_secs(2), "A was held up for {slowest:?}");
        });
    }

    /// `buffer.memory` is a bound: what does not fit waits for `max.block.ms` and is refused (receiver.md 4.4).
    fn full_buffer_refuses_early(variant: Variant) {
        let broker = Broker::start(variant.broker);
        let rig = Rig::on(&broker, variant, |setup| {
            setup
                .env("SHARDS", "1")
                .producer("buffer.memory", "131072")
                .producer("max.block.ms", "1000")
                .producer("delivery.timeout.ms", "8000")
        });
        // Learning where the topic is may take longer than `max.block.ms` here; and a second shard, which has not
        // learnt it, would give up after that time all that had found room.
        wait_for_status(&rig.receiver, "/ns/a", 202, SOON);
        broker.down();
        let outcomes: Vec<(u16, Duration)> = thread::scope(|scope| {
            let send = || timed(&rig, &Request::minimal("/ns/a", &unique()).body(vec![b'x'; 32 * 1024]));
            let clients: Vec<_> = (0..12).map(|_| scope.spawn(send)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert!(outcomes.iter().all(|(status, _)| *status == 503), "{outcomes:?}");
        // 128 KiB hold at most three of these with their headers.
        let early = outcomes.iter().filter(|(_, took)| *took < Duration::from_secs(5)).count();
        assert!((8..12).contains(&early), "{early} were refused early: {outcomes:?}");
        broker.up();
        wait_for_status(&rig.receiver, "/ns/a", 202, Duration::from_secs(60));
    }

    /// Java serves B only once it has given A's records up (receiver.md W49).
    fn r166_dead_cluster_of_a_removed_resource(variant: Variant) {
        let dead = Broker::start(variant.broker);
        let rig = Rig::on(&dead, variant, |setup| setup);
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        dead.down();
        let mut waiting: Vec<Connection> = (0..5).map(|_| Connection::open(rig.receiver.port())).collect();
        waiting.iter_mut().for_each(|connection| {
            connection.send(&Request::minimal("/ns/a", &unique()).body("buffered").to_bytes());
        });
        let removed = rig.contract.next().without("uid-ns-a");
        rig.receiver.swap_contract(removed.to_bytes());
        // An event would only join the others, as long as the route is there.
        let probe = Request::get("/ns/a").header("K-Network-Probe", "probe");
        until("A to be gone", Duration::from_secs(5), || (rig.status(&probe) == 404).then_some(()));
        let alive = Broker::shared(variant.broker);
        let topic = unique();
        alive.create_topic(&topic, 1);
        let resource = Resource::new("Broker", "ns", "b", &topic, alive.bootstrap());
        let swapped = Instant::now();
        rig.receiver.swap_contract(removed.next().with(resource).to_bytes());
        wait_for_status(&rig.receiver, "/ns/b", 202, SOON);
        assert!(swapped.elapsed() < Duration::from_secs(5), "it took {:?}", swapped.elapsed());
    }

    fn r096_broker_restart_under_load(variant: Variant) {
        let broker = Broker::start(variant.broker);
        let rig = Rig::on(&broker, variant, |setup| setup);
        let load = Load::start(rig.receiver.port(), "/ns/a", 3);
        broker.down();
        thread::sleep(Duration::from_secs(2));
        broker.up();
        load.wait_for_answers(30);
        let outcome = load.stop();
        assert!(outcome.refused.iter().all(|status| *status >= 500), "refused with {:?}", outcome.refused);
        assert!(outcome.broken.is_empty(), "without an answer: {:?}", outcome.broken);
        outcome.assert_none_lost(&rig.tail, &[&rig.topics.a]);
    }

    fn r097_client_gone_after_its_body(rig: &'static Rig) {
        let ids: Vec<String> = (0..50).map(|_| unique()).collect();
        for id in &ids {
            Connection::open(rig.receiver.port()).send(&Request::minimal("/ns/a", id).body("data").to_bytes());
        }
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        // At most once each: nobody was there to try again.
        for id in &ids {
            assert!(rig.tail.now(&rig.topics.a, id).len() <= 1, "event {id} is there twice");
        }
    }
}
