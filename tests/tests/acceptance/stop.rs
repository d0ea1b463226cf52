//! The end of the process: R110 and what follows from it.

use std::time::{Duration, Instant};

use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::wait::{SOON, until};

use crate::load::Load;

matrix! {
    /// Java cuts connections and requests (receiver.md 1.9).
    fn r110_sigterm_under_load(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("DRAIN_GRACE_SECONDS", "4"));
        let load = Load::start(rig.receiver.port(), "/ns/a", 3);
        let terminated = Instant::now();
        rig.receiver.signal("TERM");
        until("readiness to end", SOON, || (rig.status(&Request::get("/readyz")) != 200).then_some(()));
        assert_eq!(rig.status(&Request::get("/healthz")), 200, "liveness must not end it early");
        rig.accepted(&Request::minimal("/ns/s", &unique()));
        while terminated.elapsed() < Duration::from_secs(3) {
            load.wait_for_answers(1);
        }
        let outcome = load.stop();
        outcome.assert_all_accepted();
        outcome.assert_none_lost(&rig.tail, &[&rig.topics.a]);
        let status = rig.receiver.wait_exit(Duration::from_secs(25));
        assert_eq!(status.code(), Some(0), "{}", rig.receiver.printed());
        assert!(terminated.elapsed() < Duration::from_secs(25));
        assert!(Connection::try_open(rig.receiver.port()).is_err(), "somebody still listens");
    }

    /// A request that is under way when the listener closes is finished.
    fn r110_request_under_way_at_sigterm(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let id = unique();
        let bytes = Request::minimal("/ns/a", &id).body("the whole body").to_bytes();
        let (first, last) = bytes.split_at(bytes.len() - 4);
        let mut connection = Connection::open(rig.receiver.port());
        connection.send(first);
        // The answer to another request shows that the first part has been read.
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        rig.receiver.signal("TERM");
        until("the listener to close", SOON, || Connection::try_open(rig.receiver.port()).err());
        connection.send(last);
        assert_eq!(connection.answer().status, 202);
        assert_eq!(rig.tail.one(&rig.topics.a, &id).value.as_deref(), Some(&b"the whole body"[..]));
        assert_eq!(rig.receiver.wait_exit(Duration::from_secs(25)).code(), Some(0), "{}", rig.receiver.printed());
    }

    /// An idle connection does not hold the end up.
    fn sigterm_with_idle_connections(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let mut idle = Connection::open(rig.receiver.port());
        assert_eq!(idle.exchange(&Request::minimal("/ns/a", &unique())).status, 202);
        let _never_used = Connection::open(rig.receiver.port());
        let terminated = Instant::now();
        rig.receiver.signal("TERM");
        assert_eq!(rig.receiver.wait_exit(SOON).code(), Some(0), "{}", rig.receiver.printed());
        assert!(terminated.elapsed() < Duration::from_secs(10), "it took {:?}", terminated.elapsed());
    }

    fn a_kill_loses_nothing_that_was_accepted(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let load = Load::start(rig.receiver.port(), "/ns/a", 2);
        rig.receiver.signal("KILL");
        rig.receiver.wait_exit(SOON);
        let outcome = load.stop();
        outcome.assert_none_lost(&rig.tail, &[&rig.topics.a]);
    }
}
