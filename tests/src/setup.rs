//! What a program finds at its start: its mounts and its environment, as the manifests give them, plus changes.

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

/// Which of our programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Receiver,
    Dispatcher,
}

/// How a program is to be started. Begin with [`Setup::new`] and `Receiver::start`, or with [`Setup::dispatcher`] and
/// `Dispatcher::start`; change things in between.
#[derive(Clone, Debug)]
pub struct Setup {
    pub program: Program,
    /// Content of the contract file; `None` leaves it out of the mount.
    pub contract: Option<Vec<u8>>,
    pub producer: Vec<(String, String)>,
    pub http_server: Vec<(String, String)>,
    pub consumer: Vec<(String, String)>,
    pub web_client: Vec<(String, String)>,
    /// Files of the observability mount. `metrics-endpoint` is filled in when Prometheus is on and it is missing.
    pub observability: BTreeMap<String, String>,
    /// Changes of the environment; `None` removes a variable.
    pub environment: BTreeMap<String, Option<String>>,
    /// A program that becomes ours after it has changed something about the process; none as a rule.
    pub started_by: Option<PathBuf>,
    /// The words of a command that becomes ours, in front of [`Self::started_by`]: for limits and mounts.
    pub within: Vec<String>,
    /// The build with what tests need inside; of the dispatcher only.
    pub testing: bool,
}

impl Setup {
    /// The receiver's shipped settings on this I/O driver, with Prometheus metrics on and without a grace period at
    /// the end.
    pub fn new(driver: Driver) -> Self {
        Self::of(Program::Receiver, driver)
    }

    /// The shipped settings of a broker's dispatcher on this I/O driver, with Prometheus metrics on, but with a commit
    /// every 100 ms (dispatcher.md 18).
    pub fn dispatcher(driver: Driver) -> Self {
        Self::of(Program::Dispatcher, driver).consumer("auto.commit.interval.ms", "100")
    }

