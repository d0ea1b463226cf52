//! Rebalances and stalls: goals R1, R2 and R4.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millrace_tests::broker::Broker;
use millrace_tests::broker::BrokerKind::{Apache, Embedded};
use millrace_tests::commits;
use millrace_tests::feed::{self, Feed, Pace};
use millrace_tests::fleet::Fleet;
use millrace_tests::footprint::Footprint;
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::oracle::{Id, Oracle, Verdict};
use millrace_tests::plan::Plan;
use millrace_tests::process::Dispatcher;
use millrace_tests::schedule::Run;
use millrace_tests::stage::{Case, Kind, Stage};
use millrace_tests::subscriber::{Answer, Gate, Received};
use millrace_tests::wait::{SOON, pass, until};
use serde_json::json;

use crate::runs::{self, commits_reach_the_end, nimble, verdict, watch, watch_dead_letters};

/// An unordered egress, and an ordered one on the same topic.
fn both_orders(plan: Plan, partitions: u32) -> Plan {
    plan.partitions(partitions.cast_signed()).and("ordered", |egress| egress.ordered())
}

/// Watches both, which answer after a while so that there is something in flight.
fn watch_both(case: &Case<'_>, busy: Duration) -> [Oracle; 2] {
    let oracles = [Oracle::default(), Oracle::default()];
    for (egress, oracle) in case.plan.egresses.iter().zip(&oracles) {
        let told = oracle.clone();
        watch(&case.subscriber_of(egress), oracle, move |id, _| {
            told.done(id);
            Some(Answer::status(200).after(busy))
        });
    }
    oracles
}

/// The verdicts of both, with what holds in each run.
fn verdicts(run: &Run, oracles: &[Oracle; 2], footprints: &str) -> [Verdict; 2] {
    let [unordered, ordered] = oracles;
    let unordered = verdict(run, "unordered", unordered, footprints);
    let ordered = verdict(run, "ordered", ordered, footprints);
    unordered.assert_nothing_lost();
    ordered.assert_nothing_lost();
    ordered.assert_in_order();
    [unordered, ordered]
}

/// Whoever scales by the lag must not see partitions that another dispatcher has now.
fn tells_lags_of_its_own(dispatcher: &Dispatcher) {
    until("lags of the assigned partitions alone", SOON, || {
        let samples = dispatcher.scrape();
        let told = samples.all("millrace_dispatcher_lag_records", &[]).count();
        (told as f64 == samples.sum("millrace_dispatcher_partitions", &[])).then_some(())
    });
}

/// Goal R1.
#[test]
fn r1_one_dispatcher_becomes_four_and_one_again() {
    const PARTITIONS: u32 = 12;
    const WITHIN: Duration = Duration::from_secs(15);
    matrix::run(Driver::Epoll, Apache, |variant: Variant| {
        let run = Run::begin("R1");
        let step = run.seconds(2.0, 30.0);
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(nimble)
            .with("r1", |plan| both_orders(plan, PARTITIONS))
            .start();
        let case = stage.case("r1");
        let oracles = watch_both(&case, Duration::from_millis(10));
        let mut fleet = Fleet::of(&stage);
        let pace = Pace { batch: 5, every: Duration::from_millis(20) };
        let feed = Feed::start(stage.bootstrap(), &case.plan.topic, PARTITIONS, pace, &oracles);
        let mut steps = 0_usize;
        let mut settle = |fleet: &mut Fleet<'_>| {
            let begun = Instant::now();
            for egress in &case.plan.egresses {
                stage.groups.settles_with(&egress.group, fleet.running().len(), SOON);
            }
            pass(step.saturating_sub(begun.elapsed()));
            fleet.measure();
            steps += 1;
        };
        settle(&mut fleet);
        for _ in 0..3 {
            fleet.join();
            settle(&mut fleet);
        }
        for number in fleet.running() {
            tells_lags_of_its_own(fleet.dispatcher(number));
        }
        for turn in 0..3 {
            let running = fleet.running();
            let place = run.seed.below(running.len() as u64, &[turn]);
            fleet.leave(running[usize::try_from(place).unwrap()]);
            settle(&mut fleet);
        }
        let ends = feed.stop();
        let verdicts = verdicts(&run, &oracles, &fleet.footprints());
        for (egress, verdict) in case.plan.egresses.iter().zip(verdicts) {
            let most = case.subscriber_of(egress).most_concurrent();
            let longest = verdict.gaps.values().max().copied().unwrap_or_default();
            println!(
                "R1 {}: at most {most} at a time, no partition stood still for longer than {longest:.2?}",
                egress.name
            );
            assert_eq!(verdict.gaps.len(), PARTITIONS as usize);
            assert!(longest < WITHIN, "a partition stood still for {longest:?}");
            assert!(
                verdict.duplicates <= most * steps,
                "more came twice than was in flight in {steps} steps"
            );
            let commits = commits::of_group(stage.bootstrap(), &egress.group, &case.plan.topic);
            assert_eq!(
                commits::first_step_back(&commits),
                None,
                "a commit lower than one before it"
            );
        }
        commits_reach_the_end(&case, &ends);
    });
}

