//! What is committed, when, and by whom: D105, D111 to D117, P17.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use millrace_tests::batches;
use millrace_tests::broker::{Broker, BrokerKind};
use millrace_tests::drivers;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Dispatcher;
use millrace_tests::producer::{self, NewRecord};
use millrace_tests::stage::{Case, DISPATCH_COUNT, Kind, Stage};
use millrace_tests::subscriber::{Answer, Gate, Received};
use millrace_tests::{cases, on_apache, python};

const SKIPPED_OFFSETS: &str = "kn_eventing_kafka_skipped_offsets_1_total";

fn events(count: usize) -> Vec<NewRecord> {
    (0..count).map(|number| NewRecord::event(&number.to_string())).collect()
}

/// Answers 200: the first time an offset of a partition comes only behind its gate, at once when it comes again.
fn gated_once(
    gate: impl Fn(&Received) -> Gate + Send,
) -> impl Fn(&Received, usize) -> Answer + Send {
    let seen = Mutex::new(BTreeSet::new());
    move |request, _| {
        let fresh = seen.lock().unwrap().insert((request.partition(), request.offset()));
        if fresh { Answer::status(200).behind(&gate(request)) } else { Answer::status(200) }
    }
}

/// The offsets that came, sorted.
fn offsets(received: &[Received]) -> Vec<i64> {
    let mut offsets: Vec<_> = received.iter().map(Received::offset).collect();
    offsets.sort_unstable();
    offsets
}

fn write_transaction(case: &Case<'_>, end: &str) -> bool {
    let Some(mut script) = python::script("transactions.py") else { return false };
    let status = script.args([case.stage.bootstrap(), &case.plan.topic, end]).status();
    assert!(status.is_ok_and(|status| status.success()), "the transaction was not written");
    true
}

cases! { Broker;
    fn d105_commits_stop_before_what_is_open(case) {
        let gates: Vec<Gate> = (0..8).map(|_| Gate::closed()).collect();
        let behind = gates.clone();
        case.subscriber().answers(move |request, _| Answer::status(200).behind(&behind[usize::try_from(request.offset()).unwrap()]));
        case.send(&events(8));
        case.busy(8);
        for (done, offset) in (1..).zip([5, 2, 0, 7, 1, 3, 4]) {
            gates[offset].open();
            case.metric_becomes(DISPATCH_COUNT, &[("http_response_status_code", "200")], f64::from(done));
        }
        case.settles(6);
        gates[6].open();
        case.settles(8);
    }

    fn d114_nothing_below_the_first_record(case, |plan| plan.begin_at(Some(100))) {
        let gate = Gate::closed();
        case.subscriber().always(Answer::status(200).behind(&gate));
        case.send(&events(1));
        case.busy(1);
        assert_eq!(case.committed(0), Some(100));
        gate.open();
        case.settles(101);
        assert_eq!(offsets(&case.subscriber().received()), [100]);
    }
}

drivers! {
    /// In Java such a gap takes as many steps as it has offsets (dispatcher.md W22).
    fn d112_gap_of_ten_million_offsets(variant: Variant) {
        const GAP: i32 = 10_000_000;
        let stage = Stage::prepare(variant, Kind::Broker).with("d112", |plan| plan).start();
        let case = stage.case("d112");
        let [first, second] = ["1", "2"].map(NewRecord::event);
        producer::send_before_a_gap(stage.bootstrap(), &case.plan.topic, 0, &first, GAP);
        case.send(&[second]);
        case.settles(i64::from(GAP) + 1);
        assert_eq!(offsets(&case.subscriber().received()), [0, i64::from(GAP)]);
        case.metric_becomes(SKIPPED_OFFSETS, &[], f64::from(GAP - 1));
    }

    fn d113_commit_fails_once(variant: Variant) {
        let broker = Broker::start(variant.broker);
        let stage = Stage::prepare_on(&broker, variant, Kind::Broker).with("d113", |plan| plan).start();
        let case = stage.case("d113");
        let gate = Gate::closed();
        case.subscriber().always(Answer::status(200).behind(&gate));
        case.send(&events(1));
        case.busy(1);
        broker.down();
        gate.open();
        case.metric_becomes(DISPATCH_COUNT, &[], 1.0);
        broker.up();
        case.settles(1);
        // Where the group had to be joined anew, the record may have come again; it was not lost.
        assert!(offsets(&case.subscriber().received()).iter().all(|offset| *offset == 0));
    }
}

