//! Accepting, handing over, refusing, running out of files and stopping, with real sockets.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream as Client};
use std::sync::{Mutex, mpsc};
use std::time::Instant;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};

use super::*;
use crate::drain::{Drain, Phase};
use crate::driver::DriverChoice;
use crate::listen::{ListenOptions, bind};
use crate::spawn::{Shards, StartOptions};
use crate::sys::confine;
use crate::testing::drivers;

/// A server of several shards that answers each byte with its shard's number.
struct Server {
    address: SocketAddr,
    balance: Balance,
    drain: Drain,
    shards: Shards<()>,
    stopped: mpsc::Receiver<()>,
}

impl Server {
    fn start(shards: usize, choice: DriverChoice, connections_max: usize) -> Self {
        let options = ListenOptions::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let listeners = bind(&options, shards).unwrap();
        let address = listeners[0].address();
        let (balance, seats) = Balance::new(shards, connections_max).unwrap();
        let (drain, drain_seats) = Drain::new(shards).unwrap();
        let parts = listeners.into_iter().zip(seats).zip(drain_seats).map(Some).collect::<Vec<_>>();
        let parts = Mutex::new(parts);
        let (say, stopped) = mpsc::channel();
        let start = StartOptions::new(vec![None; shards], choice);
        let shards = Shards::start(start, move |shard| {
            let ((listener, seat), drain) =
                parts.lock().unwrap().get_mut(shard.id.0).unwrap().take().unwrap();
            let say = say.clone();
            async move {
                let acceptor = Acceptor::new(listener, seat).unwrap();
                let drain = drain.attach().unwrap();
                let closer = acceptor.closer();
                monoio::spawn({
                    let drain = drain.clone();
                    async move {
                        drain.reached(Phase::Draining).await;
                        closer.close();
                    }
                });
                let number = u8::try_from(shard.id.0).unwrap();
                acceptor.run(move |accepted| drop(monoio::spawn(echo(accepted, number)))).await;
                say.send(()).unwrap();
                drain.reached(Phase::Closing).await;
            }
        })
        .unwrap();
        Self { address, balance, drain, shards, stopped }
    }

