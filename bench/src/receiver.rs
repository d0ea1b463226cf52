//! Starts the real receiver on a directory laid out like the mounts of a pod (platform.md 2 and 9.2).

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::shipped;
use crate::started::{StartError, Started, answers, folder_with, free_port, named};

/// The path under which the one Broker of this receiver takes events.
pub const INGRESS_PATH: &str = "/default/quickstart";
/// The topic its events go to, named as the Broker controller names it.
pub const TOPIC: &str = "knative-broker-default-quickstart";

/// A running receiver; killed when dropped.
pub struct Receiver {
    pub program: Started,
    pub port: u16,
    pub metrics_port: u16,
}

impl Receiver {
    /// Starts it with one Broker ingress on the cluster, waits until it is ready.
    ///
    /// It listens on `port`, or on one the system chooses when that is taken.
    ///
    /// # Errors
    /// When it cannot be found, built or started, or does not become ready.
    pub fn start(bootstrap: &str, port: u16) -> Result<Self, StartError> {
        let port = free_port(port).map_err(named("looking for a free port"))?;
        let metrics_port = free_port(9090).map_err(named("looking for a free port"))?;
        let folder = folder_with(&files(bootstrap, metrics_port))?;
        let environment = |command: &mut Command, path: &Path| environment(command, path, port);
        let ready = |_: &Path| answers(port, "/readyz").is_some();
        let program = Started::start("receiver", folder, &[], environment, ready)?;
        Ok(Self { program, port, metrics_port })
    }
}

fn files(bootstrap: &str, metrics_port: u16) -> [(&'static str, String); 7] {
    let contract = json!({
        "generation": "1",
        "resources": [{
            "uid": "5c8e9a6e-6a51-4d8e-9f5c-7d0f2f4f9b11",
            "topics": [TOPIC],
            "bootstrapServers": bootstrap,
            "ingress": { "path": INGRESS_PATH },
            "reference": {
                "uuid": "5c8e9a6e-6a51-4d8e-9f5c-7d0f2f4f9b11",
                "namespace": "default", "name": "quickstart",
                "kind": "Broker", "groupVersion": "eventing.knative.dev/v1",
            },
        }],
    });
    [
        ("brokers-triggers/data", contract.to_string()),
        ("config/producer.properties", shipped::PRODUCER_PROPERTIES.to_owned()),
        ("config/httpserver.properties", shipped::HTTP_SERVER_PROPERTIES.to_owned()),
        ("observability/metrics-protocol", "prometheus".to_owned()),
        ("observability/metrics-endpoint", format!("http://0.0.0.0:{metrics_port}/metrics")),
        ("features/authentication-oidc", "disabled".to_owned()),
        ("logging/config.xml", shipped::LOGBACK.to_owned()),
    ]
}

fn environment(command: &mut Command, folder: &Path, port: u16) {
    let path = |name: &str| folder.join(name);
    command
        .env("INGRESS_PORT", port.to_string())
        .env("INGRESS_TLS_PORT", "8443")
        .env("LIVENESS_PROBE_PATH", "/healthz")
        .env("READINESS_PROBE_PATH", "/readyz")
        .env("PRODUCER_CONFIG_FILE_PATH", path("config/producer.properties"))
        .env("HTTPSERVER_CONFIG_FILE_PATH", path("config/httpserver.properties"))
        .env("DATA_PLANE_CONFIG_FILE_PATH", path("brokers-triggers/data"))
        .env("CONFIG_OBSERVABILITY_PATH", path("observability"))
        .env("CONFIG_FEATURES_PATH", path("features"))
        .env("LOGGING_CONFIG_PATH", path("logging/config.xml"))
        .env("WAIT_STARTUP_SECONDS", "8")
        .env("SERVICE_NAME", "quickstart")
        .env("SERVICE_NAMESPACE", "default")
        // Nobody routes around us here, so there is nothing to wait for at the end.
        .env("DRAIN_GRACE_SECONDS", "0");
}
