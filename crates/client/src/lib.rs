//! (see Cargo.toml)
#![forbid(unsafe_code)]
#![warn(missing_docs)]
