//! Servers that break, lie, dawdle or flood (reliability.md F2): the right outcome, bounded memory,
//! and no connection used again after a broken answer.
#![allow(clippy::unwrap_used)] // A test that cannot set its scene has failed.

mod server;

use std::time::{Duration, Instant};

use millrace_client::{BadResponse, ClientOptions, Failure, Keep, Request, Stage};
use millrace_shard::testing::on_each_driver;

use server::{ACCEPTED, LONG, Server, options, pool, pool_with, post, post_within, request, until};

const ANSWER: &[u8] =
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

#[test]
fn cut_at_each_byte_of_an_answer() {
    for reset in [false, true] {
        on_each_driver(|| async {
            let server = Server::start(move |peer, number| {
                if peer.request().is_some() {
                    peer.send(&ANSWER[..number.min(ANSWER.len())]);
                    if reset {
                        // The bytes before a reset may be lost on the way.
                        std::thread::sleep(Duration::from_millis(1));
                        peer.reset_on_close();
                    }
                }
            });
            let (client, pool) = pool(&server);
            for cut in 0..ANSWER.len() {
                let error = post(&pool).await.unwrap_err();
                let expected = match error.failure() {
                    Failure::Ended { .. } | Failure::Broken { .. } => true,
                    Failure::Answer(bad) => *bad == BadResponse::EndedEarly,
                    _ => false,
                };
                assert!(expected, "{cut}: {error}");
                assert_eq!(pool.open_connections(), 0, "{cut}");
            }
            assert_eq!(post(&pool).await.unwrap().body(), b"abc");
            // Each was a fresh connection: none was sent twice.
            assert_eq!(server.connections(), ANSWER.len() + 1);
            assert_eq!(client.stats().resent, 0);
        });
    }
}

