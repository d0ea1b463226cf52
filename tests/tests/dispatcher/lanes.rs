//! How many requests at a time and in what order: D104, D106 to D110, C31.

use std::time::Duration;

use millrace_tests::cases;
use millrace_tests::plan::Plan;
use millrace_tests::producer::NewRecord;
use millrace_tests::stage::Case;
use millrace_tests::subscriber::{Answer, Gate, Received};
use serde_json::json;

fn events(count: usize) -> Vec<NewRecord> {
    (0..count).map(|number| NewRecord::event(&number.to_string())).collect()
}

fn ordered(plan: Plan) -> Plan {
    plan.egress(|egress| egress.ordered())
}

/// Sends as many events to each partition and waits until all are done.
fn deliver(case: &Case<'_>, count: usize) -> Vec<Received> {
    for partition in 0..case.plan.partitions {
        case.send_to(partition, &events(count));
    }
    let all = count * usize::try_from(case.plan.partitions).unwrap();
    // Java polls at most 50 records every 200 ms, and so would need longer for the largest of these cases.
    let received = case.subscriber().wait_within(all, Duration::from_secs(20));
    for partition in 0..case.plan.partitions {
        case.settles_for(case.egress(), partition, i64::try_from(count).unwrap());
    }
    assert_eq!(case.subscriber().count(), all, "some came twice");
    received
}

/// The requests of one partition.
fn of_partition(received: &[Received], partition: i32) -> Vec<&Received> {
    received.iter().filter(|request| request.partition() == partition).collect()
}

fn assert_in_order(case: &Case<'_>, received: &[Received]) {
    for partition in 0..case.plan.partitions {
        let offsets = of_partition(received, partition).into_iter().map(Received::offset);
        assert!(
            offsets.clone().is_sorted_by(|left, right| left < right),
            "{:?}",
            offsets.collect::<Vec<_>>()
        );
    }
}

cases! { Broker;
    /// Between `max.poll.records` and twice as many less one: Java polls whenever it is below the first.
    fn d104_bound_of_unordered(case) {
        let gate = Gate::closed();
        case.subscriber().always(Answer::status(200).behind(&gate));
        case.send(&events(200));
        case.subscriber().wait(50);
        assert_eq!(case.committed(0), Some(0));
        gate.open();
        case.settles(200);
        let most = case.subscriber().most_concurrent();
        assert!((50..=99).contains(&most), "{most} at a time");
        let mut offsets: Vec<_> = case.subscriber().received().iter().map(Received::offset).collect();
        offsets.sort_unstable();
        assert!(offsets.into_iter().eq(0..200));
    }

    fn d106_c031_ordered_is_one_at_a_time(case, ordered) {
        case.subscriber().always(Answer::status(200).after(Duration::from_millis(10)));
        let received = deliver(case, 100);
        assert_in_order(case, &received);
        assert_eq!(case.subscriber().most_concurrent(), 1);
    }

    fn c031_unordered_is_the_default(case) {
        let gate = Gate::closed();
        case.subscriber().always(Answer::status(200).behind(&gate));
        case.send(&events(3));
        case.busy(3);
        gate.open();
        case.settles(3);
    }

    fn d107_ordered_partitions_do_not_wait_for_each_other(case, |plan| ordered(plan).partitions(10)) {
        const ROUND_TRIP: Duration = Duration::from_millis(100);
        case.subscriber().always(Answer::status(200).after(ROUND_TRIP));
        let received = deliver(case, 10);
        assert_in_order(case, &received);
        assert!(case.subscriber().most_concurrent() > 5, "{} at a time", case.subscriber().most_concurrent());
        for partition in 0..10 {
            for pair in of_partition(&received, partition).windows(2) {
                let gap = pair[1].arrived.duration_since(pair[0].arrived);
                assert!(gap >= ROUND_TRIP, "two of partition {partition} at a time: {gap:?} apart");
            }
        }
    }

    /// Java polls every 200 ms, so 250 a second are its most (dispatcher.md W1).
    fn d108_ordered_does_not_wait_for_a_timer(case, |plan| ordered(plan).partitions(10)) {
        let received = deliver(case, 500);
        assert_in_order(case, &received);
    }

    fn d109_ordered_waits_for_the_dead_letter(case, |plan| plan.egress(|egress| egress.ordered().retry(2, 100).dead_letter())) {
        const SINK: Duration = Duration::from_millis(200);
        case.subscriber().answers(|request, _| Answer::status(if request.offset() == 0 { 500 } else { 200 }));
        case.dead_letters().always(Answer::status(200).after(SINK));
        case.send(&events(2));
        case.settles(2);
        let received = case.subscriber().received();
        assert_eq!(received.iter().map(Received::offset).collect::<Vec<_>>(), [0, 0, 0, 1]);
        let letter = case.dead_letters().one();
        assert!(received[3].arrived >= letter.arrived + SINK, "the second did not wait for the first one's letter");
    }

    /// Java's limiter adds tokens instead of taking them (dispatcher.md W2).
    fn d110_rate_limiter(case, |plan| plan
        .egress(|egress| egress.ordered().set("/featureFlags", json!({ "enableRateLimiter": true })))
    ) {
        // 50 at once, then 50 a second.
        let received = deliver(case, 150);
        assert_in_order(case, &received);
        let took = received[149].arrived.duration_since(received[0].arrived);
        assert!(took >= Duration::from_millis(1_800), "150 within {took:?}");
    }
}
