//! The two products as a measurement starts them: bound to CPUs, with the shipped settings.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::shipped;
use crate::started::{StartError, Started, answers, folder_with, free_port, named};

/// A running product; killed when dropped.
pub struct Product {
    pub program: Started,
    /// Its events' way in, or its metrics page.
    pub port: u16,
}

/// The path on which [`Product::receiver`] takes events.
pub const LOAD_PATH: &str = "/bench/load";

const CONTRACT: &str = "contract/data";

/// What is set otherwise than shipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Names and values; they go before what a measurement sets.
    pub environment: Vec<(String, String)>,
    /// File (`producer`, `consumer`, `httpserver` or `webclient`), key and value.
    pub properties: Vec<(String, String, String)>,
}

impl Product {
    /// A receiver with one ingress for the topic, on as many shards as there are CPUs; no CPUs
    /// means all.
    ///
    /// # Errors
    /// When it cannot be found, built or started, or does not become ready.
    pub fn receiver(bootstrap: &str, topic: &str, cpus: &[usize]) -> Result<Self, StartError> {
        Self::receiver_with(bootstrap, topic, cpus, &Changes::default())
    }

    /// [`Product::receiver`] with other settings than the shipped ones.
    ///
    /// # Errors
    /// As [`Product::receiver`].
    pub fn receiver_with(
        bootstrap: &str,
        topic: &str,
        cpus: &[usize],
        changes: &Changes,
    ) -> Result<Self, StartError> {
        Self::receiver_of(&[broker("1", bootstrap, topic, LOAD_PATH)], cpus, changes)
    }

    /// A receiver with these resources, such as [`broker`] makes.
    ///
    /// # Errors
    /// As [`Product::receiver`].
    pub fn receiver_of(
        resources: &[Value],
        cpus: &[usize],
        changes: &Changes,
    ) -> Result<Self, StartError> {
        let port = free_port(0).map_err(named("looking for a free port"))?;
        let ready = |_: &Path| answers(port, "/readyz").is_some();
        let here = (port, cpus, changes);
        Self::start("receiver", resources, here, ready, |command, path| {
            command
                .env("INGRESS_PORT", port.to_string())
                .env("INGRESS_TLS_PORT", "0")
                .env("LIVENESS_PROBE_PATH", "/healthz")
                .env("READINESS_PROBE_PATH", "/readyz")
                .env("HTTPSERVER_CONFIG_FILE_PATH", path.join("config/httpserver.properties"))
                .env("CONFIG_FEATURES_PATH", path.join("features"))
                .env("DRAIN_GRACE_SECONDS", "0");
        })
    }

    /// A dispatcher with one egress without a filter that reads the topic from its beginning.
    ///
    /// # Errors
    /// As [`Product::receiver`].
    pub fn dispatcher(
        bootstrap: &str,
        topic: &str,
        group: &str,
        ordered: bool,
        destination: &str,
        cpus: &[usize],
    ) -> Result<Self, StartError> {
        let to = (group, ordered, destination);
        Self::dispatcher_with(bootstrap, topic, to, cpus, &Changes::default())
    }

    /// [`Product::dispatcher`] with other settings than the shipped ones, for a group, its order and
    /// its destination.
    ///
    /// # Errors
    /// As [`Product::receiver`].
    pub fn dispatcher_with(
        bootstrap: &str,
        topic: &str,
        (group, ordered, destination): (&str, bool, &str),
        cpus: &[usize],
        changes: &Changes,
    ) -> Result<Self, StartError> {
        let egress = egress("2", group, ordered, destination);
        Self::dispatcher_of(&[egresses("1", bootstrap, topic, vec![egress])], cpus, changes)
    }

    /// A dispatcher with these resources, such as [`egresses`] makes.
    ///
    /// # Errors
    /// As [`Product::receiver`].
    pub fn dispatcher_of(
        resources: &[Value],
        cpus: &[usize],
        changes: &Changes,
    ) -> Result<Self, StartError> {
        let port = free_port(0).map_err(named("looking for a free port"))?;
        let ready = |path: &Path| path.join("healthy").exists();
        let here = (port, cpus, changes);
        Self::start("dispatcher", resources, here, ready, |command, path| {
            command
                .env("CONSUMER_CONFIG_FILE_PATH", path.join("config/consumer.properties"))
                .env("WEBCLIENT_CONFIG_FILE_PATH", path.join("config/webclient.properties"))
                .env("EGRESSES_INITIAL_CAPACITY", "20")
                .env("HEALTHY_FILE", path.join("healthy"));
        })
    }

