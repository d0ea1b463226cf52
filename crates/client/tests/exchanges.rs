//! Ordinary exchanges: what is sent, what is read, connections kept, shared and bounded.
#![allow(clippy::unwrap_used)] // A test that cannot set its scene has failed.

mod server;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millrace_client::{ClientOptions, Keep, Request, Target};
use millrace_shard::testing::on_each_driver;

use server::{
    ACCEPTED, LONG, Server, client, options, pool, pool_with, post, post_within, request, until,
};

#[test]
fn request_is_written_in_full() {
    on_each_driver(|| async {
        let server = Server::answering(ACCEPTED);
        let client = client(options());
        let url = format!("http://me:pw@{}/a/b?c=d#e", server.address);
        let target = Target::parse(&url).unwrap();
        let pool = client.pool(&target, b"prefer: reply\r\nkn-namespace: ns\r\n");
        let response = pool.post(request(b"{\"a\":1}", LONG)).await.unwrap();
        assert_eq!((response.status(), response.body()), (202, &b""[..]));
        assert!(response.is_success() && !response.is_truncated());
        let bare = Request { headers: b"", body: None, keep: Keep::default(), timeout: LONG };
        pool.post(bare).await.unwrap();
        let head = format!(
            "POST /a/b?c=d HTTP/1.1\r\nhost: {}\r\nuser-agent: test\r\nprefer: reply\r\nkn-namespace: ns\r\n",
            server.address
        );
        let seen: Vec<_> =
            server.requests().into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect();
        assert_eq!(
            seen,
            [
                format!("{head}ce-id: 1\r\ncontent-length: 7\r\n\r\n{{\"a\":1}}"),
                format!("{head}\r\n")
            ]
        );
    });
}

#[test]
fn timeout_may_be_as_long_as_any() {
    on_each_driver(|| async {
        let server = Server::start(|peer, _| {
            while peer.request().is_some() {
                std::thread::sleep(Duration::from_millis(20));
                peer.send(ACCEPTED);
            }
        });
        let (_client, pool) = pool_with(&server, ClientOptions { pool_size_max: 1, ..options() });
        let waiting = millrace_shard::spawn({
            let pool = pool.clone();
            async move { post_within(&pool, Duration::MAX).await.unwrap().status() }
        });
        assert_eq!(post_within(&pool, Duration::MAX).await.unwrap().status(), 202);
        assert_eq!(waiting.await, 202);
    });
}

