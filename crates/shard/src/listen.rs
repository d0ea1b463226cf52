//! Listening sockets: one for each shard on the same address, by SO_REUSEPORT.
//!
//! Options are set on the listener before it listens; Linux hands them on to the connections,
//! which saves a system call each (checked by a test here).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::sys;

/// Where to listen, and the socket options of Vert.x that have a meaning here (platform.md 4.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenOptions {
    /// The address. The IPv4 wildcard also accepts IPv6 where the machine has it, as a JVM's
    /// listener does.
    pub host: IpAddr,
    /// The port; 0 lets the system choose one for all shards.
    pub port: u16,
    /// Connections waiting to be accepted, for each shard; `None` is the system's bound
    /// (`net.core.somaxconn`), which also caps larger values.
    pub backlog: Option<u32>,
    /// TCP_NODELAY: small answers leave at once.
    pub nodelay: bool,
    /// SO_KEEPALIVE and its times.
    pub keepalive: Option<KeepAlive>,
    /// SO_LINGER: how long a close waits for unsent data.
    pub linger: Option<Duration>,
    /// TCP_FASTOPEN.
    pub fast_open: bool,
    /// TCP_QUICKACK: acknowledge at once.
    pub quick_ack: bool,
    /// TCP_USER_TIMEOUT: how long sent data may stay unacknowledged.
    pub user_timeout: Option<Duration>,
    /// SO_SNDBUF in bytes.
    pub send_buffer: Option<usize>,
    /// SO_RCVBUF in bytes.
    pub receive_buffer: Option<usize>,
    /// IP_TOS and IPV6_TCLASS.
    pub traffic_class: Option<u8>,
}

/// Times of TCP keep-alive; what is `None` keeps the system's value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe.
    pub idle: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
    /// Unanswered probes before the connection is given up.
    pub count: Option<u32>,
}

impl ListenOptions {
    /// That address and port, with nodelay and otherwise the system's values.
    pub fn new(host: IpAddr, port: u16) -> Self {
        Self {
            host,
            port,
            backlog: None,
            nodelay: true,
            keepalive: None,
            linger: None,
            fast_open: false,
            quick_ack: false,
            user_timeout: None,
            send_buffer: None,
            receive_buffer: None,
            traffic_class: None,
        }
    }
}

