//! A server that answers badly, each event in the way that its id says, and notes what a client does then.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// A place on loopback where nobody listens, and nobody else can before [`Self::open`].
pub(super) struct ClosedPort(Socket);

impl ClosedPort {
    pub(super) fn take() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Self(socket)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap().as_socket().unwrap())
    }

    /// Listens there from now on.
    pub(super) fn open(self) -> Server {
        // Small, so that a request is not in the buffers before its first byte is answered.
        self.0.set_recv_buffer_size(4096).unwrap();
        self.0.listen(1024).unwrap();
        Server::of(self.0.into())
    }
}

/// What becomes of a connection behind the bytes that were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The next request is answered.
    GoOn,
    /// Nothing may come any more but the connection's end.
    Wait,
    /// FIN at once.
    Close,
    /// RST at once.
    Reset,
}

/// One way to answer.
#[derive(Clone, Debug)]
pub(super) struct Act {
    pub(super) bytes: Vec<u8>,
    /// So many more bytes `A`, unless the client goes first.
    pub(super) filler: usize,
    /// Between two bytes, which then are sent one by one.
    pub(super) pace: Option<Duration>,
    /// Before the request's body is read.
    pub(super) early: bool,
    pub(super) then: Then,
}

impl Act {
    pub(super) fn new(bytes: impl AsRef<[u8]>, then: Then) -> Self {
        Self { bytes: bytes.as_ref().to_vec(), filler: 0, pace: None, early: false, then }
    }
}

/// The server; its threads end with the test process.
pub(super) struct Server {
    address: SocketAddr,
    notes: Arc<Notes>,
}

#[derive(Default)]
struct Notes {
    acts: Mutex<BTreeMap<String, Act>>,
    attempts: Mutex<BTreeMap<String, u32>>,
    wrong: Mutex<Vec<String>>,
}

impl Server {
    fn of(listener: TcpListener) -> Self {
        let server = Self { address: listener.local_addr().unwrap(), notes: Arc::default() };
        let notes = Arc::clone(&server.notes);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let notes = Arc::clone(&notes);
                // What breaks is what was asked for; what must not happen is in the notes.
                thread::spawn(move || drop(serve(&stream, &notes)));
            }
        });
        server
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers events whose id begins with this name and a `.`; others get an empty 200.
    pub(super) fn on(&self, name: &str, act: Act) {
        self.notes.acts.lock().unwrap().insert(name.to_owned(), act);
    }

    /// How often each event came.
    pub(super) fn attempts(&self) -> BTreeMap<String, u32> {
        self.notes.attempts.lock().unwrap().clone()
    }

    /// What a client did that it must not.
    pub(super) fn wrong(&self) -> Vec<String> {
        self.notes.wrong.lock().unwrap().clone()
    }
}

fn serve(mut stream: &TcpStream, notes: &Notes) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::new();
    while let Some(head) = read_head(stream, &mut unread)? {
        let id = value(&head, "ce-id").unwrap_or_default();
        let length = value(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        if id.is_empty() || !head.starts_with("POST ") {
            notes.wrong.lock().unwrap().push(format!("no request: {head:?}"));
        }
        *notes.attempts.lock().unwrap().entry(id.clone()).or_default() += 1;
        let name = id.split('.').next().unwrap_or_default();
        let act = notes.acts.lock().unwrap().get(name).cloned();
        let act = act.unwrap_or_else(|| {
            Act::new("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::GoOn)
        });
        if !act.early {
            read_body(stream, &mut unread, length)?;
        }
        // A client that has heard enough goes, and that is its right.
        let sent = send(stream, &act);
        match act.then {
            Then::GoOn => {
                sent?;
                if act.early {
                    read_body(stream, &mut unread, length)?;
                }
            }
            Then::Wait => {
                let more = stream.read(&mut [0; 1024]);
                if !unread.is_empty() || more.is_ok_and(|count| count > 0) {
                    notes.wrong.lock().unwrap().push(format!("used again after {id}"));
                }
                return Ok(());
            }
            Then::Close => return stream.shutdown(Shutdown::Both),
            Then::Reset => return SockRef::from(stream).set_linger(Some(Duration::ZERO)),
        }
    }
    Ok(())
}

fn send(mut stream: &TcpStream, act: &Act) -> io::Result<()> {
    match act.pace {
        None => stream.write_all(&act.bytes)?,
        Some(pace) => {
            for byte in &act.bytes {
                stream.write_all(&[*byte])?;
                thread::sleep(pace);
            }
        }
    }
    let chunk = [b'A'; 64 * 1024];
    let mut left = act.filler;
    while left > 0 {
        let now = left.min(chunk.len());
        stream.write_all(&chunk[..now])?;
        left -= now;
    }
    Ok(())
}

fn value(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim().to_owned())
}

fn read_head(stream: &TcpStream, unread: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = unread.split_off(at + 4);
            let head = std::mem::replace(unread, rest);
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        if !read_more(stream, unread)? {
            return Ok(None);
        }
    }
}

fn read_body(stream: &TcpStream, unread: &mut Vec<u8>, length: usize) -> io::Result<()> {
    while unread.len() < length {
        if !read_more(stream, unread)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    unread.drain(..length);
    Ok(())
}

fn read_more(mut stream: &TcpStream, unread: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 16 * 1024];
    let count = stream.read(&mut chunk)?;
    unread.extend_from_slice(&chunk[..count]);
    Ok(count > 0)
}
