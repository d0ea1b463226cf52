//! The dispatcher is killed: goal L3.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use millrace_tests::broker::BrokerKind::Apache;
use millrace_tests::commits;
use millrace_tests::feed::{Feed, Pace};
use millrace_tests::fleet::{self, Fleet};
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::oracle::{Attempt, Id, Oracle};
use millrace_tests::plan::Egress;
use millrace_tests::schedule::Run;
use millrace_tests::second_opinion::SecondOpinion;
use millrace_tests::stage::{Case, Kind, Stage};
use millrace_tests::subscriber::Answer;
use millrace_tests::wait::{SOON, pass, until};

const PARTITIONS: u32 = 4;
const IN_FLIGHT: &str = "millrace_dispatcher_records_in_flight";

/// Goal L3. Records come from a writer of the test's own, so that an id is a partition and an offset.
#[test]
fn l3_a_killed_dispatcher_repeats_only_what_was_not_committed() {
    matrix::run(Driver::Epoll, Apache, |variant: Variant| {
        let run = Run::begin("L3");
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| {
                let setup = setup.consumer("auto.commit.interval.ms", "1000");
                setup
                    .consumer("session.timeout.ms", "3000")
                    .consumer("heartbeat.interval.ms", "500")
            })
            .with("l3", |plan| {
                plan.partitions(PARTITIONS.cast_signed()).and("ordered", |egress| egress.ordered())
            })
            .start();
        let case = stage.case("l3");
        let oracles = [Oracle::default(), Oracle::default()];
        for (egress, oracle) in case.plan.egresses.iter().zip(&oracles) {
            let oracle = oracle.clone();
            case.subscriber_of(egress).answers(move |request, _| {
                let id = request.header("ce-id").unwrap_or_default().parse().unwrap();
                oracle.attempted(id, fleet::sender(request), request.arrived);
                oracle.done(id);
                Answer::status(200).after(Duration::from_millis(10))
            });
        }
        let mut fleet = Fleet::of(&stage);
        let pace = Pace { batch: 5, every: Duration::from_millis(20) };
        let feed = Feed::start(stage.bootstrap(), &case.plan.topic, PARTITIONS, pace, &oracles);
        let mut eyes: Vec<_> = case
            .plan
            .egresses
            .iter()
            .zip(&oracles)
            .map(|(egress, oracle)| Eye::on(&case, egress, oracle))
            .collect();
        let mut victim = 0;
        deliver(&oracles, victim);
        fleet.measure();
        let kills = run.either(3, 20);
        for turn in 0..kills {
            let least = run.either(500, 2_000);
            pass(Duration::from_millis(least + run.seed.below(2 * least, &[turn])));
            for eye in &mut eyes {
                let samples = fleet.dispatcher(victim).scrape();
                let name = [("name", eye.egress.name.as_str())];
                eye.before_kill(victim, samples.sum(IN_FLIGHT, &name) as usize);
            }
            fleet.kill(victim);
            // Before somebody else can commit.
            eyes.iter_mut().for_each(|eye| eye.killed(victim));
            let next = fleet.join();
            assert_eq!(next, victim + 1);
            deliver(&oracles, next);
            eyes.iter_mut().for_each(Eye::started);
            victim = next;
        }
        let ends = feed.stop();
        let footprints = fleet.footprints();
        for (eye, oracle) in eyes.iter_mut().zip(&oracles) {
            oracle.settle(run.seconds(1.0, 10.0), SOON * 4);
            let (name, verdict) = (&eye.egress.name, oracle.verdict());
            println!("L3 {name}: {verdict}; {kills} kills; {footprints}; seed {}", run.seed);
            verdict.assert_nothing_lost();
            let repeats = eye.assert_repeats_are_owed_to_kills();
            println!("L3 {name}: {repeats}");
        }
        let [_, ordered] = &oracles;
        ordered.verdict().assert_in_order();
        for egress in &case.plan.egresses {
            for (partition, end) in (0..).zip(&ends) {
                case.settles_for(egress, partition, *end);
            }
            let commits = commits::of_group(stage.bootstrap(), &egress.group, &case.plan.topic);
            assert_eq!(
                commits::first_step_back(&commits),
                None,
                "a commit lower than one before it"
            );
        }
        let groups: Vec<&str> = case.plan.egresses.iter().map(|it| it.group.as_str()).collect();
        let opinion = SecondOpinion::of(stage.bootstrap(), &case.plan.topic, &groups);
        if let Some(opinion) = opinion {
            println!("L3: {opinion}");
            oracles.iter().for_each(|oracle| opinion.assert_agrees_with(oracle));
        }
    });
}

