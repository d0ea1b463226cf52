//! S4: many clients that give or take a byte now and then, in the head, in the body, and as readers of answers: all are
//! closed by the bounds, memory stays bounded, an honest client is served as before.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use millrace_tests::drivers;
use millrace_tests::files;
use millrace_tests::footprint::resident_kib;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix::Variant;
use millrace_tests::rig::unique;
use millrace_tests::schedule::Run;
use millrace_tests::wait::{SOON, pass, until, within};
use socket2::{Domain, Socket, Type};

use crate::routes::Routes;

/// Of the head and of the body, in seconds; a byte comes more often than that.
const HEAD_SECONDS: &str = "4";
const BODY_SECONDS: &str = "6";
const DRIP: Duration = Duration::from_secs(1);
/// Between two bytes that a slow reader takes: of an answer far less than one within its bound. Much faster, and the
/// kernel's bookkeeping decides whether the next answer finds room in time.
const READ_DRIPS: u32 = 10;
const CHUNK: usize = 16 << 10;
/// Pipelined by a slow reader: far more answers than the socket's buffers hold.
const PROBES: usize = 4_000;
/// For the slowest bound, 30 s for an answer to be read, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(150);
const HONEST_PAUSE: Duration = Duration::from_millis(50);
/// The first buffer has 4 KiB, the task its state.
const KIB_A_CLIENT_MAX: u64 = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slow {
    Head,
    Body,
    Reader,
}

struct Client {
    how: Slow,
    stream: TcpStream,
    /// What is still to be sent, a byte at a time.
    rest: Vec<u8>,
    sent: usize,
    closed: bool,
    got: Vec<u8>,
}

impl Client {
    fn begin(how: Slow, port: u16) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // So that what it does not read fills the receiver's side soon.
        socket.set_recv_buffer_size(2048).unwrap();
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
        let mut stream = TcpStream::from(socket);
        let request = Request::minimal("/ok", &unique()).body("x".repeat(1000)).to_bytes();
        let (at_once, rest) = match how {
            Slow::Head => (Vec::new(), request),
            Slow::Body => {
                let (head, body) = request.split_at(request.len() - 1000);
                (head.to_vec(), body.to_vec())
            }
            Slow::Reader => (Vec::new(), Vec::new()),
        };
        stream.write_all(&at_once).unwrap();
        stream.set_nonblocking(true).unwrap();
        if how == Slow::Reader {
            // As much as is taken: the receiver stops to read once its answers are not.
            let probes = Request::get("/healthz").to_bytes().repeat(PROBES);
            let _ = stream.write(&probes);
        }
        Self { how, stream, rest, sent: 0, closed: false, got: Vec::new() }
    }

    /// A byte more.
    fn drip(&mut self) {
        let Some(byte) = self.rest.get(self.sent) else { return };
        if self.stream.write(&[*byte]).is_ok() {
            self.sent += 1;
        }
    }

    /// Takes so many bytes of what has come; notices the end.
    fn take(&mut self, bytes: usize) {
        let mut chunk = vec![0; bytes];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.closed = true,
            Ok(count) => self.got.extend_from_slice(&chunk[..count]),
            Err(error) => self.closed |= error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    /// A slow reader is told of the end only behind all that it was sent.
    fn take_all(&mut self) {
        until("the end of what a client was sent", SOON, || {
            self.take(CHUNK);
            self.closed.then_some(())
        });
    }
}

