//! What a program is going to need with its settings: threads, files, memory, ports.
//!
//! The numbers behind the sums were counted on the real programs (/proc/PID/task and fd; one to three
//! brokers, one to twenty egresses, one and two shards).

use millrace_contract::Contract;
use millrace_contract::model::Reply;
use millrace_kafka::properties::{translate_consumer, translate_producer};
use millrace_process::env::{DATA_PLANE_CONFIG_FILE_PATH, IO_DRIVER, SHARDS};
use millrace_settings::source::read_file;
use millrace_settings::{Properties, Reader, Report};
use millrace_shard::{CoreRequest, DriverChoice, Pinning, Topology};
use serde::Serialize;

use super::facts::Facts;
use super::settings::{File, Settings};
use super::{CheckArguments, CheckError, Program};

/// Of both programs when nothing is set.
const SHARDS_MAX: usize = 8;
const CONNECTIONS_DEFAULT: i64 = 10_000;
const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;
/// `queued.max.messages.kbytes`, which the consumer's translation fixes.
const QUEUED_BYTES: u64 = 128 * KIB;
const EGRESSES_DEFAULT: u64 = 20;
/// Bound in flight when the consumer file has no `max.poll.records`.
const POLL_RECORDS: u64 = 50;

/// Sockets whose buffers the settings fix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Buffer {
    /// Such as `consumer: receive.buffer.bytes`.
    pub(super) setting: String,
    pub(super) bytes: u64,
    pub(super) receives: bool,
}

/// See the head of this file.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Wanted {
    pub(super) program: Program,
    pub(super) shards: usize,
    /// How that came about.
    pub(super) shards_because: String,
    /// Whether the settings ask for that number.
    pub(super) shards_set: bool,
    #[serde(skip)]
    pub(super) io_driver: DriverChoice,
    /// Kafka clusters that are written to, as far as a contract tells; else one.
    pub(super) clusters: u64,
    pub(super) brokers: u64,
    pub(super) egresses: u64,
    /// Egresses that reply to a topic: each has a producer of its own.
    pub(super) replying: u64,
    /// Partitions of each egress that this process may get.
    pub(super) partitions: u64,
    /// Where the numbers of egresses and clusters are from.
    pub(super) counted: &'static str,
    /// `INGRESS_MAX_CONNECTIONS`, of one shard.
    pub(super) connections_max: u64,
    /// `acceptBacklog`, if it is set.
    pub(super) backlog: Option<u64>,
    /// `buffer.memory`.
    pub(super) buffer_memory: u64,
    /// `linger.ms` and `batch.size`.
    pub(super) linger_ms: u64,
    pub(super) batch_size: u64,
    /// `max.poll.records`: what an egress has in flight where order does not matter.
    pub(super) in_flight: u64,
    /// `max.partition.fetch.bytes`.
    pub(super) fetch_bytes: u64,
    /// `maxPoolSize`: connections of an egress to one target.
    pub(super) pool: u64,
    /// `keepAlive` of the HTTP client.
    pub(super) keep_alive: bool,
    pub(super) buffers: Vec<Buffer>,
}

impl Wanted {
    /// Reads the settings.
    pub(super) fn read(
        program: Program,
        arguments: &CheckArguments,
        facts: &Facts,
    ) -> Result<Self, CheckError> {
        let settings = Settings::of(program, arguments)?;
        let mut report = Report::new();
        let mut read = Reader::new(settings.variables.as_ref(), &mut report);
        let connections =
            read.int_or("INGRESS_MAX_CONNECTIONS", CONNECTIONS_DEFAULT, 1..=1_000_000);
        let shards_text = read.optional(SHARDS).filter(|text| !text.eq_ignore_ascii_case("auto"));
        let request = match &shards_text {
            Some(_) => read
                .int_or(SHARDS, 1, 1..=1_024)
                .and_then(|count| usize::try_from(count).ok())
                .map_or(CoreRequest::Auto, CoreRequest::Count),
            None => CoreRequest::Auto,
        };
        let drivers = [
            ("auto", DriverChoice::Auto),
            ("io_uring", DriverChoice::IoUring),
            ("epoll", DriverChoice::Epoll),
        ];
        let io_driver = read.one_of(IO_DRIVER, &drivers, DriverChoice::Auto);
        let counted = Counted::of(&settings, program);
        let [producer, consumer, server, client] =
            [File::Producer, File::Consumer, File::HttpServer, File::WebClient]
                .map(|file| settings.properties(file, &mut report));
        let buffers = buffers(program, [&producer, &consumer, &server, &client]);
        // What is odd about the files is `check`'s affair of the programs; errors stop us, too.
        let producer = translate_producer(&producer, &mut report).ok();
        let consumer = translate_consumer(&consumer, &mut report).ok();
        if report.has_errors() {
            return Err(CheckError::Settings { program, report: report.to_string() });
        }
        let allowed =
            if facts.cores_allowed.is_empty() { vec![0] } else { facts.cores_allowed.clone() };
        let topology =
            Topology::plan(&request, Pinning::Auto, SHARDS_MAX, &allowed, facts.cpu_quota)?;
        let number = |properties: &Properties, key: &str| {
            properties.value(key).and_then(|text| text.trim().parse::<u64>().ok())
        };
        let producer = producer.as_ref();
        let in_flight = consumer.as_ref().and_then(|consumer| consumer.max_poll_records);
        let fetch = consumer.as_ref().and_then(|consumer| {
            let mut pairs = consumer.librdkafka.iter();
            pairs.find(|(key, _)| key == "fetch.message.max.bytes")?.1.parse().ok()
        });
        Ok(Self {
            program,
            shards: topology.shards.len(),
            shards_because: topology.reason,
            shards_set: shards_text.is_some(),
            io_driver: io_driver.unwrap_or_default(),
            clusters: counted.clusters,
            brokers: u64::from(arguments.brokers),
            egresses: arguments.egresses.map_or(counted.egresses, u64::from),
            replying: counted.replying,
            partitions: u64::from(arguments.partitions),
            counted: if arguments.egresses.is_some() { "given" } else { counted.by },
            connections_max: connections.unwrap_or(CONNECTIONS_DEFAULT).unsigned_abs(),
            backlog: number(&server, "acceptBacklog"),
            buffer_memory: producer.map_or(32 * MIB, |producer| producer.buffer_memory),
            linger_ms: producer.map_or(0, |it| it.linger.as_millis().try_into().unwrap_or(0)),
            batch_size: producer.map_or(0, |producer| u64::from(producer.batch_size)),
            in_flight: in_flight.map_or(POLL_RECORDS, u64::from),
            fetch_bytes: fetch.unwrap_or(MIB),
            // Vert.x' own default.
            pool: number(&client, "maxPoolSize").unwrap_or(5),
            keep_alive: client.value("keepAlive") != Some("false"),
            buffers,
        })
    }

