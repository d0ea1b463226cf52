//! HTTP/1.0 and HTTP/1.1 as state machines over bytes.
//!
//! This page is about the server side; the client side, which reads answers, is [`response`].
//!
//! What it does: finds the end of a request head, says what the head means, finds the end of the
//! body and leaves it in one piece in the caller's buffer, and writes the short answers that the
//! receiver gives. What it does not: read, write, wait, or know what an event is. HTTP/2 is absent
//! by design; its preface is refused as an unknown version.
//!
//! One growing buffer serves a connection:
//!
//! ```text
//! | head ............ | body .............. | next request ...
//! 0                   head.parse() = start  next
//! ```
//!
//! 1. [`Head::parse`] on the buffer until it answers `Some(start)`.
//! 2. [`BodyReader::new`] with [`Head::framing`], then [`BodyReader::feed`] with `start` after each
//!    read until it answers [`Progress::Done`]. Or [`Drain`] when the body is not wanted.
//! 3. Answer ([`encode`]), then go on with the bytes from `next`.
//!
//! Every [`Refusal`] ends the connection: after it nobody can say where the next request starts.
//! The strictness follows reliability.md 2, the bounds reliability.md 3 and receiver.md 2.4.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod blocks;
mod body;
mod chunked;
mod classes;
pub mod encode;
mod fields;
mod framing;
mod head;
mod limits;
mod refusal;
mod request_line;
pub mod response;
mod span;

pub use body::{BodyReader, Drain, Drained, Progress, Step};
pub use chunked::{ChunkDecoder, Piece};
pub use encode::Ending;
pub use framing::{BodyFraming, ResponseFraming};
pub use head::{Head, Headers};
pub use limits::Limits;
pub use refusal::Refusal;
pub use request_line::{Method, Version};
