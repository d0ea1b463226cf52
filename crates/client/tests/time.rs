//! Deadlines at each stage, closing, and how long connections are kept.
#![allow(clippy::unwrap_used)] // A test that cannot set its scene has failed.

mod server;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use millrace_client::{AttemptError, ClientOptions, Failure, Pool, Stage, Target};
use millrace_shard::testing::on_each_driver;
use socket2::{Domain, Socket, Type};

use server::{
    ACCEPTED, LONG, Server, client, options, pool, pool_with, post, post_within, request, until,
};

const SHORT: Duration = Duration::from_millis(250);

/// That it is a timeout, when it should be, in this stage.
fn assert_timed_out(started: Instant, error: &AttemptError, expected: Stage) {
    let Failure::Timeout { stage, .. } = error.failure() else { panic!("{error}") };
    assert_eq!(*stage, expected, "{error}");
    let took = started.elapsed();
    assert!(took >= SHORT && took < SHORT + Duration::from_secs(2), "{took:?}: {error}");
}

/// A listener that answers no SYN any more, and what keeps it so.
fn black_hole() -> (SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut kept = vec![listener];
    loop {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let connected = socket.connect_timeout(&address, Duration::from_millis(100));
        if connected.is_err() {
            return (address.as_socket().unwrap(), kept);
        }
        kept.push(socket);
        assert!(kept.len() < 20, "the queue is never full");
    }
}

#[test]
fn deadline_covers_the_wait_for_a_connection() {
    on_each_driver(|| async {
        let server = Server::start(|peer, _| {
            peer.request();
            peer.wait_for_end();
        });
        let (_client, pool) = pool_with(&server, ClientOptions { pool_size_max: 1, ..options() });
        let holder = millrace_shard::spawn({
            let pool = pool.clone();
            async move { post(&pool).await.map(drop) }
        });
        until("one is sent", || !server.requests().is_empty()).await;
        let started = Instant::now();
        let error = post_within(&pool, SHORT).await.unwrap_err();
        assert_timed_out(started, &error, Stage::Waiting);
        pool.close();
        assert!(holder.await.unwrap_err().is_closed());
    });
}

#[test]
fn deadline_covers_connecting() {
    let (address, _kept) = black_hole();
    on_each_driver(|| async {
        let target = Target::parse(&format!("http://{address}/")).unwrap();
        let pool = client(options()).pool(&target, b"");
        let started = Instant::now();
        let error = post_within(&pool, SHORT).await.unwrap_err();
        assert_timed_out(started, &error, Stage::Connecting);
        let impatient = ClientOptions { connect_timeout: SHORT, ..options() };
        let pool = client(impatient).pool(&target, b"");
        let started = Instant::now();
        let error = post(&pool).await.unwrap_err();
        assert_timed_out(started, &error, Stage::Connecting);
        assert_eq!(pool.open_connections(), 0);
    });
}

#[test]
fn deadline_covers_sending_the_head_and_the_body() {
    on_each_driver(|| async {
        let silent = Server::start(|_, _| std::thread::sleep(LONG));
        let (_client, pool_of_silent) = pool(&silent);
        let body = vec![b'x'; 64 << 20];
        let started = Instant::now();
        let error = pool_of_silent.post(request(&body, SHORT)).await.unwrap_err();
        assert_timed_out(started, &error, Stage::Sending);

        let started = Instant::now();
        let error = post_within(&pool_of_silent, SHORT).await.unwrap_err();
        assert_timed_out(started, &error, Stage::Head);

        let stalled = Server::start(|peer, _| {
            peer.request();
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
            peer.wait_for_end();
        });
        let (_client, pool_of_stalled) = pool(&stalled);
        let started = Instant::now();
        let error = post_within(&pool_of_stalled, SHORT).await.unwrap_err();
        assert_timed_out(started, &error, Stage::Body);
        assert_eq!(pool_of_stalled.open_connections(), 0);
    });
}

