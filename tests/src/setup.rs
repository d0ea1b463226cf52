//! What a receiver finds at its start: its mounts and its environment, as the manifests give them, plus changes.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::matrix::Driver;
use crate::mount::Mount;
use crate::{ports, properties};

/// How a receiver is to be started. Begin with [`Setup::new`], change, then `Receiver::start`.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Content of the contract file; `None` leaves it out of the mount.
    pub contract: Option<Vec<u8>>,
    pub producer: Vec<(String, String)>,
    pub http_server: Vec<(String, String)>,
    /// Files of the observability mount. `metrics-endpoint` is filled in when Prometheus is on and it is missing.
    pub observability: BTreeMap<String, String>,
    /// Changes of the environment; `None` removes a variable.
    pub environment: BTreeMap<String, Option<String>>,
    /// A program that becomes the receiver after it has changed something about the process; none as a rule.
    pub started_by: Option<PathBuf>,
}

impl Setup {
    /// The shipped settings on this I/O driver, with Prometheus metrics on and without a grace period at the end.
    pub fn new(driver: Driver) -> Self {
        let mut setup = Self {
            contract: None,
            producer: Vec::new(),
            http_server: Vec::new(),
            observability: BTreeMap::from([("metrics-protocol".into(), "prometheus".into())]),
            environment: BTreeMap::new(),
            started_by: None,
        };
        setup.environment.insert("IO_DRIVER".into(), Some(driver.setting().into()));
        setup
    }

    pub fn contract(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.contract = Some(bytes.into());
        self
    }

    pub fn producer(mut self, key: &str, value: &str) -> Self {
        self.producer.push((key.into(), value.into()));
        self
    }

    pub fn http_server(mut self, key: &str, value: &str) -> Self {
        self.http_server.push((key.into(), value.into()));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), Some(value.into()));
        self
    }

    pub fn started_by(mut self, program: impl Into<PathBuf>) -> Self {
        self.started_by = Some(program.into());
        self
    }

    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.insert(name.into(), None);
        self
    }

    pub fn observability(mut self, key: &str, value: &str) -> Self {
        self.observability.insert(key.into(), value.into());
        self
    }
}

/// The folder of one receiver, laid out; removed when dropped.
pub struct Mounts {
    folder: PathBuf,
    pub contract: Mount,
    pub port: u16,
    pub tls_port: u16,
    pub metrics_port: u16,
    pub environment: BTreeMap<String, String>,
}

impl Mounts {
    pub fn lay_out(setup: &Setup) -> Self {
        let folder = new_folder();
        let (port, tls_port, metrics_port) = (ports::free(), ports::free(), ports::free());
        let contract: Vec<(&str, &[u8])> =
            setup.contract.iter().map(|bytes| ("data", bytes.as_slice())).collect();
        let contract = Mount::new(&folder.join("brokers-triggers"), &contract);
        let producer = properties::producer(&setup.producer);
        let http_server = properties::http_server(&setup.http_server);
        mount(
            &folder,
            "config",
            &[
                ("config-kafka-broker-producer.properties", &producer),
                ("config-kafka-broker-httpserver.properties", &http_server),
            ],
        );
        mount(&folder, "logging", &[("config.xml", millrace_bench::shipped::LOGBACK)]);
        mount(
            &folder,
            "features",
            &[("authentication-oidc", "disabled"), ("transport-encryption", "disabled")],
        );
        let mut observability = setup.observability.clone();
        observability
            .entry("metrics-endpoint".into())
            .or_insert_with(|| format!("http://0.0.0.0:{metrics_port}/metrics"));
        let observability: Vec<(&str, &str)> =
            observability.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        mount(&folder, "observability", &observability);
        let environment = environment(&folder, port, tls_port, setup);
        Self { folder, contract, port, tls_port, metrics_port, environment }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn mount(folder: &Path, name: &str, files: &[(&str, &str)]) {
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, content)| (*name, content.as_bytes())).collect();
    Mount::new(&folder.join(name), &files);
}

/// The variables of platform.md 2 with the values of the broker receiver's manifest.
fn environment(folder: &Path, port: u16, tls_port: u16, setup: &Setup) -> BTreeMap<String, String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let shipped = [
        ("SERVICE_NAME", "kafka-broker-receiver".to_owned()),
        ("SERVICE_NAMESPACE", "knative-eventing".to_owned()),
        ("INGRESS_PORT", port.to_string()),
        ("INGRESS_TLS_PORT", tls_port.to_string()),
        ("PRODUCER_CONFIG_FILE_PATH", path("config/config-kafka-broker-producer.properties")),
        ("HTTPSERVER_CONFIG_FILE_PATH", path("config/config-kafka-broker-httpserver.properties")),
        ("DATA_PLANE_CONFIG_FILE_PATH", path("brokers-triggers/data")),
        ("LIVENESS_PROBE_PATH", "/healthz".to_owned()),
        ("READINESS_PROBE_PATH", "/readyz".to_owned()),
        ("METRICS_PUBLISH_QUANTILES", "false".to_owned()),
        ("METRICS_JVM_ENABLED", "false".to_owned()),
        ("CONFIG_OBSERVABILITY_PATH", path("observability")),
        ("CONFIG_FEATURES_PATH", path("features")),
        ("WAIT_STARTUP_SECONDS", "8".to_owned()),
        ("HTTP2_DISABLE", "true".to_owned()),
        ("JAVA_TOOL_OPTIONS", "-XX:+CrashOnOutOfMemoryError".to_owned()),
        // Ours: the mount is not at its fixed place here, and a test has no endpoints to wait for at the end.
        ("LOGGING_CONFIG_PATH", path("logging/config.xml")),
        ("DRAIN_GRACE_SECONDS", "0".to_owned()),
        ("PATH", env::var("PATH").unwrap_or_default()),
    ];
    let mut variables: BTreeMap<String, String> =
        shipped.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    for (name, change) in &setup.environment {
        match change {
            Some(value) => variables.insert(name.clone(), value.clone()),
            None => variables.remove(name),
        };
    }
    variables
}

/// A folder of our own below the system's temporary one.
///
/// A shared rig lives in a static, which is never dropped, so what a test process leaves is removed by the next.
pub fn new_folder() -> PathBuf {
    static SWEEP: Once = Once::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    SWEEP.call_once(sweep);
    let turn = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("{PREFIX}{}-{turn}", process::id()));
    fs::create_dir_all(&folder).expect("the temporary folder can be written");
    folder
}

const PREFIX: &str = "millrace-tests-";

fn sweep() {
    for entry in fs::read_dir(env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
