//! Kafka refuses to write, or its word is lost: goal L6.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use millrace_kafka::testing::TestConsumer;
use millrace_tests::broker::Broker;
use millrace_tests::broker::BrokerKind::Embedded;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::http::{Connection, NoAnswer};
use millrace_tests::matrix::{self, Driver, Variant};
use millrace_tests::oracle::Id;
use millrace_tests::process::Receiver;
use millrace_tests::records::event_id;
use millrace_tests::rig::unique;
use millrace_tests::schedule::{Run, Seed};
use millrace_tests::setup::Setup;
use millrace_tests::wait::{SOON, pass, until};

use crate::senders::{body, request};
use crate::tally::{Books, Tally, Told, Word};
use crate::usage::Usage;

/// When a record is given up. The mock answers late in one part, and that must not count as a timeout.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two events when one was refused.
const PAUSE: Duration = Duration::from_millis(100);
const PATH: &str = "/ns/l6";
/// Kafka's codes, and librdkafka's for a connection that is cut.
const CUT: i32 = -195;
const REQUEST_TIMED_OUT: i32 = 7;
const NOT_ENOUGH_REPLICAS: i32 = 19;

/// An error of Kafka, and what a request whose record meets it is answered.
struct Row {
    name: &'static str,
    code: i32,
    status: u16,
}

const ROWS: [Row; 8] = [
    Row { name: "NOT_LEADER_OR_FOLLOWER", code: 6, status: 202 },
    Row { name: "NOT_ENOUGH_REPLICAS", code: NOT_ENOUGH_REPLICAS, status: 202 },
    Row { name: "NOT_ENOUGH_REPLICAS_AFTER_APPEND", code: 20, status: 202 },
    Row { name: "REQUEST_TIMED_OUT", code: REQUEST_TIMED_OUT, status: 202 },
    Row { name: "connection cut before the write", code: CUT, status: 202 },
    Row { name: "MESSAGE_TOO_LARGE", code: 10, status: 413 },
    Row { name: "TOPIC_AUTHORIZATION_FAILED", code: 29, status: 503 },
    Row { name: "INVALID_TXN_STATE", code: 48, status: 503 },
];

/// Goal L6.
#[test]
fn l6_errors_of_kafka_become_the_right_answers() {
    matrix::run(Driver::IoUring, Embedded, |variant: Variant| {
        let run = Run::begin("L6");
        let mut rig = Rig::start(variant);
        let (books, mut usage) = (Books::open(&rig.receiver), Usage::default());
        // Makes the connections before anything is wrong.
        assert_eq!(rig.post(&mut rig.connect()).status, 202);
        usage.note("receiver", rig.receiver.pid());
        rig.each_row_alone();
        rig.cut_behind_the_write();
        rig.errors_without_end(&run);
        usage.note("receiver", rig.receiver.pid());
        rig.all_rows_at_once(&run);
        usage.note("receiver", rig.receiver.pid());
        let tally = Tally(rig.told.clone());
        let (lost, unwanted) = rig.judge();
        println!(
            "L6: {tally}; accepted and lost {lost}, refused and yet there {unwanted}; {usage}; seed {}",
            run.seed
        );
        assert_eq!(lost, 0, "202 without a record");
        books.assert_balance(&rig.receiver, &tally);
        usage.assert_flat();
    });
}

struct Rig {
    broker: Broker,
    topic: String,
    receiver: Receiver,
    next: AtomicUsize,
    told: Vec<Told>,
    /// What each event was answered.
    answers: BTreeMap<Id, u16>,
    /// Refused by an error that nothing was written before.
    never_written: Vec<Id>,
}

/// One event and its answer.
struct Posted {
    id: Id,
    told: Told,
    status: u16,
}

