//! A long way behind, and the subscriber is slow: goal P6.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millrace_tests::broker::Broker;
use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::feed;
use millrace_tests::footprint::Footprint;
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::oracle::Oracle;
use millrace_tests::process::Dispatcher;
use millrace_tests::schedule::Run;
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::subscriber::Answer;
use millrace_tests::wait::{SOON, until};

const PARTITIONS: u32 = 4;
const ANSWERED_AFTER: Duration = Duration::from_millis(100);
/// Of one write.
const BATCH: u64 = 500;
/// For the program, beyond what is in flight.
const RSS_KIB_MAX: u64 = 64 * 1024;

/// Goal P6.
#[test]
fn goal_p6_a_backlog_with_a_slow_subscriber() {
    matrix::run(Driver::IoUring, Apache, |variant: Variant| {
        let run = Run::begin("P6");
        let (records, window) = run.either((20_000_u64, 100_usize), (1_000_000, 400));
        let mut topic = String::new();
        let prepared = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| setup.consumer("max.poll.records", &window.to_string()))
            .with("p6", |plan| {
                topic.clone_from(&plan.topic);
                plan.partitions(PARTITIONS.cast_signed())
            });
        let (oracle, most) = (Oracle::default(), Arc::<AtomicUsize>::default());
        let (told, highest) = (oracle.clone(), Arc::clone(&most));
        let endpoint = prepared.subscriber.endpoint("p6");
        endpoint.keep_none();
        endpoint.answers(move |request, _| {
            let id = request.header("ce-id").unwrap_or_default().parse().unwrap();
            told.attempted(id, 0, request.arrived);
            told.done(id);
            highest.fetch_max(request.concurrent, Ordering::Relaxed);
            Answer::status(200).after(ANSWERED_AFTER)
        });
        let each = records / u64::from(PARTITIONS);
        let bootstrap = Broker::shared(Apache).bootstrap();
        // The dispatcher finds the whole of it.
        let stage = prepared.start_with(|setup| {
            for first in (0..each).step_by(usize::try_from(BATCH).unwrap()) {
                for partition in 0..PARTITIONS {
                    let to = std::slice::from_ref(&oracle);
                    feed::write(bootstrap, &topic, partition, first, BATCH, to);
                }
            }
            Dispatcher::start(setup)
        });
        let case = stage.case("p6");
        let first = until("the first delivery", SOON, || oracle.attempts().first().map(|it| it.at));
        let all = usize::try_from(records).unwrap();
        let ideal = window as f64 / ANSWERED_AFTER.as_secs_f64();
        let patience = SOON * 2 + Duration::from_secs_f64(20.0 * records as f64 / ideal);
        until("all to be delivered", patience, || (oracle.delivered() == all).then_some(()));
        let took = first.elapsed();
        for partition in 0..PARTITIONS {
            case.settles_for(case.egress(), partition.cast_signed(), each.cast_signed());
        }
        oracle.settle(run.seconds(1.0, 10.0), SOON);
        let verdict = oracle.verdict();
        let footprint = Footprint::of(stage.dispatcher.pid()).unwrap();
        let rate = records as f64 / took.as_secs_f64();
        println!(
            "P6: {records} records; {rate:.0} a second with batches of {window}, {:.0} % of one \
             each 100 ms (goal: 95 %); at most {} at a time; {footprint}; {verdict}; seed {}",
            100.0 * rate / ideal,
            most.load(Ordering::Relaxed),
            run.seed
        );
        verdict.assert_nothing_lost();
        assert_eq!(verdict.duplicates, 0, "nothing was sent twice");
        // A batch is taken whenever fewer than one are on their way (dispatcher.md 8.1).
        assert!(most.load(Ordering::Relaxed) < 2 * window, "more at a time than allowed");
        // An event here is far below 1 KiB.
        let bound = RSS_KIB_MAX + window as u64;
        assert!(footprint.peak_rss_kib <= bound, "{footprint}, at most {bound} KiB");
    });
}