#[test]
fn connection_is_kept_for_the_next_request() {
    on_each_driver(|| async {
        let server = Server::answering(
            b"HTTP/1.1 200 OK\r\nCe-Id: 7\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        );
        let (client, pool) = pool(&server);
        for _ in 0..20 {
            let response = post(&pool).await.unwrap();
            assert_eq!((response.status(), response.body()), (200, &b"abcde"[..]));
            assert_eq!(response.header("ce-id"), Some(&b"7"[..]));
            assert_eq!(response.headers().count(), 2);
        }
        assert_eq!(server.connections(), 1);
        assert_eq!(pool.open_connections(), 1);
        let stats = client.stats();
        assert_eq!((stats.connected, stats.reused, stats.spoiled), (1, 19, 0));
        assert_eq!(pool.in_flight(), 0);
    });
}

#[test]
fn connection_is_closed_where_either_side_says_so() {
    let answers: [(&'static [u8], bool); 4] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", true),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", true),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nkeep-alive: timeout=0\r\n\r\n", true),
        (ACCEPTED, false),
    ];
    for (answer, keep_alive) in answers {
        on_each_driver(|| async {
            let server = Server::answering(answer);
            let (_client, pool) = pool_with(&server, ClientOptions { keep_alive, ..options() });
            for number in 1..=3 {
                post(&pool).await.unwrap();
                assert_eq!((server.connections(), pool.open_connections()), (number, 0));
            }
            let asked = server.requests().iter().all(|request| {
                request.windows(19).any(|window| window == b"connection: close\r\n")
            });
            assert_eq!(asked, !keep_alive);
        });
    }
}

#[test]
fn body_is_kept_up_to_what_was_asked_for() {
    on_each_driver(|| async {
        let server = Server::start(|peer, _| {
            while let Some(request) = peer.request() {
                let status = if request.ends_with(b"fail") { 500 } else { 200 };
                let body = "x".repeat(5_000);
                peer.send(
                    format!("HTTP/1.1 {status} _\r\ncontent-length: 5000\r\n\r\n{body}").as_bytes(),
                );
            }
        });
        let (_client, pool) = pool(&server);
        let table = [
            ("", Keep { success: 5_000, failure: 0 }, 5_000, false),
            ("", Keep { success: 4_999, failure: 9_999 }, 4_999, true),
            ("", Keep::default(), 0, true),
            ("fail", Keep { success: 0, failure: 1_024 }, 1_024, true),
            ("fail", Keep { success: 0, failure: 1 << 30 }, 5_000, false),
        ];
        for (body, keep, kept, truncated) in table {
            let request =
                Request { headers: b"", body: Some(body.as_bytes()), keep, timeout: LONG };
            let response = pool.post(request).await.unwrap();
            assert_eq!((response.body().len(), response.is_truncated()), (kept, truncated));
        }
        // What was not kept was short enough to read past.
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn large_bodies_go_both_ways() {
    on_each_driver(|| async {
        let server = Server::start(|peer, _| {
            while let Some(request) = peer.request() {
                let start =
                    request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
                let body = &request[start..];
                peer.send(
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(),
                );
                peer.send(body);
            }
        });
        let (_client, pool) = pool(&server);
        let body: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
        for length in [0, 1, 70_000, 1_000_000, 3_000_000] {
            let keep = Keep { success: 4_000_000, failure: 0 };
            let sent = &body[..length];
            let request = Request { headers: b"a: b\r\n", body: Some(sent), keep, timeout: LONG };
            let response = pool.post(request).await.unwrap();
            assert!(response.body() == sent, "{length}");
        }
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn never_more_connections_than_the_bound() {
    on_each_driver(|| async {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (busy, peak) = (Arc::clone(&now), Arc::clone(&most));
        let server = Server::start(move |peer, _| {
            while peer.request().is_some() {
                peak.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_micros(300));
                busy.fetch_sub(1, Ordering::SeqCst);
                peer.send(ACCEPTED);
            }
        });
        let (_client, pool) = pool_with(&server, ClientOptions { pool_size_max: 20, ..options() });
        let done = Rc::new(std::cell::Cell::new(0));
        for _ in 0..600 {
            let (pool, done) = (pool.clone(), Rc::clone(&done));
            millrace_shard::spawn(async move {
                assert_eq!(post(&pool).await.unwrap().status(), 202);
                done.set(done.get() + 1);
            });
        }
        until("all have started", || pool.in_flight() > 0).await;
        assert!(pool.open_connections() <= 20);
        until("all are answered", || done.get() == 600).await;
        assert_eq!((server.connections(), pool.in_flight()), (20, 0));
        assert!(most.load(Ordering::SeqCst) <= 20);
        assert_eq!(server.requests().len(), 600);
    });
}

#[test]
fn the_connection_used_last_is_used_first() {
    on_each_driver(|| async {
        let server = Server::start(|peer, number| {
            while peer.request().is_some() {
                std::thread::sleep(Duration::from_millis(20));
                let body = number.to_string();
                let length = body.len();
                peer.send(
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes(),
                );
            }
        });
        let (_client, pool) = pool(&server);
        let other = millrace_shard::spawn({
            let pool = pool.clone();
            async move { post(&pool).await.unwrap().body().to_vec() }
        });
        post(&pool).await.unwrap();
        other.await;
        assert_eq!(pool.open_connections(), 2);
        let first = post(&pool).await.unwrap().body().to_vec();
        for _ in 0..5 {
            assert_eq!(post(&pool).await.unwrap().body(), first);
        }
        assert_eq!(server.connections(), 2);
    });
}

#[test]
fn dropped_attempts_close_their_connections_and_free_their_places() {
    on_each_driver(|| async {
        let ended = Arc::new(AtomicUsize::new(0));
        let at_server = Arc::clone(&ended);
        let server = Server::start(move |peer, number| {
            if peer.request().is_some() && number > 0 {
                peer.send(ACCEPTED);
            }
            peer.wait_for_end();
            at_server.fetch_add(1, Ordering::SeqCst);
        });
        let (_client, pool) = pool_with(&server, ClientOptions { pool_size_max: 1, ..options() });
        let dropped = millrace_shard::timeout(Duration::from_millis(100), post(&pool)).await;
        assert!(dropped.is_err());
        assert_eq!((pool.in_flight(), pool.open_connections()), (0, 0));
        until("the server sees the end", || ended.load(Ordering::SeqCst) == 1).await;
        assert_eq!(post(&pool).await.unwrap().status(), 202);
    });
}