/// Part of goal R1: where everybody has the time to finish and to commit, nothing comes twice.
#[test]
fn r1_handovers_in_good_order_bring_nothing_twice() {
    const PARTITIONS: u32 = 12;
    matrix::run(Driver::IoUring, Apache, |variant: Variant| {
        let run = Run::begin("R1, handovers");
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| {
                nimble(setup)
                    // A busy machine is no reason for being expelled or cut off.
                    .consumer("session.timeout.ms", "30000")
                    .env("REVOKE_DRAIN_SECONDS", "30")
                    // A commit is under way at many a handover.
                    .consumer("auto.commit.interval.ms", "1")
            })
            .with("r1-handover", |plan| both_orders(plan, PARTITIONS))
            .start();
        let case = stage.case("r1-handover");
        let oracles = watch_both(&case, Duration::from_millis(5));
        let mut fleet = Fleet::of(&stage);
        let pace = Pace { batch: 2, every: Duration::from_millis(5) };
        let feed = Feed::start(stage.bootstrap(), &case.plan.topic, PARTITIONS, pace, &oracles);
        let deliver = |number: u32| {
            let takes_part =
                |oracle: &Oracle| oracle.attempts().iter().any(|attempt| attempt.by == number);
            until("a dispatcher to deliver", SOON, || oracles.iter().all(takes_part).then_some(()));
        };
        deliver(0);
        fleet.measure();
        for _ in 0..run.either(5, 100) {
            let joined = fleet.join();
            deliver(joined);
            fleet.leave(joined);
        }
        let ends = feed.stop();
        for verdict in verdicts(&run, &oracles, &fleet.footprints()) {
            assert_eq!(
                verdict.duplicates, 0,
                "what was settled was not committed before a handover"
            );
        }
        commits_reach_the_end(&case, &ends);
    });
}

