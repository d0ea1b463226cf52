//! Order and commits: goals O1, O2 and O4.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use millrace_kafka::testing::TestConsumer;
use millrace_tests::broker::BrokerKind::{Apache, Embedded};
use millrace_tests::commits::{self, Commit};
use millrace_tests::feed::{self, Feed, Pace};
use millrace_tests::fleet::Fleet;
use millrace_tests::footprint::Footprint;
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::oracle::{Attempt, Id, Oracle};
use millrace_tests::schedule::{Run, Seed};
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::subscriber::{Answer, Gate, Received};
use millrace_tests::wait::{SOON, pass, until, within};
use millrace_tests::{offsets, python, topics};

use crate::runs::{commits_reach_the_end, nimble, verdict, watch, watch_dead_letters};

/// 20 % are answered 500, 5 % get no answer but a cut connection.
fn flaky(seed: Seed, id: Id, attempt: u32) -> Option<Answer> {
    match seed.below(100, &[u64::from(id.key), id.number, u64::from(attempt)]) {
        0..20 => Some(Answer::status(500)),
        20..25 => Some(Answer::reset()),
        _ => None,
    }
}

/// Goal O1.
#[test]
fn o1_order_holds_while_dispatchers_are_killed_and_come_and_go() {
    const PARTITIONS: u32 = 12;
    matrix::run(Driver::IoUring, Apache, |variant: Variant| {
        let run = Run::begin("O1");
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(nimble)
            .with("o1", |plan| {
                let plan = plan.partitions(PARTITIONS.cast_signed());
                plan.egress(|egress| egress.ordered().retry(3, 10).dead_letter())
            })
            .start();
        let case = stage.case("o1");
        let (oracle, seed) = (Oracle::default(), run.seed);
        watch(&case.subscriber(), &oracle, move |id, attempt| flaky(seed, id, attempt));
        watch_dead_letters(&case.dead_letters(), &oracle);
        case.wait_for_members(1);
        let mut fleet = Fleet::of(&stage);
        fleet.measure();
        let pace = Pace { batch: 5, every: Duration::from_millis(20) };
        let feed = Feed::start(
            stage.bootstrap(),
            &case.plan.topic,
            PARTITIONS,
            pace,
            std::slice::from_ref(&oracle),
        );
        let faults = trouble(&run, &mut fleet);
        let ends = feed.stop();
        let verdict = verdict(&run, &faults, &oracle, &fleet.footprints());
        verdict.assert_nothing_lost();
        verdict.assert_in_order();
        commits_reach_the_end(&case, &ends);
        let commits = commits::of_group(stage.bootstrap(), &case.egress().group, &case.plan.topic);
        assert_eq!(commits::first_step_back(&commits), None, "a commit lower than one before it");
        let takeovers = assert_takeovers_start_at_commits(&oracle.attempts(), &commits);
        println!("O1: {takeovers} partitions taken over, {} commits", commits.len());
    });
}

/// Kills, starts and ends dispatchers for a while, at most three at a time; says how many of each.
fn trouble(run: &Run, fleet: &mut Fleet<'_>) -> String {
    let (mut kills, mut joins, mut leaves) = (0, 0, 0);
    let ends = Instant::now() + run.seconds(10.0, 160.0);
    for turn in 0.. {
        pass(Duration::from_millis(700 + run.seed.below(1_600, &[turn, 0])));
        if Instant::now() >= ends {
            break;
        }
        let running = fleet.running();
        let picked =
            running[usize::try_from(run.seed.below(running.len() as u64, &[turn, 1])).unwrap()];
        match (run.seed.below(3, &[turn, 2]), running.len()) {
            (0, _) => {
                fleet.kill(picked);
                fleet.join();
                kills += 1;
            }
            (1, ..3) | (_, 1) => {
                fleet.join();
                joins += 1;
            }
            _ => {
                fleet.leave(picked);
                leaves += 1;
            }
        }
    }
    format!("({kills} killed, {joins} joined, {leaves} left)")
}

/// Within one dispatcher, a partition's offsets repeat (a retry) or rise by one; elsewhere one has begun to read, and
/// must have begun where the group's commit was. Returns how often that was.
fn assert_takeovers_start_at_commits(attempts: &[Attempt], commits: &[Commit]) -> usize {
    let mut last: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    let mut takeovers = 0;
    for Attempt { id, by, at } in attempts {
        let before = last.insert((*by, id.key), id.number);
        if before.is_some_and(|before| (before..=before + 1).contains(&id.number)) {
            continue;
        }
        let committed = commits::in_force(commits, id.key.cast_signed(), commits::epoch_ms(*at));
        assert_eq!(
            Some(id.number.cast_signed()),
            committed,
            "dispatcher {by} began at the left in partition {} after {before:?}; committed is the right",
            id.key
        );
        takeovers += 1;
    }
    takeovers
}