#[test]
fn silence_ends_an_attempt_before_its_deadline() {
    on_each_driver(|| async {
        let server = Server::start(|peer, number| {
            peer.request();
            // Slower than the silence allowed in all, but never silent for so long.
            for byte in ACCEPTED.iter().take(if number == 0 { 20 } else { 1_000 }) {
                peer.send(&[*byte]);
                std::thread::sleep(Duration::from_millis(12));
            }
            peer.wait_for_end();
        });
        let (_client, pool) =
            pool_with(&server, ClientOptions { idle_timeout: Some(SHORT), ..options() });
        let started = Instant::now();
        let error = post(&pool).await.unwrap_err();
        assert_timed_out(started + Duration::from_millis(20 * 12), &error, Stage::Head);
        assert!(error.to_string().contains("250ms"), "{error}");
        assert_eq!(post(&pool).await.unwrap().status(), 202);
    });
}

#[test]
fn closing_ends_everything_promptly() {
    let (address, _kept) = black_hole();
    on_each_driver(|| async {
        let server = Server::start(|peer, number| {
            peer.request();
            if number == 0 {
                peer.send(ACCEPTED);
            }
            peer.wait_for_end();
        });
        let two = ClientOptions { pool_size_max: 2, ..options() };
        let (_client, pool) = pool_with(&server, two.clone());
        let target = Target::parse(&format!("http://{address}/")).unwrap();
        let connecting = client(two).pool(&target, b"");
        // One on a kept connection, one on a new one, one that waits, one that connects.
        post(&pool).await.unwrap();
        let start = |pool: &Pool| {
            let pool = pool.clone();
            millrace_shard::spawn(async move { post(&pool).await.map(drop) })
        };
        let tasks = [start(&pool), start(&pool), start(&pool), start(&connecting)];
        until("all are under way", || {
            server.requests().len() == 2
                && server.connections() == 2
                && pool.in_flight() == 3
                && connecting.open_connections() == 1
        })
        .await;
        let started = Instant::now();
        pool.close();
        connecting.close();
        for task in tasks {
            let error = task.await.unwrap_err();
            assert!(error.is_closed(), "{error}");
        }
        assert!(started.elapsed() < Duration::from_secs(1));
        assert!(post(&pool).await.unwrap_err().is_closed());
        for pool in [pool, connecting] {
            assert!(pool.is_closed());
            assert_eq!((pool.in_flight(), pool.open_connections()), (0, 0));
        }
        assert_eq!(server.connections(), 2);
    });
}

#[test]
fn idle_connections_are_closed_after_their_time() {
    on_each_driver(|| async {
        let ours = Server::answering(ACCEPTED);
        let theirs = Server::answering(
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nkeep-alive: timeout=1\r\n\r\n",
        );
        let second = Duration::from_secs(1);
        let (client, pool) =
            pool_with(&ours, ClientOptions { keep_alive_timeout: second, ..options() });
        let (other_client, other) = pool_with(&theirs, options());
        post(&pool).await.unwrap();
        post(&other).await.unwrap();
        assert_eq!((pool.open_connections(), other.open_connections()), (1, 1));
        let started = Instant::now();
        for (client, pool) in [(client, pool), (other_client, other)] {
            until("it is closed", || pool.open_connections() == 0).await;
            assert!(started.elapsed() < Duration::from_secs(4));
            assert_eq!(client.stats().retired, 1);
        }
        assert!(started.elapsed() >= Duration::from_millis(900));
    });
}

#[test]
fn connections_closed_by_the_server_do_not_linger() {
    on_each_driver(|| async {
        let server = Server::start(|peer, _| {
            peer.request();
            peer.send(ACCEPTED);
        });
        let (client, pool) = pool(&server);
        post(&pool).await.unwrap();
        until("it is closed", || pool.open_connections() == 0).await;
        assert_eq!(client.stats().retired, 1);
    });
}
