//! Start, stop and a Kafka that is away: D137 to D139, P82 to P86, P88.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use millrace_tests::broker::Broker;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Dispatcher;
use millrace_tests::producer::NewRecord;
use millrace_tests::setup::Setup;
use millrace_tests::stage::{Case, Kind, Stage};
use millrace_tests::subscriber::{Answer, Gate, Received};
use millrace_tests::wait::{SOON, until};
use millrace_tests::{drivers, on_apache};

fn events(count: usize) -> Vec<NewRecord> {
    (0..count).map(|number| NewRecord::event(&number.to_string())).collect()
}

fn stage(variant: Variant, name: &str, change: impl FnOnce(Setup) -> Setup) -> Stage {
    Stage::prepare(variant, Kind::Broker).setup(change).with(name, |plan| plan).start()
}

fn ends_well(dispatcher: &Dispatcher, limit: Duration) {
    let status = dispatcher.wait_exit(limit);
    assert_eq!(status.code(), Some(0), "{}", dispatcher.printed());
}

/// How often each offset came.
fn times(received: &[Received]) -> BTreeMap<i64, usize> {
    received.iter().fold(BTreeMap::new(), |mut times, request| {
        *times.entry(request.offset()).or_default() += 1;
        times
    })
}

/// The even offsets of 50 are answered, the odd ones never, then the signal comes: afterwards, another process gets all
/// that was not committed, and nothing is lost.
fn fifty_in_flight(
    case: &Case<'_>,
    signal: &str,
    limit: Duration,
) -> (Option<i64>, BTreeMap<i64, usize>) {
    let first = Gate::closed();
    let hold = first.clone();
    case.subscriber().answers(move |request, _| match request.offset() {
        offset if offset < 10 || offset % 2 == 0 => Answer::status(200),
        _ => Answer::status(200).behind(&hold),
    });
    case.send(&events(50));
    case.busy(20);
    case.settles(11);
    case.stage.dispatcher.signal(signal);
    case.stage.dispatcher.wait_exit(limit);
    let committed = case.committed(0);
    case.subscriber().always(Answer::status(200));
    let _second = Dispatcher::start(&case.stage.setup);
    case.settles(50);
    first.open();
    (committed, times(&case.subscriber().received()))
}

