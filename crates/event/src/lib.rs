//! A CloudEvent as views over received bytes: from HTTP to Kafka, and from Kafka to HTTP.
//!
//! This crate knows the event formats (receiver.md 3 and 4, dispatcher.md 5, 6, 11 and 12) and
//! nothing else: no sockets, no Kafka client, no runtime. An [`Event`] borrows from what was
//! received and from a reusable [`Scratch`] that holds what had to be rewritten (transcoded header
//! values, lower-cased names, normalised times, unescaped strings). Decoding and encoding a binary
//! event allocates nothing once the scratch has grown.
//!
//! ```text
//! headers, body ──> decode_http ────> Event ──> key(), record(mode, header sink) ──> Kafka
//! record ─────────> decode_record ──> Event ──> write_http_headers(), body() ──────> HTTP
//! answer ─────────> decode_reply ───> Event ──> either of them
//!                        └── what could not be borrowed ──> Scratch (one per shard)
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod additions;
mod batch;
mod binary;
mod data;
mod dead_letter;
mod draft;
mod error;
mod event;
mod http;
mod json;
mod kafka;
mod key;
mod media_type;
mod plain;
mod record;
mod reply;
mod request;
mod scratch;
mod structured;
mod time;
mod uri;

pub use additions::{Additions, Overrides};
pub use batch::decode_batch;
pub use dead_letter::Failure;
pub use error::EventError;
pub use event::{Data, Event, ExtValue, SpecVersion};
pub use http::{decode_http, decode_http_within};
pub use kafka::{Record, decode_record, decode_record_or_plain};
pub use key::KeyType;
pub use media_type::is_batch;
pub use plain::PlainSource;
pub use record::{ContentMode, RecordValue, STRUCTURED_CONTENT_TYPE};
pub use reply::{Reply, decode_reply};
pub use request::Body;
pub use scratch::Scratch;
