//! The subscriber over the wire: what it answers, what it finds, and that it survives odd clients.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use millrace_bench::ids::{EventId, ID_BYTES, new_run};
use millrace_bench::load::{Mode, Plan, Shape, send};
use millrace_bench::oracle::Owed;
use millrace_bench::sink::{Behaviour, Delay, Sink, SinkPlan};

fn sink(behaviour: Behaviour) -> Sink {
    let plan = SinkPlan { behaviour, reply_type: "a.reply".into(), cpus: Vec::new() };
    Sink::start("127.0.0.1:0".parse().unwrap(), plan).unwrap()
}

fn plan(sink: &Sink, rate: f64) -> Plan {
    Plan {
        url: format!("http://{}/in", sink.address()).parse().unwrap(),
        shape: Shape { size: 10, keys: 5, ..Shape::default() },
        connections: 8,
        rate: Some(rate),
        threads: vec![None],
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(500),
        timeout: Duration::from_secs(20),
        spin: false,
        owed: true,
        pid: None,
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn sender_and_sink_agree_on_every_event() {
    for mode in [Mode::Binary, Mode::Structured] {
        let sink = sink(Behaviour { error_rate: 0.2, seed: 3, ..Behaviour::default() });
        let mut plan = plan(&sink, 1_000.0);
        plan.shape.mode = mode;
        let outcome = send(&plan, |_, _| {}).unwrap();
        let tally = &outcome.tally;
        let owed = &tally.owed;
        assert_eq!(tally.planned, 500);
        assert!(sink.look(|check, _| check.has_all(owed)), "{tally:?}");
        sink.look(|check, counts| {
            // A machine that stands still at the end leaves some unsent.
            let told = counts.accepted + counts.refused + tally.never_sent();
            assert_eq!((told, counts.accepted), (500, owed.count()), "{tally:?}");
            assert!((50..150).contains(&counts.refused), "{counts:?}");
            let found = check.found(Some(owed));
            assert_eq!((found.len(), found[0].verdict.lost, found[0].verdict.not_owed), (1, 0, 0));
            assert_eq!((found[0].verdict.duplicates, found[0].verdict.disordered_by_key), (0, 0));
            assert_eq!(check.latency.samples(), owed.count());
        });
    }
}

#[test]
fn planted_loss_duplicate_and_disorder_are_found_over_the_wire() {
    let sink = sink(Behaviour::default());
    let run = new_run();
    let mut owed = Owed::default();
    owed.begin(run);
    owed.note(0, 0, 5);
    let mut stream = TcpStream::connect(sink.address()).unwrap();
    for (number, offset) in [(0, 0), (2, 2), (1, 1), (2, 2), (4, 4)] {
        let mut id = [0_u8; ID_BYTES];
        EventId { run, stream: 0, number, planned_ns: 0 }.write(&mut id);
        let id = std::str::from_utf8(&id).unwrap();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: a\r\nce-id: {id}\r\nce-partitionkey: k\r\nce-knativekafkapartition: 0\r\n\
             ce-knativekafkaoffset: {offset}\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_exact(&mut [0_u8; 20]).unwrap();
    }
    until("five requests", || sink.accepted() == 5);
    let verdict = sink.look(|check, _| check.found(Some(&owed))[0].verdict.clone());
    assert_eq!((verdict.lost, verdict.duplicates), (1, 1));
    assert_eq!((verdict.disordered_by_key, verdict.disordered_by_partition), (1, 1));
    assert_eq!(verdict.some_lost, [(0, 3)]);
}

#[test]
fn delay_is_waited_for_without_holding_up_others() {
    let delay = Delay::Fixed(Duration::from_millis(200));
    let sink = sink(Behaviour { delay, ..Behaviour::default() });
    let mut plan = plan(&sink, 40.0);
    plan.connections = 20;
    let tally = send(&plan, |_, _| {}).unwrap().tally;
    assert_eq!(tally.latency.samples(), 20, "{tally:?}");
    assert!(tally.latency.percentile_ns(0.0) >= 199_000_000, "{tally:?}");
    // One after the other they would take four seconds.
    assert!(tally.latency.percentile_ns(50.0) < 3_000_000_000, "{tally:?}");
}

#[test]
fn replies_are_events_and_bodies_may_come_in_chunks() {
    let sink = sink(Behaviour { reply_rate: 1.0, ..Behaviour::default() });
    let answer = exchange(
        sink.address(),
        b"POST / HTTP/1.1\r\nhost: a\r\nce-id: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
          3\r\nabc\r\n0\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("ce-type: a.reply\r\n") && answer.ends_with("\r\n\r\nreply"),
        "{answer}"
    );
    sink.look(|check, counts| assert_eq!((check.foreign, counts.replied), (1, 1)));
}

#[test]
fn nonsense_ends_its_connection_only() {
    let sink = sink(Behaviour::default());
    assert_eq!(exchange(sink.address(), b"nonsense\r\n\r\n"), "");
    let request = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    assert!(exchange(sink.address(), request).starts_with("HTTP/1.1 202"));
    sink.look(|_, counts| assert_eq!((counts.malformed, counts.accepted), (1, 1)));
}

#[test]
fn refusals_have_the_status_asked_for() {
    let sink = sink(Behaviour { error_rate: 1.0, error_status: 429, ..Behaviour::default() });
    let request = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    assert!(exchange(sink.address(), request).starts_with("HTTP/1.1 429 "));
}
