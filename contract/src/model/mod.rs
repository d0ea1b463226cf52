//! The contract parsed into types in which a wrong state cannot be written down.
//!
//! One bad resource never blocks the others (contract.md 9, number 7): what cannot be used is left
//! out and reported as a [`Rejection`], the rest of the file is used.

mod auth;
mod build;
mod delivery;
mod egress;
mod filter;
mod ingress;
mod reject;
mod resource;

use std::sync::Arc;

use crate::json::{self, ParseError, Warnings};
use crate::proto;

pub use auth::{Auth, KeyField, Protocol, SecretField, SecretKeys, SecretRef};
pub use delivery::{Backoff, Delivery, Endpoint, Format, TIMEOUT_MS_DEFAULT};
pub use egress::{DeliveryOrder, Egress, KeyType, Reply};
pub use filter::{Attributes, Filter};
pub use ingress::{ContentMode, EventPolicy, Ingress, Route, TokenMatcher};
pub use reject::{Part, Reason, Rejection};
pub use resource::{Reference, Resource, Topics};

/// All that one contract file says, without what was unusable in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// Counts updates of one ConfigMap. Not ordered: a remade ConfigMap starts again at 1.
    pub generation: u64,
    /// Usable resources, each `uid` once, in file order (which carries no meaning).
    pub resources: Vec<Arc<Resource>>,
    /// PEM CA bundles for outgoing HTTPS, in file order.
    pub trust_bundles: Vec<String>,
    /// What was left out and why, in file order.
    pub rejected: Vec<Rejection>,
}

/// A contract and what was odd about its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What to apply.
    pub contract: Contract,
    /// What to log: the contract is used all the same.
    pub warnings: Warnings,
}

impl Contract {
    /// Reads the text of a contract file (contract.md 3).
    ///
    /// # Errors
    /// When nothing of the file can be used; the contract in force then stays.
    pub fn parse(text: &[u8]) -> Result<Parsed, ParseError> {
        let (message, mut warnings) = json::parse(text)?;
        let contract = Self::from_message(message, &mut warnings);
        Ok(Parsed { contract, warnings })
    }

    /// The model of a message, however it was read. Never fails: what is unusable is in
    /// [`Contract::rejected`].
    pub fn from_message(message: proto::Contract, warnings: &mut Warnings) -> Self {
        build::contract(message, warnings)
    }
}
