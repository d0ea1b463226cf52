//! F4 and F5: a client that posts the same request again and again, on the products' runtime.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use millrace_shard::outgoing::{finish_connect, start_connect};
use millrace_shard::{
    AsyncReadRent, AsyncWriteRentExt, ConnectOptions, DriverChoice, Shards, StartOptions, TcpStream,
};

use super::part::{Meter, PartFigures};
use crate::clock;
use crate::ids;
use crate::latency::Latency;
use crate::load::wire::Wire;
use crate::load::{Shape, Url};

/// What is posted.
#[derive(Clone, Debug)]
pub(crate) struct PostPlan {
    pub(crate) url: Url,
    pub(crate) connections: usize,
    pub(crate) size: usize,
    pub(crate) driver: DriverChoice,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

#[derive(Default)]
struct Shared {
    events: Cell<u64>,
    failed: Cell<u64>,
    measuring: Cell<bool>,
    over: Cell<bool>,
    latency: RefCell<Latency>,
}

/// Runs on one shard of its own, unbound: the process is bound as a whole.
pub(crate) fn run(plan: &PostPlan) -> Result<PartFigures, Box<dyn Error>> {
    let plan = plan.clone();
    let shards = Shards::start(StartOptions::new(vec![None], plan.driver), move |_| {
        let plan = plan.clone();
        async move { measure(&plan).await.map_err(|error| error.to_string()) }
    })?;
    let outcome = shards.join()?.into_iter().next().ok_or("the shard has ended early")?;
    Ok(outcome?)
}

async fn measure(plan: &PostPlan) -> Result<PartFigures, Box<dyn Error>> {
    let shape = Shape { size: plan.size, ..Shape::default() };
    let mut wire = Wire::new(&shape, &plan.url, ids::new_run());
    let shared = Rc::new(Shared::default());
    let mut tasks = Vec::with_capacity(plan.connections);
    for stream in 0..plan.connections {
        let request = wire.fill(stream as u16, 0, 0).to_vec();
        let connection = connect(plan.url.address).await?;
        tasks.push(millrace_shard::spawn(post_all(connection, request, shared.clone())));
    }
    millrace_shard::sleep(plan.warm_up).await;
    let meter = Meter::start()?;
    shared.measuring.set(true);
    millrace_shard::sleep(plan.duration).await;
    shared.measuring.set(false);
    let latency = shared.latency.borrow().clone();
    let figures = meter.stop(shared.events.get(), shared.failed.get(), &latency)?;
    shared.over.set(true);
    for task in tasks {
        let _ = millrace_shard::timeout(Duration::from_secs(5), task).await;
    }
    Ok(figures)
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = start_connect(address, &ConnectOptions::default())?;
    finish_connect(&stream).await?;
    Ok(stream)
}

async fn post_all(mut stream: TcpStream, mut request: Vec<u8>, shared: Rc<Shared>) {
    let mut buffer = Vec::with_capacity(4096);
    while !shared.over.get() {
        let since = clock::now_ns();
        let (written, back) = stream.write_all(request).await;
        request = back;
        buffer.clear();
        let mut whole = false;
        while written.is_ok() && !whole {
            let filled: usize = buffer.len();
            let (read, back) = if filled == 0 {
                stream.read(buffer).await
            } else {
                let (read, more) = stream.read(Vec::with_capacity(4096)).await;
                buffer.extend_from_slice(&more);
                (read, buffer)
            };
            buffer = back;
            if !matches!(read, Ok(1..)) {
                break;
            }
            whole = is_whole(&buffer);
        }
        if shared.measuring.get() {
            let count = if whole { &shared.events } else { &shared.failed };
            count.set(count.get() + 1);
            shared.latency.borrow_mut().record(clock::now_ns().saturating_sub(since));
        }
        if !whole {
            return;
        }
    }
}

/// Whether an answer with a length is all there, read as lazily as a floor may.
fn is_whole(buffer: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = response.parse(buffer) else { return false };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    head.checked_add(length.unwrap_or(0)).is_some_and(|end| end <= buffer.len())
}
