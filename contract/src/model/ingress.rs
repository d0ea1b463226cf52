//! How events come in: where, in which form, and who may send them.

use std::sync::Arc;

use super::{Attributes, Filter};

/// What the receiver serves for one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// Where senders find it.
    pub route: Route,
    /// How events are written to Kafka.
    pub content_mode: ContentMode,
    /// A bearer token for this audience is required; `None` lets anyone in.
    pub audience: Option<Arc<str>>,
    /// Who may send what. Only looked at when `audience` is set; then none means nobody.
    pub policies: Vec<EventPolicy>,
}

/// By which keys a request finds the resource (receiver.md 2.2). Neither is blank, the path is not
/// `/`, both are exactly as in the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Request path only.
    Path(Arc<str>),
    /// `Host` header only.
    Host(Arc<str>),
    /// Either; the path is looked up first.
    PathAndHost {
        /// Request path.
        path: Arc<str>,
        /// `Host` header.
        host: Arc<str>,
    },
}

impl Route {
    /// `None` when nothing could ever reach it: blank host, and path blank or `/`.
    pub fn new(path: &str, host: &str) -> Option<Self> {
        let path = (!path.trim().is_empty() && path != "/").then(|| path.into());
        let host = (!host.trim().is_empty()).then(|| host.into());
        match (path, host) {
            (Some(path), Some(host)) => Some(Self::PathAndHost { path, host }),
            (Some(path), None) => Some(Self::Path(path)),
            (None, Some(host)) => Some(Self::Host(host)),
            (None, None) => None,
        }
    }

    /// Key of the path table, like `/namespace/name`.
    pub fn path(&self) -> Option<&Arc<str>> {
        match self {
            Self::Path(path) | Self::PathAndHost { path, .. } => Some(path),
            Self::Host(_) => None,
        }
    }

    /// Key of the host table, without port.
    pub fn host(&self) -> Option<&Arc<str>> {
        match self {
            Self::Host(host) | Self::PathAndHost { host, .. } => Some(host),
            Self::Path(_) => None,
        }
    }
}

/// Form of the Kafka record (receiver.md 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ContentMode {
    /// Attributes as headers, data as value. Also what an unknown mode means (contract.md 3).
    #[default]
    Binary,
    /// One JSON document as value.
    Structured,
}

/// Who may send which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPolicy {
    /// One match is enough; none listed never matches.
    pub token_matchers: Vec<TokenMatcher>,
    /// All must pass; none listed pass.
    pub filters: Vec<Filter>,
}

/// What the claims of a token must look like; the keys are claim names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenMatcher {
    /// Every listed claim equals.
    Exact(Attributes),
    /// Every listed claim starts with; an empty text matches any present claim.
    Prefix(Attributes),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_at_least_one_usable_key() {
        let keys = |path, host| {
            Route::new(path, host).map(|route| {
                (route.path().map(|it| &**it == path), route.host().map(|it| &**it == host))
            })
        };
        for (path, host) in [("", ""), ("/", ""), (" ", "\t"), ("/", " ")] {
            assert_eq!(keys(path, host), None, "{path:?} {host:?}");
        }
        assert_eq!(keys("/a/b", ""), Some((Some(true), None)));
        assert_eq!(keys("/", "h.ns.svc"), Some((None, Some(true))));
        assert_eq!(keys("/a/b/", "h.ns.svc"), Some((Some(true), Some(true))));
    }
}
