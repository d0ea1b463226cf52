//! `floor`: an HTTP server that does nothing but answer 202, to show what HTTP alone costs on a machine.
//!
//! One shard of the products' runtime, httparse, one read and one write a request, no bounds, no
//! routing, no Kafka. Not for use: what the products spend above it is what they do for an event.
#![forbid(unsafe_code)]

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Mutex;

use clap::Parser;
use millrace_shard::{
    Accepted, Acceptor, AsyncReadRent, AsyncWriteRentExt, Balance, DriverChoice, ListenOptions,
    Seat, ShardListener, Shards, StartOptions, TcpStream, bind,
};

const ANSWER: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
const CONNECTIONS_MAX: usize = 10_000;
const READ_BYTES: usize = 16 * 1024;

/// What the command line says.
#[derive(Parser)]
#[command(about = "Answers every request with 202")]
struct Options {
    /// Where to listen.
    #[arg(long)]
    port: u16,
    /// Use epoll instead of io_uring.
    #[arg(long)]
    epoll: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let listen = ListenOptions::new(Ipv4Addr::LOCALHOST.into(), options.port);
    let listener = bind(&listen, 1)?.into_iter().next();
    let (_balance, seats) = Balance::new(1, CONNECTIONS_MAX)?;
    let parts = Mutex::new(listener.zip(seats.into_iter().next()));
    let driver = if options.epoll { DriverChoice::Epoll } else { DriverChoice::Auto };
    let shards = Shards::start(StartOptions::new(vec![None], driver), move |_| {
        let parts = parts.lock().ok().and_then(|mut parts| parts.take());
        serve(parts)
    })?;
    println!("listening on {}", options.port);
    shards.join()?;
    Ok(())
}

async fn serve(parts: Option<(ShardListener, Seat)>) {
    let Some((listener, seat)) = parts else { return };
    match Acceptor::new(listener, seat) {
        Ok(acceptor) => {
            let accept = |accepted: Accepted| {
                drop(millrace_shard::spawn(async move {
                    let Accepted { stream, open, .. } = accepted;
                    answer_all(stream).await;
                    drop(open);
                }));
            };
            acceptor.run(accept).await;
        }
        Err(error) => eprintln!("{error}"),
    }
}

async fn answer_all(mut stream: TcpStream) {
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
fn request_bytes(buffer: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(buffer).ok()? else { return None };
    let length =
        request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    let whole = head.checked_add(body.unwrap_or(0))?;
    (whole <= buffer.len()).then_some(whole)
}
