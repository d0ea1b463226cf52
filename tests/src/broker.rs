//! A Kafka cluster of either kind behind one face: librdkafka's mock in a process of its own, or a real Apache Kafka.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{self, Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use crate::proxy::Proxy;
use crate::wait::{SOON, within};
use crate::{binaries, ports, setup, spawn, topics};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerKind {
    Embedded,
    Apache,
}

/// A running cluster, ended when dropped; the shared ones end with the test process.
pub enum Broker {
    Embedded(Embedded),
    Apache(Apache),
}

impl Broker {
    /// The one all tests of this process share. Name topics apart.
    pub fn shared(kind: BrokerKind) -> &'static Self {
        static SHARED: [OnceLock<Broker>; 2] = [OnceLock::new(), OnceLock::new()];
        let [embedded, apache] = &SHARED;
        match kind {
            BrokerKind::Embedded => embedded.get_or_init(|| Self::start(kind)),
            BrokerKind::Apache => apache.get_or_init(|| Self::start(kind)),
        }
    }

    /// One of the test's own, to be stopped and started at will.
    pub fn start(kind: BrokerKind) -> Self {
        match kind {
            BrokerKind::Embedded => Self::start_embedded(1),
            BrokerKind::Apache => Self::Apache(Apache::start(&[])),
        }
    }

    /// A real one that stands behind so many proxies as well: a client that comes through one of them is told to come
    /// through that one again, while the harness goes straight to it.
    pub fn start_behind_proxies<const N: usize>() -> (Self, [Proxy; N]) {
        let doors = [(); N].map(|()| ports::free());
        let proxies = doors.map(Proxy::to);
        let told: Vec<_> = doors.into_iter().zip(proxies.iter().map(Proxy::port)).collect();
        (Self::Apache(Apache::start(&told)), proxies)
    }

    /// Librdkafka's mock of so many brokers. Writes and questions of the harness go to the first one only.
    pub fn start_embedded(brokers: u32) -> Self {
        Self::Embedded(Embedded::start(brokers))
    }

    /// A command to the embedded Kafka, such as `coordinator GROUP BROKER`.
    ///
    /// # Panics
    /// When this is a real one, or it does not understand.
    pub fn command(&self, command: &str) {
        match self {
            Self::Embedded(embedded) => embedded.command(command),
            Self::Apache(_) => panic!("a real Kafka takes no command {command:?}"),
        }
    }

    pub fn bootstrap(&self) -> &str {
        match self {
            Self::Embedded(embedded) => &embedded.bootstrap,
            Self::Apache(apache) => &apache.bootstrap,
        }
    }

    pub fn create_topic(&self, name: &str, partitions: i32) {
        match self {
            Self::Embedded(embedded) => embedded.command(&format!("topic {name}:{partitions}")),
            Self::Apache(apache) => {
                let mut last = None;
                // A node that has just started may not be known to its controller as one to put topics on.
                let made =
                    within(SOON, || match topics::create(&apache.bootstrap, name, partitions) {
                        Ok(()) => Some(()),
                        Err(error) => {
                            last = Some(error);
                            None
                        }
                    });
                assert!(made.is_some(), "cannot make a topic: {last:?}");
            }
        }
    }

    /// Makes sure that a topic stays unknown however often it is asked for.
    pub fn keep_missing(&self, topic: &str) {
        match self {
            // The mock makes topics on demand; Kafka's error 3 is "unknown topic or partition".
            Self::Embedded(embedded) => embedded.command(&format!("topic-error {topic} 3")),
            // Made on demand is switched off there.
            Self::Apache(_) => {}
        }
    }

    /// Stops the cluster's process where it stands: connections stay, nothing is answered until [`Self::resume`].
    pub fn pause(&self) {
        spawn::stop(self.pid());
    }

    pub fn resume(&self) {
        spawn::signal(self.pid(), "CONT");
    }

    fn pid(&self) -> u32 {
        match self {
            Self::Embedded(embedded) => embedded.child.lock().expect("no test panics in here").id(),
            Self::Apache(apache) => apache.pid(),
        }
    }

    /// No broker answers any more; connections are cut.
    pub fn down(&self) {
        match self {
            Self::Embedded(embedded) => embedded.command("down"),
            Self::Apache(apache) => apache.script(&["stop", "--kill", "--keep"]),
        }
    }

    /// They answer again, at the same address and with the same data.
    pub fn up(&self) {
        match self {
            Self::Embedded(embedded) => embedded.command("up"),
            Self::Apache(apache) => apache.launch(),
        }
    }
}

/// Where `kafka.sh fetch` puts Apache Kafka.
fn apache_home() -> PathBuf {
    env::var_os("KAFKA_TEST_HOME").map_or_else(|| binaries::root().join(".kafka"), PathBuf::from)
}