impl Rig {
    fn start(variant: Variant) -> Self {
        let (broker, topic) = (Broker::start(Embedded), unique());
        broker.create_topic(&topic, 4);
        let ingress = Resource::new("Broker", "ns", "l6", &topic, broker.bootstrap());
        let setup = Setup::new(variant.driver)
            .contract(Contract::new(1).with(ingress).to_bytes())
            .producer("request.timeout.ms", "8000")
            .producer("delivery.timeout.ms", &DELIVERY_TIMEOUT.as_millis().to_string());
        let receiver = Receiver::start(&setup);
        let (told, answers, never_written) = Default::default();
        Self { broker, topic, receiver, next: AtomicUsize::new(0), told, answers, never_written }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.receiver.port())
    }

    fn next_id(&self) -> Id {
        Id { key: 0, number: self.next.fetch_add(1, Ordering::Relaxed) as u64 }
    }

    /// Sends an event without a key and notes what becomes of it.
    fn post(&mut self, connection: &mut Connection) -> Posted {
        let posted = exchange(connection, self.next_id());
        self.note(&posted);
        posted
    }

    fn note(&mut self, posted: &Posted) {
        self.told.push(posted.told);
        self.answers.insert(posted.id, posted.status);
    }

    fn fail(&self, codes: &[i32]) {
        let codes: Vec<String> = codes.iter().map(i32::to_string).collect();
        self.broker.command(&format!("fail produce {}", codes.join(" ")));
    }

    /// One request a row: met by the error once, or three times in a row.
    fn each_row_alone(&mut self) {
        let mut connection = self.connect();
        for Row { name, code, status } in &ROWS {
            for times in [1, 3] {
                self.fail(&vec![*code; times]);
                let posted = self.post(&mut connection);
                // What was not asked for, after a final one.
                self.broker.command("heal produce");
                let took = posted.told.took;
                assert_eq!(posted.status, *status, "{name}, {times} times, after {took:?}");
                if *status != 202 {
                    assert!(took < DELIVERY_TIMEOUT / 2, "{name} is final, and took {took:?}");
                    self.never_written.push(posted.id);
                    self.recovers(&mut connection, name);
                }
            }
        }
    }

    /// The client takes a topic that it may not write to for lost, until it has asked for it again: a second or so.
    fn recovers(&mut self, connection: &mut Connection, after: &str) {
        let begun = Instant::now();
        until("an event to be accepted", SOON, || {
            let posted = self.post(connection);
            if posted.status != 202 {
                self.never_written.push(posted.id);
                pass(PAUSE);
            }
            (posted.status == 202).then_some(())
        });
        println!("L6: accepted again {:.1?} after {after}", begun.elapsed());
    }

    /// The record is in the log, but Kafka's word of it never comes: it is written again, and accepted.
    fn cut_behind_the_write(&mut self) {
        const LATE_MS: u64 = 1_000;
        until("a record that was written twice", SOON * 2, || {
            self.broker.command(&format!("delay {LATE_MS}"));
            let ids: Vec<Id> = (0..5).map(|_| self.next_id()).collect();
            let port = self.receiver.port();
            let posts: Vec<_> = ids
                .iter()
                .map(|id| {
                    let id = *id;
                    thread::spawn(move || exchange(&mut Connection::open(port), id))
                })
                .collect();
            // The mock writes at once and answers late.
            pass(Duration::from_millis(LATE_MS / 2));
            self.broker.command("down");
            self.broker.command("delay 0");
            self.broker.command("up");
            for post in posts {
                let posted = post.join().unwrap();
                assert_eq!(posted.status, 202, "after {:?}", posted.told.took);
                self.note(&posted);
            }
            let landed = self.landed();
            ids.iter().any(|id| landed.get(&id.to_string()) == Some(&2)).then_some(())
        });
    }

    /// What is tried again is not tried for ever.
    fn errors_without_end(&mut self, run: &Run) {
        let mut connection = self.connect();
        // One way in the short form: it takes the whole timeout.
        for code in
            run.either(vec![NOT_ENOUGH_REPLICAS], vec![NOT_ENOUGH_REPLICAS, REQUEST_TIMED_OUT])
        {
            self.fail(&[code; 1_000]);
            let posted = self.post(&mut connection);
            self.broker.command("heal produce");
            assert_eq!(posted.status, 503, "after {:?}", posted.told.took);
            self.never_written.push(posted.id);
        }
    }

    /// All errors shuffled, as many good writes among them, and 200 requests in flight.
    fn all_rows_at_once(&mut self, run: &Run) {
        const CLIENTS: usize = 200;
        let each = run.either(5, 100);
        let codes: Vec<i32> = ROWS.iter().flat_map(|row| vec![row.code; each]).collect();
        let good = vec![0; codes.len()];
        let codes = shuffled([codes, good].concat(), run.seed);
        codes.chunks(200).for_each(|part| self.fail(part));
        let (next, port, posts) = (&self.next, self.receiver.port(), run.either(4, 40));
        let posted: Vec<Posted> = thread::scope(|scope| {
            let client = |_| {
                scope.spawn(move || {
                    let mut connection = Connection::open(port);
                    let mut posted = Vec::new();
                    let mut accepted = 0;
                    while accepted < posts {
                        let number = next.fetch_add(1, Ordering::Relaxed) as u64;
                        posted.push(exchange(&mut connection, Id { key: 0, number }));
                        match posted.last().map(|it| it.status) {
                            Some(202) => accepted += 1,
                            _ => pass(PAUSE),
                        }
                    }
                    let more = connection.answer_within(Duration::from_millis(50));
                    assert_eq!(more, Err(NoAnswer::Silent(Vec::new())), "a second answer");
                    posted
                })
            };
            let clients: Vec<_> = (0..CLIENTS).map(client).collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        self.broker.command("heal produce");
        posted.iter().for_each(|posted| self.note(posted));
        let tally = Tally(posted.iter().map(|posted| posted.told).collect());
        println!("L6: {} errors among {} records: {tally}", ROWS.len() * each, posted.len());
        tally.assert_only(&[202, 413, 503].map(Word::Status));
        assert!(tally.count(Word::Status(202)) < posted.len(), "no error was met");
        // And then all is well again.
        assert_eq!(self.post(&mut self.connect()).status, 202);
    }

    /// How often each event is in the topic.
    fn landed(&self) -> BTreeMap<String, usize> {
        let consumer = TestConsumer::new(self.broker.bootstrap()).unwrap();
        let mut landed = BTreeMap::new();
        for record in consumer.read_all(&self.topic, SOON).unwrap() {
            let id = event_id(&record).expect("an event");
            let sent = body(id.parse().unwrap());
            assert_eq!(record.value.as_deref(), Some(&sent[..]), "the body of {id}");
            *landed.entry(id).or_default() += 1;
        }
        landed
    }

    /// How many accepted events have no record, and how many refused ones have one: a cut may swallow Kafka's word of a
    /// write, and a final error may meet the second attempt.
    fn judge(&self) -> (usize, usize) {
        let landed = self.landed();
        for id in &self.never_written {
            assert_eq!(
                landed.get(&id.to_string()),
                None,
                "event {id} was refused and nothing was written"
            );
        }
        let count = |accepted: bool, there: bool| {
            let fits = |(id, status): &(&Id, &u16)| {
                (**status == 202) == accepted && landed.contains_key(&id.to_string()) == there
            };
            self.answers.iter().filter(fits).count()
        };
        (count(true, false), count(false, true))
    }
}

fn exchange(connection: &mut Connection, id: Id) -> Posted {
    let sent = Instant::now();
    // Without a key, as most events are.
    let answer =
        connection.exchange_within(&request(PATH, id).without("ce-partitionkey"), SOON * 2);
    let told = Told { sent, took: sent.elapsed(), word: Word::Status(answer.status) };
    Posted { id, told, status: answer.status }
}

fn shuffled(mut codes: Vec<i32>, seed: Seed) -> Vec<i32> {
    for last in (1..codes.len()).rev() {
        let other = seed.below(last as u64 + 1, &[last as u64]);
        codes.swap(last, usize::try_from(other).unwrap());
    }
    codes
}
