//! Lanes against a naive model: records arrive, attempts end in any way and order, editions change, partitions move,
//! members die. Never too many at a time, in order where order is asked for, never committed above an open record or
//! backwards, nothing lost.

mod model;

use std::thread;
use std::time::{Duration, Instant};

use millrace_tests::contract::Contract;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Dispatcher;
use millrace_tests::producer::NewRecord;
use millrace_tests::schedule::Run;
use millrace_tests::stage::{Case, Kind, Stage};
use millrace_tests::subscriber::{Answer, Received};
use millrace_tests::wait::within;
use millrace_tests::{drivers, on_apache};

use model::{Model, Place, Rules};

const PARTITIONS: i32 = 8;
/// `max.poll.records`: so few that partitions and shards stand in line for room all the time.
const POLL_RECORDS: usize = 4;
/// Endpoints that destinations change between.
const EDITIONS: u64 = 3;
const RETRIES: u32 = 2;
/// Operations between two times at which all is settled.
const BETWEEN_RESTS: u64 = 128;
/// For all that was sent to be settled then.
const PATIENCE: Duration = Duration::from_secs(90);

/// A dispatcher or two at work, and what was done so far.
struct Work<'s> {
    run: Run,
    case: Case<'s>,
    model: Model,
    contract: Contract,
    edition: u64,
    second: Option<Dispatcher>,
    /// By partition.
    sent: Vec<i64>,
    operations: u64,
}

fn prepare(variant: Variant, name: &str) -> Stage {
    Stage::prepare(variant, Kind::Broker)
        .setup(|setup| {
            setup
                .consumer("max.poll.records", &POLL_RECORDS.to_string())
                .consumer("session.timeout.ms", "6000")
                // Two of them on a machine with few cores: lanes of one egress are on several shards.
                .env("SHARDS", "2")
                // Nobody is to lose patience with what is in flight.
                .env("REVOKE_DRAIN_SECONDS", "60")
        })
        .with(name, |plan| {
            let retry =
                |egress: millrace_tests::plan::Egress| egress.retry(RETRIES, 10).dead_letter();
            plan.partitions(PARTITIONS)
                .egress(retry)
                .and("ordered", |egress| retry(egress).ordered())
        })
        .start()
}

impl<'s> Work<'s> {
    fn begin(stage: &'s Stage, name: &'static str) -> Self {
        let case = stage.case(name);
        let run = Run::begin(name);
        let model = Model::default();
        for (number, egress) in (0..).zip(&case.plan.egresses) {
            let rules = Rules {
                ordered: number == 1,
                // Of each member; one partition in order is one at a time.
                under_way_max: if number == 1 { 8 } else { 2 * (2 * POLL_RECORDS - 1) },
            };
            for edition in 0..EDITIONS {
                let (model, seed, name) = (model.clone(), run.seed, egress.name.clone());
                let endpoint = stage.subscriber.endpoint(&endpoint_of(&egress.name, edition));
                endpoint.answers(move |request, turn| {
                    let place = place_of(&name, request);
                    let at = [
                        number,
                        u64::from(request.partition().unsigned_abs()),
                        request.offset().unsigned_abs(),
                        edition,
                        turn as u64,
                    ];
                    let (answer, settles, delay) = outcome(seed.draw(&at));
                    model.attempt(&place, rules, request.offset(), delay, settles);
                    answer.after(delay)
                });
            }
            let (model, seed, name) = (model.clone(), run.seed, egress.name.clone());
            stage.subscriber.endpoint(&format!("{name}.dls")).answers(move |request, turn| {
                let delay = Duration::from_millis(seed.below(20, &[9, turn as u64]));
                model.dead_letter(
                    &place_of(&name, request),
                    request.offset(),
                    Instant::now() + delay,
                );
                Answer::status(200).after(delay)
            });
        }
        let sent = vec![0; usize::try_from(PARTITIONS).unwrap()];
        let contract = stage.contract.clone();
        Self { run, case, model, contract, edition: 0, second: None, sent, operations: 0 }
    }

    /// Random operations for so long.
    fn go(&mut self, length: Duration, moves: bool) {
        let began = Instant::now();
        while began.elapsed() < length {
            self.operations += 1;
            let step = self.operations;
            let partition = self.draw(PARTITIONS.unsigned_abs().into(), 1);
            match self.draw(1000, 0) {
                0..600 => self.send(partition, 1 + self.draw(12, 2)),
                600..900 => self.look(partition),
                900..920 => self.change_edition(),
                920..926 if moves => self.move_partitions(),
                _ => thread::sleep(Duration::from_millis(self.draw(10, 3))),
            }
            // In between everything comes to rest: what waits for a wake-up that never comes shows only then.
            if step.is_multiple_of(BETWEEN_RESTS) {
                self.settle();
            }
        }
    }

    fn draw(&self, bound: u64, what: u64) -> u64 {
        self.run.seed.below(bound, &[100, self.operations, what])
    }

