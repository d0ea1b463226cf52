//! What a dispatcher's case needs in the contract: a topic, and egresses on it (the fixture of dispatcher.md 18).

use serde_json::{Value, json};

use crate::contract::Resource;
use crate::rig::unique;

/// The namespace of every reference.
pub const NAMESPACE: &str = "ns1";

/// A resource with one topic and its egresses, in the making.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Also the first segment of the paths of its first egress, and the name of that egress's reference.
    pub name: String,
    pub topic: String,
    pub partitions: i32,
    /// Where the groups begin in every partition, which then has as many records before the dispatcher starts; `None`
    /// leaves the groups without a commit and the topic empty.
    pub begin_at: Option<i64>,
    pub egresses: Vec<Egress>,
    /// The server whose endpoints are the subscribers.
    subscriber: String,
    resource: Resource,
}

impl Plan {
    /// Topic of one partition, reference `{ns1, res1, Broker}`, one egress.
    pub fn new(name: &str, bootstrap: &str, subscriber: &str) -> Self {
        let mark = unique();
        let topic = format!("t-{name}-{mark}");
        let resource = Resource(json!({
            "uid": format!("res-{name}-{mark}"),
            "topics": [topic],
            "bootstrapServers": bootstrap,
            "reference": {
                "uuid": "broker-uuid", "namespace": NAMESPACE, "name": "res1", "kind": "Broker",
                "groupVersion": "eventing.knative.dev/v1",
            },
            "featureFlags": {},
        }));
        let plan = Self {
            name: name.to_owned(),
            topic,
            partitions: 1,
            begin_at: Some(0),
            egresses: Vec::new(),
            subscriber: subscriber.to_owned(),
            resource,
        };
        plan.also(name, |egress| egress)
    }

    /// Changes the first egress.
    pub fn egress(mut self, change: impl FnOnce(Egress) -> Egress) -> Self {
        let first = self.egresses.remove(0);
        self.egresses.insert(0, change(first));
        self
    }

    /// One more egress on the same topic, with a group and an endpoint of its own. The name must be unlike that of any
    /// other egress of the dispatcher.
    pub fn also(mut self, name: &str, change: impl FnOnce(Egress) -> Egress) -> Self {
        self.egresses.push(change(Egress::new(name, &unique(), &self.subscriber)));
        self
    }

    /// [`Self::also`] named after the case.
    pub fn and(self, suffix: &str, change: impl FnOnce(Egress) -> Egress) -> Self {
        let name = format!("{}-{suffix}", self.name);
        self.also(&name, change)
    }

    pub fn partitions(mut self, count: i32) -> Self {
        self.partitions = count;
        self
    }

    pub fn begin_at(mut self, offset: Option<i64>) -> Self {
        self.begin_at = offset;
        self
    }

    /// Sets a field of the resource by its JSON pointer.
    pub fn resource(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        self.resource = self.resource.set(pointer, value);
        self
    }

    pub fn overrides(self, extensions: Value) -> Self {
        self.resource("/cloudEventOverrides", json!({ "extensions": extensions }))
    }

    /// The resource with its egresses, as the contract has it.
    pub fn to_resource(&self) -> Resource {
        let egresses: Vec<&Value> = self.egresses.iter().map(|egress| &egress.json).collect();
        self.resource.clone().set("/egresses", json!(egresses))
    }
}

/// One egress in the making: destination `http://S/NAME`, `discardReply`, unordered, no egress config.
#[derive(Clone, Debug)]
pub struct Egress {
    pub name: String,
    pub group: String,
    pub json: Value,
    subscriber: String,
}

impl Egress {
    fn new(name: &str, mark: &str, subscriber: &str) -> Self {
        let group = format!("g-{name}-{mark}");
        let json = json!({
            "consumerGroup": group,
            "destination": format!("{subscriber}/{name}"),
            "discardReply": {},
            "uid": format!("egress-{name}-{mark}"),
            "reference": {
                "uuid": "trigger-uuid", "namespace": NAMESPACE, "name": name, "kind": "Trigger",
                "groupVersion": "eventing.knative.dev/v1",
            },
            "vReplicas": 1,
            "featureFlags": {},
        });
        Self { name: name.to_owned(), group, json, subscriber: subscriber.to_owned() }
    }

    /// Sets a field by its JSON pointer.
    pub fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let (parent, field) = pointer.rsplit_once('/').expect("a JSON pointer starts with a slash");
        let parent = self.json.pointer_mut(parent);
        parent.unwrap_or_else(|| panic!("no parent of {pointer} in the egress"))[field] =
            value.into();
        self
    }

    pub fn without(mut self, field: &str) -> Self {
        if let Some(fields) = self.json.as_object_mut() {
            fields.remove(field);
        }
        self
    }

    pub fn uid(&self) -> &str {
        self.json["uid"].as_str().unwrap_or_default()
    }

    pub fn destination(&self) -> &str {
        self.json["destination"].as_str().unwrap_or_default()
    }

    /// Puts more behind the destination's URL, such as `/p/q?x=1`.
    pub fn to(self, rest: &str) -> Self {
        let url = format!("{}{rest}", self.destination());
        self.set("/destination", url)
    }

    pub fn ordered(self) -> Self {
        self.set("/deliveryOrder", "ORDERED")
    }

    /// Sets fields of the egress's own config; the others stay.
    pub fn config(mut self, fields: Value) -> Self {
        if self.json["egressConfig"].is_null() {
            self.json["egressConfig"] = json!({});
        }
        for (name, value) in fields.as_object().into_iter().flatten() {
            self.json["egressConfig"][name] = value.clone();
        }
        self
    }

    /// `retry` with so many milliseconds between, linear.
    pub fn retry(self, count: u32, linear_ms: u64) -> Self {
        self.config(json!({
            "retry": count, "backoffPolicy": "Linear", "backoffDelay": linear_ms.to_string(),
        }))
    }

    /// A dead letter sink: the endpoint `NAME.dls`.
    pub fn dead_letter(self) -> Self {
        let url = format!("{}/{}.dls", self.subscriber, self.name);
        self.config(json!({ "deadLetter": url }))
    }

    /// Replies go to the endpoint `NAME.reply`.
    pub fn reply_url(self) -> Self {
        let url = format!("{}/{}.reply", self.subscriber, self.name);
        self.without("discardReply").set("/replyUrl", url)
    }

    pub fn reply_to_topic(self) -> Self {
        self.without("discardReply").set("/replyToOriginalTopic", json!({}))
    }

    /// The old kind of filter.
    pub fn filter(self, attributes: Value) -> Self {
        self.set("/filter", json!({ "attributes": attributes }))
    }

    /// The new kind: a list of `{"exact": {"attributes": …}}` and the like.
    pub fn dialects(self, filters: Value) -> Self {
        self.set("/dialectedFilter", filters)
    }

    pub fn cesql(self, expression: &str) -> Self {
        self.dialects(json!([{ "cesql": { "expression": expression } }]))
    }
}
