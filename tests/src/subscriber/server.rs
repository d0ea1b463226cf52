//! The sockets of a subscriber: a thread for each connection, requests read strictly.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::answer::End;
use super::{Endpoints, Received};

const HEAD_BYTES_MAX: usize = 1024 * 1024;

/// Takes connections until it is stopped.
pub(super) struct Listener {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    taken: AtomicUsize,
    open: Mutex<BTreeMap<usize, TcpStream>>,
}

impl Listener {
    /// On any port of `host` for 0.
    pub(super) fn start(endpoints: Arc<Endpoints>, host: Ipv4Addr, port: u16) -> Self {
        let listener = TcpListener::bind((host, port)).expect("a port of loopback");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let taking = Arc::clone(&shared);
        thread::spawn(move || take_connections(&listener, &taking, &endpoints));
        Self { address, shared }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.taken.load(Ordering::Relaxed)
    }

    pub(super) fn open_connections(&self) -> usize {
        self.shared.open.lock().expect("no one panics in here").len()
    }

    pub(super) fn stop(&self) {
        if self.shared.stopped.swap(true, Ordering::SeqCst) {
            return;
        }
        // Wakes the thread that waits for a connection, which then drops the listener.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        for stream in self.shared.open.lock().expect("no one panics in here").values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        while TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok() {
            thread::yield_now();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

fn take_connections(listener: &TcpListener, shared: &Arc<Shared>, endpoints: &Arc<Endpoints>) {
    for stream in listener.incoming().flatten() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let number = shared.taken.fetch_add(1, Ordering::Relaxed);
        if let Ok(copy) = stream.try_clone() {
            shared.open.lock().expect("no one panics in here").insert(number, copy);
        }
        let (endpoints, shared) = (Arc::clone(endpoints), Arc::clone(shared));
        thread::spawn(move || {
            if let Err(error) = serve(&stream, number, &endpoints) {
                // Broken by us or by the dispatcher: the test's own checks tell which was right.
                eprintln!("subscriber, connection {number}: {error}");
            }
            shared.open.lock().expect("no one panics in here").remove(&number);
        });
    }
}

fn serve(mut stream: &TcpStream, number: usize, endpoints: &Endpoints) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::new();
    while let Some(request) = read_request(stream, number, &mut unread)? {
        let path = request.target.split('?').next().unwrap_or_default();
        let name = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let endpoint = endpoints.named(name);
        let answer = endpoint.take(request);
        if let Some(gate) = &answer.gate {
            gate.wait();
        }
        thread::sleep(answer.delay);
        endpoint.done();
        stream.write_all(&answer.to_bytes())?;
        match answer.end {
            End::KeepAlive => {}
            End::Close => return stream.shutdown(Shutdown::Both),
            End::Reset => return SockRef::from(stream).set_linger(Some(Duration::ZERO)),
        }
    }
    Ok(())
}

/// The next request, or `None` at the end of the connection.
fn read_request(
    stream: &TcpStream,
    connection: usize,
    unread: &mut Vec<u8>,
) -> io::Result<Option<Received>> {
    let head_length = loop {
        if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if unread.len() > HEAD_BYTES_MAX {
            return Err(io::Error::other("a head without end"));
        }
        if !read_more(stream, unread)? {
            return if unread.is_empty() {
                Ok(None)
            } else {
                Err(odd("an unfinished head", unread))
            };
        }
    };
    let rest = unread.split_off(head_length + 4);
    let head = std::mem::replace(unread, rest);
    let head = head.get(..head_length).unwrap_or_default();
    let (method, target, headers) = parse_head(head).ok_or_else(|| odd("an odd head", head))?;
    let body = read_body(stream, &headers, unread)?;
    let arrived = Instant::now();
    Ok(Some(Received { method, target, headers, body, arrived, connection, concurrent: 0 }))
}

type Head = (String, String, Vec<(String, Vec<u8>)>);

fn parse_head(head: &[u8]) -> Option<Head> {
    let mut lines =
        head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let request_line = std::str::from_utf8(lines.next()?).ok()?;
    let [method, target, "HTTP/1.1"] = request_line.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let headers = lines.map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        let proper = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        proper.then(|| (name.to_owned(), line[colon + 1..].trim_ascii().to_vec()))
    });
    Some((method.to_owned(), target.to_owned(), headers.collect::<Option<_>>()?))
}

/// A body of a known length; the dispatcher has no reason to send another kind.
fn read_body(
    stream: &TcpStream,
    headers: &[(String, Vec<u8>)],
    unread: &mut Vec<u8>,
) -> io::Result<Vec<u8>> {
    let named = |wanted: &str| {
        let mut found = headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
        (found.next().map(|(_, value)| value.as_slice()), found.next().is_some())
    };
    if let (Some(coding), _) = named("transfer-encoding") {
        return Err(odd("a transfer coding", coding));
    }
    let length = match named("content-length") {
        (None, _) => 0,
        (Some(text), false) => std::str::from_utf8(text)
            .ok()
            .and_then(|digits| digits.parse::<usize>().ok())
            .ok_or_else(|| odd("a content-length", text))?,
        (Some(text), true) => return Err(odd("two content-lengths", text)),
    };
    while unread.len() < length {
        if !read_more(stream, unread)? {
            return Err(odd("an unfinished body", unread));
        }
    }
    let rest = unread.split_off(length);
    Ok(std::mem::replace(unread, rest))
}

/// Whether there was more.
fn read_more(mut stream: &TcpStream, unread: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 16 * 1024];
    let count = stream.read(&mut chunk)?;
    unread.extend_from_slice(&chunk[..count]);
    Ok(count > 0)
}

fn odd(what: &str, bytes: &[u8]) -> io::Error {
    io::Error::other(format!("{what}: {:?}", String::from_utf8_lossy(bytes)))
}
