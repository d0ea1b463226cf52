//! Starts the real dispatcher with two Triggers, of which one lets the example event pass.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::receiver::{READY_WITHIN, StartError, find_or_build, named, write_all};
use crate::shipped;

/// A running dispatcher; killed when dropped.
pub struct Dispatcher {
    child: Child,
    folder: TempDir,
}

impl Dispatcher {
    /// Starts it on the cluster and waits until it is ready. The triggers `hello` and `other` send to
    /// the paths of their names on `subscriber_port`.
    ///
    /// # Errors
    /// When it cannot be found, built or started, or does not become ready.
    pub fn start(bootstrap: &str, topic: &str, subscriber_port: u16) -> Result<Self, StartError> {
        let binary = find_or_build("dispatcher")?;
        let folder = TempDir::with_prefix("millrace-quickstart-")
            .map_err(named("making a temporary folder"))?;
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
        write_all(folder.path(), &files).map_err(named("writing the settings"))?;
        let path = |name: &str| folder.path().join(name);
        let log = File::create(path("dispatcher.log")).map_err(named("creating the log"))?;
        let error_log = log.try_clone().map_err(named("creating the log"))?;
        let child = Command::new(binary)
            .env("CONSUMER_CONFIG_FILE_PATH", path("config/consumer.properties"))
            .env("PRODUCER_CONFIG_FILE_PATH", path("config/producer.properties"))
            .env("WEBCLIENT_CONFIG_FILE_PATH", path("config/webclient.properties"))
            .env("DATA_PLANE_CONFIG_FILE_PATH", path("brokers-triggers/data"))
            .env("CONFIG_OBSERVABILITY_PATH", path("observability"))
            .env("EGRESSES_INITIAL_CAPACITY", "20")
            .env("SERVICE_NAMESPACE", "default")
            .env("WAIT_STARTUP_SECONDS", "8")
            .env("HEALTHY_FILE", path("healthy"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(error_log)
            .spawn()
            .map_err(named("starting the dispatcher"))?;
        let mut dispatcher = Self { child, folder };
        dispatcher.wait_until_ready()?;
        Ok(dispatcher)
    }

    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("dispatcher.log")
    }

    /// Asks it to end, as Kubernetes does, and waits. Ctrl-C may have ended it before.
    pub fn stop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        let pid = self.child.id().to_string();
        let mut kill = Command::new("kill");
        kill.args(["-s", "TERM", &pid]).stderr(Stdio::null());
        if kill.status().is_ok_and(|status| status.success()) {
            let _ = self.child.wait();
        }
    }

    fn wait_until_ready(&mut self) -> Result<(), StartError> {
        let log = || fs::read_to_string(self.folder.path().join("dispatcher.log"));
        let started = Instant::now();
        while started.elapsed() < READY_WITHIN {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(StartError::Ended(status, log().unwrap_or_default()));
            }
            if self.folder.path().join("healthy").exists() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(StartError::NotReady(log().unwrap_or_default()))
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
