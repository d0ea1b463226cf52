//! The bytes of a request, made once; what changes from event to event is written in place.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use clap::ValueEnum;
use serde::Serialize;

use crate::ids::{EventId, ID_BYTES, write_hex};

const KEY_DIGITS: usize = 8;
const TYPE_DIGITS: usize = 4;
/// Fills text data; also the tail of JSON data.
const FILL: u8 = b'x';
/// One element of JSON data.
const ITEM: &str = r#"{"sku":"A-0001","quantity":3,"price":9.95},"#;

/// How events are put into requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Attributes as headers, data as body.
    Binary,
    /// One JSON event.
    Structured,
    /// A JSON array of events.
    Batch,
}

/// What the data is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// One letter again and again.
    Text,
    /// A JSON array of small objects.
    Json,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shape {
    pub mode: Mode,
    pub data: Data,
    /// Bytes of an event's data.
    pub size: usize,
    /// Events in a batch; 1 in the other modes.
    pub batch: usize,
    /// Distinct partition keys; 0 sends none.
    pub keys: u32,
    /// Distinct event types.
    pub types: u32,
    /// Extension attributes beyond the usual ones, with 16 bytes each.
    pub extensions: usize,
    /// More lines of the HTTP head, `name: value`.
    pub headers: Vec<String>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            mode: Mode::Binary,
            data: Data::Text,
            size: 1024,
            batch: 1,
            keys: 0,
            types: 1,
            extensions: 0,
            headers: Vec::new(),
        }
    }
}

/// Where requests go; plain HTTP only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    pub address: SocketAddr,
    pub host: String,
    pub path: String,
}

/// A request with holes.
#[derive(Clone, Debug)]
pub struct Wire {
    bytes: Vec<u8>,
    /// Where the id, key and type of each of its events stand.
    events: Vec<Places>,
    keys: u32,
    types: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Places {
    id: usize,
    kind: usize,
    key: Option<usize>,
}

impl Wire {
    /// The request for a URL and run.
    pub fn new(shape: &Shape, url: &Url, run: u32) -> Self {
        let mut head = Builder::default();
        head.text(&format!("POST {} HTTP/1.1\r\nhost: {}\r\n", url.path, url.host));
        head.text("user-agent: millrace-bench\r\n");
        for header in &shape.headers {
            head.text(header);
            head.text("\r\n");
        }
        let mut body = Builder::default();
        match shape.mode {
            Mode::Binary => {
                binary_attributes(&mut head, shape);
                body.text(&data(shape.data, shape.size));
            }
            Mode::Structured => {
                head.text("content-type: application/cloudevents+json\r\n");
                structured_event(&mut body, shape);
            }
            Mode::Batch => {
                head.text("content-type: application/cloudevents-batch+json\r\n");
                for index in 0..shape.batch.max(1) {
                    body.text(if index == 0 { "[" } else { "," });
                    structured_event(&mut body, shape);
                }
                body.text("]");
            }
        }
        head.text(&format!("content-length: {}\r\n\r\n", body.bytes.len()));
        head.append(body);
        let mut wire =
            Self { bytes: head.bytes, events: head.events, keys: shape.keys, types: shape.types };
        let id = EventId { run, stream: 0, number: 0, planned_ns: 0 };
        for index in 0..wire.events.len() {
            if let Some(into) = wire.events.get(index).and_then(|places| {
                wire.bytes.get_mut(places.id..places.id.saturating_add(ID_BYTES))
            }) {
                id.write(into);
            }
        }
        wire
    }

    /// Events in a request.
    pub fn events(&self) -> u64 {
        self.events.len() as u64
    }

