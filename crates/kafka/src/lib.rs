//! librdkafka behind a small front: a producer that copies nothing of ours, and what belongs to it.
//!
//! The crate knows Kafka and nothing of HTTP. Everything unsafe is in `ffi/`; the rest is safe Rust
//! and is written so that no use of it from outside can break memory safety.

#![deny(unsafe_code)]
#![warn(missing_docs)]

mod error;
mod ffi;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::CreateError;