/// Goal R2. `max.poll.interval.ms` is no setting of an egress but follows from its delivery (dispatcher.md 4.1), so the
/// stall is measured by what comes out of the formula.
#[test]
fn r2_a_stalled_subscriber_costs_no_membership_and_no_attempt() {
    const PARTITIONS: u32 = 2;
    const ATTEMPTS: u32 = 4;
    const TIMEOUT_MS: u64 = 500;
    matrix::run(Driver::IoUring, Apache, |variant: Variant| {
        let run = Run::begin("R2");
        let backoff_ms = run.either(5, 1_000);
        let poll_interval_ms = 2 * (4 * TIMEOUT_MS + (2 + 4 + 8) * backoff_ms + 3 * 1_000);
        let stall = Duration::from_millis(2 * poll_interval_ms);
        let delivery = json!({
            "retry": ATTEMPTS - 1, "backoffPolicy": "Exponential", "backoffDelay": backoff_ms.to_string(),
            "timeout": TIMEOUT_MS.to_string(),
        });
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| {
                // Far below the stall, and longer than a busy machine stands still.
                let setup = nimble(setup).consumer("session.timeout.ms", "8000");
                setup.consumer("max.poll.records", "1")
            })
            .with("r2", |plan| {
                let plan = plan.partitions(PARTITIONS.cast_signed());
                plan.egress(|egress| egress.ordered().config(delivery).dead_letter())
            })
            // Its poll interval is as short as its session, and nothing ever comes.
            .with("r2-idle", |plan| plan.egress(|egress| egress.config(json!({ "timeout": "1" }))))
            .start();
        let (case, idle) = (stage.case("r2"), stage.case("r2-idle"));
        let groups = [&case, &idle].map(|case| case.egress().group.clone());
        let members =
            || groups.clone().map(|group| stage.groups.settles_with(&group, 1, SOON).members);
        let before = members();
        let files = Footprint::of(stage.dispatcher.pid()).unwrap();
        let (oracle, gate) = (Oracle::default(), Gate::closed());
        let behind = gate.clone();
        watch(&case.subscriber(), &oracle, move |_, _| Some(Answer::status(500).behind(&behind)));
        watch_dead_letters(&case.dead_letters(), &oracle);
        let each = run.either(12, 40);
        for partition in 0..PARTITIONS {
            feed::write(
                stage.bootstrap(),
                &case.plan.topic,
                partition,
                0,
                each,
                std::slice::from_ref(&oracle),
            );
        }
        let stalled = Instant::now();
        let mut looks = 0;
        let mut stays = || {
            let now = members();
            assert_eq!(now, before, "a member left its group after {:?}", stalled.elapsed());
            looks += 1;
            pass(Duration::from_secs(1));
        };
        while stalled.elapsed() < stall {
            stays();
        }
        let in_stall = oracle.delivered();
        gate.open();
        while oracle.open() > 0 && stalled.elapsed() < stall + SOON * 4 {
            stays();
        }
        let files = format!("{files}; then {}", Footprint::of(stage.dispatcher.pid()).unwrap());
        let verdict = verdict(&run, "dead letters", &oracle, &files);
        println!(
            "R2: {stall:.1?} without an answer, {in_stall} dead letters in them; the same members at each of {looks} looks"
        );
        verdict.assert_nothing_lost();
        verdict.assert_in_order();
        let wrong = |received: &[Received], wanted: u32| {
            let mut times: BTreeMap<Id, u32> = BTreeMap::new();
            received.iter().for_each(|request| *times.entry(runs::id(request)).or_default() += 1);
            times.retain(|_, count| *count != wanted);
            times
        };
        assert_eq!(
            wrong(&case.subscriber().received(), ATTEMPTS),
            BTreeMap::new(),
            "attempts, where not {ATTEMPTS}"
        );
        assert_eq!(
            wrong(&case.dead_letters().received(), 1),
            BTreeMap::new(),
            "dead letters, where not one"
        );
        commits_reach_the_end(&case, &[each.cast_signed(); PARTITIONS as usize]);
    });
}

/// Kafka's codes with which a commit may fail, and librdkafka's for a connection that is cut.
const COMMIT_ERRORS: [i32; 7] = [
    -195, // cut
    7,    // REQUEST_TIMED_OUT
    12,   // OFFSET_METADATA_TOO_LARGE
    14,   // COORDINATOR_LOAD_IN_PROGRESS
    15,   // COORDINATOR_NOT_AVAILABLE
    16,   // NOT_COORDINATOR
    27,   // REBALANCE_IN_PROGRESS
];
/// Those after which the group has to be joined anew: ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID.
const EXPELLED: [i32; 2] = [22, 25];
/// One move in so many expels a member.
const EXPELS_EACH: u64 = 7;

