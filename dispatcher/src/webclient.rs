//! The HTTP client options file: Vert.x `WebClientOptions` as far as this client acts on them
//! (dispatcher.md 9.4, platform.md 4.6).

mod known;

#[cfg(test)]
mod tests;

use std::time::Duration;

use millrace_process::options::{Options, positive, size, wide};
use millrace_settings::{Properties, Report};
use millrace_shard::{ConnectOptions, KeepAlive};

use known::NAMES;

const MILLISECOND_NS: u64 = 1_000_000;
const SECOND_NS: u64 = 1_000_000_000;
const INT_MAX: i32 = i32::MAX;
/// Java waits for ever with `connectTimeout=0`; an hour is as good to whoever asks for that.
const CONNECT_MAX: Duration = Duration::from_secs(3600);

/// What the file says, with the defaults of Vert.x where it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebClientOptions {
    /// `maxPoolSize`: connections of one egress to one host and port.
    pub(crate) connections_max: usize,
    /// `idleTimeout`: a connection without traffic for so long is closed. `None` is never. Its
    /// unit is the second unless `idleTimeoutUnit` says otherwise: the shipped 10000 is 2.8 hours.
    pub(crate) idle_timeout: Option<Duration>,
    /// `readIdleTimeout`: the same for reading alone.
    pub(crate) read_idle_timeout: Option<Duration>,
    /// `writeIdleTimeout`: the same for writing alone.
    pub(crate) write_idle_timeout: Option<Duration>,
    /// `keepAlive`: connections are used again.
    pub(crate) keep_alive: bool,
    /// `keepAliveTimeout`: a pooled connection unused for so long is closed; the server's
    /// `Keep-Alive: timeout=` goes before it. `None` is never.
    pub(crate) keep_alive_timeout: Option<Duration>,
    /// `connectTimeout`: until a TCP connection is there.
    pub(crate) connect_timeout: Duration,
    /// `maxInitialLineLength`: bytes of a status line; more is a failed attempt.
    pub(crate) line_bytes_max: usize,
    /// `maxHeaderSize`: bytes of all header lines; more is a failed attempt.
    pub(crate) headers_bytes_max: usize,
    /// `userAgent`; `None` with `userAgentEnabled=false`.
    pub(crate) user_agent: Option<String>,
    /// Socket options.
    pub(crate) socket: ConnectOptions,
}

impl WebClientOptions {
    /// Reads the options; every doubt goes to `report`.
    pub(crate) fn read(properties: &Properties, report: &mut Report) -> Self {
        let mut options = Options::new(properties, report);
        options.check_names(&NAMES);
        let unit = options.unit("idleTimeoutUnit");
        let user_agent = user_agent(&mut options);
        let connect_timeout = options.time("connectTimeout", 60_000, MILLISECOND_NS);
        Self {
            connections_max: size(options.int("maxPoolSize", 5, 1..=INT_MAX)),
            idle_timeout: options.time("idleTimeout", 0, unit),
            read_idle_timeout: options.time("readIdleTimeout", 0, unit),
            write_idle_timeout: options.time("writeIdleTimeout", 0, unit),
            keep_alive: options.boolean("keepAlive", true),
            keep_alive_timeout: options.time("keepAliveTimeout", 60, SECOND_NS),
            connect_timeout: connect_timeout.unwrap_or(CONNECT_MAX),
            line_bytes_max: size(options.int("maxInitialLineLength", 4096, 1..=1 << 20)),
            headers_bytes_max: size(options.int("maxHeaderSize", 8192, 1..=1 << 20)),
            user_agent,
            socket: socket(&mut options),
        }
    }
}

fn user_agent(options: &mut Options<'_>) -> Option<String> {
    let ours = concat!("Millrace/", env!("CARGO_PKG_VERSION"));
    let text = options.text("userAgent", ours);
    if !options.boolean("userAgentEnabled", true) {
        return None;
    }
    let legal = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if text.is_empty() || !text.bytes().all(legal) {
        options.warn("userAgent", format!("must be printable ASCII; {ours} is used"));
        return Some(ours.to_owned());
    }
    Some(text)
}

fn socket(options: &mut Options<'_>) -> ConnectOptions {
    let keepalive = KeepAlive {
        idle: options.keepalive_seconds("tcpKeepAliveIdleSeconds"),
        interval: options.keepalive_seconds("tcpKeepAliveIntervalSeconds"),
        count: positive(options.int("tcpKeepAliveCount", -1, -1..=127)),
    };
    let mut bytes = |name| positive(options.int(name, -1, -1..=INT_MAX)).map(wide);
    ConnectOptions {
        send_buffer: bytes("sendBufferSize"),
        receive_buffer: bytes("receiveBufferSize"),
        nodelay: options.boolean("tcpNoDelay", true),
        keepalive: options.boolean("tcpKeepAlive", false).then_some(keepalive),
        user_timeout: options.time("tcpUserTimeout", 0, MILLISECOND_NS),
    }
}