/// The class path of Apache Kafka: the broker, Java's clients and the console tools.
pub fn apache_class_path() -> String {
    apache_home().join("libs/*").display().to_string()
}

/// Whether there is a real Kafka to test with. Missing, it is a loud skip for a person and a failure in CI.
pub fn apache_available() -> bool {
    if apache_home().join("fetched").exists() {
        return true;
    }
    assert!(
        !in_ci(),
        "Apache Kafka is not fetched, and CI skips nothing: run tests/kafka.sh fetch"
    );
    eprintln!("SKIPPED: Apache Kafka is not fetched; run tests/kafka.sh fetch");
    false
}

/// `CI=true` turns every skip into a failure.
pub fn in_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true")
}

/// The `embedded-kafka` program and the commands it takes.
pub struct Embedded {
    child: Mutex<Child>,
    dialogue: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    bootstrap: String,
}

impl Embedded {
    fn start(brokers: u32) -> Self {
        let mut command = spawn::command(&binaries::embedded_kafka());
        command.args(["--brokers", &brokers.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = spawn::spawn(command);
        let input = child.stdin.take().expect("it is piped");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let first = read_line(&mut output);
        let servers = first.strip_prefix("bootstrap.servers=");
        let bootstrap = servers.and_then(|all| all.split(',').next()).map(str::to_owned);
        let bootstrap = bootstrap.unwrap_or_else(|| panic!("embedded-kafka began with {first:?}"));
        Self { child: Mutex::new(child), dialogue: Mutex::new((input, output)), bootstrap }
    }

    /// Sends one command and waits until it is done.
    pub fn command(&self, command: &str) {
        let mut dialogue = self.dialogue.lock().expect("a failed command ends its test only");
        let (input, output) = &mut *dialogue;
        writeln!(input, "{command}").expect("embedded-kafka runs");
        let answer = read_line(output);
        drop(dialogue);
        assert_eq!(answer, "ok", "embedded-kafka on {command:?}");
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read_line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("embedded-kafka runs");
    line.trim_end().to_owned()
}

/// One Apache Kafka broker, steered by `tests/kafka.sh`, whose watchdog ends it when this process is gone.
pub struct Apache {
    folder: PathBuf,
    port: String,
    bootstrap: String,
    /// Lines of server.properties beside those of `kafka.sh`.
    settings: Vec<String>,
}

impl Apache {
    /// With more doors: a port to listen on, and the one that clients who come there are told.
    fn start(doors: &[(u16, u16)]) -> Self {
        let folder = setup::new_folder().join("kafka");
        let port = ports::free().to_string();
        let settings = if doors.is_empty() { Vec::new() } else { with_doors(&port, doors) };
        let apache = Self { folder, bootstrap: format!("127.0.0.1:{port}"), port, settings };
        apache.launch();
        apache
    }

    fn launch(&self) {
        let parent = process::id().to_string();
        let mut arguments = vec!["start", "--parent", &parent, "--port", &self.port];
        self.settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        self.script(&arguments);
    }

    fn script(&self, arguments: &[&str]) {
        let mut command = Command::new(binaries::root().join("tests/kafka.sh"));
        // `stop DIR --kill`, `start --port 1 DIR`: the folder may stand anywhere after the verb.
        let (verb, options) = arguments.split_first().expect("a verb");
        command.arg(verb).arg(&self.folder).args(options).stdin(Stdio::null());
        let output = command.output().expect("bash runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kafka.sh {arguments:?} failed: {complaint}");
    }

    fn pid(&self) -> u32 {
        let pid = fs::read_to_string(self.folder.join("pid")).expect("kafka.sh writes it");
        pid.trim().parse().expect("a process id")
    }
}

/// A listener of its own for each door: Kafka tells a client the address that goes with the listener it came through.
fn with_doors(port: &str, doors: &[(u16, u16)]) -> Vec<String> {
    let controller = ports::free();
    let mut listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
    let mut advertised = format!("PLAINTEXT://127.0.0.1:{port}");
    let mut protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    for (number, (door, told)) in doors.iter().enumerate() {
        listeners.push_str(&format!(",DOOR{number}://127.0.0.1:{door}"));
        advertised.push_str(&format!(",DOOR{number}://127.0.0.1:{told}"));
        protocols.push_str(&format!(",DOOR{number}:PLAINTEXT"));
    }
    vec![
        format!("controller.quorum.voters=1@127.0.0.1:{controller}"),
        format!("listeners={listeners}"),
        format!("advertised.listeners={advertised}"),
        format!("listener.security.protocol.map={protocols}"),
        "inter.broker.listener.name=PLAINTEXT".to_owned(),
    ]
}

impl Drop for Apache {
    fn drop(&mut self) {
        self.script(&["stop", "--kill"]);
    }
}
