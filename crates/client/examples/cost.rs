//! Prints what a request costs the shard that sends it, in CPU time of its thread:
//! `cargo run --release --example cost -- [auto|io_uring|epoll] [parallel] [seconds]`.
//! Bodies have 1 KiB, the server is one blocking thread for each connection that does next to nothing.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use millrace_client::{Client, ClientOptions, Keep, Names, Pool, Request, Resolver, Target};
use millrace_shard::{DriverChoice, Runtime, spawn};

const ANSWER: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
const HEADERS: &[u8] = b"ce-specversion: 1.0\r\nce-id: 0c6f3d2e-7a39-4f0e-9f3c-6a4d1a0b6c55\r\n\
    ce-source: /apis/v1/namespaces/default/pingsources/one\r\nce-type: dev.knative.sources.ping\r\n\
    ce-time: 2026-08-01T12:00:00.000000000Z\r\ncontent-type: application/json\r\n";
const BODY: [u8; 1_024] = [b'x'; 1_024];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let choice: DriverChoice = words.next().as_deref().unwrap_or("auto").parse()?;
    let parallel = words.next().map_or(Ok(32), |word| word.parse())?;
    let seconds = words.next().map_or(Ok(5), |word| word.parse())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    let resolver = Resolver::start()?;
    let mut runtime = Runtime::build(choice)?;
    println!("{} ({})", runtime.report().driver, runtime.report().reason);
    runtime.block_on(async move {
        let options = ClientOptions { pool_size_max: parallel, ..ClientOptions::default() };
        let client = Client::new(options, Names::new(&resolver)?);
        let pool = client.pool(&Target::parse(&url)?, b"prefer: reply\r\nkn-namespace: ns\r\n");
        measure(&pool, parallel, Duration::from_secs(1)).await;
        measure(&pool, parallel, Duration::from_secs(seconds)).await;
        println!("{:?}", client.stats());
        Ok(())
    })
}

/// Reads until a request of known size is there, then answers.
fn serve(mut stream: TcpStream) {
    let mut buffer = [0; 16 * 1_024];
    let mut filled = 0;
    stream.set_nodelay(true).ok();
    loop {
        match stream.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(count @ 1..) => filled += count,
            _ => return,
        }
        if buffer.get(..filled).is_some_and(|bytes| bytes.ends_with(&BODY)) {
            filled = 0;
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    }
}

async fn measure(pool: &Pool, parallel: usize, time: Duration) {
    let sent = Rc::new(Cell::new(0_u32));
    let (started, cpu_before) = (Instant::now(), thread_cpu());
    let tasks: Vec<_> = (0..parallel)
        .map(|_| {
            let (pool, sent) = (pool.clone(), Rc::clone(&sent));
            spawn(async move {
                while started.elapsed() < time {
                    let request = Request {
                        headers: HEADERS,
                        body: Some(&BODY),
                        keep: Keep { success: 1 << 20, failure: 1_024 },
                        timeout: Duration::from_secs(10),
                    };
                    match pool.post(request).await {
                        Ok(response) => assert!(response.status() == 202),
                        Err(error) => panic!("{error}"),
                    }
                    sent.set(sent.get() + 1);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await;
    }
    let cpu = thread_cpu().saturating_sub(cpu_before);
    let each = cpu.as_secs_f64() * 1e6 / f64::from(sent.get().max(1));
    let rate = f64::from(sent.get()) / started.elapsed().as_secs_f64();
    println!("{parallel} parallel: {rate:.0} requests/s, {each:.2} us of CPU each");
}

/// User and system time of this thread.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
