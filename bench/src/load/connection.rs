//! One connection to the target: connecting, idle, or with one request under way.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Protocol, Socket, Type};

use super::answer::Partial;

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// To be connected again when its time has come.
    Down,
    Connecting,
    Free,
    /// A request is on its way.
    Busy(Request),
}

/// A request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) planned_ns: u64,
    pub(crate) sent_ns: u64,
    /// The number of its first event in the stream.
    pub(crate) first: u64,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Option<TcpStream>,
    pub(crate) state: State,
    /// Since when it is in its state, as far as a timeout needs it.
    pub(crate) since_ns: u64,
    /// Of the run.
    pub(crate) id: u16,
    /// The number of the next event.
    pub(crate) next: u64,
    pub(crate) partial: Partial,
    /// What the socket did not take yet of the request.
    pub(crate) unsent: Vec<u8>,
    /// Waits in the list of free ones.
    pub(crate) listed: bool,
}

impl Connection {
    pub(crate) fn new(id: u16) -> Self {
        Self {
            stream: None,
            state: State::Down,
            since_ns: 0,
            id,
            next: 0,
            partial: Partial::default(),
            unsent: Vec::new(),
            listed: false,
        }
    }

    /// Gives the socket as much as it takes. Whether that was all.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let written = write(self.stream.as_mut(), bytes)?;
        self.unsent.clear();
        self.unsent.extend_from_slice(bytes.get(written..).unwrap_or_default());
        Ok(self.unsent.is_empty())
    }

    /// Goes on with what the socket did not take. Whether that was all.
    pub(crate) fn send_rest(&mut self) -> io::Result<bool> {
        let written = write(self.stream.as_mut(), &self.unsent)?;
        self.unsent.drain(..written);
        Ok(self.unsent.is_empty())
    }
}

fn write(stream: Option<&mut TcpStream>, bytes: &[u8]) -> io::Result<usize> {
    let Some(stream) = stream else { return Err(io::ErrorKind::NotConnected.into()) };
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(bytes.get(written..).unwrap_or_default()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// Starts to connect without waiting; the socket becomes writable when it is decided.
pub(crate) fn start(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
        _ => Ok(socket.into()),
    }
}

const EINPROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

/// Connects and waits for it.
pub(crate) fn connect(address: SocketAddr, within: std::time::Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}
