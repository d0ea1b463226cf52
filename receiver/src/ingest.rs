//! The path of one event, top to bottom: decode, record, Kafka, report, verdict.
//!
//! The read buffer goes to Kafka with the record whenever the record's value stands in it, and comes
//! back with the delivery report; nothing of ours copies the data.

use std::ops::Range;
use std::rc::Rc;
use std::time::Instant;

use millrace_event::{Event, EventError, RecordValue, decode_batch, decode_http_within, is_batch};
use millrace_http1::Head;
use millrace_kafka::{Headers, Payload};
use millrace_observe::EventSeries;

use crate::deliveries::Delivery;
use crate::lane::{Outcome, Outgoing};
use crate::respond::Verdict;
use crate::route::Route;
use crate::shard::Shard;

/// Room made at once for headers; most events have fewer.
const HEADERS: usize = 16;

/// A request whose body has arrived.
pub(crate) struct Request<'r> {
    pub(crate) route: &'r Rc<Route>,
    pub(crate) head: &'r Head,
    /// The decoded body in the connection's buffer.
    pub(crate) body: Range<usize>,
    /// When the request was routed: the start of the dispatch latency (receiver.md 9.2).
    pub(crate) started: Instant,
}

/// The end of an event's path.
pub(crate) struct Ingested {
    pub(crate) verdict: Verdict,
    /// False when the buffer stays with Kafka: the wait was given up before the report. What a
    /// client has sent behind the request is then unknown, so the connection must be closed.
    pub(crate) buffer_is_back: bool,
}

/// Hands the event of a request to Kafka and waits for its fate.
pub(crate) async fn ingest(
    shard: &Rc<Shard>,
    request: Request<'_>,
    buffer: &mut Vec<u8>,
) -> Ingested {
    if shard.common.batch_enabled && is_batch_request(request.head, buffer) {
        Box::pin(batch(shard, &request, buffer)).await
    } else {
        one(shard, &request, buffer).await
    }
}

async fn one(shard: &Rc<Shard>, request: &Request<'_>, buffer: &mut Vec<u8>) -> Ingested {
    let route = request.route;
    let submitted = match submit(shard, request, buffer) {
        Ok(submitted) => submitted,
        Err(error) => {
            shard.bad_event(route, &error);
            route.latency.record_bad(request.started);
            return Ingested { verdict: Verdict::BadEvent, buffer_is_back: true };
        }
    };
    let lent = submitted.lent;
    let settled = submitted.delivery.await;
    let buffer_is_back = match settled.payload {
        Some(payload) if lent => {
            *buffer = payload;
            true
        }
        _ => !lent,
    };
    let verdict = shard.verdict(route, &settled.outcome);
    if verdict == Verdict::Accepted {
        shard.metrics.events_single.inc();
    }
    route.latency.record(&submitted.series, verdict, request.started);
    Ingested { verdict, buffer_is_back }
}

struct Submitted {
    delivery: Delivery<Outcome>,
    /// The buffer went with the record.
    lent: bool,
    series: EventSeries,
}

/// Decodes the event and gives its record to the producer. Nothing here waits.
fn submit(
    shard: &Rc<Shard>,
    request: &Request<'_>,
    buffer: &mut Vec<u8>,
) -> Result<Submitted, EventError> {
    let route = request.route;
    let mut scratch = shard.scratch.borrow_mut();
    let body = buffer.get(request.body.clone()).unwrap_or_default();
    let head = buffer.get(..request.body.start).unwrap_or_default();
    let event = decode_http_within(head, request.head.headers(buffer), body, &mut scratch)?;
    let parts = Parts::of(&event, route);
    let series = route.latency.series(event.event_type());
    let (payload, lent) = match parts.value {
        RecordValue::Null => (Payload::Null, false),
        RecordValue::Owned(value) => (Payload::whole(value), false),
        RecordValue::Body(range) => {
            let base = request.body.start;
            let range = base.saturating_add(range.start)..base.saturating_add(range.end);
            (Payload::Bytes { buffer: std::mem::take(buffer), range }, true)
        }
    };
    let delivery = shard.deliveries.open();
    let Parts { key, headers, header_bytes, .. } = parts;
    let record = Outgoing { key, headers, header_bytes, payload };
    route.send(record, delivery.token());
    Ok(Submitted { delivery, lent, series })
}

/// All events of a batch, each a record of its own; 202 only when all are acknowledged.
async fn batch(shard: &Rc<Shard>, request: &Request<'_>, buffer: &[u8]) -> Ingested {
    let route = request.route;
    let mut deliveries = Vec::new();
    let decoded = {
        let mut scratch = shard.scratch.borrow_mut();
        let body = buffer.get(request.body.clone()).unwrap_or_default();
        decode_batch(body, &mut scratch, |event| {
            let Parts { key, headers, header_bytes, value } = Parts::of(event, route);
            // Several records cannot each own the one buffer: a batch is copied.
            let payload = match value {
                RecordValue::Null => Payload::Null,
                RecordValue::Owned(value) => Payload::whole(value),
                RecordValue::Body(range) => {
                    Payload::whole(body.get(range).unwrap_or_default().to_vec())
                }
            };
            let delivery = shard.deliveries.open();
            let record = Outgoing { key, headers, header_bytes, payload };
            route.send(record, delivery.token());
            deliveries.push((delivery, route.latency.series(event.event_type())));
        })
    };
    if let Err(error) = decoded {
        shard.bad_event(route, &error);
        route.latency.record_bad(request.started);
        return Ingested { verdict: Verdict::BadEvent, buffer_is_back: true };
    }
    let mut verdict = Verdict::Accepted;
    let mut acknowledged = 0_u64;
    for (delivery, series) in deliveries {
        let one = shard.verdict(route, &delivery.await.outcome);
        route.latency.record(&series, one, request.started);
        if one == Verdict::Accepted {
            acknowledged = acknowledged.saturating_add(1);
        } else {
            verdict = Verdict::Unavailable;
        }
    }
    if verdict == Verdict::Accepted {
        shard.metrics.events_batch.add(acknowledged);
    } else {
        shard.metrics.unclaimed.add(acknowledged);
    }
    Ingested { verdict, buffer_is_back: true }
}

struct Parts {
    /// A copy: the key stands in the buffer that goes away with the payload.
    key: Option<Vec<u8>>,
    headers: Headers,
    header_bytes: usize,
    value: RecordValue,
}

impl Parts {
    fn of(event: &Event<'_>, route: &Route) -> Parts {
        let mut headers = Headers::with_capacity(HEADERS);
        let mut header_bytes = 0_usize;
        let value = event.record(route.ingress.mode, &mut |name, value| {
            header_bytes = header_bytes.saturating_add(name.len()).saturating_add(value.len());
            headers.add(name, Some(value));
        });
        Parts { key: event.key().map(<[u8]>::to_vec), headers, header_bytes, value }
    }
}

fn is_batch_request(head: &Head, buffer: &[u8]) -> bool {
    head.header(buffer, "content-type").is_some_and(is_batch)
}