drivers! {
    fn d137_idle_egress_ends_at_once(variant: Variant) {
        let stage = stage(variant, "d137", |setup| setup);
        let case = stage.case("d137");
        case.send(&events(1));
        case.settles(1);
        let terminated = Instant::now();
        stage.dispatcher.signal("TERM");
        ends_well(&stage.dispatcher, Duration::from_secs(2));
        assert!(!stage.dispatcher.healthy_file().exists(), "ready after its end");
        assert_eq!((case.committed(0), case.subscriber().count()), (Some(1), 1), "after {:?}", terminated.elapsed());
    }

    fn d138_event_under_way_ends_first(variant: Variant) {
        // No tick comes to help.
        let stage = stage(variant, "d138", |setup| setup.consumer("auto.commit.interval.ms", "600000"));
        let case = stage.case("d138");
        let gate = Gate::closed();
        case.subscriber().always(Answer::status(200).behind(&gate));
        case.send(&events(1));
        case.busy(1);
        stage.dispatcher.signal("TERM");
        until("the dispatcher to be not ready", SOON, || (!stage.dispatcher.healthy_file().exists()).then_some(()));
        case.send(&events(1));
        assert_eq!(stage.dispatcher.try_exit(), None, "an event is still under way");
        gate.open();
        ends_well(&stage.dispatcher, Duration::from_secs(5));
        assert_eq!((case.committed(0), case.subscriber().count()), (Some(1), 1));
    }

    fn d139_ready_without_kafka(variant: Variant) {
        let broker = Broker::start(variant.broker);
        let prepared = Stage::prepare_on(&broker, variant, Kind::Broker).with("d139", |plan| plan);
        let stage = prepared.start_with(|setup| {
            broker.down();
            Dispatcher::start(setup)
        });
        assert!(stage.dispatcher.healthy_file().exists());
        broker.up();
        let case = stage.case("d139");
        case.send(&events(1));
        case.settles(1);
    }

    fn p083_sigterm_at_any_moment_of_the_start(variant: Variant) {
        let stage = stage(variant, "p083", |setup| setup);
        for delay_ms in [0, 5, 10, 15, 20, 30, 50, 80, 120, 200] {
            let dispatcher = Dispatcher::launch(&stage.setup);
            // The moment is what is tested, so a pause it is.
            std::thread::sleep(Duration::from_millis(delay_ms));
            let terminated = Instant::now();
            dispatcher.signal("TERM");
            dispatcher.wait_exit(SOON);
            let took = terminated.elapsed();
            assert!(took < Duration::from_secs(6), "after {delay_ms} ms it took {took:?}\n{}", dispatcher.printed());
            assert!(!dispatcher.healthy_file().exists(), "ready after its end");
        }
    }

    /// In Java the file of the container before makes this one ready at once.
    fn p085_not_ready_before_the_start(variant: Variant) {
        let mark = millrace_tests::setup::new_folder().join("healthy");
        fs::write(&mark, "").unwrap();
        let setup = Setup::dispatcher(variant.driver).env("HEALTHY_FILE", &mark.display().to_string());
        let dispatcher = Dispatcher::launch(&setup.clone().without_env("CONSUMER_CONFIG_FILE_PATH"));
        assert_eq!(dispatcher.wait_exit(SOON).code(), Some(78));
        assert!(!mark.exists(), "the file of the process before is still there");
        let dispatcher = Dispatcher::launch(&setup.contract(r#"{"generation":"1"}"#));
        until("the dispatcher to be ready", SOON, || mark.exists().then_some(()));
        dispatcher.signal("TERM");
        ends_well(&dispatcher, SOON);
        assert!(!mark.exists());
    }

    fn p088_second_signal_during_the_drain(variant: Variant) {
        let stage = stage(variant, "p088", |setup| setup.env("DRAIN_SECONDS", "60"));
        let case = stage.case("p088");
        case.subscriber().always(Answer::hang());
        case.send(&events(1));
        case.busy(1);
        stage.dispatcher.signal("TERM");
        until("the drain to begin", SOON, || (!stage.dispatcher.healthy_file().exists()).then_some(()));
        let second = Instant::now();
        stage.dispatcher.signal("TERM");
        let status = stage.dispatcher.wait_exit(SOON);
        assert!(second.elapsed() < Duration::from_secs(2), "it took {:?}", second.elapsed());
        assert!(!status.success(), "what was cut short is no success");
    }
}

on_apache! {
    fn d137_member_leaves_at_once(variant: Variant) {
        let stage = stage(variant, "d137-member", |setup| setup);
        let case = stage.case("d137-member");
        case.wait_for_members(1);
        stage.dispatcher.signal("TERM");
        ends_well(&stage.dispatcher, Duration::from_secs(2));
        // A member that did not say so would stay for its session of ten seconds.
        stage.groups.settles_with(&case.egress().group, 0, Duration::from_secs(2));
        assert_eq!(case.committed(0), Some(0));
    }

    fn p082_sigterm_with_fifty_in_flight(variant: Variant) {
        let stage = stage(variant, "p082", |setup| setup);
        let (committed, times) = fifty_in_flight(&stage.case("p082"), "TERM", Duration::from_secs(25));
        assert_eq!(committed, Some(11));
        for offset in 0..50 {
            let wanted = if offset < 11 { 1 } else { 2 };
            assert_eq!(times.get(&offset), Some(&wanted), "deliveries of offset {offset}");
        }
    }

    fn p084_sigkill_redelivers_from_the_last_commit(variant: Variant) {
        let stage = stage(variant, "p084", |setup| setup);
        let (committed, times) = fifty_in_flight(&stage.case("p084"), "KILL", Duration::from_secs(5));
        assert_eq!(committed, Some(11));
        assert!((0..50).all(|offset| times.contains_key(&offset)), "lost: {times:?}");
        assert!((0..11).all(|offset| times.get(&offset) == Some(&1)), "committed, and yet again: {times:?}");
    }

    fn p086_kafka_down_at_the_start(variant: Variant) {
        let broker = Broker::start(variant.broker);
        let prepared = Stage::prepare_on(&broker, variant, Kind::Broker).with("p086", |plan| plan);
        let stage = prepared.start_with(|setup| {
            broker.down();
            Dispatcher::start(setup)
        });
        broker.up();
        let case = stage.case("p086");
        case.send(&events(1));
        case.settles(1);
        assert_eq!(stage.dispatcher.try_exit(), None);
    }
}
