//! The settings of a client, named as in the web client file (dispatcher.md 9.4, platform.md 4.6).

use std::time::Duration;

use millrace_http1::Limits;
use millrace_shard::ConnectOptions;

/// How a client behaves. The defaults are those of Vert.x where it has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// `maxPoolSize`: connections of one pool, at least 1. Java counts them for the process; a
    /// process with several shards divides before.
    pub pool_size_max: usize,
    /// `connectTimeout`, for each address that is tried.
    pub connect_timeout: Duration,
    /// `idleTimeout` in its unit: how long a connection in use may bring no byte. `None` is no
    /// limit but the attempt's deadline.
    pub idle_timeout: Option<Duration>,
    /// `keepAlive`: whether connections are kept for the next request.
    pub keep_alive: bool,
    /// `keepAliveTimeout`: how long a connection is kept unused, unless the server says otherwise.
    pub keep_alive_timeout: Duration,
    /// `maxInitialLineLength`: bytes of an answer's status line.
    pub line_bytes_max: usize,
    /// `maxHeaderSize`: bytes of an answer's header lines.
    pub headers_bytes_max: usize,
    /// `userAgentEnabled` and `userAgent`.
    pub user_agent: Option<String>,
    /// How old a resolved name may become while it is in use. A change is followed within about
    /// this time and one second (reliability.md F5).
    pub name_lifetime: Duration,
    /// Socket options.
    pub socket: ConnectOptions,
}

impl ClientOptions {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            line_max: self.line_bytes_max,
            headers_bytes_max: self.headers_bytes_max,
            ..Limits::default()
        }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            pool_size_max: 5,
            connect_timeout: Duration::from_secs(60),
            idle_timeout: None,
            keep_alive: true,
            keep_alive_timeout: Duration::from_secs(60),
            line_bytes_max: 4096,
            headers_bytes_max: 8192,
            user_agent: Some(concat!("millrace/", env!("CARGO_PKG_VERSION")).to_owned()),
            name_lifetime: Duration::from_secs(25),
            socket: ConnectOptions::default(),
        }
    }
}