on_apache! {
    fn d111_transaction_marker_is_skipped(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Source).with("d111", |plan| plan).start();
        let case = stage.case("d111");
        if write_transaction(&case, "commit") {
            case.settles(4);
            assert_eq!(offsets(&case.subscriber().received()), [0, 1, 3]);
            case.metric_becomes(SKIPPED_OFFSETS, &[("cloudevents_type", "OffsetSkippingCloudEvent")], 1.0);
        }
    }

    /// Offsets begin at 0 again: these are other records, which were never delivered.
    fn d114_topic_made_anew(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker)
            // With latest, Java misses what comes before the consumer has noticed, and so do we.
            .setup(|setup| setup.consumer("auto.offset.reset", "earliest"))
            .with("d114-anew", |plan| plan)
            .start();
        let case = stage.case("d114-anew");
        let Some(mut script) = python::script("make_anew.py") else { return };
        case.send(&events(5));
        case.settles(5);
        let status = script.args([case.stage.bootstrap(), &case.plan.topic]).status();
        assert!(status.is_ok_and(|status| status.success()), "the topic was not made anew");
        case.send(&events(3));
        case.subscriber().wait(8);
        assert_eq!(offsets(&case.subscriber().received()), [0, 0, 1, 1, 2, 2, 3, 4]);
    }

    /// The marker behind the last record would show as a lag for ever.
    fn d111_last_marker_is_committed(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Source).with("d111-last", |plan| plan).start();
        let case = stage.case("d111-last");
        if write_transaction(&case, "commit-last") {
            case.settles(3);
            assert_eq!(offsets(&case.subscriber().received()), [0, 1]);
            case.metric_becomes(SKIPPED_OFFSETS, &[], 1.0);
        }
    }

    fn p017_aborted_records_are_never_delivered(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Source).with("p017", |plan| plan).start();
        let case = stage.case("p017");
        if write_transaction(&case, "abort") {
            case.settles(4);
            assert_eq!(offsets(&case.subscriber().received()), [3]);
        }
    }

    fn p018_aborted_records_are_read_uncommitted(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker).with("p018", |plan| plan).start();
        let case = stage.case("p018");
        if write_transaction(&case, "abort") {
            case.settles(4);
            assert_eq!(offsets(&case.subscriber().received()), [0, 1, 3]);
        }
    }

    /// Java neither waits for nor commits what is in flight (dispatcher.md W5).
    fn d115_takeover_while_events_are_in_flight(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| setup.env("DRAIN_SECONDS", "3"))
            .with("d115", |plan| plan)
            .start();
        let case = stage.case("d115");
        let gates: Vec<Gate> = (0..10).map(|_| Gate::closed()).collect();
        let behind = gates.clone();
        case.subscriber().answers(gated_once(move |request| behind[usize::try_from(request.offset()).unwrap()].clone()));
        case.send(&events(10));
        case.busy(10);
        stage.dispatcher.signal("TERM");
        let _second = Dispatcher::start(&stage.setup);
        gates[..5].iter().for_each(Gate::open);
        stage.dispatcher.wait_exit(Duration::from_secs(20));
        case.settles(10);
        // Those that were done in time came once, the others again.
        assert_eq!(offsets(&case.subscriber().received()), [0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]);
    }

    fn d116_late_end_in_a_lost_partition(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| setup.env("REVOKE_DRAIN_SECONDS", "1"))
            .with("d116", |plan| plan.partitions(2))
            .start();
        let case = stage.case("d116");
        let (first, second) = (case.subscriber(), stage.subscriber.endpoint("d116-second"));
        let gates = [Gate::closed(), Gate::closed()];
        let behind = gates.clone();
        first.answers(gated_once(move |request| behind[usize::try_from(request.partition()).unwrap()].clone()));
        for partition in 0..2 {
            case.send_to(partition, &events(1));
        }
        case.busy(2);
        // The same group with another destination, so that requests tell who sent them.
        let gate = Gate::closed();
        second.always(Answer::status(200).behind(&gate));
        let destination = format!("{}/d116-second", stage.subscriber.url());
        let contract = stage.contract.clone().edit(case.plan.to_resource().uid(), |resource| resource.put("/egresses/0/destination", destination));
        let _second = Dispatcher::start(&stage.setup.clone().contract(contract.to_bytes()));
        let lost = second.wait(1)[0].partition();
        let kept = 1 - lost;
        gates[usize::try_from(lost).unwrap()].open();
        gates[usize::try_from(kept).unwrap()].open();
        // Ticks pass until the other one is committed.
        case.settles_for(case.egress(), kept, 1);
        assert_eq!(case.committed(lost), Some(0), "committed by who had lost the partition");
        gate.open();
        case.settles_for(case.egress(), lost, 1);
    }

    /// Java asks once for each partition (dispatcher.md W21). Kafka keeps what one request commits as one batch.
    fn d117_one_commit_for_all_partitions(variant: Variant) {
        const PARTITIONS: i32 = 100;
        let broker = Broker::start(BrokerKind::Apache);
        let stage = Stage::prepare_on(&broker, variant, Kind::Broker)
            .setup(|setup| setup.consumer("max.poll.records", "200").consumer("auto.commit.interval.ms", "2000"))
            .with("d117", |plan| plan.partitions(PARTITIONS))
            .start();
        let case = stage.case("d117");
        let gate = Gate::closed();
        case.subscriber().always(Answer::status(200).behind(&gate));
        for partition in 0..PARTITIONS {
            case.send_to(partition, &events(1));
        }
        case.busy(100);
        let commits = || batches::of_partition(stage.bootstrap(), "__consumer_offsets", 0).unwrap();
        let before = commits().len();
        gate.open();
        for partition in 0..PARTITIONS {
            case.settles_for(case.egress(), partition, 1);
        }
        let new = commits().split_off(before);
        assert_eq!(new.iter().map(|batch| batch.records).sum::<i32>(), PARTITIONS);
        // Two when a tick falls into the middle.
        assert!(new.len() <= 2, "{} requests: {new:?}", new.len());
    }
}
