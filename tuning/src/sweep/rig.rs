//! What a sweep stands on: Kafka, a program started for each turn, a sender and a subscriber.

use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use millrace_bench::clock;
use millrace_bench::compare::Measured;
use millrace_bench::ids;
use millrace_bench::latency::Summary;
use millrace_bench::load::{self, LoadFigures, Outcome, Plan};
use millrace_bench::products::{Changes, Product};
use millrace_bench::sink::{Behaviour, Sink, SinkPlan};
use millrace_bench::usage::{self, Cpu};
use millrace_kafka::testing::MockCluster;
use serde_json::Value;

use super::candidate::Candidate;
use super::children::{Child, Children};
use super::{Misuse, Program, Seats, SweepArguments};

/// A backlog must go on being delivered within this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// The embedded Kafka keeps 5 MiB of a partition; bursts go round, so one may hold more than its share.
const PARTITION_BYTES: u64 = 4 << 20;
/// What a record takes beside its data.
const RECORD_OVERHEAD: u64 = 300;
const BACKLOG: u64 = 100_000;
/// Slow enough for any machine to keep up with.
const FILL_PER_S: f64 = 4_000.0;
/// While a new member finds its partitions.
const KNOCK_PER_S: f64 = 50.0;

pub(super) struct Rig<'a> {
    arguments: &'a SweepArguments,
    seats: &'a Seats,
    children: Children,
    bootstrap: String,
    /// A receiver at shipped settings that live events and backlogs go through.
    feeder: Option<Child>,
    /// Events of the backlog.
    backlog: u64,
    /// Ends after its clients.
    _cluster: Option<MockCluster>,
}

impl<'a> Rig<'a> {
    pub(super) fn start(
        arguments: &'a SweepArguments,
        seats: &'a Seats,
        children: &Children,
    ) -> Result<Self, Box<dyn Error>> {
        // From here on all threads of this process, those of Kafka included, leave the CPUs under test.
        usage::bind_to(&seats.others).map_err(|error| {
            Misuse(format!("CPUs {:?}: {error}; choose with --other-cpus", seats.others))
        })?;
        let cluster = match &arguments.bootstrap {
            Some(_) => None,
            None => {
                let cluster = MockCluster::start(1)?;
                cluster.create_topic(&arguments.topic, arguments.partitions)?;
                Some(cluster)
            }
        };
        let embedded = || cluster.as_ref().map(MockCluster::bootstrap_servers);
        let bootstrap = arguments.bootstrap.clone().or_else(embedded).unwrap_or_default();
        let children = children.clone();
        let mut rig = Self {
            arguments,
            seats,
            children,
            bootstrap,
            feeder: None,
            backlog: 0,
            _cluster: None,
        };
        if rig.program() == Program::Dispatcher {
            rig.feeder = Some(rig.start_receiver(&Changes::default(), &seats.others)?);
            if arguments.rate.is_none() {
                rig.fill()?;
            }
        }
        if let Some(cluster) = &cluster
            && arguments.kafka_delay_ms > 0
        {
            cluster.round_trip_time(-1, arguments.kafka_delay_ms)?;
        }
        rig._cluster = cluster;
        Ok(rig)
    }

    /// Starts the program once with these settings and asks it what it thinks of them: a mistyped
    /// name would be measured as noise.
    pub(super) fn refuse_what_is_odd(
        &mut self,
        candidate: &Candidate,
    ) -> Result<(), Box<dyn Error>> {
        let named = |error| Misuse(format!("{}: {error}", candidate.name));
        let child = match self.program() {
            Program::Receiver => self.start_receiver(&candidate.changes, &self.seats.cpus),
            Program::Dispatcher => {
                // Nobody there: it only has to start.
                let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
                self.start_dispatcher(&candidate.changes, nowhere)
            }
        };
        let child = child.map_err(|error| named(error.to_string()))?;
        let told = asked(child.product.program.pid())?;
        if let Some(finding) = odd(&told).first() {
            return Err(named(finding.clone()).into());
        }
        let mut names = candidate.changes.environment.iter().map(|(name, _)| name);
        match names.find(|name| told["environment"][name.as_str()].is_null()) {
            Some(name) => Err(named(format!("{name} is no variable of the program")).into()),
            None => Ok(()),
        }
    }

    /// One turn of the program with these settings.
    pub(super) fn turn(&mut self, candidate: &Candidate) -> Result<Measured, Box<dyn Error>> {
        let named = |error: Box<dyn Error>| format!("{}: {error}", candidate.name).into();
        let turn = match (self.program(), self.arguments.rate) {
            (Program::Receiver, _) => self.receive(&candidate.changes),
            (Program::Dispatcher, None) => self.drain(&candidate.changes),
            (Program::Dispatcher, Some(rate)) => self.deliver(&candidate.changes, rate),
        };
        turn.map_err(named)
    }

