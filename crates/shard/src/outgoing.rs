//! Connections that a shard opens: connecting, and sending pieces without copying them together.
//!
//! Nothing here leaves an operation with the kernel that owns memory: connecting and sending are
//! ordinary calls that do not block, and the driver is only asked when the socket is ready. So
//! each wait may be dropped at any time, and pieces are sent from where they lie. A request that
//! fits the socket's buffer, nearly each one, costs one system call and no wait.

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use monoio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::driver::{self, Driver};
use crate::listen::KeepAlive;
use crate::sys;

/// Socket options of connections that we open (platform.md 4.5 and 4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// TCP_NODELAY: small requests leave at once.
    pub nodelay: bool,
    /// SO_KEEPALIVE and its times.
    pub keepalive: Option<KeepAlive>,
    /// TCP_USER_TIMEOUT: how long sent data may stay unacknowledged.
    pub user_timeout: Option<Duration>,
    /// SO_SNDBUF in bytes.
    pub send_buffer: Option<usize>,
    /// SO_RCVBUF in bytes.
    pub receive_buffer: Option<usize>,
}

impl Default for ConnectOptions {
    /// With nodelay, and otherwise the system's values.
    fn default() -> Self {
        Self {
            nodelay: true,
            keepalive: None,
            user_timeout: None,
            send_buffer: None,
            receive_buffer: None,
        }
    }
}

/// Begins to connect. Follow it with [`finish_connect`]; before that the socket is good for
/// nothing but to be watched by a [`Sweeper`](crate::Sweeper), whose cut ends the attempt.
pub fn start_connect(address: SocketAddr, options: &ConnectOptions) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    apply(&socket, options)?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    TcpStream::from_std(socket.into())
}

