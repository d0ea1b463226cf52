//! A record in, a request out: what the cases of dispatcher.md 18 look at.

use std::collections::BTreeMap;

use millrace_event::{
    Additions, Body, Event, EventError, Failure, KeyType, Overrides, PlainSource, Record, Scratch,
    decode_record, decode_record_or_plain,
};

/// The headers of the event that the cases call CE.
pub const CE: [(&str, &str); 5] = [
    ("ce_specversion", "1.0"),
    ("ce_id", "1"),
    ("ce_source", "/s"),
    ("ce_type", "t1"),
    ("content-type", "application/json"),
];

/// As [`CE`] without a content type.
pub const BARE: [(&str, &str); 4] = [CE[0], CE[1], CE[2], CE[3]];

pub const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");

/// A record on `t-0`, and what its egress does to it.
#[derive(Clone)]
pub struct Given {
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub value: Option<Vec<u8>>,
    pub overrides: Overrides,
    pub failure: Option<Failure>,
}

/// What goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub headers: BTreeMap<String, String>,
    pub body: Option<Vec<u8>>,
    /// The body is a slice of the record's value.
    pub borrowed: bool,
}

impl Request {
    pub fn of(event: &Event<'_>, value: &[u8]) -> Self {
        let mut lines = Vec::new();
        event.write_http_headers(&mut lines);
        let text = String::from_utf8(lines).expect("headers are ASCII");
        let mut headers = BTreeMap::new();
        for line in text.split_terminator("\r\n") {
            assert!(line.bytes().all(|byte| byte == b'\t' || (0x20..=0x7e).contains(&byte)));
            let (name, value) = line.split_once(": ").expect("a name and a value");
            assert!(headers.insert(name.into(), value.into()).is_none(), "{name} came twice");
        }
        let body = event.body();
        let borrowed = matches!(body, Body::Slice(_));
        let body = match body {
            Body::None => None,
            Body::Slice(range) => Some(value[range].to_vec()),
            Body::Apart(bytes) => Some(bytes.to_vec()),
        };
        Self { headers, body, borrowed }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(self.body.as_deref().expect("a body")).expect("UTF-8")
    }
}

impl Given {
    pub fn new(headers: &[(&str, &str)], value: Option<&str>) -> Self {
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
        Self::of_bytes(headers, value.map(str::as_bytes))
    }

    pub fn of_bytes<'a>(
        headers: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        value: Option<&[u8]>,
    ) -> Self {
        let headers =
            headers.into_iter().map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)));
        Self {
            offset: 0,
            timestamp_ms: 0,
            key: None,
            headers: headers.collect(),
            value: value.map(<[u8]>::to_vec),
            overrides: Overrides::default(),
            failure: None,
        }
    }

    pub fn with_overrides(mut self, extensions: &[(&str, &str)]) -> Self {
        self.overrides = Overrides::new(extensions.iter().copied()).0;
        self
    }

    pub fn with_failure(mut self, failure: Failure) -> Self {
        self.failure = Some(failure);
        self
    }

    pub fn with_key(mut self, key: &[u8]) -> Self {
        self.key = Some(key.to_vec());
        self
    }

    /// Decodes it as an egress without a plain source does, and looks at the event.
    pub fn see<T>(&self, look: impl FnOnce(&Event<'_>) -> T) -> Result<T, EventError> {
        let additions = Additions { overrides: &self.overrides, failure: self.failure.as_ref() };
        let mut scratch = Scratch::new();
        decode_record(self.record(), &additions, &mut scratch).map(|event| look(&event))
    }

    pub fn request(&self) -> Result<Request, EventError> {
        self.see(|event| Request::of(event, self.value.as_deref().unwrap_or_default()))
    }

    /// As the KafkaSource `ks` in `ns1`.
    pub fn request_of_source(&self, key_type: KeyType) -> Request {
        let source = PlainSource::new("ns1", "kafkasources", "ks", key_type).expect("not blank");
        let additions = Additions { overrides: &self.overrides, failure: self.failure.as_ref() };
        let mut scratch = Scratch::new();
        let event = decode_record_or_plain(self.record(), &source, &additions, &mut scratch);
        Request::of(&event, self.value.as_deref().unwrap_or_default())
    }

    fn record(&self) -> Record<'_, impl Iterator<Item = (&[u8], Option<&[u8]>)> + Clone> {
        let headers = self.headers.iter();
        Record {
            topic: "t",
            partition: 0,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref(),
            headers: headers.map(|(name, value)| (&name[..], value.as_deref())),
            value: self.value.as_deref(),
        }
    }
}