    fn program(&self) -> Program {
        self.arguments.program.into()
    }

    fn receive(&self, changes: &Changes) -> Result<Measured, Box<dyn Error>> {
        let child = self.start_receiver(changes, &self.seats.cpus)?;
        let rate = self.arguments.rate.map(f64::from);
        let plan = Plan { pid: Some(child.product.program.pid()), ..self.plan(&child, rate)? };
        let outcome = load::send(&plan, |_, _| {})?;
        let figures = LoadFigures::of(&plan, &outcome);
        Ok(Measured {
            failed: figures.failed_requests,
            ..told(
                figures.events_per_s,
                figures.cpu_us_per_event,
                figures.latency,
                figures.peak_rss_kib.unwrap_or(0),
            )
        })
    }

    /// The whole backlog, measured from the first tenth on, when the partitions and the pace are found.
    fn drain(&self, changes: &Changes) -> Result<Measured, Box<dyn Error>> {
        let sink = self.sink()?;
        let child = self.start_dispatcher(changes, sink.address())?;
        let pid = child.product.program.pid();
        wait_for(&sink, self.backlog / 10)?;
        let (first, cpu, began) = (sink.accepted(), usage::cpu_of(pid)?, clock::now_ns());
        wait_for(&sink, self.backlog)?;
        let (events, seconds) = (sink.accepted() - first, (clock::now_ns() - began) as f64 / 1e9);
        let cpu = (usage::cpu_of(pid)? - cpu).per(events);
        let rss = usage::peak_rss_kib(pid);
        Ok(told(events as f64 / seconds.max(1e-9), Some(cpu), Summary::default(), rss))
    }