/// Goal O2.
#[test]
fn o2_a_slow_record_holds_back_its_commit_and_nothing_else() {
    const PARTITIONS: u32 = 4;
    const BLOCK: u64 = 1_000;
    matrix::run(Driver::Epoll, Embedded, |variant: Variant| {
        let run = Run::begin("O2");
        let each = BLOCK * run.either(2, 10);
        let held = run.seconds(2.0, 60.0);
        let many = |plan: millrace_tests::plan::Plan| plan.partitions(PARTITIONS.cast_signed());
        let stage = Stage::prepare(variant, Kind::Broker)
            // Enough room for the slow ones beside the others.
            .setup(|setup| setup.consumer("max.poll.records", "500"))
            .with("o2-even", many)
            .with("o2", many)
            .start();
        let before = Footprint::of(stage.dispatcher.pid()).unwrap();
        let (even, case) = (stage.case("o2-even"), stage.case("o2"));
        let fill = |case: &millrace_tests::stage::Case<'_>, oracle: &Oracle| {
            let started = Instant::now();
            for first in (0..each).step_by(100) {
                for partition in 0..PARTITIONS {
                    feed::write(
                        stage.bootstrap(),
                        &case.plan.topic,
                        partition,
                        first,
                        100,
                        std::slice::from_ref(oracle),
                    );
                }
            }
            started
        };
        let all = usize::try_from(each * u64::from(PARTITIONS)).unwrap();
        let evenly = Oracle::default();
        watch(&even.subscriber(), &evenly, |_, _| None);
        let started = fill(&even, &evenly);
        until("all without slow ones", SOON * 4, || (evenly.delivered() == all).then_some(()));
        let rate_without = all as f64 / started.elapsed().as_secs_f64();

        let (oracle, seed, gate) = (Oracle::default(), run.seed, Gate::closed());
        let slow = move |id: Id| {
            id.number % BLOCK == seed.below(BLOCK, &[u64::from(id.key), id.number / BLOCK])
        };
        let (behind, told) = (gate.clone(), oracle.clone());
        watch(&case.subscriber(), &oracle, move |id, _| {
            slow(id).then(|| {
                // Told before it is answered: nobody asks until the gate is open.
                told.done(id);
                Answer::status(200).behind(&behind)
            })
        });
        let started = fill(&case, &oracle);
        let slow_ones = PARTITIONS as usize * usize::try_from(each / BLOCK).unwrap();
        let came = within(SOON, || (oracle.delivered() == all).then_some(()));
        assert!(came.is_some(), "{}", stuck(&stage, &oracle));
        let rate_with = all as f64 / started.elapsed().as_secs_f64();
        let share = 100.0 * rate_with / rate_without;
        println!(
            "O2: {rate_with:.0} a second with {slow_ones} slow ones, {rate_without:.0} without: {share:.0} %"
        );
        until("only the slow ones to be open", SOON, || {
            (case.subscriber().busy() == slow_ones).then_some(())
        });
        for partition in 0..PARTITIONS {
            let first =
                (0..each).find(|number| slow(Id { key: partition, number: *number })).unwrap();
            case.settles_for(case.egress(), partition.cast_signed(), first.cast_signed());
        }
        let commits = |partition: u32| case.committed(partition.cast_signed());
        let before_waiting: Vec<_> = (0..PARTITIONS).map(commits).collect();
        while started.elapsed() < held {
            pass(Duration::from_millis(200));
            assert_eq!(
                (0..PARTITIONS).map(commits).collect::<Vec<_>>(),
                before_waiting,
                "committed beyond a slow one"
            );
        }
        gate.open();
        let after = Footprint::of(stage.dispatcher.pid()).unwrap();
        let verdict = verdict(&run, "with slow ones", &oracle, &format!("{before}; then {after}"));
        verdict.assert_nothing_lost();
        assert_eq!(verdict.duplicates, 0);
        commits_reach_the_end(&case, &[each.cast_signed(); PARTITIONS as usize]);
    });
}