/// Goal R4.
#[test]
fn r4_coordinators_move_and_commits_fail() {
    const PARTITIONS: u32 = 4;
    const BROKERS: u32 = 3;
    const CATCH_UP: Duration = Duration::from_secs(10);
    matrix::run(Driver::IoUring, Embedded, |variant: Variant| {
        let run = Run::begin("R4");
        let broker = Broker::start_embedded(BROKERS);
        let stage = Stage::prepare_on(&broker, variant, Kind::Broker)
            // The mock lets each rebalance take as long as a session, less a second.
            .setup(|setup| nimble(setup).consumer("session.timeout.ms", "2000"))
            .with("r4", |plan| both_orders(plan, PARTITIONS))
            .start();
        let case = stage.case("r4");
        let oracles = watch_both(&case, Duration::from_millis(5));
        for partition in 0..PARTITIONS {
            broker.command(&format!("leader {} {partition} 1", case.plan.topic));
        }
        let before = Footprint::of(stage.dispatcher.pid()).unwrap();
        let pace = Pace { batch: 5, every: Duration::from_millis(20) };
        let feed = Feed::start(stage.bootstrap(), &case.plan.topic, PARTITIONS, pace, &oracles);
        let mut highest: BTreeMap<(&str, i32), i64> = BTreeMap::new();
        let mut errors = 0;
        let mut committed = || {
            let mut sums = Vec::new();
            for egress in &case.plan.egresses {
                let mut sum = 0;
                for partition in 0..PARTITIONS.cast_signed() {
                    let now = stage.groups.committed(&egress.group, &case.plan.topic, partition);
                    let now = now.unwrap_or(0);
                    let highest = highest.entry((&egress.group, partition)).or_insert(now);
                    assert!(*highest <= now, "{} fell from {highest} to {now}", egress.group);
                    *highest = now;
                    sum += now;
                }
                sums.push(sum);
            }
            sums
        };
        for turn in 0..run.either(20, 100) {
            pass(run.seconds(0.3, 0.6));
            let of = |codes: &[i32], what| {
                let place = run.seed.below(codes.len() as u64, &[turn, what]);
                codes[usize::try_from(place).unwrap()]
            };
            let many = run.seed.below(4, &[turn, 0]);
            let mut codes: Vec<_> = (0..many).map(|nth| of(&COMMIT_ERRORS, 10 + nth)).collect();
            for (at, egress) in (0..).zip(&case.plan.egresses) {
                let to = 1 + run.seed.below(u64::from(BROKERS), &[turn, 1, at]);
                broker.command(&format!("coordinator {} {to}", egress.group));
            }
            let expels = turn % EXPELS_EACH == EXPELS_EACH - 1;
            if expels {
                codes.push(of(&EXPELLED, 2));
            }
            if !codes.is_empty() {
                let codes: Vec<String> = codes.iter().map(i32::to_string).collect();
                broker.command(&format!("fail commit {}", codes.join(" ")));
            }
            errors += codes.len();
            let before = committed();
            if expels {
                // The mock ends itself when a member comes to another coordinator while it is still joining.
                pass(Duration::from_secs(1));
                until("both groups to commit again", SOON, || {
                    committed().iter().zip(&before).all(|(now, before)| now > before).then_some(())
                });
            }
        }
        let ends = feed.stop();
        broker.command("heal commit");
        let stopped = Instant::now();
        let caught_up = || {
            case.plan.egresses.iter().all(|egress| {
                (0..).zip(&ends).all(|(partition, end)| {
                    stage.groups.committed(&egress.group, &case.plan.topic, partition) == Some(*end)
                })
            })
        };
        until("commits to catch up", SOON * 2, || caught_up().then_some(()));
        let took = stopped.elapsed();
        println!(
            "R4: {errors} commits were refused; commits caught up {took:.1?} after the last write (goal: {CATCH_UP:?})"
        );
        let footprints =
            format!("{before}; then {}", Footprint::of(stage.dispatcher.pid()).unwrap());
        verdicts(&run, &oracles, &footprints);
        commits_reach_the_end(&case, &ends);
    });
}
