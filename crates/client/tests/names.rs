//! Names: resolved off the shard, several addresses, failures, and a name that moves.
#![allow(clippy::unwrap_used)] // A test that cannot set its scene has failed.

mod server;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millrace_client::{Client, ClientOptions, Failure, Names, Pool, Resolver, Stage, Target};
use millrace_shard::testing::on_each_driver;

use server::{ACCEPTED, LOCALHOST, Server, options, post, post_within, until};

const LIFETIME: Duration = Duration::from_millis(200);

/// A name server that answers what it is told to, and counts.
#[derive(Clone)]
struct Zone {
    answer: Arc<Mutex<Result<Vec<IpAddr>, &'static str>>>,
    asked: Arc<AtomicUsize>,
}

impl Zone {
    fn new(addresses: &[IpAddr]) -> Self {
        Self { answer: Arc::new(Mutex::new(Ok(addresses.to_vec()))), asked: Arc::default() }
    }

    fn set(&self, answer: Result<Vec<IpAddr>, &'static str>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn pool(&self, server: &Server) -> (Client, Pool) {
        let zone = self.clone();
        let resolver = Resolver::with(move |host| {
            assert_eq!(host, "sub.ns.svc");
            zone.asked.fetch_add(1, Ordering::SeqCst);
            zone.answer.lock().unwrap().clone().map_err(io::Error::other)
        });
        let names = Names::new(&resolver.unwrap()).unwrap();
        let client = Client::new(ClientOptions { name_lifetime: LIFETIME, ..options() }, names);
        let url = format!("http://sub.ns.svc:{}/", server.address.port());
        let pool = client.pool(&Target::parse(&url).unwrap(), b"");
        (client, pool)
    }
}

/// Another loopback address, on which nobody listens.
fn nobody() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 9, 9, 9))
}

#[test]
fn name_is_resolved_once_for_many() {
    on_each_driver(|| async {
        let server = Server::answering(ACCEPTED);
        let zone = Zone::new(&[LOCALHOST]);
        let (_client, pool) = zone.pool(&server);
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let pool = pool.clone();
                millrace_shard::spawn(async move { post(&pool).await.unwrap().status() })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await, 202);
        }
        assert_eq!(zone.asked(), 1);
        let request = String::from_utf8(server.requests().remove(0)).unwrap();
        assert!(request.contains(&format!("host: sub.ns.svc:{}\r\n", server.address.port())));
    });
}

#[test]
fn addresses_are_tried_in_turn() {
    on_each_driver(|| async {
        let server = Server::answering(ACCEPTED);
        let zone = Zone::new(&[nobody(), LOCALHOST]);
        let (client, pool) = zone.pool(&server);
        assert_eq!(post(&pool).await.unwrap().status(), 202);
        let stats = client.stats();
        assert_eq!((stats.connected, stats.connect_failed), (1, 1));
    });
}

#[test]
fn name_without_address_is_a_failure_that_passes() {
    on_each_driver(|| async {
        let server = Server::answering(ACCEPTED);
        let zone = Zone::new(&[]);
        let (_client, pool) = zone.pool(&server);
        let error = post(&pool).await.unwrap_err();
        assert_eq!(error.failure().label(), "resolve");
        assert!(error.to_string().contains("sub.ns.svc\" can't be resolved: the name has no"));
        // The failure is remembered for a moment.
        post(&pool).await.unwrap_err();
        assert_eq!(zone.asked(), 1);
        zone.set(Ok(vec![LOCALHOST]));
        let started = Instant::now();
        while post(&pool).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(5));
            millrace_shard::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(zone.asked(), 2);
    });
}

#[test]
fn slow_lookup_ends_at_the_deadline_or_when_closed() {
    on_each_driver(|| async {
        let resolver = Resolver::with(|_| {
            std::thread::sleep(Duration::from_millis(1_500));
            Ok(vec![nobody()])
        });
        let client = Client::new(options(), Names::new(&resolver.unwrap()).unwrap());
        let pool = client.pool(&Target::parse("http://slow/").unwrap(), b"");
        let error = post_within(&pool, Duration::from_millis(100)).await.unwrap_err();
        let stage = matches!(error.failure(), Failure::Timeout { stage: Stage::Resolving, .. });
        assert!(stage, "{error}");
        let waiting = millrace_shard::spawn({
            let pool = pool.clone();
            async move { post(&pool).await.map(drop) }
        });
        millrace_shard::sleep(Duration::from_millis(5)).await;
        pool.close();
        assert!(waiting.await.unwrap_err().is_closed());
    });
}

#[test]
fn last_good_address_outlives_a_failing_name_server() {
    on_each_driver(|| async {
        let server = Server::start(|peer, _| {
            peer.request();
            peer.send(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        });
        let zone = Zone::new(&[LOCALHOST]);
        let (_client, pool) = zone.pool(&server);
        post(&pool).await.unwrap();
        zone.set(Err("no name server"));
        let asked = zone.asked();
        let started = Instant::now();
        while zone.asked() < asked + 2 {
            assert!(started.elapsed() < Duration::from_secs(10));
            assert_eq!(post(&pool).await.unwrap().status(), 202);
            millrace_shard::sleep(Duration::from_millis(100)).await;
        }
    });
}

#[test]
fn name_that_moves_is_followed_and_old_connections_are_closed() {
    on_each_driver(|| async {
        let old = Server::answering(ACCEPTED);
        let zone = Zone::new(&[LOCALHOST]);
        let (client, pool) = zone.pool(&old);
        post(&pool).await.unwrap();
        assert_eq!(pool.open_connections(), 1);
        // The same port on another address.
        let elsewhere: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        let new = std::net::TcpListener::bind((elsewhere, old.address.port())).unwrap();
        zone.set(Ok(vec![elsewhere]));
        until("the old connection is closed", || pool.open_connections() == 0).await;
        assert_eq!(client.stats().retired, 1);
        let sent = millrace_shard::spawn({
            let pool = pool.clone();
            async move { post_within(&pool, Duration::from_millis(300)).await.map(drop) }
        });
        let error = sent.await.unwrap_err();
        assert!(matches!(error.failure(), Failure::Timeout { stage: Stage::Head, .. }), "{error}");
        new.set_nonblocking(true).unwrap();
        assert!(new.accept().is_ok());
        assert_eq!(old.connections(), 1);
    });
}

#[test]
fn system_resolver_knows_localhost() {
    on_each_driver(|| async {
        let server = Server::answering(ACCEPTED);
        let names = Names::new(&Resolver::start().unwrap()).unwrap();
        let url = format!("http://localhost:{}/", server.address.port());
        let pool = Client::new(options(), names).pool(&Target::parse(&url).unwrap(), b"");
        assert_eq!(post(&pool).await.unwrap().status(), 202);
    });
}
