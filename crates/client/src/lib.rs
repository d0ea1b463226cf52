//! The HTTP/1.1 client of a shard: POSTs events to URLs over pools of kept connections.
//!
//! ```text
//! Resolver (process) ── Names (shard) ──┐
//!                                       Client (shard) ── Pool (target) ── Pool::post
//! ```
//!
//! What it does: one attempt, within a deadline that covers everything from waiting for a
//! connection to the last byte of the answer that is wanted (dispatcher.md W16). What it does not:
//! decide whether an attempt is repeated, follow redirects, know what an event is, speak TLS
//! (`https` is refused by [`Target::parse`]).
//!
//! Bounds: connections per pool, bytes of an answer's head, bytes kept of its body, bytes read past
//! to save a connection, idle time, names waiting to be resolved. Answers are read as strictly as
//! requests; after a broken one its connection is never used again.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod client;
mod connection;
mod error;
mod exchange;
mod names;
mod options;
mod pool;
mod queue;
mod request;
mod response;
mod target;

pub use client::{Client, ClientStats};
pub use error::{AttemptError, Failure, Stage};
pub use millrace_http1::Headers;
pub use millrace_http1::response::BadResponse;
pub use names::{Names, Resolver};
pub use options::ClientOptions;
pub use pool::Pool;
pub use request::{Keep, Request};
pub use response::Response;
pub use target::{Target, TargetError};