/// What did not come although nothing held it back, and what the dispatcher says of itself.
fn stuck(stage: &Stage, oracle: &Oracle) -> String {
    let missing = oracle.verdict().lost;
    let first: Vec<_> = missing.iter().take(20).collect();
    let samples = stage.dispatcher.scrape().0.into_iter();
    let own: Vec<_> = samples.filter(|it| it.name.starts_with("millrace_dispatcher")).collect();
    format!("{} never came beside the slow ones, such as {first:?}; {own:#?}", missing.len())
}

/// Goal O4.
#[test]
fn o4_commits_reach_the_end_behind_transactions_and_compaction() {
    const LAG: &str = "millrace_dispatcher_lag_records";
    matrix::run(Driver::Epoll, Apache, |variant: Variant| {
        let run = Run::begin("O4");
        let rounds = run.either(40, 1_000);
        let bootstrap = millrace_tests::broker::Broker::shared(Apache).bootstrap();
        let written = std::cell::Cell::new(false);
        let prepared = Stage::prepare(variant, Kind::Source).with("o4", |plan| {
            topics::create_with(
                bootstrap,
                &plan.topic,
                1,
                &[
                    ("cleanup.policy", "compact"),
                    ("segment.ms", "100"),
                    ("min.cleanable.dirty.ratio", "0.01"),
                    ("delete.retention.ms", "0"),
                ],
            )
            .unwrap();
            written.set(transactions(&run, bootstrap, &plan.topic, 0, rounds));
            if written.get() {
                until("the topic to be compacted", SOON, || {
                    let end = end(bootstrap, &plan.topic);
                    let kept = surviving(bootstrap, &plan.topic).len() as i64;
                    // Half of the offsets are markers and aborted records anyway.
                    (kept * 3 < end).then_some(())
                });
            }
            plan
        });
        if !written.get() {
            return;
        }
        let stage = prepared.start();
        let case = stage.case("o4");
        let topic = &case.plan.topic;
        let before = Footprint::of(stage.dispatcher.pid()).unwrap();
        let arrived =
            || case.subscriber().received().iter().map(|it| it.offset()).collect::<BTreeSet<_>>();
        // What is compacted away before it is read need not come, so what must come is what is there at the end.
        let reaches_the_end = || {
            let end = end(stage.bootstrap(), topic);
            case.settles(end);
            let missing: Vec<_> =
                surviving(stage.bootstrap(), topic).difference(&arrived()).copied().collect();
            assert_eq!(missing, Vec::<i64>::new(), "lost");
            until("a lag of 0", SOON, || {
                let samples = stage.dispatcher.scrape();
                let lags: Vec<f64> =
                    samples.all(LAG, &[("topic", topic)]).map(|sample| sample.value).collect();
                (lags == [0.0]).then_some(())
            });
            end
        };
        let behind = reaches_the_end();
        for part in 1..=run.either(3, 10) {
            transactions(&run, stage.bootstrap(), topic, part, rounds / 4);
            reaches_the_end();
        }
        let end = end(stage.bootstrap(), topic);
        let requests = case.subscriber().count();
        let after = Footprint::of(stage.dispatcher.pid()).unwrap();
        println!(
            "O4: {behind} offsets before the start and {} after it, delivered distinct {}, lost 0, duplicates {}, \
             {before}; then {after}; seed {}",
            end - behind,
            arrived().len(),
            requests - arrived().len(),
            run.seed
        );
        assert_eq!(requests, arrived().len(), "some came twice");
        let committed =
            |request: &Received| request.header("ce-type").as_deref() == Some("committed");
        assert!(
            case.subscriber().received().iter().all(committed),
            "an aborted record was delivered"
        );
    });
}

/// Writes transactions of keyed events, some aborted, the last thing being the marker of one; false when there is no
/// Python for it.
fn transactions(run: &Run, bootstrap: &str, topic: &str, part: u64, rounds: u64) -> bool {
    let Some(mut script) = python::script("transaction_series.py") else { return false };
    let seed = run.seed.draw(&[part]).to_string();
    let status = script.args([bootstrap, topic, &seed, &rounds.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "the transactions were not written");
    true
}

/// The end of the log, once the last transaction's marker is there.
fn end(bootstrap: &str, topic: &str) -> i64 {
    until("the last marker", SOON, || offsets::end(bootstrap, topic, 0).unwrap())
}

/// The offsets of what a reader of committed records finds.
fn surviving(bootstrap: &str, topic: &str) -> BTreeSet<i64> {
    let records = TestConsumer::new(bootstrap).unwrap().read_all(topic, SOON).unwrap();
    records.into_iter().map(|record| record.offset).collect()
}
