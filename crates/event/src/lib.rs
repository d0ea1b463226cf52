//! A CloudEvent as views over received bytes: decoded from HTTP, written as a Kafka record.
//!
//! This crate knows the event formats (receiver.md 3 and 4) and nothing else: no sockets, no
//! Kafka client, no runtime. An [`Event`] borrows from the request's headers, from its body and
//! from a reusable [`Scratch`] that holds what had to be rewritten (transcoded header values,
//! lower-cased names, normalised times, unescaped strings). Decoding and encoding a binary event
//! allocates nothing once the scratch has grown.
//!
//! ```text
//! headers, body ──> decode_http ──> Event ──> key(), record(mode, header sink) ──> Kafka
//!                        └── what could not be borrowed ──> Scratch (one per shard)
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod batch;
mod binary;
mod data;
mod draft;
mod error;
mod event;
mod http;
mod json;
mod media_type;
mod record;
mod scratch;
mod structured;
mod time;
mod uri;

pub use batch::decode_batch;
pub use error::EventError;
pub use event::{Data, Event, ExtValue, SpecVersion};
pub use http::decode_http;
pub use media_type::is_batch;
pub use record::{ContentMode, RecordValue, STRUCTURED_CONTENT_TYPE};
pub use scratch::Scratch;
