//! Starts the real receiver on a directory laid out like the mounts of a pod (platform.md 2 and 9.2).

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use thiserror::Error;

use crate::shipped;

/// The path under which the one Broker of this receiver takes events.
pub const INGRESS_PATH: &str = "/default/quickstart";
/// The topic its events go to, named as the Broker controller names it.
pub const TOPIC: &str = "knative-broker-default-quickstart";

pub(crate) const READY_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Error)]
pub enum StartError {
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    #[error("cargo could not build a binary ({0}); its messages are above")]
    Build(ExitStatus),
    #[error("the program ended at start with {0}; its log:\n{1}")]
    Ended(ExitStatus, String),
    #[error("the program was not ready after {READY_WITHIN:?}; its log:\n{0}")]
    NotReady(String),
}

/// A running receiver; killed when dropped.
pub struct Receiver {
    child: Child,
    folder: TempDir,
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
        let binary = find_or_build("receiver")?;
        let folder = TempDir::with_prefix("millrace-quickstart-")
            .map_err(named("making a temporary folder"))?;
        let port = free_port(port).map_err(named("looking for a free port"))?;
        let metrics_port = free_port(9090).map_err(named("looking for a free port"))?;
        let mut command = Command::new(binary);
        lay_out(folder.path(), bootstrap, metrics_port).map_err(named("writing the settings"))?;
        environment(&mut command, folder.path(), port);
        let log =
            File::create(folder.path().join("receiver.log")).map_err(named("creating the log"))?;
        let error_log = log.try_clone().map_err(named("creating the log"))?;
        command.stdin(Stdio::null()).stdout(log).stderr(error_log);
        let child = command.spawn().map_err(named("starting the receiver"))?;
        let mut receiver = Self { child, folder, port, metrics_port };
        receiver.wait_until_ready()?;
        Ok(receiver)
    }

    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("receiver.log")
    }

    /// Its exit status, once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to end, as Kubernetes does, and waits. Ctrl-C may have ended it before.
    pub fn stop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        let pid = self.child.id().to_string();
        let mut kill = Command::new("kill");
        kill.args(["-s", "TERM", &pid]).stderr(Stdio::null());
        // Without a `kill` program the drop still ends it.
        if kill.status().is_ok_and(|status| status.success()) {
            let _ = self.child.wait();
        }
    }

    fn wait_until_ready(&mut self) -> Result<(), StartError> {
        let started = Instant::now();
        while started.elapsed() < READY_WITHIN {
            if let Some(status) = self.ended() {
                return Err(StartError::Ended(status, self.log()));
            }
            if answers_ready(self.port) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(StartError::NotReady(self.log()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_else(|error| format!("(unreadable: {error})"))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn named(what: &str) -> impl FnOnce(io::Error) -> StartError + use<> {
    let what = what.to_owned();
    move |error| StartError::Io { what, error }
}

/// A product's binary beside this program; built with the same profile when it is not there.
pub(crate) fn find_or_build(name: &str) -> Result<PathBuf, StartError> {
    let program = env::current_exe().map_err(named("finding this program"))?;
    let binary = program.with_file_name(name);
    if !binary.exists() {
        eprintln!("Building the {name}.");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
            "build",
            "--package",
            &format!("millrace-{name}"),
            "--bin",
            name,
        ]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        if let Some(target) = program.ancestors().nth(2) {
            cargo.arg("--target-dir").arg(target);
        }
        let status = cargo.status().map_err(named("running cargo"))?;
        if !status.success() {
            return Err(StartError::Build(status));
        }
    }
    Ok(binary)
}

/// `wanted`, or one that the system chooses when that is taken.
pub(crate) fn free_port(wanted: u16) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, wanted))
        .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
    Ok(listener.local_addr()?.port())
}

pub(crate) fn write_all(folder: &Path, files: &[(&str, String)]) -> io::Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

fn lay_out(folder: &Path, bootstrap: &str, metrics_port: u16) -> io::Result<()> {
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
    let files = [
        ("brokers-triggers/data", contract.to_string()),
        ("config/producer.properties", shipped::PRODUCER_PROPERTIES.to_owned()),
        ("config/httpserver.properties", shipped::HTTP_SERVER_PROPERTIES.to_owned()),
        ("observability/metrics-protocol", "prometheus".to_owned()),
        ("observability/metrics-endpoint", format!("http://0.0.0.0:{metrics_port}/metrics")),
        ("features/authentication-oidc", "disabled".to_owned()),
        ("logging/config.xml", shipped::LOGBACK.to_owned()),
    ];
    write_all(folder, &files)
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

fn answers_ready(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ask = || -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(1024).read_to_end(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}
