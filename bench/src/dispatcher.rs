//! Starts the real dispatcher with two Triggers, of which one lets the example event pass.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::shipped;
use crate::started::{StartError, Started, folder_with};

/// Starts it on the cluster and waits until it is ready. The triggers `hello` and `other` send to the
/// paths of their names on `subscriber_port`.
///
/// # Errors
/// When it cannot be found, built or started, or does not become ready.
pub fn start(bootstrap: &str, topic: &str, subscriber_port: u16) -> Result<Started, StartError> {
    let contract = json!({
        "generation": "1",
        "resources": [{
            "uid": "0a3c3c0e-58d5-4a4f-9d5c-2f6a0f6d1c01",
            "topics": [topic],
            "bootstrapServers": bootstrap,
            "egresses": [
                trigger("hello", subscriber_port), trigger("other", subscriber_port),
            ],
            "reference": { "namespace": "default", "name": "quickstart", "kind": "Broker" },
        }],
    });
    // Somebody tries it: what is sent before the group is joined shall arrive too.
    let consumer = shipped::CONSUMER_PROPERTIES
        .replace("auto.offset.reset=latest", "auto.offset.reset=earliest");
    let files = [
        ("brokers-triggers/data", contract.to_string()),
        ("config/consumer.properties", consumer),
        ("config/producer.properties", shipped::PRODUCER_PROPERTIES.to_owned()),
        ("config/webclient.properties", shipped::WEB_CLIENT_PROPERTIES.to_owned()),
        ("observability/metrics-protocol", "none".to_owned()),
    ];
    let environment = |command: &mut Command, path: &Path| {
        command
            .env("CONSUMER_CONFIG_FILE_PATH", path.join("config/consumer.properties"))
            .env("PRODUCER_CONFIG_FILE_PATH", path.join("config/producer.properties"))
            .env("WEBCLIENT_CONFIG_FILE_PATH", path.join("config/webclient.properties"))
            .env("DATA_PLANE_CONFIG_FILE_PATH", path.join("brokers-triggers/data"))
            .env("CONFIG_OBSERVABILITY_PATH", path.join("observability"))
            .env("EGRESSES_INITIAL_CAPACITY", "20")
            .env("SERVICE_NAMESPACE", "default")
            .env("WAIT_STARTUP_SECONDS", "8")
            .env("HEALTHY_FILE", path.join("healthy"));
    };
    let ready = |path: &Path| path.join("healthy").exists();
    Started::start("dispatcher", folder_with(&files)?, &[], environment, ready)
}

/// A Trigger for events of the type `com.example.<name>`.
fn trigger(name: &str, port: u16) -> Value {
    json!({
        "uid": format!("trigger-{name}"),
        "consumerGroup": format!("knative-trigger-default-{name}"),
        "destination": format!("http://127.0.0.1:{port}/{name}"),
        "discardReply": {},
        "dialectedFilter": [{ "exact": { "attributes": { "type": format!("com.example.{name}") } } }],
        "reference": { "namespace": "default", "name": name, "kind": "Trigger" },
    })
}
