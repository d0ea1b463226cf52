//! What the control plane tells the data plane: the contract file, from bytes to a checked model.
//!
//! The file is protobuf JSON (contract.md 3). [`json`] reads it leniently into the generated
//! messages of [`proto`]; [`model`] turns those into types in which a wrong state cannot be written
//! down, rejecting single resources instead of whole files; [`diff`] tells what has to change; and
//! [`watch`] follows the mounted file through the ways in which it can be replaced.
//!
//! This crate reads files and nothing else: no Kubernetes API, no Kafka, no HTTP, no logging.
//! What is odd comes back as values for the caller to log and count.
#![forbid(unsafe_code)]

pub mod diff;
pub mod json;
pub mod model;
pub mod watch;

/// Messages generated from `proto/contract.proto` (contract.md 4). Proto field names in
/// lowerCamelCase appear here in snake_case; enum fields hold the raw number.
#[allow(clippy::all, missing_docs, unreachable_pub)]
#[path = "gen/contract.rs"]
#[rustfmt::skip]
pub mod proto;

pub use model::{Contract, Parsed, Resource};
