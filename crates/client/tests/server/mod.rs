//! A server for tests that does exactly what a test writes down, on threads of its own, and a
//! client to it.
#![allow(dead_code)]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use millrace_client::{
    AttemptError, Client, ClientOptions, Keep, Names, Pool, Request, Resolver, Response, Target,
};

pub(crate) const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Listens until the process ends; each connection has a thread that runs the script.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    /// `script` is called with each connection and its number, from 0; the connection is closed
    /// when it returns.
    pub(crate) fn start(script: impl Fn(&mut Peer, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let server = Self {
            address,
            connections: Arc::clone(&connections),
            requests: Arc::clone(&requests),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let number = connections.fetch_add(1, Ordering::SeqCst);
                let (script, requests) = (Arc::clone(&script), Arc::clone(&requests));
                std::thread::spawn(move || {
                    let stream = stream.unwrap();
                    stream.set_nodelay(true).unwrap();
                    script(&mut Peer { stream, buffer: Vec::new(), requests }, number);
                });
            }
        });
        server
    }

    /// Answers each request with these bytes, and keeps the connection.
    pub(crate) fn answering(answer: &'static [u8]) -> Self {
        Self::start(move |peer, _| {
            while peer.request().is_some() {
                peer.send(answer);
            }
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/path?query", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// All requests in full, in the order they were complete.
    pub(crate) fn requests(&self) -> Vec<Vec<u8>> {
        self.requests.lock().unwrap().clone()
    }
}

/// The server's end of a connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Peer {
    /// The next request, head and body; `None` at the end of the connection.
    pub(crate) fn request(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = request_length(&self.buffer)
                && length <= self.buffer.len()
            {
                let request: Vec<u8> = self.buffer.drain(..length).collect();
                self.requests.lock().unwrap().push(request.clone());
                return Some(request);
            }
            let mut piece = [0; 16 * 1024];
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.buffer.extend_from_slice(&piece[..count]),
            }
        }
    }

    /// Whether all was sent.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Waits until the client has closed its end.
    pub(crate) fn wait_for_end(&mut self) {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(count) if count > 0 => {}
                _ => return,
            }
        }
    }

    /// Closing sends a reset instead of an orderly end.
    pub(crate) fn reset_on_close(&self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    Some(head + length.map_or(0, |digits| digits.parse::<usize>().unwrap()))
}

/// The defaults, with a name for the user agent.
pub(crate) fn options() -> ClientOptions {
    ClientOptions { user_agent: Some("test".to_owned()), ..ClientOptions::default() }
}

/// A client on the running shard, for which all names are this machine.
pub(crate) fn client(options: ClientOptions) -> Client {
    static RESOLVER: OnceLock<Resolver> = OnceLock::new();
    let resolver = RESOLVER.get_or_init(|| Resolver::with(|_| Ok(vec![LOCALHOST])).unwrap());
    Client::new(options, Names::new(resolver).unwrap())
}

pub(crate) const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) fn pool(server: &Server) -> (Client, Pool) {
    pool_with(server, options())
}

pub(crate) fn pool_with(server: &Server, options: ClientOptions) -> (Client, Pool) {
    let client = client(options);
    let pool = client.pool(&Target::parse(&server.url()).unwrap(), b"");
    (client, pool)
}

/// A small event whose answer is kept up to 1,000 bytes.
pub(crate) async fn post(pool: &Pool) -> Result<Response, AttemptError> {
    post_within(pool, LONG).await
}

pub(crate) async fn post_within(pool: &Pool, timeout: Duration) -> Result<Response, AttemptError> {
    pool.post(request(b"{}", timeout)).await
}

pub(crate) fn request(body: &[u8], timeout: Duration) -> Request<'_> {
    let keep = Keep { success: 1_000, failure: 1_000 };
    Request { headers: b"ce-id: 1\r\n", body: Some(body), keep, timeout }
}

/// Waits for something that other threads or tasks bring about.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG, "not seen in time: {what}");
        millrace_shard::sleep(Duration::from_millis(2)).await;
    }
}