/// An address from a setting: an IPv4 or IPv6 literal, the latter also in brackets, or a name,
/// which is looked up (this blocks) and gives its first address.
pub fn parse_host(text: &str) -> Result<IpAddr, ListenError> {
    let trimmed = text.trim();
    let bare = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(trimmed);
    if let Ok(address) = bare.parse() {
        return Ok(address);
    }
    let unknown = |error| ListenError::Host { host: text.to_owned(), error };
    let mut found = (bare, 0).to_socket_addrs().map_err(unknown)?;
    let nothing = || unknown(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    found.next().map(|address| address.ip()).ok_or_else(nothing)
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The name does not resolve.
    #[error("host \"{host}\" can't be listened on: {error}; use an address such as 0.0.0.0 or ::")]
    Host {
        /// What was given.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// Another socket has the port.
    #[error("{address} is in use by another process: stop it or choose another port")]
    InUse {
        /// Where we wanted to listen.
        address: SocketAddr,
    },
    /// Anything else that the system refused.
    #[error("can't listen on {address} ({step}): {error}")]
    Socket {
        /// Where we wanted to listen.
        address: SocketAddr,
        /// The step that failed.
        step: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// A socket that already listens, on its way to its shard.
#[derive(Debug)]
pub struct ShardListener {
    pub(crate) listener: TcpListener,
    pub(crate) quick_ack: bool,
    address: SocketAddr,
}

impl ShardListener {
    /// Where it listens, with the port that the system chose. The wildcard of both families
    /// shows as `[::]`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Makes `count` sockets that listen on the same address. The port must be free: that
/// SO_REUSEPORT would let us share it with another process by mistake is prevented.
pub fn bind(options: &ListenOptions, count: usize) -> Result<Vec<ShardListener>, ListenError> {
    let mut address = SocketAddr::new(options.host, options.port);
    if options.host == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
        let both = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), options.port);
        // Fails where IPv6 is switched off; then there are only IPv4 clients anyway. Also fails
        // where the port is taken, which then shows below with the address that was asked for.
        if claim(both).is_ok() {
            address = both;
        }
    }
    claim(address)?;
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let listener = listen(address, options)?;
        address.set_port(listener.address.port());
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Binds alone for a moment, which fails if anyone else listens, whatever options they set.
fn claim(address: SocketAddr) -> Result<(), ListenError> {
    let socket = new_socket(address)?;
    socket.bind(&address.into()).map_err(refused(address, "bind"))
}

fn listen(address: SocketAddr, options: &ListenOptions) -> Result<ShardListener, ListenError> {
    let socket = new_socket(address)?;
    socket.set_reuse_port(true).map_err(refused(address, "SO_REUSEPORT"))?;
    configure(&socket, address, options)?;
    socket.bind(&address.into()).map_err(refused(address, "bind"))?;
    let backlog = options.backlog.map_or(i32::MAX, |n| i32::try_from(n).unwrap_or(i32::MAX));
    socket.listen(backlog).map_err(refused(address, "listen"))?;
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().map_err(refused(address, "address"))?;
    Ok(ShardListener { listener, quick_ack: options.quick_ack, address })
}

fn new_socket(address: SocketAddr) -> Result<Socket, ListenError> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .map_err(refused(address, "socket"))?;
    socket.set_nonblocking(true).map_err(refused(address, "nonblocking"))?;
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuse_address(true).map_err(refused(address, "SO_REUSEADDR"))?;
    if address.is_ipv6() {
        let only_v6 = !address.ip().is_unspecified();
        socket.set_only_v6(only_v6).map_err(refused(address, "IPV6_V6ONLY"))?;
    }
    Ok(socket)
}

fn configure(
    socket: &Socket,
    address: SocketAddr,
    options: &ListenOptions,
) -> Result<(), ListenError> {
    socket.set_tcp_nodelay(options.nodelay).map_err(refused(address, "TCP_NODELAY"))?;
    if let Some(keepalive) = &options.keepalive {
        set_keepalive(socket, keepalive).map_err(refused(address, "SO_KEEPALIVE"))?;
    }
    if let Some(linger) = options.linger {
        socket.set_linger(Some(linger)).map_err(refused(address, "SO_LINGER"))?;
    }
    if options.fast_open {
        sys::set_fast_open(socket, 256).map_err(refused(address, "TCP_FASTOPEN"))?;
    }
    if let Some(timeout) = options.user_timeout {
        socket.set_tcp_user_timeout(Some(timeout)).map_err(refused(address, "TCP_USER_TIMEOUT"))?;
    }
    if let Some(size) = options.send_buffer {
        socket.set_send_buffer_size(size).map_err(refused(address, "SO_SNDBUF"))?;
    }
    if let Some(size) = options.receive_buffer {
        socket.set_recv_buffer_size(size).map_err(refused(address, "SO_RCVBUF"))?;
    }
    if let Some(class) = options.traffic_class {
        set_traffic_class(socket, address, class).map_err(refused(address, "IP_TOS"))?;
    }
    Ok(())
}

fn set_keepalive(socket: &Socket, times: &KeepAlive) -> io::Result<()> {
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
    socket.set_tcp_keepalive(&keepalive)
}

/// A socket of both families carries either kind of packet.
fn set_traffic_class(socket: &Socket, address: SocketAddr, class: u8) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_tclass_v6(u32::from(class))?;
    }
    if address.is_ipv4() || address.ip().is_unspecified() {
        socket.set_tos_v4(u32::from(class))?;
    }
    Ok(())
}

/// Options that a connection does not inherit from its listener.
pub(crate) fn finish_accepted(connection: &SockRef<'_>, quick_ack: bool) -> io::Result<()> {
    if quick_ack { connection.set_tcp_quickack(true) } else { Ok(()) }
}

fn refused(address: SocketAddr, step: &'static str) -> impl FnOnce(io::Error) -> ListenError {
    move |error| match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        _ => ListenError::Socket { address, step, error },
    }
}

#[cfg(test)]
#[path = "listen/tests.rs"]
mod tests;
