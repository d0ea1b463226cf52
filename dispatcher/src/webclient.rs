//! The HTTP client options file: Vert.x `WebClientOptions` as far as this client acts on them
//! (dispatcher.md 9.4, platform.md 4.6).

mod known;

#[cfg(test)]
mod tests;

use std::time::Duration;

use millrace_client::ClientOptions;
use millrace_process::options::{Options, positive, size, wide};
use millrace_settings::{Properties, Report};
use millrace_shard::{ConnectOptions, KeepAlive};

use known::NAMES;

const MILLISECOND_NS: u64 = 1_000_000;
const SECOND_NS: u64 = 1_000_000_000;
const INT_MAX: i32 = i32::MAX;
/// In place of "never".
const NEVER: Duration = Duration::from_secs(86_400);
/// Java's bound in flight when the file has no `max.poll.records` (dispatcher.md 8.1).
const POLL_RECORDS: u32 = 50;

/// What the file says, with the defaults of Vert.x where it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebClientOptions {
    /// `maxPoolSize`: connections of one egress to one of its targets.
    pub(crate) connections_max: usize,
    /// `idleTimeout`, `readIdleTimeout` and `writeIdleTimeout`, the shortest of them: a connection
    /// in use without traffic for so long is closed. `None` is never. The unit is the second unless
    /// `idleTimeoutUnit` says otherwise: the shipped 10000 is 2.8 hours.
    pub(crate) idle_timeout: Option<Duration>,
    /// `keepAlive`: connections are used again.
    pub(crate) keep_alive: bool,
    /// `keepAliveTimeout`: a pooled connection unused for so long is closed; the server's
    /// `Keep-Alive: timeout=` goes before it.
    pub(crate) keep_alive_timeout: Duration,
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
        let idle = ["idleTimeout", "readIdleTimeout", "writeIdleTimeout"]
            .map(|name| options.time(name, 0, unit));
        let keep_alive_timeout = options.time("keepAliveTimeout", 60, SECOND_NS);
        let connect_timeout = options.time("connectTimeout", 60_000, MILLISECOND_NS);
        Self {
            connections_max: size(options.int("maxPoolSize", 5, 1..=INT_MAX)),
            idle_timeout: idle.into_iter().flatten().min(),
            keep_alive: options.boolean("keepAlive", true),
            keep_alive_timeout: keep_alive_timeout.unwrap_or(NEVER),
            connect_timeout: connect_timeout.unwrap_or(NEVER),
            line_bytes_max: size(options.int("maxInitialLineLength", 4096, 1..=1 << 20)),
            headers_bytes_max: size(options.int("maxHeaderSize", 8192, 1..=1 << 20)),
            user_agent: user_agent(&mut options),
            socket: socket(&mut options),
        }
    }

    /// What the client of each of so many shards gets. Egresses have at most `max_poll_records` in
    /// flight over all shards, where order does not matter: a pool of that size is never full, and
    /// need not be shared out, which would leave less to a shard that owns all partitions. A smaller
    /// one shall protect the subscriber, and each shard gets its part.
    pub(crate) fn for_shard(
        &self,
        shards: usize,
        max_poll_records: Option<u32>,
        name_lifetime: Duration,
    ) -> ClientOptions {
        let in_flight = wide(max_poll_records.unwrap_or(POLL_RECORDS));
        let pool_size_max = if self.connections_max >= in_flight {
            self.connections_max
        } else {
            self.connections_max.div_ceil(shards.max(1))
        };
        ClientOptions {
            pool_size_max,
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
            keep_alive: self.keep_alive,
            keep_alive_timeout: self.keep_alive_timeout,
            line_bytes_max: self.line_bytes_max,
            headers_bytes_max: self.headers_bytes_max,
            user_agent: self.user_agent.clone(),
            name_lifetime,
            socket: self.socket.clone(),
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
