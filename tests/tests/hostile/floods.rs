//! One client that never pauses: what it asks for costs no wait on Kafka, so only the receiver's own turns let others in.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use millrace_tests::drivers;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix::Variant;
use millrace_tests::wait::{SOON, until};

use crate::routes::Routes;

/// Pipelining clients at once, on the one shard.
const FLOODS: usize = 2;
/// Honest requests, one after another, on new connections and on one that stays.
const HONEST: usize = 20;

/// Clients that send one request, then a short one again and again, pipelined, and read what comes; until dropped.
struct Flood {
    streams: Vec<TcpStream>,
    /// Bytes of answers.
    answered: Arc<AtomicU64>,
}

impl Flood {
    fn begin(port: u16, first: &str, request: &str) -> Self {
        let block = request.repeat((64 * 1024 / request.len()).max(1));
        let answered = Arc::new(AtomicU64::new(0));
        let open = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let streams: Vec<TcpStream> = (0..FLOODS).map(|_| open()).collect();
        for stream in &streams {
            let (mut to, mut from) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
            let (first, block) = (first.to_owned(), block.clone());
            let answered = Arc::clone(&answered);
            thread::spawn(move || {
                let _ = to.write_all(first.as_bytes());
                while to.write_all(block.as_bytes()).is_ok() {}
            });
            thread::spawn(move || {
                let mut chunk = vec![0; 256 * 1024];
                while let Ok(count @ 1..) = from.read(&mut chunk) {
                    answered.fetch_add(count as u64, Ordering::Relaxed);
                }
            });
        }
        Self { streams, answered }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        for stream in &self.streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

drivers! {
    fn pipelining_without_end_starves_nobody(variant: Variant) {
        let routes = Routes::new(variant, |setup| {
            setup.env("SHARDS", "1").producer("max.request.size", "16000000")
        });
        let probe = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
        // Its buffer must not become a place where requests wait by the ten thousand.
        let large = format!(
            "POST /ok HTTP/1.1\r\nHost: h\r\nContent-Length: 16000000\r\n\r\n{}",
            "x".repeat(16_000_000)
        );
        let chunks = format!(
            "POST /ok HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
            "1\r\na\r\n".repeat(100_000)
        );
        for (what, first, request) in [
            ("probes", "", probe),
            ("probes behind a large body", &large, probe),
            ("no route", "", "POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"),
            ("no event", "", "POST /ok HTTP/1.1\r\nHost: h\r\n\r\n"),
            ("small chunks", "", &chunks),
        ] {
            let flood = Flood::begin(routes.port(), first, request);
            until("the flood to run", SOON, || (flood.answered() > 8192).then_some(()));
            let mut kept = Connection::open(routes.port());
            let mut longest = Duration::ZERO;
            for _ in 0..HONEST {
                for connection in [&mut kept, &mut Connection::open(routes.port())] {
                    let began = Instant::now();
                    assert_eq!(connection.exchange(&Request::get("/healthz")).status, 200);
                    longest = longest.max(began.elapsed());
                }
            }
            println!("{what}: {} bytes of answers, longest honest wait {longest:?}", flood.answered());
        }
    }
}
