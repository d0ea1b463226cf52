//! Sends back what it gets, on all cores: `cargo run --example echo -- [auto|io_uring|epoll] [port]`.
//! Ends when standard input does, after the open connections have closed (at most 5 s).

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use millrace_shard::{
    Accepted, Acceptor, AsyncReadRent, AsyncWriteRentExt, Balance, CoreRequest, Drain,
    DriverChoice, Exchange, ListenOptions, Phase, Pinning, Shards, StartOptions, Topology, bind,
    spawn,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let choice: DriverChoice = words.next().as_deref().unwrap_or("auto").parse()?;
    let port = words.next().map_or(Ok(7_007), |word| word.parse())?;

    let topology = Topology::detect(&CoreRequest::Auto, Pinning::Auto, 64)?;
    let count = topology.shards.len();
    let options = ListenOptions::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    let listeners = bind(&options, count)?;
    let (balance, seats) = Balance::new(count, 10_000)?;
    let (drain, drain_seats) = Drain::new(count)?;
    println!("{} shards ({}) on {}", count, topology.reason, listeners[0].address());

    let parts: Vec<_> = listeners.into_iter().zip(seats).zip(drain_seats).map(Some).collect();
    let parts = Mutex::new(parts);
    let start = StartOptions::new(topology.shards, choice);
    let shards = Shards::start(start, move |shard| {
        let mine = parts.lock().ok().and_then(|mut parts| parts.get_mut(shard.id.0)?.take());
        async move {
            let Some(((listener, seat), drain)) = mine else { return Ok(()) };
            let acceptor = Acceptor::new(listener, seat)?;
            let drain = drain.attach()?;
            let (closer, watch) = (acceptor.closer(), drain.clone());
            spawn(async move {
                watch.reached(Phase::Draining).await;
                closer.close();
            });
            let watch = drain.clone();
            acceptor.run(move |accepted| drop(spawn(echo(accepted, watch.exchange())))).await;
            drain.reached(Phase::Closing).await;
            std::io::Result::Ok(())
        }
    })?;
    let report = &shards.reports()[0];
    println!("{} {} {} ({})", report.driver, report.entries, report.flags, report.reason);

    std::io::stdin().read_to_end(&mut Vec::new())?;
    drain.advance(Phase::Draining);
    let open = drain.wait_until(Instant::now() + Duration::from_secs(5));
    drain.advance(Phase::Closing);
    println!("{open} connections cut, {:?}", balance.stats());
    shards.join()?.into_iter().collect::<std::io::Result<()>>()?;
    Ok(())
}

async fn echo(mut accepted: Accepted, _exchange: Exchange) {
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        let (read, mut filled) = accepted.stream.read(buffer).await;
        let Ok(count @ 1..) = read else { return };
        filled.truncate(count);
        let (written, back) = accepted.stream.write_all(filled).await;
        if written.is_err() {
            return;
        }
        buffer = back;
    }
}
