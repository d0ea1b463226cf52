//! What the parts of a floor run stand on: Kafka, the fixed server, and the servers under load.

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use millrace_kafka::testing::MockCluster;

use super::part::{self, PartFigures};
use super::{FloorArguments, Part, produce, serve};
use crate::clock;
use crate::latency::Summary;
use crate::load::{self, LoadFigures, Plan, Shape};
use crate::products::Product;
use crate::started::{free_port, spawn_on};
use crate::usage::{self, Cpu};

const WITHIN: Duration = Duration::from_secs(60);
/// Where the receiving parts write.
const IN: &str = "in";
/// What the consuming parts read.
const BACKLOG: &str = "backlog";
const SINGLE: &str = "single";
/// The embedded Kafka keeps 5 MiB of a partition, which takes a few thousand records of 1 KiB.
pub(crate) const PARTITION_BYTES: u64 = 4 << 20;
/// What a record takes beside its data.
pub(crate) const RECORD_OVERHEAD: u64 = 300;

pub(crate) struct Rig {
    cluster: MockCluster,
    arguments: FloorArguments,
    /// The fixed server for F4, F5 and the dispatchers.
    sink_port: u16,
    answered: Arc<AtomicU64>,
    /// Servers under load, started when first measured.
    servers: Vec<(Part, Server)>,
    groups: u32,
}

/// A process under load with its URL; ends when dropped.
struct Server {
    url: String,
    pid: u32,
    _kept: Kept,
}

/// Ends a process when dropped.
type Kept = Box<dyn std::any::Any>;

pub(crate) struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// F1 in a process of its own, with its URL.
pub(crate) fn silent_server(
    epoll: bool,
    cpus: &[usize],
) -> Result<(Guard, String), Box<dyn Error>> {
    silent(epoll.then_some("--epoll"), cpus)
}

fn silent<'a>(
    how: impl IntoIterator<Item = &'a str>,
    cpus: &[usize],
) -> Result<(Guard, String), Box<dyn Error>> {
    let port = free_port(0)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["part", "serve", "--port", &port.to_string()]);
    command.args(how).stdout(Stdio::null());
    listening(&mut command, port, cpus)
}