fn apply(socket: &Socket, options: &ConnectOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(options.nodelay)?;
    if let Some(times) = options.keepalive {
        let mut keepalive = TcpKeepalive::new();
        if let Some(idle) = times.idle {
            keepalive = keepalive.with_time(idle);
        }
        if let Some(interval) = times.interval {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(count) = times.count {
            keepalive = keepalive.with_retries(count);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    if options.user_timeout.is_some() {
        socket.set_tcp_user_timeout(options.user_timeout)?;
    }
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(())
}

/// Waits until the connection is made or has failed, and puts the socket into the state that
/// this shard's driver wants it in. May be dropped, with the socket then to be closed.
pub async fn finish_connect(stream: &TcpStream) -> io::Result<()> {
    stream.writable(false).await?;
    let socket = sys::borrow(stream);
    let socket = SockRef::from(&socket);
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    // A socket that was shut down while connecting is writable too, without an error to take on
    // each kernel; without a peer it is no connection.
    socket.peer_addr()?;
    // io_uring fails at once on a non-blocking socket instead of waiting; epoll needs one.
    socket.set_nonblocking(driver::current() == Some(Driver::Epoll))
}

/// Sends as much of the pieces, in order, as the socket's buffer takes now; gives how many bytes.
/// `WouldBlock` if it takes none: wait with [`ready`].
pub fn try_send(stream: &TcpStream, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    without_waiting(stream, |socket, flags| socket.send_vectored_with_flags(pieces, flags))
}

/// Calls `send` with the flags that keep it from waiting, again when a signal came between.
fn without_waiting(
    stream: &TcpStream,
    send: impl Fn(&Socket, i32) -> io::Result<usize>,
) -> io::Result<usize> {
    let socket = sys::borrow(stream);
    loop {
        match send(&SockRef::from(&socket), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// A stream that can send without waiting and without the driver.
///
/// On io_uring a send by way of the driver costs an entry, a completion, and one more time that the task is
/// woken and finds its memory cold. A short answer nearly always fits the socket's buffer.
pub trait SendNow {
    /// Sends what the socket's buffer takes now of `bytes`; gives how many.
    ///
    /// # Errors
    /// `WouldBlock` if it takes none: write by way of the driver, which waits.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize>;
}

impl SendNow for TcpStream {
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        without_waiting(self, |socket, flags| socket.send_with_flags(bytes, flags))
    }
}

/// What a socket can do without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// There are bytes to read, or the end, or an error. Also given when sending is possible too.
    Read,
    /// Bytes can be sent.
    Send,
}

/// Waits until bytes can be read or sent, or the socket was shut down. May be dropped.
pub async fn ready(stream: &TcpStream) -> io::Result<Ready> {
    // epoll knows what has arrived only after its next turn; a peer that answers early must not
    // be overlooked while it also reads.
    if !is_quiet(stream) {
        return Ok(Ready::Read);
    }
    let mut readable = pin!(stream.readable(false));
    let mut writable = pin!(stream.writable(false));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = readable.as_mut().poll(cx) {
            return Poll::Ready(result.map(|()| Ready::Read));
        }
        writable.as_mut().poll(cx).map(|result| result.map(|()| Ready::Send))
    })
    .await
}

/// Whether nothing has arrived: no bytes, no end, no error. A connection that waits for its next
/// request must be quiet, or it is not to be used again. Takes nothing off the socket.
pub fn is_quiet(stream: &TcpStream) -> bool {
    let socket = sys::borrow(stream);
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    let peeked = SockRef::from(&socket).recv_with_flags(&mut [MaybeUninit::uninit()], flags);
    peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener};

    use monoio::io::AsyncReadRent;

    use super::*;
    use crate::deadline::{Cut, Sweeper};
    use crate::testing::{on_each_driver, tcp_pair};

    async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
        let stream = start_connect(address, &ConnectOptions::default())?;
        finish_connect(&stream).await?;
        Ok(stream)
    }

    #[test]
    fn what_is_sent_at_once_and_by_the_driver_arrives_in_one_piece() {
        on_each_driver(|| async {
            let (mut stream, mut client) = tcp_pair();
            let bytes: Vec<u8> = (0..8_u32 << 20).map(|number| number as u8).collect();
            let sent = stream.send_now(&bytes).unwrap();
            assert!(0 < sent && sent < bytes.len(), "{sent}");
            let full = stream.send_now(&bytes[sent..]).unwrap_err();
            assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
            let reader = std::thread::spawn(move || {
                let mut got = Vec::new();
                client.read_to_end(&mut got).map(|_| got)
            });
            monoio::io::AsyncWriteRentExt::write_all(&mut stream, bytes[sent..].to_vec())
                .await
                .0
                .unwrap();
            monoio::io::AsyncWriteRent::shutdown(&mut stream).await.unwrap();
            assert_eq!(reader.join().unwrap().unwrap(), bytes);
            assert!(stream.send_now(b"x").is_err());
        });
    }

    #[test]
    fn connected_socket_reads_and_writes_on_its_driver() {
        on_each_driver(|| async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut stream = connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut server, _) = listener.accept().unwrap();
            assert!(SockRef::from(&sys::borrow(&stream)).tcp_nodelay().unwrap());
            let pieces = [IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"bc")];
            assert_eq!(try_send(&stream, &pieces).unwrap(), 3);
            let thread = std::thread::spawn(move || {
                let mut got = [0; 3];
                server.read_exact(&mut got).unwrap();
                // Late, so that the read has to wait.
                std::thread::sleep(Duration::from_millis(20));
                server.write_all(&got).unwrap();
            });
            let (result, got) = stream.read(vec![0; 8]).await;
            assert_eq!((result.unwrap(), &got[..3]), (3, &b"abc"[..]));
            thread.join().unwrap();
        });
    }

    #[test]
    fn refused_connection_is_an_error() {
        on_each_driver(|| async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            drop(listener);
            let error = connect(address).await.err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        });
    }

    #[test]
    fn connecting_into_a_full_queue_ends_at_its_deadline() {
        on_each_driver(|| async {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
            socket.listen(0).unwrap();
            let address = socket.local_addr().unwrap().as_socket().unwrap();
            let sweeper = Sweeper::new();
            // The queue takes one or two; then the SYN is dropped.
            let mut made = Vec::new();
            loop {
                let stream = start_connect(address, &ConnectOptions::default()).unwrap();
                let mut watched = sweeper.watch(stream);
                let (stream, guard) = watched.split();
                guard.set((), crate::clock::now_ms() + 300, Cut::Both);
                match finish_connect(stream).await {
                    Ok(()) => made.push(watched),
                    Err(_) => {
                        assert_eq!(guard.expired(), Some(()));
                        return;
                    }
                }
                assert!(made.len() < 20, "the queue is never full");
            }
        });
    }

    #[test]
    fn full_socket_takes_a_part_and_is_ready_again_later() {
        on_each_driver(|| async {
            let (stream, mut peer) = tcp_pair();
            let block = vec![b'x'; 64 << 20];
            let mut sent = try_send(&stream, &[IoSlice::new(&block)]).unwrap();
            assert!(sent < block.len());
            let full = try_send(&stream, &[IoSlice::new(&block)]);
            sent += full
                .or_else(|error| match error.kind() {
                    io::ErrorKind::WouldBlock => Ok::<_, io::Error>(0),
                    _ => Err(error),
                })
                .unwrap();
            let (say, seen) = std::sync::mpsc::channel();
            let thread = std::thread::spawn(move || {
                let mut left = sent;
                let mut got = vec![0; 1 << 20];
                while left > 0 {
                    left = left.saturating_sub(peer.read(&mut got).unwrap());
                }
                seen.recv_timeout(Duration::from_secs(20)).unwrap();
                peer.write_all(b"!").unwrap();
                peer
            });
            assert_eq!(ready(&stream).await.unwrap(), Ready::Send);
            say.send(()).unwrap();
            let peer = thread.join().unwrap();
            // Both are possible now: reading is named.
            assert_eq!(ready(&stream).await.unwrap(), Ready::Read);
            drop(peer);
        });
    }

    #[test]
    fn quiet_until_bytes_or_the_end_arrive() {
        on_each_driver(|| async {
            let (stream, mut peer) = tcp_pair();
            let (ending, other) = tcp_pair();
            assert!(is_quiet(&stream) && is_quiet(&ending));
            peer.write_all(b"x").unwrap();
            other.shutdown(Shutdown::Write).unwrap();
            for stream in [&stream, &ending] {
                stream.readable(false).await.unwrap();
                assert!(!is_quiet(stream));
                assert!(!is_quiet(stream), "looking takes nothing away");
            }
        });
    }

    #[test]
    fn sending_to_a_closed_peer_is_an_error_and_no_signal() {
        on_each_driver(|| async {
            let (stream, peer) = tcp_pair();
            drop(peer);
            stream.readable(false).await.unwrap();
            let error = loop {
                if let Err(error) = try_send(&stream, &[IoSlice::new(b"x")]) {
                    break error;
                }
            };
            let kind = error.kind();
            assert!(matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset));
        });
    }
}
