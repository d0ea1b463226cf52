//! Settings of the consumer and of the HTTP client: P19 to P23, P27.

use std::time::Duration;

use millrace_tests::broker::Broker;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Dispatcher;
use millrace_tests::producer::{self, NewRecord};
use millrace_tests::setup::Setup;
use millrace_tests::stage::{Case, Kind, Stage};
use millrace_tests::subscriber::{Answer, Gate};
use millrace_tests::wait::{SOON, until, within};
use millrace_tests::{drivers, on_apache};

fn events(count: usize) -> Vec<NewRecord> {
    (0..count).map(|number| NewRecord::event(&number.to_string())).collect()
}

fn stage(variant: Variant, name: &str, change: impl FnOnce(Setup) -> Setup) -> Stage {
    Stage::prepare(variant, Kind::Broker).setup(change).with(name, |plan| plan).start()
}

/// A dispatcher whose group has no offset, on a topic with three records.
fn after_old_records(variant: Variant, name: &str, reset: &str) -> Stage {
    let mut topic = String::new();
    Stage::prepare(variant, Kind::Broker)
        .setup(|setup| setup.consumer("auto.offset.reset", reset))
        .with(name, |plan| {
            topic = plan.topic.clone();
            plan.begin_at(None)
        })
        .start_with(|setup| {
            producer::send(Broker::shared(variant.broker).bootstrap(), &topic, 0, &events(3));
            Dispatcher::start(setup)
        })
}

fn delivers(case: &Case<'_>) {
    case.send(&events(1));
    case.settles(1);
    assert_eq!(case.subscriber().count(), 1);
}

on_apache! {
    /// Of a group that has committed nothing.
    fn p019_latest(variant: Variant) {
        let stage = after_old_records(variant, "p019-latest", "latest");
        let case = stage.case("p019-latest");
        case.wait_for_members(1);
        // What lands before the position is known is not read, and nobody says when it is: the first ones may be missed.
        let last = until("a record to be read", SOON, || {
            let offset = case.send(&events(1));
            within(Duration::from_millis(300), || (case.subscriber().count() > 0).then_some(offset))
        });
        case.settles(last + 1);
        assert!(case.subscriber().received().iter().all(|request| request.offset() >= 3), "old records came");
    }

    fn p019_earliest(variant: Variant) {
        let stage = after_old_records(variant, "p019-earliest", "earliest");
        let case = stage.case("p019-earliest");
        case.settles(3);
        assert_eq!(case.subscriber().count(), 3);
    }

    /// An egress that has nowhere to begin stands still, and says so; the process and the others go on.
    fn p019_none(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| setup.consumer("auto.offset.reset", "none"))
            .with("p019-none", |plan| plan.begin_at(None))
            .with("p019-other", |plan| plan)
            .start();
        let case = stage.case("p019-none");
        case.wait_for_members(1);
        stage.dispatcher.wait_for_log("that there is no offset", |line| {
            (line["level"] == "WARN" || line["level"] == "ERROR") && line.to_string().contains(&case.plan.topic)
        });
        delivers(&stage.case("p019-other"));
        assert_eq!(stage.dispatcher.try_exit(), None);
    }
}

drivers! {
    fn p020_few_records_at_a_time(variant: Variant) {
        let stage = stage(variant, "p020", |setup| setup.consumer("max.poll.records", "5"));
        let case = stage.case("p020");
        let gate = Gate::closed();
        case.subscriber().always(Answer::status(200).behind(&gate));
        case.send(&events(40));
        case.subscriber().wait(5);
        gate.open();
        case.settles(40);
        let most = case.subscriber().most_concurrent();
        assert!((5..=9).contains(&most), "{most} at a time");
    }

    /// The interval that Java would ask for is 17 days, beyond what librdkafka takes.
    fn p021_long_retries(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker)
            .with("p021", |plan| plan.egress(|egress| egress.retry(10, 300_000).config(serde_json::json!({ "timeout": "600000" }))))
            .start();
        delivers(&stage.case("p021"));
    }

    fn p022_buffer_of_the_system(variant: Variant) {
        let stage = stage(variant, "p022", |setup| setup.consumer("receive.buffer.bytes", "-1"));
        delivers(&stage.case("p022"));
    }

    /// Every 100 ms, if it were heeded.
    fn p023_no_commit_by_itself(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| setup.consumer("enable.auto.commit", "true"))
            .with("p023", |plan| plan.and("clock", |egress| egress))
            .start();
        let case = stage.case("p023");
        let gate = Gate::closed();
        case.subscriber().always(Answer::status(200).behind(&gate));
        for number in 0..10 {
            case.send(&events(1));
            case.settles_for(case.and("clock"), 0, number + 1);
        }
        assert_eq!(case.committed(0), Some(0));
        gate.open();
        case.settles(10);
    }

    fn p027_few_connections(variant: Variant) {
        let stage = stage(variant, "p027", |setup| setup.web_client("maxPoolSize", "2").env("SHARDS", "1"));
        let case = stage.case("p027");
        let gate = Gate::closed();
        case.subscriber().always(Answer::status(200).behind(&gate));
        case.send(&events(20));
        case.busy(2);
        gate.open();
        case.settles(20);
        assert_eq!(case.subscriber().most_concurrent(), 2);
        assert_eq!(stage.subscriber.connections(), 2);
    }
}
