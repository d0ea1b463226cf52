//! Start, stop and a Kafka that is away: cases 81, 83, 84, 87 and 88 of platform.md 12.

use std::thread;
use std::time::{Duration, Instant};

use millrace_tests::broker::Broker;
use millrace_tests::contract::{Topics, fixture};
use millrace_tests::drivers;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Receiver;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::setup::Setup;
use millrace_tests::sockets::listening;
use millrace_tests::wait::{SOON, until};

use crate::load::Load;

matrix! {
    /// The clients go on until nobody listens any more.
    fn p081_sigterm_under_load_to_the_very_end(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("DRAIN_GRACE_SECONDS", "2"));
        let loads = ["/ns/a", "/ns/s"].map(|path| Load::start(rig.receiver.port(), path, 2));
        let terminated = Instant::now();
        rig.receiver.signal("TERM");
        let status = rig.receiver.wait_exit(Duration::from_secs(25));
        assert_eq!(status.code(), Some(0), "{}", rig.receiver.printed());
        assert!(terminated.elapsed() >= Duration::from_secs(2), "no grace");
        for (load, topic) in loads.into_iter().zip([&rig.topics.a, &rig.topics.s]) {
            let outcome = load.stop();
            // A 404 would let an event be dropped as undeliverable; so would any other refusal but for retries.
            assert!(outcome.refused.is_empty(), "refused with {:?}", outcome.refused);
            outcome.assert_none_lost(&rig.tail, &[topic]);
        }
    }

    fn p084_restart_after_sigkill(variant: Variant) {
        let broker = Broker::shared(variant.broker);
        let rig = Rig::own(variant, |setup| setup);
        let setup = Setup::new(variant.driver).contract(rig.contract.to_bytes());
        let load = Load::start(rig.receiver.port(), "/ns/a", 3);
        load.wait_for_answers(50);
        rig.receiver.signal("KILL");
        rig.receiver.wait_exit(SOON);
        let outcome = load.stop();
        assert!(outcome.refused.is_empty(), "refused with {:?}", outcome.refused);
        let restarted = Receiver::start(&setup);
        assert_eq!(restarted.status(&Request::minimal("/ns/a", &unique())), 202, "on {}", broker.bootstrap());
        outcome.assert_none_lost(&rig.tail, &[&rig.topics.a]);
    }

    fn p087_probes_answer_while_producers_block(variant: Variant) {
        let broker = Broker::start(variant.broker);
        let rig = Rig::on(&broker, variant, |setup| setup.producer("delivery.timeout.ms", "20000"));
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        broker.down();
        let mut blocked: Vec<Connection> = (0..60).map(|_| Connection::open(rig.receiver.port())).collect();
        for connection in &mut blocked {
            connection.send(&Request::minimal("/ns/a", &unique()).to_bytes());
        }
        for path in ["/healthz", "/readyz"] {
            for _ in 0..10 {
                let asked = Instant::now();
                rig.answers(&Request::get(path), 200);
                // Kubernetes waits one second.
                assert!(asked.elapsed() < Duration::from_secs(1), "{path} took {:?}", asked.elapsed());
            }
        }
        let waiting = blocked.first_mut().unwrap().answer_within(Duration::from_millis(10));
        assert!(waiting.is_err(), "the producers did not block: {waiting:?}");
    }

    /// Kafka is away, so its acknowledgements never come; the second signal does not wait for them.
    fn p088_second_signal_while_producers_block(variant: Variant) {
        let broker = Broker::start(variant.broker);
        let rig = Rig::on(&broker, variant, |setup| setup.env("DRAIN_GRACE_SECONDS", "1"));
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        broker.down();
        let mut blocked = Connection::open(rig.receiver.port());
        blocked.send(&Request::minimal("/ns/a", &unique()).to_bytes());
        rig.receiver.signal("TERM");
        until("the listener to close", SOON, || (!listening(rig.receiver.pid()).contains(&rig.receiver.port())).then_some(()));
        assert_eq!(rig.receiver.try_exit(), None, "an event is still under way");
        let second = Instant::now();
        rig.receiver.signal("TERM");
        rig.receiver.wait_exit(SOON);
        assert!(second.elapsed() < Duration::from_secs(2), "it took {:?}", second.elapsed());
    }
}

drivers! {
    /// Kubernetes kills after 30 s, so what Kafka does not acknowledge in time is given up, and its sender is told so.
    fn p081_sigterm_while_kafka_is_away(variant: Variant) {
        let broker = Broker::start(variant.broker);
        let rig = Rig::on(&broker, variant, |setup| setup.without_env("DRAIN_GRACE_SECONDS"));
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        broker.down();
        let mut blocked = Connection::open(rig.receiver.port());
        blocked.send(&Request::minimal("/ns/a", &unique()).to_bytes());
        let terminated = Instant::now();
        rig.receiver.signal("TERM");
        let told = blocked.answer_within(SOON);
        let status = rig.receiver.wait_exit(SOON);
        assert!(terminated.elapsed() < Duration::from_secs(25), "it took {:?}", terminated.elapsed());
        assert_eq!(status.code(), Some(0), "{}", rig.receiver.printed());
        assert_eq!(told.map(|answer| answer.status), Ok(503));
    }

    fn p083_sigterm_at_any_moment_of_the_start(variant: Variant) {
        let contract = fixture(&Topics::new(&unique()), "127.0.0.1:9").to_bytes();
        let setup = Setup::new(variant.driver).contract(contract);
        for delay_ms in [0, 5, 10, 15, 20, 30, 50, 80, 120, 200] {
            let receiver = Receiver::launch(&setup);
            // The moment is what is tested, so a pause it is.
            thread::sleep(Duration::from_millis(delay_ms));
            let terminated = Instant::now();
            receiver.signal("TERM");
            receiver.wait_exit(SOON);
            let took = terminated.elapsed();
            assert!(took < Duration::from_secs(6), "after {delay_ms} ms it took {took:?}\n{}", receiver.printed());
            assert!(Connection::try_open(receiver.port()).is_err(), "somebody still listens");
        }
    }

    /// A request that only looks like a probe goes on to routing.
    fn p087_probes_are_get_only(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        for path in ["/healthz", "/readyz"] {
            rig.answers(&Request::get(path), 200);
            rig.answers(&Request::new("POST", path).body(""), 404);
            rig.answers(&Request::minimal(path, &unique()), 404);
            rig.answers(&Request::new("PUT", path).body(""), 405);
            rig.answers(&Request::get(&format!("{path}/")), 405);
        }
    }

    fn p088_second_signal_during_the_grace(variant: Variant) {
        for name in ["TERM", "INT"] {
            let receiver = Receiver::start(&Setup::new(variant.driver).contract("").env("DRAIN_GRACE_SECONDS", "20"));
            receiver.signal("TERM");
            receiver.wait_for_log_text("INFO", "Draining");
            let second = Instant::now();
            receiver.signal(name);
            let status = receiver.wait_exit(SOON);
            assert!(second.elapsed() < Duration::from_secs(2), "it took {:?}", second.elapsed());
            assert!(!status.success(), "what was cut short is no success");
        }
    }
}
