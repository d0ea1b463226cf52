//! Contract files as the control plane writes them, and the fixture of receiver.md 12.

use serde_json::{Value, json};

/// A contract in the making.
#[derive(Clone, Debug)]
pub struct Contract {
    pub generation: u64,
    pub resources: Vec<Resource>,
}

impl Contract {
    pub fn new(generation: u64) -> Self {
        Self { generation, resources: Vec::new() }
    }

    pub fn with(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// The next generation, as the control plane counts.
    pub fn next(&self) -> Self {
        Self { generation: self.generation + 1, resources: self.resources.clone() }
    }

    /// Changes the resource with that uid.
    ///
    /// # Panics
    /// When there is none.
    pub fn edit(mut self, uid: &str, edit: impl FnOnce(&mut Resource)) -> Self {
        let resource = self.resources.iter_mut().find(|resource| resource.uid() == uid);
        edit(resource.unwrap_or_else(|| panic!("no resource {uid} in the contract")));
        self
    }

    pub fn without(mut self, uid: &str) -> Self {
        self.resources.retain(|resource| resource.uid() != uid);
        self
    }

    /// Protobuf-JSON: 64-bit numbers are strings (contract.md 3).
    pub fn to_json(&self) -> Value {
        let resources: Vec<&Value> = self.resources.iter().map(|resource| &resource.0).collect();
        json!({ "generation": self.generation.to_string(), "resources": resources })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_json().to_string().into_bytes()
    }
}

/// One resource: a Broker, KafkaSink or KafkaChannel with an ingress.
#[derive(Clone, Debug)]
pub struct Resource(pub Value);

impl Resource {
    pub fn new(kind: &str, namespace: &str, name: &str, topic: &str, bootstrap: &str) -> Self {
        let uid = format!("uid-{namespace}-{name}");
        let group_version = match kind {
            "Broker" => "eventing.knative.dev/v1",
            "KafkaSink" => "eventing.knative.dev/v1alpha1",
            _ => "messaging.knative.dev/v1beta1",
        };
        Self(json!({
            "uid": uid,
            "topics": [topic],
            "bootstrapServers": bootstrap,
            "ingress": { "path": format!("/{namespace}/{name}") },
            "reference": {
                "uuid": uid, "namespace": namespace, "name": name, "kind": kind, "groupVersion": group_version,
            },
            "featureFlags": {},
        }))
    }

    pub fn uid(&self) -> &str {
        self.0["uid"].as_str().unwrap_or_default()
    }

    /// Sets a field by its JSON pointer, such as `/ingress/host`.
    pub fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        self.put(pointer, value);
        self
    }

    /// [`Self::set`] in place.
    pub fn put(&mut self, pointer: &str, value: impl Into<Value>) {
        let (parent, field) = pointer.rsplit_once('/').expect("a JSON pointer starts with a slash");
        let parent =
            self.0.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent} in the resource"));
        parent[field] = value.into();
    }

    /// Removes a field of the resource itself, such as `ingress`.
    pub fn remove(&mut self, field: &str) {
        if let Some(fields) = self.0.as_object_mut() {
            fields.remove(field);
        }
    }

    pub fn structured(self) -> Self {
        self.set("/ingress/contentMode", "STRUCTURED")
    }
}

/// The topics of a [`fixture`], unlike those of any other.
#[derive(Clone, Debug)]
pub struct Topics {
    pub a: String,
    pub s: String,
    pub c: String,
}

impl Topics {
    /// `mark` keeps fixtures on one broker apart.
    pub fn new(mark: &str) -> Self {
        Self { a: format!("ta-{mark}"), s: format!("ts-{mark}"), c: format!("tc-{mark}") }
    }

    pub fn all(&self) -> [&str; 3] {
        [&self.a, &self.s, &self.c]
    }
}

/// The host by which channel C is routed.
pub const CHANNEL_HOST: &str = "c-kn-channel.ns.svc.cluster.local";

/// Broker A, KafkaSink S, KafkaChannel C and the authenticated Broker O of receiver.md 12.
pub fn fixture(topics: &Topics, bootstrap: &str) -> Contract {
    let policies = json!([
        { "tokenMatchers": [{ "exact": { "attributes": { "sub": "system:serviceaccount:ns:ok" } } }] },
        {
            "tokenMatchers": [{ "prefix": { "attributes": { "sub": "system:serviceaccount:team:" } } }],
            "filters": [{ "prefix": { "attributes": { "type": "valid" } } }],
        },
    ]);
    Contract::new(1)
        .with(Resource::new("Broker", "ns", "a", &topics.a, bootstrap))
        .with(Resource::new("KafkaSink", "ns", "s", &topics.s, bootstrap).structured())
        .with(
            Resource::new("KafkaChannel", "ns", "c", &topics.c, bootstrap)
                .set("/ingress/host", CHANNEL_HOST),
        )
        .with(
            Resource::new("Broker", "ns", "o", &topics.a, bootstrap)
                .set("/ingress/audience", "eventing.knative.dev/broker/ns/o")
                .set("/ingress/eventPolicies", policies),
        )
}