    /// The request for the events of a stream from `number` on. Keys follow from stream and number
    /// such that each key of a stream comes again and again.
    pub fn fill(&mut self, stream: u16, number: u64, planned_ns: u64) -> &[u8] {
        for (index, places) in self.events.iter().enumerate() {
            let number = number.wrapping_add(index as u64);
            let id = EventId { run: 0, stream, number, planned_ns };
            if let Some(into) = self.bytes.get_mut(places.id..places.id.saturating_add(ID_BYTES)) {
                id.write_changing(into);
            }
            // Streams start at different keys and types, or all would use the same at a time.
            let turn = number.wrapping_add(u64::from(stream).wrapping_mul(0x9e37_79b1));
            if self.types > 1 {
                let kind = turn % u64::from(self.types);
                write_hex(&mut self.bytes, places.kind, TYPE_DIGITS, kind);
            }
            if let (Some(at), 2..) = (places.key, self.keys) {
                write_hex(&mut self.bytes, at, KEY_DIGITS, turn % u64::from(self.keys));
            }
        }
        &self.bytes
    }
}

fn binary_attributes(head: &mut Builder, shape: &Shape) {
    head.text(match shape.data {
        Data::Text => "content-type: text/plain\r\n",
        Data::Json => "content-type: application/json\r\n",
    });
    head.text("ce-specversion: 1.0\r\nce-id: ");
    head.id();
    head.text("\r\nce-source: /benchmark/load\r\nce-type: com.example.load.");
    head.kind();
    head.text("\r\nce-subject: orders/4711\r\nce-time: 2026-01-01T10:00:00.5Z\r\n");
    head.text("ce-tenant: blue\r\n");
    if shape.keys > 0 {
        head.text("ce-partitionkey: key-");
        head.key();
        head.text("\r\n");
    }
    for index in 0..shape.extensions {
        head.text(&format!("ce-bench{index}: 0123456789abcdef\r\n"));
    }
}

fn structured_event(body: &mut Builder, shape: &Shape) {
    body.text(r#"{"specversion":"1.0","id":""#);
    body.id();
    body.text(r#"","source":"/benchmark/load","type":"com.example.load."#);
    body.kind();
    body.text(r#"","subject":"orders/4711","time":"2026-01-01T10:00:00.5Z","tenant":"blue""#);
    if shape.keys > 0 {
        body.text(r#","partitionkey":"key-"#);
        body.key();
        body.text("\"");
    }
    for index in 0..shape.extensions {
        body.text(&format!(r#","bench{index}":"0123456789abcdef""#));
    }
    let data = data(shape.data, shape.size);
    body.text(&match shape.data {
        Data::Text => format!(r#","datacontenttype":"text/plain","data":"{data}"}}"#),
        Data::Json => format!(r#","datacontenttype":"application/json","data":{data}}}"#),
    });
}

/// Exactly `size` bytes, but never fewer than an empty JSON array.
fn data(kind: Data, size: usize) -> String {
    let fill = |count: usize| String::from(FILL as char).repeat(count);
    match kind {
        Data::Text => fill(size),
        Data::Json => {
            let inner = size.saturating_sub(2);
            let items = inner.saturating_sub(2) / ITEM.len();
            let rest = inner.saturating_sub(items * ITEM.len());
            match (items, rest) {
                (0, 0..2) => format!("[{}]", " ".repeat(rest)),
                _ => format!("[{}\"{}\"]", ITEM.repeat(items), fill(rest.saturating_sub(2))),
            }
        }
    }
}

#[derive(Default)]
struct Builder {
    bytes: Vec<u8>,
    events: Vec<Places>,
}

impl Builder {
    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Begins an event.
    fn id(&mut self) {
        let at = self.hole(ID_BYTES);
        self.events.push(Places { id: at, ..Places::default() });
    }

    fn kind(&mut self) {
        let at = self.hole(TYPE_DIGITS);
        if let Some(places) = self.events.last_mut() {
            places.kind = at;
        }
    }

    fn key(&mut self) {
        let at = self.hole(KEY_DIGITS);
        if let Some(places) = self.events.last_mut() {
            places.key = Some(at);
        }
    }

    fn hole(&mut self, digits: usize) -> usize {
        let at = self.bytes.len();
        self.bytes.resize(at + digits, b'0');
        at
    }

    fn append(&mut self, other: Self) {
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.events.extend(other.events.into_iter().map(|places| Places {
            id: places.id + base,
            kind: places.kind + base,
            key: places.key.map(|at| at + base),
        }));
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://");
        let rest = rest.ok_or_else(|| format!("{text:?} does not begin with http://"))?;
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        if host.is_empty() || text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(format!("{text:?} is no URL"));
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let with_port = if has_port { host.to_owned() } else { format!("{host}:80") };
        let found = with_port.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?.next();
        let address = found.ok_or_else(|| format!("{host} has no address"))?;
        Ok(Self { address, host: host.to_owned(), path: path.to_owned() })
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.host, self.path)
    }
}

#[cfg(test)]
mod tests;
