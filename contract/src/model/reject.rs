//! What was left out of a contract, and why.

use thiserror::Error;

/// A part of a contract that is not used; everything else is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{part} {uid} ({namespace}/{name}) is not used: {reason}")]
pub struct Rejection {
    /// How much is left out.
    pub part: Part,
    /// `uid` of the resource, or of the egress when only that is left out.
    pub uid: String,
    /// Namespace of the object the user made; empty when unknown.
    pub namespace: String,
    /// Name of that object; empty when unknown.
    pub name: String,
    /// Why.
    pub reason: Reason,
}

/// How much of a resource is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Resource,
    /// Its ingress; its egresses run.
    Ingress,
    /// One egress.
    Egress,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Resource => "resource",
            Self::Ingress => "ingress of resource",
            Self::Egress => "egress",
        })
    }
}

/// Why something of a contract cannot be used. All of these are mistakes in what the control plane
/// wrote; a later contract may mend them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// An earlier entry has the same `uid`; that one is used.
    #[error("its uid is used by an earlier entry of the contract, which is kept")]
    DuplicateUid,
    /// `topics` is missing or holds a blank name.
    #[error("`topics` is empty or has a blank name: a topic to write to or read from is needed")]
    NoTopic,
    /// `bootstrapServers` is blank.
    #[error("`bootstrapServers` is empty: a comma separated list of host:port is needed")]
    NoBootstrapServers,
    /// `bootstrapServers` holds an `@`, as in a URL with a password.
    #[error(
        "`bootstrapServers` holds an \"@\": host:port is needed, and credentials belong in a secret"
    )]
    UserInfoInBootstrapServers,
    /// Neither path nor host would ever be reached.
    #[error("`ingress` has neither a path other than \"/\" nor a host, so nothing can reach it")]
    NoRoute,
    /// A `protocol` number of a newer control plane.
    #[error("`multiAuthSecret.protocol` {0} is not known; known are 0 to 3")]
    UnknownProtocol(i32),
    /// A `field` number of a newer control plane.
    #[error("`keyFieldReferences.field` {0} is not known; known are 0 to 8")]
    UnknownSecretField(i32),
    /// A secret without namespace or name.
    #[error("a secret reference has no namespace or no name, so it cannot be fetched")]
    NamelessSecret,
    /// `consumerGroup` is blank.
    #[error("`consumerGroup` is empty: a Kafka group.id is needed")]
    NoConsumerGroup,
    /// `destination` is blank.
    #[error("`destination` is empty: the subscriber's URL is needed")]
    NoDestination,
    /// `replyUrl` is set but blank.
    #[error("`replyUrl` is set but empty: a URL is needed, or another reply strategy")]
    NoReplyUrl,
}
