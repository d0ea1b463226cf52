//! The two products as a measurement starts them: bound to CPUs, with the shipped settings.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::receiver::{READY_WITHIN, StartError, find_or_build, free_port, named, write_all};
use crate::shipped;
use crate::usage;

/// A running product; killed when dropped.
pub struct Product {
    child: Child,
    folder: TempDir,
    name: &'static str,
    /// Its events' way in, or its metrics page.
    pub port: u16,
    /// From its start until it was ready, in steps of a millisecond.
    pub started_in: Duration,
}

/// The path on which [`Product::receiver`] takes events.
pub const LOAD_PATH: &str = "/bench/load";

impl Product {
    /// A receiver with one ingress for the topic, on as many shards as there are CPUs; no CPUs
    /// means all.
    ///
    /// # Errors
    /// When it cannot be found, built or started, or does not become ready.
    pub fn receiver(bootstrap: &str, topic: &str, cpus: &[usize]) -> Result<Self, StartError> {
        let port = free_port(0).map_err(named("looking for a free port"))?;
        let ingress = json!({
            "uid": "1", "topics": [topic], "bootstrapServers": bootstrap,
            "ingress": { "path": LOAD_PATH }, "reference": reference("Broker"),
        });
        let ready = |product: &Self| answers(product.port, "/readyz").is_some();
        Self::start("receiver", ingress, port, cpus, ready, |command, path| {
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
        let port = free_port(0).map_err(named("looking for a free port"))?;
        let egress = json!({
            "uid": "1", "topics": [topic], "bootstrapServers": bootstrap,
            "reference": reference("Broker"),
            "egresses": [{
                "uid": "2", "consumerGroup": group, "destination": destination,
                "discardReply": {}, "deliveryOrder": if ordered { "ORDERED" } else { "UNORDERED" },
                "reference": reference("Trigger"),
            }],
        });
        let ready = |product: &Self| product.folder.path().join("healthy").exists();
        Self::start("dispatcher", egress, port, cpus, ready, |command, path| {
            command
                .env("CONSUMER_CONFIG_FILE_PATH", path.join("config/consumer.properties"))
                .env("WEBCLIENT_CONFIG_FILE_PATH", path.join("config/webclient.properties"))
                .env("EGRESSES_INITIAL_CAPACITY", "20")
                .env("HEALTHY_FILE", path.join("healthy"));
        })
    }

    fn start(
        name: &'static str,
        resource: Value,
        port: u16,
        cpus: &[usize],
        ready: impl Fn(&Self) -> bool,
        more: impl FnOnce(&mut Command, &Path),
    ) -> Result<Self, StartError> {
        let binary = find_or_build(name)?;
        let folder =
            TempDir::with_prefix("millrace-bench-").map_err(named("making a temporary folder"))?;
        let contract = json!({ "generation": "1", "resources": [resource] });
        let consumer = shipped::CONSUMER_PROPERTIES
            .replace("auto.offset.reset=latest", "auto.offset.reset=earliest");
        // The receiver's page would take a port of its own that nobody reads.
        let (protocol, endpoint) = match name {
            "dispatcher" => ("prometheus", format!("http://0.0.0.0:{port}/metrics")),
            _ => ("none", String::new()),
        };
        let files = [
            ("contract/data", contract.to_string()),
            ("config/producer.properties", shipped::PRODUCER_PROPERTIES.to_owned()),
            ("config/httpserver.properties", shipped::HTTP_SERVER_PROPERTIES.to_owned()),
            ("config/webclient.properties", shipped::WEB_CLIENT_PROPERTIES.to_owned()),
            ("config/consumer.properties", consumer),
            ("observability/metrics-protocol", protocol.to_owned()),
            ("observability/metrics-endpoint", endpoint),
            ("features/authentication-oidc", "disabled".to_owned()),
        ];
        let path = folder.path();
        write_all(path, &files).map_err(named("writing the settings"))?;
        let log = File::create(path.join("log")).map_err(named("creating the log"))?;
        let errors = log.try_clone().map_err(named("creating the log"))?;
        let mut command = Command::new(binary);
        command
            .env("PRODUCER_CONFIG_FILE_PATH", path.join("config/producer.properties"))
            .env("DATA_PLANE_CONFIG_FILE_PATH", path.join("contract/data"))
            .env("CONFIG_OBSERVABILITY_PATH", path.join("observability"))
            .env("SERVICE_NAMESPACE", "bench")
            .env("WAIT_STARTUP_SECONDS", "8")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        more(&mut command, path);
        let began = Instant::now();
        let child = spawn_on(&mut command, cpus).map_err(named(&format!("starting the {name}")))?;
        let mut product = Self { child, folder, name, port, started_in: Duration::ZERO };
        while began.elapsed() < READY_WITHIN {
            if let Ok(Some(status)) = product.child.try_wait() {
                return Err(StartError::Ended(status, product.log()));
            }
            if ready(&product) {
                product.started_in = began.elapsed();
                return Ok(product);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Err(StartError::NotReady(product.log()))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where events go in.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{LOAD_PATH}", self.port)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log"))
            .unwrap_or_else(|error| format!("(unreadable: {error})"))
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a process bound to these CPUs; to none means as this one.
///
/// # Errors
/// When it cannot be started or bound.
pub fn spawn_on(command: &mut Command, cpus: &[usize]) -> std::io::Result<Child> {
    // A process starts with the CPUs of the thread that starts it, so a thread is bound for it.
    thread::scope(|scope| {
        let bound = scope.spawn(|| {
            usage::bind_to(cpus)?;
            command.spawn()
        });
        bound.join().unwrap_or_else(|_| Err(std::io::Error::other("the starting thread panicked")))
    })
}

/// The body of a 200 answer.
pub(crate) fn answers(port: u16, path: &str) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let within = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, within).ok()?;
    stream.set_read_timeout(Some(within)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

fn reference(kind: &str) -> Value {
    json!({ "uuid": "1", "namespace": "bench", "name": "load", "kind": kind })
}
