//! The proxy between a client and an echo, both plain sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::schedule::Run;
use crate::wait::{SOON, until};

/// Sends back what it gets, connection by connection, and ends each when its client does.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = (&stream).read(&mut bytes) {
                    if (&stream).write_all(&bytes[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

fn client(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

fn round_trip(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, bytes);
}

/// What comes until the end, and how it ends.
fn rest(mut stream: &TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return (all, None),
            Ok(count) => all.extend(&bytes[..count]),
            Err(error) => return (all, Some(error.kind())),
        }
    }
}

fn break_of(how: Ending, which: Which, flow: Flow, after: u64) -> Fault {
    Fault::Break { how, which, flow, after }
}

#[test]
fn passes_bytes_on_and_both_ends() {
    let proxy = Proxy::to(echo());
    let stream = client(&proxy);
    let much: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let (mut writer, sent) = (stream.try_clone().unwrap(), much.clone());
    let writing = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let (back, ended_by) = rest(&stream);
    writing.join().unwrap();
    assert!(back == much, "{} of {} bytes came back", back.len(), much.len());
    assert_eq!(ended_by, None);
    drop(stream);
    until("the connection to be over", SOON, || (proxy.open() == 0).then_some(()));
    let counts = proxy.counts();
    assert_eq!((counts.connections, counts.faults()), (1, 0));
    assert_eq!((counts.up, counts.down), (3_000_000, 3_000_000));
}

#[test]
fn cuts_at_the_byte_it_is_told() {
    let proxy = Proxy::to(echo());
    for (turn, after) in (1..).zip([0, 1, 7, 5_000]) {
        let stream = client(&proxy);
        round_trip(&stream, b"before");
        proxy.inflict(break_of(Ending::Cut, Which::All, Flow::Down, after));
        let _ = (&stream).write_all(&[b'x'; 9_000]);
        let (came, ended_by) = rest(&stream);
        assert_eq!((came.len() as u64, ended_by), (after, None), "cut at {after}");
        assert_eq!(proxy.counts().cuts, turn);
    }
}

#[test]
fn resets_at_the_byte_it_is_told() {
    let proxy = Proxy::to(echo());
    let stream = client(&proxy);
    round_trip(&stream, b"before");
    proxy.inflict(break_of(Ending::Reset, Which::One(3), Flow::Up, 10));
    (&stream).write_all(b"123456789").unwrap();
    let mut back = [0; 9];
    (&stream).read_exact(&mut back).unwrap();
    let _ = (&stream).write_all(b"10 and more");
    assert_eq!(rest(&stream).1, Some(ErrorKind::ConnectionReset));
    assert_eq!((proxy.counts().resets, proxy.counts().up), (1, 16));
}

#[test]
fn breaks_one_of_many_or_the_next_one() {
    let proxy = Proxy::to(echo());
    let streams = [(); 5].map(|()| client(&proxy));
    streams.iter().for_each(|stream| round_trip(stream, b"before"));
    proxy.inflict(break_of(Ending::Cut, Which::One(7), Flow::Up, 0));
    assert_eq!(rest(&streams[2]), (vec![], None));
    until("four to be left", SOON, || (proxy.open() == 4).then_some(()));
    streams.iter().enumerate().filter(|(at, _)| *at != 2).for_each(|(_, it)| round_trip(it, b"on"));
    drop(streams);
    until("none to be left", SOON, || (proxy.open() == 0).then_some(()));
    proxy.inflict(break_of(Ending::Reset, Which::All, Flow::Up, 3));
    let stream = client(&proxy);
    let _ = (&stream).write_all(b"1234");
    assert_eq!(rest(&stream).1, Some(ErrorKind::ConnectionReset));
    round_trip(&client(&proxy), b"only the next one");
}

#[test]
fn nothing_passes_a_black_hole_and_nothing_is_lost_in_it() {
    let proxy = Proxy::to(echo());
    let stream = client(&proxy);
    round_trip(&stream, b"before");
    let lasts = Duration::from_millis(300);
    let begun = Instant::now();
    proxy.inflict(Fault::BlackHole(lasts));
    until("it to be there", SOON, || (proxy.counts().black_holes == 1).then_some(()));
    let other = client(&proxy);
    round_trip(&stream, b"held");
    round_trip(&other, b"also held");
    assert!(begun.elapsed() >= lasts, "through after {:?}", begun.elapsed());
    // Healed long before its time.
    proxy.inflict(Fault::BlackHole(SOON * 100));
    proxy.heal();
    round_trip(&stream, b"on");
}

#[test]
fn what_is_delayed_comes_whole() {
    let proxy = Proxy::to(echo());
    let stream = client(&proxy);
    round_trip(&stream, b"before");
    let by = Duration::from_millis(50);
    proxy.inflict(Fault::Delay { by, lasts: SOON * 100 });
    until("it to be there", SOON, || (proxy.counts().delays == 1).then_some(()));
    let begun = Instant::now();
    round_trip(&stream, &[b'x'; 100_000]);
    assert!(begun.elapsed() >= 2 * by, "both ways after {:?}", begun.elapsed());
}

#[test]
fn a_server_that_is_gone_is_a_reset() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let proxy = Proxy::to(closed);
    let stream = client(&proxy);
    // Who is told first, the writer or the reader, takes the error away.
    let told = (&stream).write_all(b"anybody?").is_err();
    assert!(told || rest(&stream).1.is_some());
    until("it to be told", SOON, || (proxy.counts().unreachable == 1).then_some(()));
    until("it to be let go", SOON, || (proxy.open() == 0).then_some(()));
}

#[test]
fn faults_follow_from_the_seed_and_are_of_all_kinds() {
    let seed = Run::begin("proxy").seed;
    let drawn: Vec<Fault> = (0..1_000).map(|turn| Fault::drawn(seed, &[turn])).collect();
    assert_eq!(drawn[7], Fault::drawn(seed, &[7]));
    let count = |fits: fn(&Fault) -> bool| drawn.iter().filter(|fault| fits(fault)).count();
    let cuts = count(|it| matches!(it, Fault::Break { how: Ending::Cut, .. }));
    let resets = count(|it| matches!(it, Fault::Break { how: Ending::Reset, .. }));
    let holes = count(|it| matches!(it, Fault::BlackHole(_)));
    assert!(cuts > 250 && resets > 250 && holes > 100, "{cuts} cuts, {resets}, {holes}");
    let longest = drawn.iter().map(Fault::lasts).max().unwrap();
    assert!(longest > Duration::from_secs(2) && longest <= Duration::from_secs(5), "{longest:?}");
}
