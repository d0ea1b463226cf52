//! Events as requests: decoding a record, its filter, and the bytes that go out.

use std::ops::Range;
use std::time::Duration;

use millrace_client::{Keep, Request};
use millrace_event::{
    Additions, Body, Event, EventError, Failure, Record, Scratch, decode_record,
    decode_record_or_plain,
};
use millrace_kafka::Message;
use millrace_observe::EventMeters;

use crate::edition::Edition;
use crate::lane::Lane;

/// A record, looked at.
pub(crate) enum Prepared {
    Send(Outgoing, EventMeters),
    Filtered(EventMeters),
    Invalid(EventError),
}

/// The parts of a request that belong to the event; may be sent again.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    headers: Vec<u8>,
    body: Content,
}

/// Where a request's body stands.
#[derive(Clone, Debug)]
enum Content {
    /// An event without data: no body, and no `content-length`.
    None,
    /// Part of the record's value, or of the answer, sent from where it lies.
    Slice(Range<usize>),
    Own(Vec<u8>),
}

impl Outgoing {
    /// A request. `source` is the value or body that the event was decoded from.
    pub(crate) fn request<'r>(
        &'r self,
        source: &'r [u8],
        keep: Keep,
        timeout: Duration,
    ) -> Request<'r> {
        let body = match &self.body {
            Content::None => None,
            Content::Slice(range) => Some(source.get(range.clone()).unwrap_or_default()),
            Content::Own(bytes) => Some(bytes.as_slice()),
        };
        Request { headers: &self.headers, body, keep, timeout }
    }

    /// The request of an event.
    pub(crate) fn of_event(event: &Event<'_>, structured: bool) -> Outgoing {
        const HEADERS_BYTES: usize = 512;
        let mut headers = Vec::with_capacity(HEADERS_BYTES);
        if structured {
            headers.extend_from_slice(b"content-type: application/cloudevents+json\r\n");
            let mut json = Vec::new();
            event.write_structured(&mut json);
            return Outgoing { headers, body: Content::Own(json) };
        }
        event.write_http_headers(&mut headers);
        let body = match event.body() {
            Body::None => Content::None,
            // Without bytes it goes as one without data (dispatcher.md 18, case 4).
            Body::Slice(range) if range.is_empty() => Content::None,
            Body::Slice(range) => Content::Slice(range),
            Body::Apart(bytes) => Content::Own(bytes.to_vec()),
        };
        Outgoing { headers, body }
    }

    /// The same with a body of its own, for an event whose source goes away.
    pub(crate) fn detach(mut self, source: &[u8]) -> Outgoing {
        if let Content::Slice(range) = &self.body {
            self.body = Content::Own(source.get(range.clone()).unwrap_or_default().to_vec());
        }
        self
    }
}

/// Decodes a record, asks the filter, writes the request. As a dead letter (with `failure`) it is not
/// filtered again.
pub(crate) fn prepare(
    lane: &Lane,
    edition: &Edition,
    message: &Message,
    failure: Option<&Failure>,
) -> Prepared {
    let scratch = &mut lane.shard.scratch.borrow_mut();
    let plan = &edition.plan;
    let additions = Additions { overrides: &plan.overrides, failure };
    let event = match decode(lane, edition, message, &additions, scratch) {
        Ok(event) => event,
        Err(error) => return Prepared::Invalid(error),
    };
    let types = edition.meters.event(event.event_type());
    if failure.is_none() && !plan.filter.matches(&event) {
        return Prepared::Filtered(types);
    }
    Prepared::Send(Outgoing::of_event(&event, plan.structured), types)
}

fn decode<'a>(
    lane: &'a Lane,
    edition: &Edition,
    message: &'a Message,
    additions: &Additions<'_>,
    scratch: &'a mut Scratch,
) -> Result<Event<'a>, EventError> {
    let record = Record {
        topic: &lane.link.topic,
        partition: lane.link.partition,
        offset: message.offset(),
        timestamp_ms: message.timestamp_ms().unwrap_or(-1),
        key: message.key(),
        headers: message.headers(),
        value: message.value(),
    };
    match &edition.plan.plain {
        Some(source) => Ok(decode_record_or_plain(record, source, additions, scratch)),
        None => decode_record(record, additions, scratch),
    }
}