drivers! {
    fn s4_slow_clients_are_closed_and_disturb_nobody(variant: Variant) {
        let run = Run::begin("s4");
        let clients = run.either(500, 5_000);
        if !files::room_for(clients) {
            return;
        }
        let routes = Routes::new(variant, |setup| {
            setup
                .env("INGRESS_HEAD_TIMEOUT_SECONDS", HEAD_SECONDS)
                .env("INGRESS_BODY_TIMEOUT_SECONDS", BODY_SECONDS)
                .http_server("sendBufferSize", "4608")
        });
        let pid = routes.receiver.pid();
        let mut kept = Connection::open(routes.port());
        let mut honest = |waits: &mut Vec<Duration>| {
            for fresh in [false, true] {
                let mut connection = fresh.then(|| Connection::open(routes.port()));
                let connection = connection.as_mut().unwrap_or(&mut kept);
                let began = Instant::now();
                assert_eq!(connection.exchange(&Request::minimal("/ok", &unique())).status, 202);
                waits.push(began.elapsed());
            }
        };
        let mut alone = Vec::new();
        for _ in 0..50 {
            honest(&mut alone);
        }
        let before = resident_kib(pid);
        let mut slow: Vec<Client> = (0..clients)
            .map(|number| {
                let how = [Slow::Head, Slow::Body, Slow::Reader][usize::try_from(number % 3).unwrap()];
                Client::begin(how, routes.port())
            })
            .collect();
        let (began, mut dripped, mut drips) = (Instant::now(), Instant::now(), 0);
        let (mut peak, mut beside) = (0, Vec::new());
        let mut last_closed = [Duration::ZERO; 3];
        let mut open = 0.0;
        let closing = within(PATIENCE, || {
            honest(&mut beside);
            pass(HONEST_PAUSE);
            peak = peak.max(resident_kib(pid));
            if dripped.elapsed() >= DRIP {
                dripped = Instant::now();
                drips += 1;
                for client in slow.iter_mut().filter(|client| !client.closed) {
                    match client.how {
                        Slow::Head | Slow::Body => {
                            client.drip();
                            client.take(CHUNK);
                        }
                        Slow::Reader if drips % READ_DRIPS == 0 => client.take(1),
                        Slow::Reader => {}
                    }
                    if client.closed {
                        last_closed[client.how as usize] = began.elapsed();
                    }
                }
                open = routes.receiver.scrape().sum("millrace_connections_open", &[]);
            }
            let told = |client: &Client| client.closed || client.how == Slow::Reader;
            // The honest one is left.
            (slow.iter().all(told) && open == 1.0).then_some(())
        });
        let left = [Slow::Head, Slow::Body, Slow::Reader]
            .map(|how| slow.iter().filter(|it| it.how == how && !it.closed).count());
        assert!(closing.is_some(), "the receiver has {open} open; clients that see no end, by kind: {left:?}");
        if left[Slow::Reader as usize] > 0 {
            last_closed[Slow::Reader as usize] = began.elapsed();
        }
        slow.iter_mut().filter(|client| !client.closed).for_each(Client::take_all);
        for client in &slow {
            let text = String::from_utf8_lossy(&client.got);
            match client.how {
                // Told, unless the end came first: a client that writes on meets a reset.
                Slow::Head | Slow::Body => assert!(
                    client.got.is_empty() || text.starts_with("HTTP/1.1 408 "), "{:?}: {text:?}", client.how
                ),
                Slow::Reader => assert!(text.starts_with("HTTP/1.1 200 ") || "HTTP/1.1 200 ".starts_with(&*text), "{text:?}"),
            }
            assert!(client.how == Slow::Reader || client.sent < client.rest.len(), "it came to its end");
        }
        let told = slow.iter().filter(|client| client.how != Slow::Reader && !client.got.is_empty()).count();
        let [alone, beside] = [alone, beside].map(|mut waits| {
            waits.sort_unstable();
            (waits[waits.len() / 2], waits[waits.len() * 99 / 100], waits.len())
        });
        let grown = peak.saturating_sub(before);
        let [head, body, reader] = last_closed;
        println!(
            "s4 {variant:?}: {clients} clients; the last head closed after {head:.1?}, body {body:.1?}, reader {reader:.1?}; \
            {told} told 408; honest p50 and p99 of {} alone {:.1?} and {:.1?}, of {} beside them {:.1?} and {:.1?}; \
            RSS {} KiB more, {:.1} KiB each",
            alone.2, alone.0, alone.1, beside.2, beside.0, beside.1, grown, grown as f64 / clients as f64
        );
        assert!(told > 0, "no answer was seen at all");
        assert!(grown <= clients * KIB_A_CLIENT_MAX, "{grown} KiB for {clients} clients");
        // And it is as it was.
        assert_eq!(kept.exchange(&Request::minimal("/ok", &unique())).status, 202);
    }
}
