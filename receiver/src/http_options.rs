//! The HTTP server options file: Vert.x `HttpServerOptions` as far as this server acts on them
//! (platform.md 4.5).

mod known;

#[cfg(test)]
mod tests;

use std::{net::IpAddr, time::Duration};

use millrace_process::options::{Options, positive, size, wide};
use millrace_settings::{Properties, Report};
use millrace_shard::{KeepAlive, ListenOptions, listen::parse_host};

use known::NAMES;

/// Java never closes an idle connection by default; a bound this generous only ends
/// connections whose client is long gone (reliability.md 3).
const IDLE_MAX: Duration = Duration::from_secs(3600);
const INT_MAX: i32 = i32::MAX;

/// What the file says, with the defaults of Vert.x where it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpOptions {
    /// Address and socket options of the listeners, all but the port.
    socket: ListenOptions,
    /// `idleTimeout`: a connection without traffic for so long is closed. 0 in the file, which
    /// is "never" in Java, is one hour here.
    pub(crate) idle_timeout: Duration,
    /// `readIdleTimeout`: nothing was read for so long. `None` is no limit of its own.
    pub(crate) read_idle_timeout: Option<Duration>,
    /// `writeIdleTimeout`: nothing was written for so long. `None` is no limit of its own.
    pub(crate) write_idle_timeout: Option<Duration>,
    /// `maxInitialLineLength`: bytes of a request line; more is 414.
    pub(crate) line_bytes_max: usize,
    /// `maxHeaderSize`: bytes of all header lines; more is 431.
    pub(crate) headers_bytes_max: usize,
}

impl HttpOptions {
    /// Reads the options; every doubt goes to `report`.
    pub(crate) fn read(properties: &Properties, report: &mut Report) -> Self {
        let mut options = Options::new(properties, report);
        options.check_names(&NAMES);
        let unit = options.unit("idleTimeoutUnit");
        let idle_timeout = options.time("idleTimeout", 0, unit).unwrap_or(IDLE_MAX);
        let read_idle_timeout = options.time("readIdleTimeout", 0, unit);
        let write_idle_timeout = options.time("writeIdleTimeout", 0, unit);
        Self {
            idle_timeout,
            read_idle_timeout,
            write_idle_timeout,
            line_bytes_max: size(options.int("maxInitialLineLength", 4096, 1..=1 << 20)),
            headers_bytes_max: size(options.int("maxHeaderSize", 8192, 1..=1 << 20)),
            socket: socket(&mut options),
        }
    }

    /// How to listen on `port`.
    pub(crate) fn listen(&self, port: u16) -> ListenOptions {
        ListenOptions { port, ..self.socket.clone() }
    }
}

fn socket(options: &mut Options<'_>) -> ListenOptions {
    let mut socket = ListenOptions::new(host(options), 0);
    socket.backlog = positive(options.int("acceptBacklog", -1, -1..=INT_MAX));
    socket.nodelay = options.boolean("tcpNoDelay", true);
    let keepalive = KeepAlive {
        idle: options.keepalive_seconds("tcpKeepAliveIdleSeconds"),
        interval: options.keepalive_seconds("tcpKeepAliveIntervalSeconds"),
        count: positive(options.int("tcpKeepAliveCount", -1, -1..=127)),
    };
    socket.keepalive = options.boolean("tcpKeepAlive", false).then_some(keepalive);
    let linger = options.int("soLinger", -1, -1..=65_535);
    socket.linger = u64::try_from(linger).ok().map(Duration::from_secs);
    socket.fast_open = options.boolean("tcpFastOpen", false);
    socket.quick_ack = options.boolean("tcpQuickAck", false);
    let user_timeout = positive(options.int("tcpUserTimeout", 0, 0..=INT_MAX));
    socket.user_timeout = user_timeout.map(|ms| Duration::from_millis(u64::from(ms)));
    socket.send_buffer = positive(options.int("sendBufferSize", -1, -1..=INT_MAX)).map(wide);
    socket.receive_buffer = positive(options.int("receiveBufferSize", -1, -1..=INT_MAX)).map(wide);
    socket.traffic_class = u8::try_from(options.int("trafficClass", -1, -1..=255)).ok();
    socket
}

fn host(options: &mut Options<'_>) -> IpAddr {
    let text = options.text("host", "0.0.0.0");
    parse_host(&text).unwrap_or_else(|error| {
        options.warn("host", format!("{error}; 0.0.0.0 is used"));
        IpAddr::from([0, 0, 0, 0])
    })
}
