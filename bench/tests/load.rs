//! The sender against servers whose behaviour is known.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use millrace_bench::load::tally::Fault;
use millrace_bench::load::{Mode, Outcome, Plan, Shape, send};

const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";

/// What the server does with request number `n`, counted over all connections: the answer, and for
/// how long every connection stands still before it.
type Behaviour = fn(u64) -> (&'static [u8], Duration);

/// Serves until the test ends; the URL, and how many requests came.
fn server(behaviour: Behaviour) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicU64::new(0));
    let counted = requests.clone();
    let still = Arc::new(std::sync::Mutex::new(()));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (counted, still) = (counted.clone(), still.clone());
            thread::spawn(move || serve(stream, behaviour, &counted, &still));
        }
    });
    (url, requests)
}

fn serve(
    mut stream: TcpStream,
    behaviour: Behaviour,
    counted: &AtomicU64,
    still: &std::sync::Mutex<()>,
) {
    let (mut buffer, mut piece) = (Vec::new(), [0_u8; 4096]);
    loop {
        let head = buffer.windows(4).position(|bytes: &[u8]| bytes == b"\r\n\r\n").map(|at| at + 4);
        let length = head.and_then(|head| {
            let text = std::str::from_utf8(&buffer[..head]).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("content-length: "))?;
            Some(head + line.parse::<usize>().unwrap())
        });
        match length.filter(|length| buffer.len() >= *length) {
            Some(length) => {
                buffer.drain(..length);
                let (answer, pause) = behaviour(counted.fetch_add(1, Ordering::SeqCst));
                let guard = still.lock().unwrap();
                thread::sleep(pause);
                drop(guard);
                if answer.is_empty() || stream.write_all(answer).is_err() {
                    return;
                }
            }
            None => match stream.read(&mut piece) {
                Ok(count) if count > 0 => buffer.extend_from_slice(&piece[..count]),
                _ => return,
            },
        }
    }
}

fn plan(url: &str) -> Plan {
    Plan {
        url: url.parse().unwrap(),
        shape: Shape { size: 100, ..Shape::default() },
        connections: 4,
        rate: None,
        threads: vec![None],
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(1),
        timeout: Duration::from_secs(20),
        spin: false,
        owed: true,
        pid: Some(std::process::id()),
    }
}

fn run(plan: &Plan) -> Outcome {
    send(plan, |_, _| {}).unwrap()
}

#[test]
fn closed_loop_counts_every_request_once() {
    let (url, requests) = server(|_| (ACCEPTED, Duration::ZERO));
    let outcome = run(&Plan { threads: vec![None, None], ..plan(&url) });
    let tally = &outcome.tally;
    let sent = requests.load(Ordering::SeqCst);
    assert_eq!(tally.planned, sent);
    assert_eq!(tally.latency.samples(), sent);
    assert_eq!(tally.owed.count(), sent, "what is still on its way at the end is waited for");
    // All but the last one of each connection were answered within the measured second.
    assert!(tally.accepted + 4 >= sent && sent > 10, "{tally:?}, {sent}");
    assert_eq!(tally.failed(), 0);
    assert_eq!(tally.course.iter().map(|step| step.events).sum::<u64>(), tally.events);
    assert!(
        outcome.target_cpu.unwrap().total_us() >= 0.0 && outcome.target_peak_rss_kib.unwrap() > 0
    );
}

#[test]
fn open_loop_sends_its_schedule_and_a_stall_cannot_hide() {
    // One request out of 500 stops the server for 400 ms: with closed connections four latencies
    // would show it; 200 requests are due meanwhile.
    let (url, requests) =
        server(|number| (ACCEPTED, Duration::from_millis(if number == 250 { 400 } else { 0 })));
    let tally = run(&Plan { rate: Some(500.0), ..plan(&url) }).tally;
    assert_eq!(tally.planned, 500);
    // A machine that stands still at the end leaves some unsent, which count all the same.
    assert_eq!(requests.load(Ordering::SeqCst) + tally.never_sent(), 500, "{tally:?}");
    assert_eq!(tally.latency.samples(), 500, "{tally:?}");
    // Of those 200 a quarter waited for at least 300 ms: the 90th percentile of all.
    assert!(tally.latency.percentile_ns(90.5) >= 290_000_000, "{tally:?}");
}

#[test]
fn what_never_gets_a_connection_counts_with_its_wait() {
    // Each request takes 50 ms of the one server: 20 of the 200 that are due.
    let (url, _) = server(|_| (ACCEPTED, Duration::from_millis(50)));
    let tally = run(&Plan { rate: Some(200.0), connections: 2, ..plan(&url) }).tally;
    assert_eq!(tally.planned, 200);
    let never = tally.faults[&Fault::NeverSent];
    assert!((150..200).contains(&never), "{tally:?}");
    assert_eq!(tally.latency.samples(), 200);
    assert!(tally.latency.percentile_ns(50.0) >= 400_000_000, "{tally:?}");
}

#[test]
fn refusals_closed_connections_and_nonsense_are_told_apart() {
    let (url, requests) = server(|number| {
        let answer: &[u8] = match number % 10 {
            3 => b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno",
            5 => b"",
            7 => b"nonsense\r\n\r\n",
            9 => b"HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            _ => ACCEPTED,
        };
        (answer, Duration::ZERO)
    });
    let tally = run(&plan(&url)).tally;
    let sent = requests.load(Ordering::SeqCst);
    let of = |fault| tally.faults.get(&fault).copied().unwrap_or(0);
    assert!(of(Fault::Closed) > 0 && of(Fault::Malformed) > 0, "{tally:?}");
    assert!(tally.statuses[&503] > 0 && tally.statuses[&202] > 0, "{tally:?}");
    let answered = tally.latency.samples() + tally.statuses[&503];
    assert!(answered + of(Fault::Closed) + of(Fault::Malformed) + 8 >= sent, "{sent}: {tally:?}");
    assert_eq!(tally.owed.count(), tally.latency.samples());
}

#[test]
fn silent_server_is_timed_out_of() {
    let (url, _) = server(|_| (ACCEPTED, Duration::from_secs(3)));
    let plan = Plan { timeout: Duration::from_millis(300), connections: 1, ..plan(&url) };
    let tally = run(&plan).tally;
    assert!(tally.faults[&Fault::TimedOut] >= 1, "{tally:?}");
    assert!(tally.latency.percentile_ns(0.0) >= 290_000_000, "{tally:?}");
}

#[test]
fn large_batches_go_through_small_socket_buffers() {
    let (url, requests) = server(|_| (ACCEPTED, Duration::ZERO));
    let shape = Shape { mode: Mode::Batch, batch: 50, size: 40_000, keys: 3, ..Shape::default() };
    let tally = run(&Plan { shape, connections: 2, ..plan(&url) }).tally;
    let sent = requests.load(Ordering::SeqCst);
    assert!(sent > 0 && tally.failed() == 0, "{tally:?}");
    assert_eq!(tally.owed.count(), sent * 50);
}

#[test]
fn nobody_there_is_an_error_at_once() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let error = send(&plan(&format!("http://{free}/")), |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("cannot be connected"), "{error}");
}
