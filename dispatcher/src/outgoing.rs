//! Events as requests: decoding a record, its filter, and the bytes that go out.

use std::sync::Arc;

use bytes::Bytes;
use millrace_client::Request;
use millrace_event::{
    Additions, Body, Event, EventError, Failure, Record, Scratch, decode_record,
    decode_record_or_plain,
};
use millrace_kafka::Message;

use crate::deliver::body_of;
use crate::edition::Edition;
use crate::lane::Lane;
use crate::meters::TypeMeters;

/// A record, looked at.
pub(crate) enum Prepared {
    Send(Outgoing, TypeMeters),
    Filtered(TypeMeters),
    Invalid(EventError),
}

/// The parts of a request that belong to the event; cheap to send again.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    headers: Bytes,
    /// `None` for an event without data: no body, and no `content-length`.
    body: Option<Bytes>,
}

impl Outgoing {
    /// A request that keeps so many bytes of a successful answer, and of another one.
    pub(crate) fn request(&self, keep_success: usize, keep_failure: usize) -> Request {
        Request {
            headers: self.headers.clone(),
            body: self.body.clone(),
            keep_success,
            keep_failure,
        }
    }

    /// The request of an event. `slice` finds its data where it was decoded from.
    pub(crate) fn of_event(
        event: &Event<'_>,
        structured: bool,
        slice: impl FnOnce(std::ops::Range<usize>) -> Bytes,
    ) -> Outgoing {
        const HEADERS_BYTES: usize = 512;
        let mut headers = Vec::with_capacity(HEADERS_BYTES);
        if structured {
            headers.extend_from_slice(b"content-type: application/cloudevents+json\r\n");
            let mut json = Vec::new();
            event.write_structured(&mut json);
            return Outgoing { headers: headers.into(), body: Some(json.into()) };
        }
        event.write_http_headers(&mut headers);
        let body = match event.body() {
            Body::None => None,
            Body::Slice(range) => Some(slice(range)),
            Body::Apart(bytes) => Some(Bytes::copy_from_slice(bytes)),
        };
        Outgoing { headers: headers.into(), body }
    }
}

/// Decodes a record, asks the filter, writes the request. As a dead letter (with `failure`) it is not
/// filtered again.
pub(crate) fn prepare(
    lane: &Lane,
    edition: &Edition,
    message: &Arc<Message>,
    failure: Option<&Failure>,
) -> Prepared {
    let scratch = &mut lane.shard.scratch.borrow_mut();
    let plan = &edition.plan;
    let additions = Additions { overrides: &plan.overrides, failure };
    let event = match decode(lane, edition, message, &additions, scratch) {
        Ok(event) => event,
        Err(error) => return Prepared::Invalid(error),
    };
    let types = edition.meters.of_type(event.event_type());
    if failure.is_none() && !plan.filter.matches(&event) {
        return Prepared::Filtered(types);
    }
    let outgoing =
        Outgoing::of_event(&event, plan.structured, |range| body_of(message, range));
    Prepared::Send(outgoing, types)
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
        timestamp_ms: message.timestamp_ms(),
        key: message.key(),
        headers: message.headers(),
        value: message.value(),
    };
    match &edition.plan.plain {
        Some(source) => Ok(decode_record_or_plain(record, source, additions, scratch)),
        None => decode_record(record, additions, scratch),
    }
}