    fn connect(&self) -> Client {
        let client = Client::connect(self.address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    }

    /// Stops listening and waits until nobody listens.
    fn close(&self, shards: usize) {
        self.drain.advance(Phase::Draining);
        for _ in 0..shards {
            self.stopped.recv_timeout(Duration::from_secs(20)).unwrap();
        }
    }

    fn end(self) {
        self.drain.advance(Phase::Closing);
        self.shards.join().unwrap();
    }
}

async fn echo(accepted: Accepted, number: u8) {
    let Accepted { mut stream, peer, open } = accepted;
    assert!(peer.ip().is_loopback());
    while let (Ok(1), _) = stream.read(vec![0; 1]).await {
        stream.write_all(vec![number]).await.0.unwrap();
    }
    drop(open);
}

/// The number of the shard that serves this connection.
fn ask(client: &mut Client) -> std::io::Result<usize> {
    client.write_all(b"?")?;
    let mut number = [0];
    client.read_exact(&mut number)?;
    Ok(usize::from(number[0]))
}

fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn few_long_lived_connections_are_spread_over_all_shards() {
    for choice in drivers() {
        let server = Server::start(4, choice, 100);
        let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
        let mut served = [0_usize; 4];
        for client in &mut clients {
            served[ask(client).unwrap()] += 1;
        }
        assert!(served.iter().all(|count| (1..=4).contains(count)), "{served:?}");
        let stats = server.balance.stats();
        let counted: Vec<_> = stats.iter().map(|stats| stats.open).collect();
        assert_eq!(counted, served);
        assert_eq!(stats.iter().map(|stats| stats.accepted).sum::<u64>(), 8);
        // Served again and again by the same shard.
        let again: Vec<_> = clients.iter_mut().map(|client| ask(client).unwrap()).collect();
        let once_more: Vec<_> = clients.iter_mut().map(|client| ask(client).unwrap()).collect();
        assert_eq!(again, once_more);
        drop(clients);
        until("all counted out", || server.balance.stats().iter().all(|stats| stats.open == 0));
        server.close(4);
        server.end();
    }
}

#[test]
fn many_connections_at_once_are_all_served() {
    for choice in drivers() {
        let server = Server::start(3, choice, 1_000);
        let mut clients: Vec<_> = (0..300).map(|_| server.connect()).collect();
        let mut served = [0_usize; 3];
        for client in &mut clients {
            served[ask(client).unwrap()] += 1;
        }
        let least = served.iter().min().unwrap();
        // Counts may overshoot by one for each other shard that accepts at the same moment.
        assert!(served.iter().all(|count| *count <= least + 2 + least / 4 + 2), "{served:?}");
        drop(clients);
        server.close(3);
        server.end();
    }
}

#[test]
fn connections_over_the_bound_are_closed() {
    for choice in drivers() {
        let server = Server::start(1, choice, 2);
        let (mut first, mut second) = (server.connect(), server.connect());
        ask(&mut first).unwrap();
        ask(&mut second).unwrap();
        assert!(ask(&mut server.connect()).is_err());
        assert_eq!(server.balance.stats()[0].refused, 1);
        drop(first);
        until("a place is free", || server.balance.stats()[0].open == 1);
        ask(&mut server.connect()).unwrap();
        server.close(1);
        server.end();
    }
}

#[test]
fn closing_refuses_new_connections_and_leaves_open_ones_alone() {
    for choice in drivers() {
        let server = Server::start(2, choice, 100);
        let mut open: Vec<_> = (0..4).map(|_| server.connect()).collect();
        let before: Vec<_> = open.iter_mut().map(|client| ask(client).unwrap()).collect();
        server.close(2);
        let refused = Client::connect(server.address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let after: Vec<_> = open.iter_mut().map(|client| ask(client).unwrap()).collect();
        assert_eq!(before, after);
        drop(open);
        server.end();
    }
}

#[test]
fn connections_made_before_closing_are_still_accepted() {
    crate::testing::on_each_driver(|| async {
        let options = ListenOptions::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let listener = bind(&options, 1).unwrap().remove(0);
        let clients: Vec<_> =
            (0..100).map(|_| Client::connect(listener.address()).unwrap()).collect();
        let (_balance, mut seats) = Balance::new(1, 1_000).unwrap();
        let acceptor = Acceptor::new(listener, seats.remove(0)).unwrap();
        acceptor.closer().close();
        let served = Rc::new(RefCell::new(Vec::new()));
        let keep = Rc::clone(&served);
        acceptor.run(move |accepted| keep.borrow_mut().push(accepted)).await;
        assert_eq!(served.borrow().len(), clients.len());
    });
}

#[test]
fn lack_of_files_is_waited_out_without_spinning() {
    for choice in ["epoll", "io_uring"] {
        if drivers().contains(&choice.parse().unwrap()) {
            confine::in_child("accept::tests::child_files", choice);
        }
    }
}

#[test]
#[ignore = "started by lack_of_files_is_waited_out_without_spinning"]
fn child_files() {
    let Some(choice) = confine::told().and_then(|text| text.parse().ok()) else {
        return;
    };
    confine::limit(libc::RLIMIT_NOFILE, 100);
    let server = Server::start(1, choice, 1_000);
    let mut fillers = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        fillers.push(file);
    }
    fillers.pop();
    let mut client = server.connect();
    until("accepting fails", || server.balance.stats()[0].failed > 0);
    std::thread::sleep(Duration::from_millis(300));
    let failed = server.balance.stats()[0].failed;
    assert!(failed < 10, "{failed} attempts in 0.3 s");
    fillers.clear();
    ask(&mut client).unwrap();
    server.close(1);
    drop(client);
    server.end();
}