    /// Threads of the process. Receiver: its own, and of each producer (one for each shard and cluster)
    /// one, one to find the brokers and one for each broker. Dispatcher: its own, and of each
    /// egress' consumer the same and one more for the group's coordinator.
    pub(super) fn threads(&self) -> u64 {
        let shards = self.shards as u64;
        match self.program {
            Program::Receiver => 6 + shards + self.clusters * shards * (2 + self.brokers),
            Program::Dispatcher => {
                10 + shards
                    + self.egresses * (3 + self.brokers)
                    + self.replying * (2 + self.brokers)
            }
        }
    }

    /// Files that the process may have open at its bounds; 3 for each connection to a broker, two of
    /// which wake its thread.
    pub(super) fn open_files(&self) -> u64 {
        let shards = self.shards as u64;
        match self.program {
            Program::Receiver => {
                let one = 13 + self.clusters * (4 + 3 * self.brokers) + self.connections_max;
                16 + shards * one
            }
            Program::Dispatcher => {
                let replies = self.replying * (4 + 3 * self.brokers);
                let one = 5 + 3 * self.brokers + self.in_flight.min(self.pool);
                16 + 11 * shards + self.egresses * one + replies
            }
        }
    }

    /// Bytes that the process needs at its bounds, so that it is not killed for memory.
    ///
    /// Receiver: what it takes by itself, and 5/4 of the byte budget, which counts records but not
    /// the client's own of them. Dispatcher: that, 512 KiB for each egress, and for each
    /// partition what may be fetched ahead and one answer on top.
    pub(super) fn memory(&self) -> u64 {
        let own = 20 * MIB + 2 * MIB * self.shards as u64;
        match self.program {
            Program::Receiver => own.saturating_add(self.buffer_memory.saturating_mul(5) / 4),
            Program::Dispatcher => {
                let partition = QUEUED_BYTES.saturating_add(self.fetch_bytes);
                let egress = (512 * KIB).saturating_add(partition.saturating_mul(self.partitions));
                own.saturating_add(egress.saturating_mul(self.egresses))
            }
        }
    }

    /// Connections that the dispatcher may have to subscribers.
    pub(super) fn connections(&self) -> u64 {
        self.egresses.saturating_mul(self.in_flight.min(self.pool))
    }
}

fn buffers(program: Program, files: [&Properties; 4]) -> Vec<Buffer> {
    let [producer, consumer, server, client] = files;
    let kafka = [("send.buffer.bytes", false), ("receive.buffer.bytes", true)];
    let http = [("sendBufferSize", false), ("receiveBufferSize", true)];
    let read = match program {
        Program::Receiver => vec![("producer", producer, kafka), ("httpserver", server, http)],
        Program::Dispatcher => vec![("consumer", consumer, kafka), ("webclient", client, http)],
    };
    let one = |(name, properties, keys): (&str, &Properties, [(&str, bool); 2])| {
        keys.into_iter()
            .filter_map(|(key, receives)| {
                let bytes: u64 = properties.value(key)?.trim().parse().ok()?;
                Some(Buffer { setting: format!("{name}: {key}"), bytes, receives })
            })
            .collect::<Vec<_>>()
    };
    read.into_iter().flat_map(one).collect()
}

/// What a contract says about how much there is to do.
struct Counted {
    egresses: u64,
    replying: u64,
    clusters: u64,
    by: &'static str,
}

impl Counted {
    fn of(settings: &Settings, program: Program) -> Self {
        let path = settings.variables.text(DATA_PLANE_CONFIG_FILE_PATH).ok().flatten();
        let bytes = path.and_then(|path| read_file(path.as_ref()).ok());
        let parsed = bytes.and_then(|bytes| Contract::parse(&bytes).ok());
        let Some(contract) = parsed.map(|parsed| parsed.contract) else {
            return Self { egresses: EGRESSES_DEFAULT, replying: 0, clusters: 1, by: "assumed" };
        };
        let egresses = || contract.resources.iter().flat_map(|resource| &resource.egresses);
        let mut servers: Vec<&str> = contract
            .resources
            .iter()
            .filter(|resource| program == Program::Dispatcher || resource.ingress.is_some())
            .map(|resource| &*resource.bootstrap_servers)
            .collect();
        servers.sort_unstable();
        servers.dedup();
        Self {
            egresses: egresses().count() as u64,
            replying: egresses().filter(|egress| matches!(egress.reply, Reply::Topic)).count()
                as u64,
            clusters: servers.len() as u64,
            by: "of the contract",
        }
    }
}