/// Starts it and waits until it listens.
fn listening(
    command: &mut Command,
    port: u16,
    cpus: &[usize],
) -> Result<(Guard, String), Box<dyn Error>> {
    let mut child = Guard(spawn_on(command, cpus)?);
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = child.0.try_wait()? {
            return Err(format!("it ended at start with {status}").into());
        }
        if began.elapsed() > WITHIN {
            return Err("it does not listen".into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok((child, format!("http://127.0.0.1:{port}/")))
}

impl Rig {
    /// Starts Kafka and the fixed server, and fills the topics that the parts read.
    pub(crate) fn start(
        arguments: &FloorArguments,
        parts: &[Part],
    ) -> Result<Self, Box<dyn Error>> {
        // From here on all threads of this process, those of Kafka included, leave the CPUs under test.
        usage::bind_to(&arguments.other_cpus.0).map_err(|error| {
            format!("CPUs {:?}: {error}; choose with --other-cpus", arguments.other_cpus.0)
        })?;
        let cluster = MockCluster::start(1)?;
        let partitions = i32::try_from(arguments.partitions)?;
        cluster.create_topic(IN, partitions)?;
        let (answered, sink_port) = fixed_server(arguments.epoll)?;
        let (arguments, servers) = (arguments.clone(), Vec::new());
        let rig = Self { cluster, arguments, sink_port, answered, servers, groups: 0 };
        for (topic, partitions, users) in
            [(BACKLOG, partitions, [Part::F3, Part::Nd, Part::D]), (SINGLE, 1, [Part::Do; 3])]
        {
            rig.cluster.create_topic(topic, partitions)?;
            if users.iter().any(|user| parts.contains(user)) {
                let records = rig.records(topic);
                produce::fill(&rig.bootstrap(), topic, records, rig.arguments.size as usize)?;
            }
        }
        if rig.arguments.kafka_delay_ms > 0 {
            rig.cluster.round_trip_time(-1, rig.arguments.kafka_delay_ms)?;
        }
        Ok(rig)
    }

    /// What is measured from now on has so many connections and keys.
    pub(crate) fn change(&mut self, connections: u32, keys: u32) {
        self.arguments.connections = connections;
        self.arguments.keys = keys;
    }

    pub(crate) fn measure(&mut self, part: Part) -> Result<PartFigures, Box<dyn Error>> {
        match part {
            Part::F1 | Part::F1m | Part::Nr | Part::R => self.under_load(part),
            Part::F2 => self.produce(),
            Part::F3 => self.consume(),
            Part::F4 => self.post(self.arguments.connections),
            Part::F5 => self.post(1),
            Part::Nd => self.drain(BACKLOG, |rig, group| {
                let mut naive = beside("naive")?;
                let url = rig.sink_url();
                naive.args(["dispatcher", &rig.bootstrap(), BACKLOG, group, &url]);
                let child = spawn_on(&mut naive, &rig.arguments.cpus.0)?;
                Ok((child.id(), Box::new(Guard(child)) as Kept))
            }),
            Part::D => self.drain(BACKLOG, |rig, group| rig.dispatcher(BACKLOG, group, false)),
            Part::Do => self.drain(SINGLE, |rig, group| rig.dispatcher(SINGLE, group, true)),
        }
    }

    fn bootstrap(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    fn sink_url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.sink_port)
    }

    /// As many as the topic holds.
    fn records(&self, topic: &str) -> u64 {
        let partitions = if topic == SINGLE { 1 } else { u64::from(self.arguments.partitions) };
        let each = PARTITION_BYTES / (u64::from(self.arguments.size) + RECORD_OVERHEAD);
        // Bursts go round, so a partition may hold one burst more than its share.
        partitions * each.clamp(64, 50_000)
    }

    fn under_load(&mut self, part: Part) -> Result<PartFigures, Box<dyn Error>> {
        if !self.servers.iter().any(|(known, _)| *known == part) {
            let server = self.start_server(part)?;
            self.servers.push((part, server));
        }
        let found = self.servers.iter().find(|(known, _)| *known == part);
        let (_, server) = found.ok_or("the server was not started")?;
        let arguments = &self.arguments;
        let plan = Plan {
            url: server.url.parse()?,
            shape: Shape {
                size: arguments.size as usize,
                keys: arguments.keys,
                ..Shape::default()
            },
            connections: arguments.connections as usize,
            rate: None,
            threads: vec![arguments.other_cpus.0.last().copied()],
            warm_up: Duration::from_millis(500),
            duration: arguments.duration,
            timeout: Duration::from_secs(10),
            spin: false,
            owed: false,
            pid: Some(server.pid),
        };
        let outcome = load::send(&plan, |_, _| {})?;
        let figures = LoadFigures::of(&plan, &outcome);
        Ok(PartFigures {
            events: outcome.tally.events,
            failed: figures.failed_requests,
            seconds: outcome.seconds,
            cpu: outcome.target_cpu.unwrap_or_default(),
            latency: figures.latency,
            peak_rss_kib: figures.peak_rss_kib.unwrap_or(0),
        })
    }

    fn start_server(&self, part: Part) -> Result<Server, Box<dyn Error>> {
        let cpus = &self.arguments.cpus.0;
        if part == Part::R {
            let product = Product::receiver(&self.bootstrap(), IN, cpus)?;
            return Ok(Server {
                url: product.url(),
                pid: product.program.pid(),
                _kept: Box::new(product),
            });
        }
        let (child, url) = match part {
            Part::Nr => {
                let port = free_port(0)?;
                let mut naive = beside("naive")?;
                naive.args(["receiver", &self.bootstrap(), IN, "--port", &port.to_string()]);
                listening(&mut naive, port, cpus)?
            }
            Part::F1m => silent(Some("--multishot"), cpus)?,
            _ => silent_server(self.arguments.epoll, cpus)?,
        };
        Ok(Server { url, pid: child.0.id(), _kept: Box::new(child) })
    }

    fn produce(&self) -> Result<PartFigures, Box<dyn Error>> {
        let arguments = &self.arguments;
        let numbers =
            [arguments.connections, arguments.keys, arguments.size].map(|n| n.to_string());
        let [in_flight, keys, size] = numbers;
        let mut words = vec!["produce".to_owned(), self.bootstrap(), IN.to_owned()];
        for (name, value) in [("--in-flight", in_flight), ("--keys", keys), ("--size", size)] {
            words.extend([name.to_owned(), value]);
        }
        words.extend(["--duration".to_owned(), self.duration()]);
        part::measure(&words, &arguments.cpus.0)
    }

    fn consume(&mut self) -> Result<PartFigures, Box<dyn Error>> {
        let (group, records) = (self.new_group(), self.records(BACKLOG).to_string());
        let words = ["consume".to_owned(), self.bootstrap(), BACKLOG.to_owned(), group, records];
        part::measure(&words, &self.arguments.cpus.0)
    }

    fn post(&self, connections: u32) -> Result<PartFigures, Box<dyn Error>> {
        let mut words = vec!["post".to_owned(), self.sink_url()];
        for (name, value) in [
            ("--connections", connections.to_string()),
            ("--size", self.arguments.size.to_string()),
            ("--duration", self.duration()),
        ] {
            words.extend([name.to_owned(), value]);
        }
        words.extend(self.arguments.epoll.then(|| "--epoll".to_owned()));
        part::measure(&words, &self.arguments.cpus.0)
    }

    fn duration(&self) -> String {
        format!("{}s", self.arguments.duration.as_secs_f64())
    }

    fn dispatcher(
        &self,
        topic: &str,
        group: &str,
        ordered: bool,
    ) -> Result<(u32, Kept), Box<dyn Error>> {
        let (bootstrap, url, cpus) = (self.bootstrap(), self.sink_url(), &self.arguments.cpus.0);
        let product = Product::dispatcher(&bootstrap, topic, group, ordered, &url, cpus)?;
        Ok((product.program.pid(), Box::new(product)))
    }

    /// Starts something that delivers all records of the topic to the fixed server. When it has
    /// delivered them it has found its partitions and its pace; from then on the topic is filled
    /// again and again, and what is measured is the time from full to empty.
    fn drain(
        &mut self,
        topic: &str,
        start: impl FnOnce(&Self, &str) -> Result<(u32, Kept), Box<dyn Error>>,
    ) -> Result<PartFigures, Box<dyn Error>> {
        let (records, group) = (self.records(topic), self.new_group());
        let before = self.answered.load(Ordering::Relaxed);
        let delivered = || self.answered.load(Ordering::Relaxed).saturating_sub(before);
        let (pid, kept) = start(self, &group)?;
        let mut due = 0_u64;
        let mut wait_for_all = |more: u64| -> Result<(), Box<dyn Error>> {
            due += more;
            let give_up = Instant::now() + WITHIN;
            while delivered() < due {
                if Instant::now() > give_up {
                    return Err(format!("{} of {due} were delivered", delivered()).into());
                }
                thread::sleep(Duration::from_micros(500));
            }
            Ok(())
        };
        wait_for_all(records)?;
        let (mut events, mut nanos, mut cpu) = (0_u64, 0_u64, Cpu::default());
        let enough = load::nanos(self.arguments.duration);
        while nanos < enough {
            produce::fill(&self.bootstrap(), topic, records, self.arguments.size as usize)?;
            let (first, used, began) = (delivered(), usage::cpu_of(pid)?, clock::now_ns());
            wait_for_all(records)?;
            events += delivered() - first;
            nanos += clock::now_ns() - began;
            cpu = cpu + (usage::cpu_of(pid)? - used);
        }
        let figures = PartFigures {
            events,
            failed: 0,
            seconds: nanos as f64 / 1e9,
            cpu,
            latency: Summary::default(),
            peak_rss_kib: usage::peak_rss_kib(pid),
        };
        drop(kept);
        // Requests that were on their way must not count for the next part.
        thread::sleep(Duration::from_millis(100));
        Ok(figures)
    }

    fn new_group(&mut self) -> String {
        self.groups += 1;
        format!("bench-{}", self.groups)
    }
}

/// F1's server on a thread of this process: its count, and its port.
pub(crate) fn fixed_server(epoll: bool) -> Result<(Arc<AtomicU64>, u16), Box<dyn Error>> {
    let answered = Arc::new(AtomicU64::new(0));
    let counted = answered.clone();
    let (told, ready) = mpsc::channel();
    thread::Builder::new().name("fixed".to_owned()).spawn(move || {
        let listening = told.clone();
        let listens = move |port| drop(listening.send(Ok(port)));
        if let Err(error) = serve::serve(0, part::driver(epoll), None, counted, listens) {
            let _ = told.send(Err(error.to_string()));
        }
    })?;
    let port = ready.recv_timeout(WITHIN)??;
    Ok((answered, port))
}

/// A program that lies where this one lies.
fn beside(name: &str) -> Result<Command, Box<dyn Error>> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        return Err(format!("{} is missing; build it with this program", path.display()).into());
    }
    Ok(Command::new(path))
}