    fn send(&mut self, partition: u64, count: u64) {
        let first = self.sent[usize::try_from(partition).unwrap()];
        let events: Vec<_> = (first..)
            .take(usize::try_from(count).unwrap())
            .map(|id| NewRecord::event(&id.to_string()))
            .collect();
        let offset = self.case.send_to(i32::try_from(partition).unwrap(), &events);
        assert_eq!(offset, first, "somebody else writes here");
        self.sent[usize::try_from(partition).unwrap()] += i64::try_from(count).unwrap();
    }

    /// Compares what is committed with the model.
    fn look(&self, partition: u64) {
        for egress in &self.case.plan.egresses {
            self.committed(&egress.name, &egress.group, i32::try_from(partition).unwrap());
        }
    }

    fn committed(&self, name: &str, group: &str, partition: i32) -> i64 {
        let offset =
            self.case.stage.groups.committed(group, &self.case.plan.topic, partition).unwrap_or(0);
        self.model.committed(&(name.to_owned(), partition), offset, Instant::now());
        offset
    }

    /// Waits until all that was sent is settled and committed, and nothing more than that.
    fn settle(&self) {
        for egress in &self.case.plan.egresses {
            for (partition, end) in (0..).zip(&self.sent) {
                let committed = || self.committed(&egress.name, &egress.group, partition);
                let done = within(PATIENCE, || (committed() >= *end).then_some(()));
                self.model.assert_right();
                assert!(
                    done.is_some() && committed() == *end,
                    "{} {partition}: {} of {end}",
                    egress.name,
                    committed()
                );
            }
        }
    }

    fn change_edition(&mut self) {
        self.edition = (self.edition + 1 + self.draw(EDITIONS - 1, 4)) % EDITIONS;
        let (edition, url) = (self.edition, self.case.stage.subscriber.url());
        let names: Vec<_> =
            self.case.plan.egresses.iter().map(|egress| egress.name.clone()).collect();
        self.contract = self.contract.next().edit(self.case.plan.to_resource().uid(), |resource| {
            for (number, name) in names.iter().enumerate() {
                resource.put(
                    &format!("/egresses/{number}/destination"),
                    format!("{url}/{}", endpoint_of(name, edition)),
                );
            }
        });
        self.case.stage.dispatcher.swap_contract(self.contract.to_bytes());
        if let Some(second) = &self.second {
            second.swap_contract(self.contract.to_bytes());
        }
    }

    /// A second member comes, or goes in good order.
    fn move_partitions(&mut self) {
        match self.second.take() {
            None => {
                let setup = self.case.stage.setup.clone().contract(self.contract.to_bytes());
                self.second = Some(Dispatcher::start(&setup));
            }
            Some(second) => {
                second.signal("TERM");
                assert!(second.wait_exit(Duration::from_secs(60)).success());
            }
        }
    }

    /// The second member dies where it stands, and another one comes.
    fn kill(&mut self) {
        self.model.somebody_dies();
        if let Some(second) = self.second.take() {
            second.signal("KILL");
            second.wait_exit(Duration::from_secs(10));
        }
        self.move_partitions();
    }

    fn end(self) {
        self.settle();
        let (records, attempts, repeated) =
            (self.sent.iter().sum::<i64>(), self.model.attempts(), self.model.repeated());
        println!(
            "{}: {} operations, {records} records to 2 egresses, {attempts} attempts, {repeated} records came again; seed {}",
            self.run.name, self.operations, self.run.seed
        );
    }
}

fn endpoint_of(egress: &str, edition: u64) -> String {
    if edition == 0 { egress.to_owned() } else { format!("{egress}.e{edition}") }
}

fn place_of(egress: &str, request: &Received) -> Place {
    (egress.to_owned(), request.partition())
}

/// An answer, whether it settles the record, and when it comes.
fn outcome(drawn: u64) -> (Answer, bool, Duration) {
    let delay = match drawn / 1000 % 100 {
        0..60 => 0,
        60..98 => drawn / 100_000 % 15,
        _ => 100 + drawn / 100_000 % 200,
    };
    let (answer, settles) = match drawn % 100 {
        0..80 => (Answer::status(200), true),
        80..84 => (Answer::status(500), false),
        84..87 => (Answer::status(429), false),
        87..90 => (Answer::status(404), false),
        90..94 => (Answer::status(400), false),
        _ => (Answer::reset(), false),
    };
    (answer, settles, Duration::from_millis(delay))
}

drivers! {
    fn lanes_of_one_member(variant: Variant) {
        let stage = prepare(variant, "lanes");
        let mut work = Work::begin(&stage, "lanes");
        work.go(work.run.seconds(10.0, 600.0), false);
        work.end();
    }
}

on_apache! {
    fn lanes_that_move(variant: Variant) {
        let stage = prepare(variant, "lanes-moved");
        let mut work = Work::begin(&stage, "lanes-moved");
        work.go(work.run.seconds(12.0, 600.0), true);
        // Nothing came twice so far: the model would have said so. From here on it may.
        for _ in 0..work.run.either(2, 40) {
            work.kill();
            work.go(work.run.seconds(2.0, 10.0), false);
        }
        work.end();
    }
}
