//! One resource: the topics, how to reach them, and what runs on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Auth, Delivery, Egress, Ingress};

/// A Broker, KafkaChannel or KafkaSink (receiver) or a Consumer (dispatcher); contract.md 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Identity across contracts.
    pub uid: Arc<str>,
    /// At least one.
    pub topics: Topics,
    /// Comma separated `host:port`, as written; not blank.
    pub bootstrap_servers: Arc<str>,
    /// How events come in; `None` means the receiver does not serve it.
    pub ingress: Option<Ingress>,
    /// Who reads from it; each `uid` once in the whole contract.
    pub egresses: Vec<Egress>,
    /// How to log in to Kafka.
    pub auth: Auth,
    /// Extension attributes set on each event by the dispatcher; empty when there are none.
    pub overrides: BTreeMap<String, String>,
    /// The object the user made, for labels and logs.
    pub reference: Reference,
    /// Delivery for egresses without their own. Already applied to [`Egress::delivery`]; kept
    /// because a change of it is a change of the resource (contract.md 7.4).
    pub egress_config: Option<Delivery>,
    /// Create EventType objects for the events seen.
    pub event_type_autocreate: bool,
}

/// Names of an object in Kubernetes; empty where the contract says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// UID of the object.
    pub uuid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `resourceVersion`, only set for secrets.
    pub version: String,
    /// Like `Broker`.
    pub kind: String,
    /// Like `eventing.knative.dev/v1`.
    pub group_version: String,
}

/// Topic names in contract order; there is always a first one, and none is blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    first: Arc<str>,
    more: Vec<Arc<str>>,
}

impl Topics {
    /// `None` for an empty list or a blank name.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut names = names.into_iter();
        let mut named = || names.next().map(|name| (!name.trim().is_empty()).then(|| name.into()));
        let first = named()??;
        let mut more = Vec::new();
        while let Some(name) = named() {
            more.push(name?);
        }
        Some(Self { first, more })
    }

    /// The only one an ingress writes to, and where replies go.
    pub fn first(&self) -> &Arc<str> {
        &self.first
    }

    /// All of them, in order; a dispatcher subscribes to each.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_never_empty_nor_blank() {
        assert_eq!(Topics::new([]), None);
        assert_eq!(Topics::new([""]), None);
        assert_eq!(Topics::new(["a", " "]), None);
        let two = Topics::new(["a", "b"]).unwrap();
        assert_eq!(&**two.first(), "a");
        assert_eq!(two.iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "b"]);
    }
}