/// Waits until a dispatcher delivers for both egresses.
fn deliver(oracles: &[Oracle], number: u32) {
    let takes_part = |oracle: &Oracle| oracle.attempts().iter().any(|attempt| attempt.by == number);
    until("a dispatcher to deliver", SOON, || oracles.iter().all(takes_part).then_some(()));
}

/// What is seen of one egress from outside around each kill.
struct Eye<'c> {
    case: &'c Case<'c>,
    egress: &'c Egress,
    oracle: &'c Oracle,
    /// The last commits read, by partition.
    committed: Vec<u64>,
    before: Before,
    kills: Vec<Kill>,
}

#[derive(Default)]
struct Before {
    in_flight: usize,
    uncommitted: usize,
    /// Since the first delivery that is not committed.
    oldest: Duration,
    attempts: usize,
}

struct Kill {
    /// The next number took over.
    victim: u32,
    /// Commits when the dispatcher was dead, by partition.
    committed: Vec<u64>,
    /// In flight, plus done since the last commit, plus what came between that look and the kill.
    repeats_max: usize,
    oldest: Duration,
}

impl<'c> Eye<'c> {
    fn on(case: &'c Case<'c>, egress: &'c Egress, oracle: &'c Oracle) -> Self {
        let committed = vec![0; PARTITIONS as usize];
        Self { case, egress, oracle, committed, before: Before::default(), kills: Vec::new() }
    }

    /// Looks at what a kill now may cost, by what the dispatcher itself says and by the group's commits.
    fn before_kill(&mut self, victim: u32, in_flight: usize) {
        self.look_at_commits();
        let attempts = self.oracle.attempts();
        let is_open = |attempt: &&Attempt| !is_committed(&self.committed, &attempt.id);
        let open: BTreeSet<Id> = attempts.iter().filter(is_open).map(|it| it.id).collect();
        let mut of_victim = attempts.iter().filter(is_open).filter(|it| it.by == victim);
        let oldest = of_victim.next().map_or(Duration::ZERO, |it| it.at.elapsed());
        let uncommitted = open.len();
        self.before = Before { in_flight, uncommitted, oldest, attempts: attempts.len() };
    }

    fn killed(&mut self, victim: u32) {
        self.look_at_commits();
        let attempts = self.oracle.attempts();
        let since = attempts.iter().skip(self.before.attempts);
        let since = since.filter(|attempt| attempt.by == victim).count();
        let Before { in_flight, uncommitted, oldest, .. } = self.before;
        assert!(oldest < SOON, "nothing was committed for {oldest:?}");
        let repeats_max = in_flight + uncommitted + since;
        self.kills.push(Kill { victim, committed: self.committed.clone(), repeats_max, oldest });
    }

    fn started(&mut self) {
        self.look_at_commits();
    }

    /// Reads the commits, which never go down.
    fn look_at_commits(&mut self) {
        for (partition, before) in (0..).zip(&mut self.committed) {
            let groups = &self.case.stage.groups;
            let now = groups.committed(&self.egress.group, &self.case.plan.topic, partition);
            let now = now.map_or(0, |offset| u64::try_from(offset).unwrap());
            assert!(
                now >= *before,
                "the commit of partition {partition} fell from {before} to {now}"
            );
            *before = now;
        }
    }

    /// Nothing that was committed comes again, and no more than was on its way. Returns words for people.
    fn assert_repeats_are_owed_to_kills(&self) -> String {
        let mut by_whom: BTreeMap<Id, BTreeSet<u32>> = BTreeMap::new();
        for attempt in self.oracle.attempts() {
            by_whom.entry(attempt.id).or_default().insert(attempt.by);
        }
        let mut words = String::from("repeated after each kill, of at most:");
        for Kill { victim, committed, repeats_max, oldest } in &self.kills {
            let next = victim + 1;
            let by_next_again = by_whom
                .iter()
                .filter(|(_, by)| by.contains(&next) && by.iter().any(|it| *it < next));
            let repeats: Vec<&Id> = by_next_again.map(|(id, _)| id).collect();
            words += &format!(" {} of {repeats_max} ({oldest:.1?} old)", repeats.len());
            let committed: Vec<_> =
                repeats.iter().filter(|id| is_committed(committed, id)).collect();
            assert!(committed.is_empty(), "committed, and yet again by {next}: {committed:?}");
            assert!(repeats.len() <= *repeats_max, "{} is too many: {words}", repeats.len());
        }
        words
    }
}

fn is_committed(committed: &[u64], id: &Id) -> bool {
    committed.get(id.key as usize).is_some_and(|offset| id.number < *offset)
}
