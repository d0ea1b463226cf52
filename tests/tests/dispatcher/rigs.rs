//! The rigs themselves: records are written as told, groups commit and are read, a subscriber notes and misbehaves.

use std::time::Duration;

use millrace_kafka::testing::{ReadFrom, TestConsumer};
use millrace_tests::broker::{Broker, BrokerKind, apache_available};
use millrace_tests::groups::Groups;
use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::producer::{self, NewRecord};
use millrace_tests::rig::unique;
use millrace_tests::subscriber::{Answer, End, Gate, Subscriber};
use millrace_tests::wait::{SOON, until};

fn writes_records_as_told(kind: BrokerKind) {
    let (broker, topic) = (Broker::shared(kind), unique());
    broker.create_topic(&topic, 3);
    let records = [
        NewRecord::plain("v")
            .key("k")
            .header("a", "1")
            .null_header("b")
            .header("a", [0xff])
            .at(1_500),
        NewRecord::default().at(1_400),
        NewRecord::plain("").key("").at(1_600_000_000_000),
    ];
    assert_eq!(producer::send(broker.bootstrap(), &topic, 2, &records), 0);
    assert_eq!(producer::send(broker.bootstrap(), &topic, 2, &[NewRecord::event("1")]), 3);
    let read = TestConsumer::new(broker.bootstrap()).unwrap().read_all(&topic, SOON).unwrap();
    assert_eq!(read.len(), 4);
    for (record, read) in records.iter().zip(&read) {
        assert_eq!((read.partition, &read.key, &read.value), (2, &record.key, &record.value));
        assert_eq!(Some(read.timestamp_ms), record.timestamp_ms);
        let headers =
            read.headers.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone()));
        assert_eq!(headers.collect::<Vec<_>>(), record.headers);
    }
    assert_eq!(read[3].header("ce_id").as_deref(), Some("1"));
}

fn commits_and_reads_groups(kind: BrokerKind) {
    let (broker, topic, group) = (Broker::shared(kind), unique(), unique());
    broker.create_topic(&topic, 2);
    let groups = Groups::of(broker.bootstrap());
    assert_eq!(groups.committed(&group, &topic, 0), None);
    groups.begin_at(&group, &topic, &[0, 42]);
    assert_eq!(groups.committed(&group, &topic, 0), Some(0));
    groups.settles_at(&group, &topic, 1, 42);
    if kind == BrokerKind::Apache {
        assert_eq!(groups.settles_with(&group, 0, SOON).members.len(), 0);
    }
}

#[test]
fn embedded_kafka_takes_records_and_commits() {
    writes_records_as_told(BrokerKind::Embedded);
    commits_and_reads_groups(BrokerKind::Embedded);
}

#[test]
fn apache_kafka_takes_records_and_commits() {
    if apache_available() {
        writes_records_as_told(BrokerKind::Apache);
        commits_and_reads_groups(BrokerKind::Apache);
    }
}

#[test]
fn embedded_kafka_takes_a_gap() {
    let (broker, topic) = (Broker::shared(BrokerKind::Embedded), unique());
    broker.create_topic(&topic, 1);
    let [first, second] = ["1", "2"].map(NewRecord::event);
    producer::send_before_a_gap(broker.bootstrap(), &topic, 0, &first, 10_000_000);
    assert_eq!(producer::send(broker.bootstrap(), &topic, 0, &[second]), 10_000_000);
    let consumer = TestConsumer::new(broker.bootstrap()).unwrap();
    let mut tail = consumer.tail(&topic, ReadFrom::Beginning, SOON).unwrap();
    let offsets: Vec<_> = (0..2).map(|_| tail.next(SOON).map(|record| record.offset)).collect();
    assert_eq!(offsets, [Some(0), Some(10_000_000)]);
}

#[test]
fn subscriber_notes_requests_and_answers_in_turn() {
    let subscriber = Subscriber::start();
    let endpoint = subscriber.endpoint("a");
    endpoint.in_turn(vec![Answer::status(500).header("X", "y").body("no"), Answer::status(204)]);
    let port = subscriber.authority().rsplit(':').next().unwrap().parse().unwrap();
    let mut connection = Connection::open(port);
    let answer = connection.exchange(&Request::minimal("/a/x?q", "1").body("data"));
    assert_eq!(
        (answer.status, answer.header("x"), answer.body.as_slice()),
        (500, Some("y"), &b"no"[..])
    );
    assert_eq!(connection.exchange(&Request::minimal("/a", "2")).status, 204);
    assert_eq!(connection.exchange(&Request::minimal("/b", "3")).status, 200);
    let received = endpoint.wait(2);
    assert_eq!(
        (received[0].target.as_str(), received[0].body.as_slice()),
        ("/a/x?q", &b"data"[..])
    );
    assert_eq!(received[1].header("CE-Id").as_deref(), Some("2"));
    assert_eq!((subscriber.connections(), received[1].connection), (1, 0));
}

#[test]
fn subscriber_holds_back_cuts_and_stops() {
    let subscriber = Subscriber::start();
    let port = subscriber.authority().rsplit(':').next().unwrap().parse().unwrap();
    let (gate, endpoint) = (Gate::closed(), subscriber.endpoint("held"));
    endpoint.always(Answer::status(200).behind(&gate));
    let mut held: Vec<_> = (0..2).map(|_| Connection::open(port)).collect();
    for connection in &mut held {
        connection.send(&Request::minimal("/held", "1").to_bytes());
    }
    until("both to be under way", SOON, || (endpoint.busy() == 2).then_some(()));
    assert_eq!(endpoint.most_concurrent(), 2);
    gate.open();
    assert!(held.iter_mut().all(|connection| connection.answer().status == 200));
    subscriber.endpoint("cut").always(Answer::raw("HTTP/1.1 200 OK\r\n", End::Reset));
    let mut cut = Connection::open(port);
    cut.send(&Request::minimal("/cut", "1").to_bytes());
    assert!(matches!(cut.answer_within(SOON), Err(NoAnswer::Closed(_))));
    subscriber.stop();
    assert!(held[0].closes(Duration::from_secs(5)));
    assert!(Connection::try_open(port).is_err());
}
