//! Why an attempt brought no answer (dispatcher.md 9.2: a failure without response).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use millrace_http1::response::BadResponse;

/// An attempt without an answer: what happened, and to which URL.
#[derive(Debug, thiserror::Error)]
#[error("POST {to}: {failure}")]
pub struct AttemptError {
    to: Arc<str>,
    failure: Failure,
}

impl AttemptError {
    pub(crate) fn new(to: Arc<str>, failure: Failure) -> Self {
        Self { to, failure }
    }

    /// What happened.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// The URL, without user-info.
    pub fn url(&self) -> &str {
        &self.to
    }

    /// Whether the pool was closed: nothing is wrong with the subscriber, and the event is not to
    /// be taken for failed.
    pub fn is_closed(&self) -> bool {
        matches!(self.failure, Failure::Closed)
    }
}

/// What ended an attempt. All but [`Failure::Closed`] are the subscriber's or the network's, and
/// another attempt may succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The host's name gave no address.
    #[error("host \"{host}\" can't be resolved: {reason}")]
    Resolve {
        /// The name.
        host: Arc<str>,
        /// What the system said.
        reason: Arc<str>,
    },
    /// No connection; the address that was tried last.
    #[error("can't connect to {address}: {error}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Time ran out.
    #[error("no answer within {limit:?} ({stage})")]
    Timeout {
        /// What was being waited for.
        stage: Stage,
        /// The time that was allowed.
        limit: Duration,
    },
    /// The connection broke.
    #[error("the connection broke ({stage}): {error}")]
    Broken {
        /// What was being done.
        stage: Stage,
        /// What the system said.
        error: io::Error,
    },
    /// The server ended the connection before it answered.
    #[error("the server closed the connection without an answer ({stage})")]
    Ended {
        /// What was being done.
        stage: Stage,
    },
    /// The answer can't be read, or its head is too large.
    #[error("{0}")]
    Answer(#[from] BadResponse),
    /// Informational answers without end.
    #[error("more than {max} informational answers (1xx) before the final one")]
    TooManyInterim {
        /// How many are borne.
        max: u32,
    },
    /// The pool was closed.
    #[error("the sender was closed")]
    Closed,
}

impl Failure {
    /// A short label for metrics and logs.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "resolve",
            Self::Connect { .. } => "connect",
            Self::Timeout { .. } => "timeout",
            Self::Broken { .. } | Self::Ended { .. } => "disconnected",
            Self::Answer(bad) if bad.is_too_large() => "head_too_large",
            Self::Answer(_) | Self::TooManyInterim { .. } => "malformed",
            Self::Closed => "closed",
        }
    }

    /// Whether the server was gone, as it is when it closed a kept connection meanwhile.
    pub(crate) fn is_disconnect(&self) -> bool {
        match self {
            Self::Ended { .. } => true,
            Self::Broken { error, .. } => is_disconnect(error),
            _ => false,
        }
    }
}

pub(crate) fn is_disconnect(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
    )
}

/// What an attempt was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stage {
    /// All connections of the pool were in use.
    #[error("waiting for a free connection")]
    Waiting,
    /// Looking up the host's name.
    #[error("resolving the host's name")]
    Resolving,
    /// Connecting.
    #[error("connecting")]
    Connecting,
    /// Sending the request.
    #[error("sending the request")]
    Sending,
    /// The request is sent, the head of the answer not complete.
    #[error("waiting for the head of the answer")]
    Head,
    /// The head is there, the body not complete.
    #[error("reading the body of the answer")]
    Body,
}