    fn of(program: Program, driver: Driver) -> Self {
        let mut setup = Self {
            program,
            contract: None,
            producer: Vec::new(),
            http_server: Vec::new(),
            consumer: Vec::new(),
            web_client: Vec::new(),
            observability: BTreeMap::from([("metrics-protocol".into(), "prometheus".into())]),
            environment: BTreeMap::new(),
            started_by: None,
            within: Vec::new(),
            testing: false,
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

    pub fn consumer(mut self, key: &str, value: &str) -> Self {
        self.consumer.push((key.into(), value.into()));
        self
    }

    pub fn web_client(mut self, key: &str, value: &str) -> Self {
        self.web_client.push((key.into(), value.into()));
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

    /// Puts a command in front, which is to become the program behind its words.
    pub fn within<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.within.extend(words.into_iter().map(Into::into));
        self
    }

    /// Starts it with so many open files.
    pub fn few_files(self, files: u32) -> Self {
        self.within(["prlimit".to_owned(), format!("--nofile={files}:{files}")])
    }

    /// Runs the build that can be made to hang.
    pub fn testing(mut self) -> Self {
        self.testing = true;
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

/// The folder of one program, laid out; removed when dropped.
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
        let contract = Mount::new(&folder.join(contract_folder(setup.program)), &contract);
        mount(
            &folder,
            "config",
            &[
                ("config-kafka-broker-producer.properties", &properties::producer(&setup.producer)),
                (
                    "config-kafka-broker-httpserver.properties",
                    &properties::http_server(&setup.http_server),
                ),
                ("config-kafka-broker-consumer.properties", &properties::consumer(&setup.consumer)),
                (
                    "config-kafka-broker-webclient.properties",
                    &properties::web_client(&setup.web_client),
                ),
            ],
        );
        mount(&folder, "logging", &[("config.xml", millrace_bench::shipped::LOGBACK)]);
        mount(
            &folder,
            "features",
            &[("authentication-oidc", "disabled"), ("transport-encryption", "disabled")],
        );
        fs::create_dir_all(folder.join("tmp")).expect("the harness owns this folder");
        let mut observability = setup.observability.clone();
        observability
            .entry("metrics-endpoint".into())
            .or_insert_with(|| format!("http://0.0.0.0:{metrics_port}/metrics"));
        let observability: Vec<(&str, &str)> =
            observability.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        mount(&folder, "observability", &observability);
        let mut environment = common_environment(&folder);
        environment.extend(match setup.program {
            Program::Receiver => receiver_environment(&folder, port, tls_port),
            Program::Dispatcher => dispatcher_environment(&folder),
        });
        for (name, change) in &setup.environment {
            match change {
                Some(value) => environment.insert(name.clone(), value.clone()),
                None => environment.remove(name),
            };
        }
        Self { folder, contract, port, tls_port, metrics_port, environment }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file that a ready dispatcher makes.
    pub fn healthy_file(&self) -> PathBuf {
        self.folder.join(HEALTHY_FILE)
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

const HEALTHY_FILE: &str = "tmp/healthy";

fn contract_folder(program: Program) -> &'static str {
    match program {
        Program::Receiver => "brokers-triggers",
        Program::Dispatcher => "contract-resources",
    }
}

type Variables = BTreeMap<String, String>;

/// The variables of platform.md 2 that both programs read, with the values of the broker's manifests.
fn common_environment(folder: &Path) -> Variables {
    let path = |name: &str| folder.join(name).display().to_string();
    owned([
        ("SERVICE_NAMESPACE", "knative-eventing".to_owned()),
        ("PRODUCER_CONFIG_FILE_PATH", path("config/config-kafka-broker-producer.properties")),
        ("METRICS_PUBLISH_QUANTILES", "false".to_owned()),
        ("METRICS_JVM_ENABLED", "false".to_owned()),
        ("CONFIG_OBSERVABILITY_PATH", path("observability")),
        ("WAIT_STARTUP_SECONDS", "8".to_owned()),
        ("HTTP2_DISABLE", "true".to_owned()),
        ("JAVA_TOOL_OPTIONS", "-XX:+CrashOnOutOfMemoryError".to_owned()),
        // Ours: the mount is not at its fixed place here.
        ("LOGGING_CONFIG_PATH", path("logging/config.xml")),
        ("PATH", env::var("PATH").unwrap_or_default()),
    ])
}

fn receiver_environment(folder: &Path, port: u16, tls_port: u16) -> Variables {
    let path = |name: &str| folder.join(name).display().to_string();
    owned([
        ("SERVICE_NAME", "kafka-broker-receiver".to_owned()),
        ("INGRESS_PORT", port.to_string()),
        ("INGRESS_TLS_PORT", tls_port.to_string()),
        ("HTTPSERVER_CONFIG_FILE_PATH", path("config/config-kafka-broker-httpserver.properties")),
        ("DATA_PLANE_CONFIG_FILE_PATH", path("brokers-triggers/data")),
        ("LIVENESS_PROBE_PATH", "/healthz".to_owned()),
        ("READINESS_PROBE_PATH", "/readyz".to_owned()),
        ("CONFIG_FEATURES_PATH", path("features")),
        // Ours: a test has no endpoints to wait for at the end.
        ("DRAIN_GRACE_SECONDS", "0".to_owned()),
    ])
}

fn dispatcher_environment(folder: &Path) -> Variables {
    let path = |name: &str| folder.join(name).display().to_string();
    owned([
        ("SERVICE_NAME", "kafka-broker-dispatcher".to_owned()),
        ("CONSUMER_CONFIG_FILE_PATH", path("config/config-kafka-broker-consumer.properties")),
        ("WEBCLIENT_CONFIG_FILE_PATH", path("config/config-kafka-broker-webclient.properties")),
        ("DATA_PLANE_CONFIG_FILE_PATH", path("contract-resources/data")),
        ("EGRESSES_INITIAL_CAPACITY", "20".to_owned()),
        ("INSTANCE_ID", "0d5f8a90-6d5c-4bd4-8f59-2a3e2bb7cf6c".to_owned()),
        // Ours: its fixed place is at the root.
        ("HEALTHY_FILE", path(HEALTHY_FILE)),
    ])
}

fn owned<const N: usize>(variables: [(&str, String); N]) -> Variables {
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
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
