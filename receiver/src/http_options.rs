//! The HTTP server options file: Vert.x `HttpServerOptions` as far as this server acts on them
//! (platform.md 4.5). Java drops unknown options and values of the wrong type without a word;
//! here each is a warning, and the default holds.

mod known;

#[cfg(test)]
mod tests;

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use millrace_settings::{Finding, JavaValue, Properties, Report};
use millrace_shard::{KeepAlive, ListenOptions, listen::parse_host};

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
        let mut options = Options { properties, report };
        options.check_names();
        let unit = options.unit("idleTimeoutUnit");
        let mut time = |name| {
            let value = options.int(name, 0, 0..=INT_MAX);
            duration(value, unit).filter(|time| !time.is_zero())
        };
        let idle_timeout = time("idleTimeout").unwrap_or(IDLE_MAX);
        let read_idle_timeout = time("readIdleTimeout");
        let write_idle_timeout = time("writeIdleTimeout");
        Self {
            idle_timeout,
            read_idle_timeout,
            write_idle_timeout,
            line_bytes_max: size(options.int("maxInitialLineLength", 4096, 1..=1 << 20)),
            headers_bytes_max: size(options.int("maxHeaderSize", 8192, 1..=1 << 20)),
            socket: options.socket(),
        }
    }

    /// How to listen on `port`.
    pub(crate) fn listen(&self, port: u16) -> ListenOptions {
        ListenOptions { port, ..self.socket.clone() }
    }
}

struct Options<'a> {
    properties: &'a Properties,
    report: &'a mut Report,
}

impl Options<'_> {
    fn socket(&mut self) -> ListenOptions {
        let mut socket = ListenOptions::new(self.host(), 0);
        socket.backlog = positive(self.int("acceptBacklog", -1, -1..=INT_MAX));
        socket.nodelay = self.boolean("tcpNoDelay", true);
        let keepalive = KeepAlive {
            idle: self.keepalive_seconds("tcpKeepAliveIdleSeconds"),
            interval: self.keepalive_seconds("tcpKeepAliveIntervalSeconds"),
            count: positive(self.int("tcpKeepAliveCount", -1, -1..=127)),
        };
        socket.keepalive = self.boolean("tcpKeepAlive", false).then_some(keepalive);
        let linger = self.int("soLinger", -1, -1..=65_535);
        socket.linger = u64::try_from(linger).ok().map(Duration::from_secs);
        socket.fast_open = self.boolean("tcpFastOpen", false);
        socket.quick_ack = self.boolean("tcpQuickAck", false);
        let user_timeout = positive(self.int("tcpUserTimeout", 0, 0..=INT_MAX));
        socket.user_timeout = user_timeout.map(|ms| Duration::from_millis(u64::from(ms)));
        socket.send_buffer = positive(self.int("sendBufferSize", -1, -1..=INT_MAX)).map(wide);
        socket.receive_buffer = positive(self.int("receiveBufferSize", -1, -1..=INT_MAX)).map(wide);
        socket.traffic_class = u8::try_from(self.int("trafficClass", -1, -1..=255)).ok();
        socket
    }

    fn host(&mut self) -> IpAddr {
        let text = self.text("host", "0.0.0.0");
        parse_host(&text).unwrap_or_else(|error| {
            self.warn("host", format!("{error}; 0.0.0.0 is used"));
            IpAddr::from([0, 0, 0, 0])
        })
    }

    /// Linux takes at most 32767 s for both times.
    fn keepalive_seconds(&mut self, name: &str) -> Option<Duration> {
        let seconds = positive(self.int(name, -1, -1..=32_767))?;
        Some(Duration::from_secs(u64::from(seconds)))
    }

    /// Nanoseconds in one unit, by the name of Java's `TimeUnit`.
    fn unit(&mut self, name: &str) -> u64 {
        let text = self.text(name, "SECONDS");
        match text.as_str() {
            "NANOSECONDS" => 1,
            "MICROSECONDS" => 1_000,
            "MILLISECONDS" => 1_000_000,
            "MINUTES" => 60_000_000_000,
            "HOURS" => 3_600_000_000_000,
            "DAYS" => 86_400_000_000_000,
            other => {
                if other != "SECONDS" {
                    let units = "NANOSECONDS, MICROSECONDS, MILLISECONDS, SECONDS, MINUTES, \
                                 HOURS, DAYS";
                    self.warn(name, format!("must be one of {units}; SECONDS is used"));
                }
                1_000_000_000
            }
        }
    }

    fn int(&mut self, name: &str, default: i32, range: RangeInclusive<i32>) -> i32 {
        let Some(value) = self.value(name) else { return default };
        match value.as_int() {
            Some(value) if range.contains(&value) => value,
            Some(_) => {
                let (low, high) = range.into_inner();
                self.warn(name, format!("must be from {low} to {high}; {default} is used"));
                default
            }
            None => {
                self.wrong_kind(name, "a number", &value, &default.to_string());
                default
            }
        }
    }

    fn boolean(&mut self, name: &str, default: bool) -> bool {
        let Some(value) = self.value(name) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.wrong_kind(name, "true or false", &value, &default.to_string());
            default
        })
    }

    fn text(&mut self, name: &str, default: &str) -> String {
        let Some(value) = self.value(name) else { return default.to_owned() };
        value.as_text().map(str::to_owned).unwrap_or_else(|| {
            self.wrong_kind(name, "text", &value, default);
            default.to_owned()
        })
    }

    fn value(&self, name: &str) -> Option<JavaValue> {
        self.properties.value(name).map(JavaValue::convert)
    }

    fn wrong_kind(&mut self, name: &str, wanted: &str, found: &JavaValue, default: &str) {
        let found = found.kind();
        self.warn(name, format!("must be {wanted}, is {found}; {default} is used"));
    }

    fn warn(&mut self, name: &str, message: impl Into<String>) {
        let finding = self.finding(name, message.into());
        self.report.push(finding);
    }

    fn finding(&self, name: &str, message: String) -> Finding {
        let finding = Finding::warning(self.properties.origin(), message);
        match self.properties.entry(name) {
            Some(entry) => finding.line(entry.line).key_value(name, &entry.value),
            None => finding.key(name),
        }
    }
}

fn duration(value: i32, unit_ns: u64) -> Option<Duration> {
    let value = u64::try_from(value).ok()?;
    Some(Duration::from_nanos(value.saturating_mul(unit_ns)))
}

/// -1 and 0 stand for the system's value.
fn positive(value: i32) -> Option<u32> {
    u32::try_from(value).ok().filter(|value| *value > 0)
}

fn wide(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn size(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}