    /// Live events, from the planned sending to the subscriber.
    fn deliver(&self, changes: &Changes, rate: u32) -> Result<Measured, Box<dyn Error>> {
        let feeder = self.feeder.as_ref().ok_or("there is no receiver to send to")?;
        let mut changes = changes.clone();
        // Only what is sent from now on; what was sent while the member joined would count as late.
        let latest = ("consumer".to_owned(), "auto.offset.reset".to_owned(), "latest".to_owned());
        changes.properties.push(latest);
        let sink = self.sink()?;
        let child = self.start_dispatcher(&changes, sink.address())?;
        let pid = child.product.program.pid();
        let give_up = Instant::now() + PATIENCE;
        let knock = Plan {
            duration: Duration::from_millis(300),
            warm_up: Duration::ZERO,
            ..self.plan(feeder, Some(KNOCK_PER_S))?
        };
        while sink.accepted() == 0 {
            load::send(&knock, |_, _| {})?;
            if Instant::now() > give_up {
                return Err("nothing was delivered".into());
            }
        }
        let plan = Plan { warm_up: Duration::ZERO, ..self.plan(feeder, Some(f64::from(rate)))? };
        let (first, cpu) = (sink.accepted(), usage::cpu_of(pid)?);
        let outcome = load::send(&plan, |_, _| {})?;
        let owed = &outcome.tally.owed;
        let give_up = Instant::now() + PATIENCE;
        while !sink.look(|check, _| check.has_all(owed)) {
            if Instant::now() > give_up {
                return Err("not everything was delivered".into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        let events = sink.accepted() - first;
        let cpu = (usage::cpu_of(pid)? - cpu).per(events);
        let latency = sink.look(|check, _| check.latency.summary());
        let rss = usage::peak_rss_kib(pid);
        let rate = events as f64 / plan.duration.as_secs_f64();
        Ok(Measured { failed: outcome.tally.failed(), ..told(rate, Some(cpu), latency, rss) })
    }

    /// Writes the backlog, through the receiver.
    fn fill(&mut self) -> Result<(), Box<dyn Error>> {
        let feeder = self.feeder.as_ref().ok_or("there is no receiver to send to")?;
        let arguments = self.arguments;
        let size = u64::from(arguments.events.size) + RECORD_OVERHEAD;
        let partitions = u64::from(arguments.partitions.unsigned_abs());
        let held = partitions * (PARTITION_BYTES / size).clamp(64, 50_000);
        let usual = if arguments.bootstrap.is_some() { BACKLOG } else { held };
        let wanted = arguments.backlog.map_or(usual, u64::from);
        if arguments.bootstrap.is_none() && wanted > held {
            return Err(
                Misuse(format!("--backlog {wanted}: the embedded Kafka holds {held}")).into()
            );
        }
        let plan = Plan {
            warm_up: Duration::ZERO,
            duration: Duration::from_secs_f64(wanted as f64 / FILL_PER_S),
            ..self.plan(feeder, Some(FILL_PER_S))?
        };
        let outcome: Outcome = load::send(&plan, |_, _| {})?;
        self.backlog = outcome.tally.owed.count();
        if self.backlog == 0 {
            return Err("no event of the backlog was accepted".into());
        }
        Ok(())
    }

    fn plan(&self, target: &Child, rate: Option<f64>) -> Result<Plan, Box<dyn Error>> {
        let arguments = self.arguments;
        Ok(Plan {
            url: target.product.url().parse()?,
            shape: arguments.events.shape(),
            connections: arguments.connections as usize,
            rate,
            threads: vec![self.seats.others.last().copied()],
            warm_up: arguments.warm_up,
            duration: arguments.duration,
            timeout: Duration::from_secs(10),
            spin: false,
            owed: true,
            pid: None,
        })
    }

    fn sink(&self) -> std::io::Result<Sink> {
        let behaviour = Behaviour { delay: self.arguments.delay, ..Behaviour::default() };
        let plan = SinkPlan { behaviour, cpus: self.seats.others.clone(), ..SinkPlan::default() };
        Sink::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), plan)
    }

    fn start_receiver(&self, changes: &Changes, cpus: &[usize]) -> Result<Child, Box<dyn Error>> {
        let (bootstrap, topic) = (&self.bootstrap, &self.arguments.topic);
        Ok(self.children.start(|| Product::receiver_with(bootstrap, topic, cpus, changes))?)
    }

    fn start_dispatcher(&self, changes: &Changes, to: SocketAddr) -> Result<Child, Box<dyn Error>> {
        let (bootstrap, topic) = (&self.bootstrap, &self.arguments.topic);
        // A group of its own, which reads the topic from its beginning.
        let group = format!("tuning-{:08x}", ids::new_run());
        let url = format!("http://{to}/");
        let egress = (group.as_str(), self.arguments.ordered, url.as_str());
        let cpus = &self.seats.cpus;
        Ok(self
            .children
            .start(|| Product::dispatcher_with(bootstrap, topic, egress, cpus, changes))?)
    }
}

fn told(events_per_s: f64, cpu: Option<Cpu>, latency: Summary, peak_rss_kib: u64) -> Measured {
    Measured {
        events_per_s,
        cpu_us: cpu.map(Cpu::total_us),
        user_us: cpu.map(|cpu| cpu.user_us),
        system_us: cpu.map(|cpu| cpu.system_us),
        p50_us: latency.p50_us,
        p99_us: latency.p99_us,
        p999_us: latency.p999_us,
        peak_rss_mib: (peak_rss_kib > 0).then_some(peak_rss_kib as f64 / 1024.0),
        ..Measured::default()
    }
}

/// Until so many have come; gives up when none comes any more.
fn wait_for(sink: &Sink, count: u64) -> Result<(), String> {
    let (mut last, mut since) = (sink.accepted(), Instant::now());
    while sink.accepted() < count {
        let now = sink.accepted();
        if now > last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > PATIENCE {
            return Err(format!("{now} of {count} events were delivered"));
        }
        thread::sleep(Duration::from_micros(500));
    }
    Ok(())
}

/// What `check` of a running program says about the settings that it runs with.
fn asked(pid: u32) -> Result<Value, Box<dyn Error>> {
    let environment = fs::read(format!("/proc/{pid}/environ"))?;
    let variables = environment.split(|byte| *byte == 0).filter_map(|entry| {
        let text = std::str::from_utf8(entry).ok()?;
        text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    });
    let mut check = Command::new(format!("/proc/{pid}/exe"));
    let output = check.args(["check", "--json"]).env_clear().envs(variables).output()?;
    let told = serde_json::from_slice(&output.stdout);
    Ok(told.map_err(|error| format!("the answer of `check` is not understood: {error}"))?)
}

/// Warnings and errors; a mistyped name is one.
fn odd(told: &Value) -> Vec<String> {
    let findings = told["findings"].as_array().cloned().unwrap_or_default();
    let odd = findings.iter().filter(|finding| finding["severity"] != "info");
    let words = |finding: &Value| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let nearest = finding["nearest"].as_str().map(|it| format!("; did you mean {it}?"));
        format!("{} {}{}", text("key"), text("message"), nearest.unwrap_or_default())
    };
    odd.map(words).collect()
}
