//! F1: an HTTP server that does nothing but answer 202, to show what HTTP alone costs on a machine.
//!
//! One shard of the products' runtime, httparse, one read and one write a request, no bounds, no
//! routing, no Kafka. Not for use: what the products spend above it is what they do for an event.

use std::error::Error;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use millrace_shard::{
    Accepted, Acceptor, AsyncReadRent, AsyncWriteRentExt, Balance, DriverChoice, ListenOptions,
    Seat, ShardListener, Shards, StartOptions, TcpStream, bind,
};

pub(super) const ANSWER: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
const CONNECTIONS_MAX: usize = 10_000;
const READ_BYTES: usize = 16 * 1024;

/// Answers every request with 202 on a port of this machine until the process ends, on one thread.
/// `answered` counts. `ready` is called once it listens.
///
/// # Errors
/// When the port is taken or the kernel refuses a driver.
pub(super) fn serve(
    port: u16,
    driver: DriverChoice,
    cpu: Option<usize>,
    answered: Arc<AtomicU64>,
    ready: impl FnOnce(u16),
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let listen = ListenOptions::new(Ipv4Addr::LOCALHOST.into(), port);
    let listener = bind(&listen, 1)?.into_iter().next().ok_or("no listener")?;
    let port = listener.address().port();
    let (_balance, seats) = Balance::new(1, CONNECTIONS_MAX)?;
    let parts = Mutex::new(Some(listener).zip(seats.into_iter().next()));
    let shards = Shards::start(StartOptions::new(vec![cpu], driver), move |_| {
        let parts = parts.lock().ok().and_then(|mut parts| parts.take());
        accept_all(parts, answered.clone())
    })?;
    ready(port);
    shards.join()?;
    Ok(())
}

async fn accept_all(parts: Option<(ShardListener, Seat)>, answered: Arc<AtomicU64>) {
    let Some((listener, seat)) = parts else { return };
    match Acceptor::new(listener, seat) {
        Ok(acceptor) => {
            let accept = move |accepted: Accepted| {
                let answered = answered.clone();
                drop(millrace_shard::spawn(async move {
                    let Accepted { stream, open, .. } = accepted;
                    answer_all(stream, &answered).await;
                    drop(open);
                }));
            };
            acceptor.run(accept).await;
        }
        Err(error) => eprintln!("{error}"),
    }
}

async fn answer_all(mut stream: TcpStream, answered: &AtomicU64) {
    let answer: Rc<[u8]> = ANSWER.into();
    let mut buffer = Vec::with_capacity(READ_BYTES);
    let mut out = Vec::with_capacity(ANSWER.len());
    loop {
        while let Some(bytes) = request_bytes(&buffer) {
            out.clear();
            out.extend_from_slice(&answer);
            let (written, back) = stream.write_all(out).await;
            out = back;
            if written.is_err() {
                return;
            }
            answered.fetch_add(1, Ordering::Relaxed);
            buffer.drain(..bytes);
        }
        if buffer.capacity() - buffer.len() < READ_BYTES / 2 {
            buffer.reserve(READ_BYTES);
        }
        let filled = buffer.len();
        if filled > 0 {
            // Rare: a request in pieces.
            let (read, more) = stream.read(Vec::with_capacity(READ_BYTES)).await;
            match read {
                Ok(count) if count > 0 => {
                    buffer.extend_from_slice(more.get(..count).unwrap_or(&[]))
                }
                _ => return,
            }
            continue;
        }
        let (read, back) = stream.read(buffer).await;
        buffer = back;
        match read {
            Ok(count) if count > 0 => buffer.truncate(count),
            _ => return,
        }
    }
}

/// The length of the request at the start, once all of it is there.
pub(super) fn request_bytes(buffer: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(buffer).ok()? else { return None };
    let length =
        request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    let whole = head.checked_add(body.unwrap_or(0))?;
    (whole <= buffer.len()).then_some(whole)
}