    fn start(
        name: &'static str,
        resources: &[Value],
        (port, cpus, changes): (u16, &[usize], &Changes),
        ready: impl Fn(&Path) -> bool,
        more: impl FnOnce(&mut Command, &Path),
    ) -> Result<Self, StartError> {
        let consumer = shipped::CONSUMER_PROPERTIES
            .replace("auto.offset.reset=latest", "auto.offset.reset=earliest");
        let changed = |file: &str, shipped: &str| changes.applied(file, shipped);
        // The receiver's page would take a port of its own that nobody reads.
        let (protocol, endpoint) = match name {
            "dispatcher" => ("prometheus", format!("http://0.0.0.0:{port}/metrics")),
            _ => ("none", String::new()),
        };
        let files = [
            (CONTRACT, contract(1, resources)),
            ("config/producer.properties", changed("producer", shipped::PRODUCER_PROPERTIES)),
            (
                "config/httpserver.properties",
                changed("httpserver", shipped::HTTP_SERVER_PROPERTIES),
            ),
            ("config/webclient.properties", changed("webclient", shipped::WEB_CLIENT_PROPERTIES)),
            ("config/consumer.properties", changed("consumer", &consumer)),
            ("observability/metrics-protocol", protocol.to_owned()),
            ("observability/metrics-endpoint", endpoint),
            ("features/authentication-oidc", "disabled".to_owned()),
        ];
        let environment = |command: &mut Command, path: &Path| {
            command
                .env("PRODUCER_CONFIG_FILE_PATH", path.join("config/producer.properties"))
                .env("DATA_PLANE_CONFIG_FILE_PATH", path.join(CONTRACT))
                .env("CONFIG_OBSERVABILITY_PATH", path.join("observability"))
                .env("SERVICE_NAMESPACE", "bench")
                .env("WAIT_STARTUP_SECONDS", "8");
            more(command, path);
            command.envs(changes.environment.iter().map(|(name, value)| (name, value)));
        };
        let program = Started::start(name, folder_with(&files)?, cpus, environment, ready)?;
        Ok(Self { program, port })
    }

    /// Where events go in.
    pub fn url(&self) -> String {
        self.url_of(LOAD_PATH)
    }

    /// Where events of the ingress with this path go in.
    pub fn url_of(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Puts another contract in place of the present one, with one rename.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn change(&self, generation: u32, resources: &[Value]) -> std::io::Result<()> {
        let place = self.program.folder().join(CONTRACT);
        let aside = place.with_extension("new");
        std::fs::write(&aside, contract(generation, resources))?;
        std::fs::rename(aside, place)
    }
}

/// The resource of a Broker with one ingress (contract.md 3).
pub fn broker(uid: &str, bootstrap: &str, topic: &str, path: &str) -> Value {
    json!({
        "uid": uid, "topics": [topic], "bootstrapServers": bootstrap,
        "ingress": { "path": path }, "reference": reference("Broker"),
    })
}

/// The resource of a Broker with these egresses (contract.md 3).
pub fn egresses(uid: &str, bootstrap: &str, topic: &str, egresses: Vec<Value>) -> Value {
    json!({
        "uid": uid, "topics": [topic], "bootstrapServers": bootstrap,
        "reference": reference("Broker"), "egresses": egresses,
    })
}

/// An egress without a filter that throws replies away.
pub fn egress(uid: &str, group: &str, ordered: bool, destination: &str) -> Value {
    json!({
        "uid": uid, "consumerGroup": group, "destination": destination,
        "discardReply": {}, "deliveryOrder": if ordered { "ORDERED" } else { "UNORDERED" },
        "reference": reference("Trigger"),
    })
}

fn contract(generation: u32, resources: &[Value]) -> String {
    json!({ "generation": generation.to_string(), "resources": resources }).to_string()
}

impl Changes {
    /// The text of a file with its changes: a key that it has gets its new value, others come last.
    fn applied(&self, file: &str, shipped: &str) -> String {
        let mut lines: Vec<String> = shipped.lines().map(str::to_owned).collect();
        for (_, key, value) in self.properties.iter().filter(|(of, ..)| of == file) {
            let line = format!("{key}={value}");
            let is_it = |known: &String| known.split_once('=').is_some_and(|it| it.0.trim() == key);
            match lines.iter_mut().find(|known| is_it(known)) {
                Some(known) => *known = line,
                None => lines.push(line),
            }
        }
        lines.join("\n") + "\n"
    }
}

fn reference(kind: &str) -> Value {
    json!({ "uuid": "1", "namespace": "bench", "name": "load", "kind": kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_take_the_place_of_shipped_lines() {
        let properties = [("producer", "linger.ms", "5"), ("producer", "batch.size", "1")];
        let owned = |it: &(&str, &str, &str)| (it.0.to_owned(), it.1.to_owned(), it.2.to_owned());
        let changes =
            Changes { properties: properties.iter().map(owned).collect(), ..Changes::default() };
        let text = changes.applied("producer", "acks=all\n# linger.ms=9\nlinger.ms=0\n");
        assert_eq!(text, "acks=all\n# linger.ms=9\nlinger.ms=5\nbatch.size=1\n");
        assert_eq!(changes.applied("consumer", "a=1\n"), "a=1\n");
    }
}