#[test]
fn one_byte_at_a_time() {
    on_each_driver(|| async {
        let server = Server::start(|peer, _| {
            while peer.request().is_some() {
                for byte in ANSWER {
                    peer.send(&[*byte]);
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        });
        let (_client, pool) = pool(&server);
        for _ in 0..3 {
            assert_eq!(post(&pool).await.unwrap().body(), b"abc");
        }
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn slow_bytes_do_not_stretch_the_deadline() {
    on_each_driver(|| async {
        let server = Server::start(|peer, _| {
            peer.request();
            for byte in ANSWER.iter().cycle() {
                if !peer.send(&[*byte]) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        let (_client, pool) = pool(&server);
        let started = Instant::now();
        let error = post_within(&pool, Duration::from_millis(400)).await.unwrap_err();
        assert!(matches!(error.failure(), Failure::Timeout { .. }), "{error}");
        // The bytes never end; how late a busy machine notices is not the matter here.
        assert!(started.elapsed() >= Duration::from_millis(400));
        assert_eq!(pool.open_connections(), 0);
    });
}

#[test]
fn broken_answers_are_failures_and_end_their_connection() {
    let long = format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(5_000)).leak().as_bytes();
    let wide = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(9_000)).leak().as_bytes();
    let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(10_000).leak().as_bytes();
    let table: Vec<(&'static [u8], &str, &str)> = vec![
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nab",
            "malformed",
            "transfer_encoding_and_length",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nab",
            "malformed",
            "content_length_repeated",
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nab", "malformed", "content_length"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nab", "malformed", "transfer_encoding"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "malformed", "chunk_size"),
        (b"HTTP/1.1 200 OK\ncontent-length: 0\n\n", "malformed", "bare_line_feed"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "malformed", "status line of HTTP/1"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "malformed", "status line of HTTP/1"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "malformed", "neither HTTP/1.0 nor"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n", "malformed", "switches"),
        (long, "head_too_large", "maxInitialLineLength"),
        (wide, "head_too_large", "maxHeaderSize"),
        (flood, "malformed", "informational"),
    ];
    for (answer, label, words) in table {
        on_each_driver(|| async {
            let server = Server::start(move |peer, _| {
                while peer.request().is_some() && peer.send(answer) {}
                peer.wait_for_end();
            });
            let (client, pool) = pool(&server);
            for number in 1..=2 {
                let error = post(&pool).await.unwrap_err();
                assert_eq!(error.failure().label(), label, "{error}");
                assert!(error.to_string().contains(words), "{error}");
                assert!(error.to_string().starts_with("POST http://127.0.0.1:"), "{error}");
                assert_eq!((server.connections(), pool.open_connections()), (number, 0));
            }
            assert_eq!(client.stats().spoiled, 2);
        });
    }
}

#[test]
fn endless_answers_take_no_memory() {
    let starts: [&'static [u8]; 3] = [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        b"HTTP/1.1 500 no\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\n",
    ];
    for start in starts {
        on_each_driver(|| async {
            let server = Server::start(move |peer, _| {
                peer.request();
                peer.send(start);
                let block = vec![b'x'; 1 << 16];
                while peer.send(&block) {}
            });
            let (_client, pool) = pool(&server);
            let wanted = Keep { success: 0, failure: 1_024 };
            let before = resident_kib();
            for keep in [Keep { success: 100_000, failure: 100_000 }, wanted].repeat(30) {
                let request = Request { headers: b"", body: None, keep, timeout: LONG };
                let started = Instant::now();
                let response = pool.post(request).await.unwrap();
                assert!(started.elapsed() < Duration::from_secs(5));
                assert!(response.is_truncated());
                let kept = if response.is_success() { keep.success } else { keep.failure };
                assert_eq!(response.body().len(), kept);
                assert_eq!(pool.open_connections(), 0);
            }
            let grown = resident_kib().saturating_sub(before);
            assert!(grown < 20_000, "{grown} KiB more are in use");
        });
    }
}

#[test]
fn endless_body_that_is_wanted_ends_at_the_deadline() {
    on_each_driver(|| async {
        let server = Server::start(|peer, _| {
            peer.request();
            peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            while peer.send(b"1\r\nx\r\n") {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let (_client, pool) = pool(&server);
        let error = post_within(&pool, Duration::from_millis(300)).await.unwrap_err();
        let Failure::Timeout { stage, limit } = error.failure() else { panic!("{error}") };
        assert_eq!((*stage, *limit), (Stage::Body, Duration::from_millis(300)));
    });
}

#[test]
fn rest_that_nobody_wants_neither_delays_nor_fails_the_answer() {
    on_each_driver(|| async {
        let server = Server::start(|peer, number| {
            peer.request();
            peer.send(b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
            match number {
                0 => peer.wait_for_end(),
                1 => drop(peer.send(b"broken\r\n")),
                _ => peer.reset_on_close(),
            }
        });
        let (_client, pool) = pool(&server);
        for _ in 0..3 {
            let started = Instant::now();
            let request =
                Request { headers: b"", body: None, keep: Keep::default(), timeout: LONG };
            assert_eq!(pool.post(request).await.unwrap().status(), 202);
            assert!(started.elapsed() < Duration::from_secs(5));
            assert_eq!(pool.open_connections(), 0);
        }
    });
}

#[test]
fn answer_before_the_request_is_read() {
    on_each_driver(|| async {
        let server = Server::start(|peer, number| {
            if number == 0 {
                peer.send(b"HTTP/1.1 100 Continue\r\n\r\n");
                peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge");
                std::thread::sleep(Duration::from_millis(500));
            } else if peer.request().is_some() {
                peer.send(ACCEPTED);
                peer.wait_for_end();
            }
        });
        let (_client, pool) = pool(&server);
        let body = vec![b'x'; 64 << 20];
        let response = pool.post(request(&body, LONG)).await.unwrap();
        assert_eq!((response.status(), response.body()), (413, &b"large"[..]));
        assert_eq!(pool.open_connections(), 0);
        assert_eq!(post(&pool).await.unwrap().status(), 202);
        assert_eq!(server.connections(), 2);
    });
}

#[test]
fn informational_answer_does_not_stop_a_large_request() {
    on_each_driver(|| async {
        let server = Server::start(|peer, _| {
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n");
            std::thread::sleep(Duration::from_millis(50));
            while peer.request().is_some() {
                peer.send(ACCEPTED);
            }
        });
        let (_client, pool) = pool(&server);
        let body = vec![b'x'; 8 << 20];
        assert_eq!(pool.post(request(&body, LONG)).await.unwrap().status(), 202);
        assert_eq!(post(&pool).await.unwrap().status(), 202);
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn connection_closed_by_the_server_meanwhile_is_not_noticed() {
    on_each_driver(|| async {
        // Answers as if to keep the connection, then closes it.
        let server = Server::start(|peer, _| {
            peer.request();
            peer.send(ACCEPTED);
        });
        let (client, pool) = pool(&server);
        for _ in 0..200 {
            assert_eq!(post(&pool).await.unwrap().status(), 202);
        }
        let stats = client.stats();
        assert_eq!((server.connections(), stats.connected), (200, 200));
        assert_eq!(stats.retired + stats.resent, 199);
    });
}

#[test]
fn request_on_a_kept_connection_is_sent_again_once() {
    for reset in [false, true] {
        on_each_driver(|| async {
            let server = Server::start(move |peer, number| {
                peer.request();
                if number == 0 {
                    peer.send(ACCEPTED);
                    peer.request();
                }
                if reset {
                    peer.reset_on_close();
                }
            });
            let (client, pool) = pool(&server);
            post(&pool).await.unwrap();
            // The kept one is closed under the request, and so is the new one: that is told.
            let error = post(&pool).await.unwrap_err();
            assert_eq!(error.failure().label(), "disconnected", "{error}");
            assert_eq!((server.connections(), server.requests().len()), (2, 3));
            assert_eq!(client.stats().resent, 1);
        });
    }
}

#[test]
fn what_is_sent_again_is_not_when_an_answer_had_begun_or_time_ran_out() {
    on_each_driver(|| async {
        let server = Server::start(|peer, number| {
            peer.request();
            peer.send(ACCEPTED);
            peer.request();
            match number {
                0 => drop(peer.send(b"H")),
                _ => peer.wait_for_end(),
            }
        });
        let (client, pool) = pool(&server);
        post(&pool).await.unwrap();
        let error = post(&pool).await.unwrap_err();
        assert_eq!(error.failure().label(), "disconnected", "{error}");
        post(&pool).await.unwrap();
        let error = post_within(&pool, Duration::from_millis(200)).await.unwrap_err();
        assert_eq!(error.failure().label(), "timeout", "{error}");
        assert_eq!((client.stats().resent, server.connections()), (0, 2));
    });
}

#[test]
fn bytes_nobody_asked_for_are_no_answer() {
    on_each_driver(|| async {
        let server = Server::start(|peer, number| {
            peer.request();
            if number == 0 {
                peer.send(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
                std::thread::sleep(Duration::from_millis(20));
                peer.send(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n");
            } else {
                peer.send(b"HTTP/1.1 204 No Content\r\n\r\nmore");
            }
            peer.wait_for_end();
        });
        let (client, pool) = pool(&server);
        assert_eq!(post(&pool).await.unwrap().status(), 202);
        millrace_shard::sleep(Duration::from_millis(100)).await;
        assert_eq!(post(&pool).await.unwrap().status(), 204);
        assert_eq!(pool.open_connections(), 0, "bytes followed the answer");
        assert_eq!((client.stats().retired, server.connections()), (1, 2));
    });
}

#[test]
fn many_at_once_against_a_server_of_moods() {
    on_each_driver(|| async {
        let server = Server::start(|peer, number| {
            for turn in number.. {
                if peer.request().is_none() {
                    return;
                }
                match turn % 7 {
                    0 => return,
                    1 => return peer.reset_on_close(),
                    2 => drop(peer.send(b"nonsense")),
                    3 => drop(peer.send(b"HTTP/1.1 500 no\r\ncontent-length: 3\r\n\r\nabc")),
                    _ => drop(peer.send(ACCEPTED)),
                }
            }
        });
        let (_client, pool) = pool_with(&server, ClientOptions { pool_size_max: 16, ..options() });
        let tasks: Vec<_> = (0..400)
            .map(|_| {
                let pool = pool.clone();
                millrace_shard::spawn(async move {
                    match post(&pool).await {
                        Ok(response) => response.status(),
                        Err(error) => {
                            let label = error.failure().label();
                            assert!(matches!(label, "disconnected" | "malformed"), "{error}");
                            0
                        }
                    }
                })
            })
            .collect();
        let mut counts = [0; 3];
        for task in tasks {
            match task.await {
                0 => counts[0] += 1,
                202 => counts[1] += 1,
                _ => counts[2] += 1,
            }
        }
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        assert_eq!(pool.in_flight(), 0);
        assert!(pool.open_connections() <= 16);
        pool.close();
        until("all are closed", || pool.open_connections() == 0).await;
    });
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
