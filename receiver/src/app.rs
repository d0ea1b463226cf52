//! Puts the parts together: shards, producers, contract, metrics. No logic of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use millrace_contract::watch::{WatchOptions, Watcher};
use millrace_http1::Limits;
use millrace_kafka::budget::ByteBudget;
use millrace_kafka::librdkafka_version;
use millrace_kafka::properties::ProducerSettings;
use millrace_observe::log::Flusher;
use millrace_observe::names::{
    BUILD_INFO, BYTES_IN_FLIGHT_LIMIT, CONNECTIONS_ACCEPTED, CONNECTIONS_HANDED_OVER,
    CONNECTIONS_OPEN, CONNECTIONS_REFUSED, IO_DRIVER, REQUESTS_IN_FLIGHT, SHARDS,
};
use millrace_observe::{DispatchOptions, Registry, RegistryOptions, admin};
use millrace_shard::{
    Balance, Drain, Driver, Pinning, Shards, StartOptions, Topology, bind, mailbox,
};

use crate::check::Settings;
use crate::clients::ProducerFactory;
use crate::control::{Control, Numbers};
use crate::env::TooLargeStatus;
use crate::housekeeping;
use crate::http_options::HttpOptions;
use crate::kafka_numbers::KafkaNumbers;
use crate::lifecycle::{self, Running};
use crate::reconcile::Reconciler;
use crate::serve::{ShardSeat, serve};
use crate::shard::{Common, Times};

/// Shards when nothing is set: a receiver without a CPU limit sees all cores of its node, and each
/// shard has its own connections to Kafka. More are a matter of the setting SHARDS.
const SHARDS_MAX: usize = 8;
/// Updates that may wait for a shard; the control thread waits for each to be taken over.
const MAILBOX: usize = 16;
/// What Java assumes when the properties file makes no producer.
const REQUEST_SIZE_MAX: u32 = 1_048_576;
const BUFFER_MEMORY: u64 = 33_554_432;
const MAX_BLOCK: Duration = Duration::from_secs(60);

/// Why the receiver cannot run.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs until a signal ends it.
pub(crate) fn run(settings: Settings, flusher: Flusher) -> Result<(), Failure> {
    let registry = registry(&settings);
    let producer = settings.producer.as_ref().ok();
    let common = Arc::new(common(&settings, producer, &registry));
    let topology = Topology::detect(&settings.env.shards, Pinning::Auto, SHARDS_MAX)?;
    let count = topology.shards.len();
    let listeners = bind(&settings.http.listen(settings.env.ingress_port), count)?;
    let address = listeners.first().map(|listener| listener.address());
    let (balance, balance_seats) = Balance::new(count, settings.env.connections_max)?;
    let (drain, drain_seats) = Drain::new(count)?;
    let mut mailboxes = Vec::with_capacity(count);
    let mut seats = Vec::with_capacity(count);
    for ((listener, seat), drain) in listeners.into_iter().zip(balance_seats).zip(drain_seats) {
        let (sender, inbox) = mailbox(MAILBOX)?;
        mailboxes.push(sender);
        let seat = ShardSeat { common: common.clone(), listener, seat, drain, inbox };
        seats.push(Mutex::new(Some(seat)));
    }
    let options =
        StartOptions::new(topology.shards.clone(), settings.env.io_driver).on_panic(move |_| {
            flusher.flush(Duration::from_secs(1));
            std::process::exit(lifecycle::EXIT_PANIC)
        });
    let shards = Shards::start(options, move |context| {
        let seat = seats.get(context.id.0).and_then(|seat| seat.lock().ok()?.take());
        async move {
            match seat {
                Some(seat) => serve(seat).await,
                None => Err(std::io::Error::other("a shard was started twice")),
            }
        }
    })?;
    let open = drain.clone();
    registry.observe(&REQUESTS_IN_FLIGHT, &[], move || open.open_exchanges() as f64);
    describe(&registry, &shards, &topology, address, balance, &common, buffer_memory(&settings));
    let (chores, housekeeper) =
        housekeeping::start(KafkaNumbers::new(&registry, buffer_memory(&settings)))?;
    let control = Control {
        reconciler: Reconciler::default(),
        factory: factory(&settings, count, chores),
        shards: mailboxes,
        numbers: Numbers::new(&registry),
        common: common.clone(),
        contract: None,
        refused: Vec::new(),
    };
    let (updates, contract_updates) = tokio::sync::mpsc::unbounded_channel();
    let watch = Watcher::start(
        &settings.env.contract,
        WatchOptions { poll: settings.env.contract_poll, ..WatchOptions::default() },
        // The receiving side is gone only when the process ends.
        move |update| drop(updates.send(update)),
    )?;
    if let Some(reason) = watch.poll_only_because() {
        tracing::warn!(reason, "Changes of the contract file are found by looking, not by notice.");
    }
    lifecycle::run(
        Running { shards, drain, common, control, housekeeper, watch },
        contract_updates,
        &settings,
        metrics(&settings, registry),
    )
}

fn registry(settings: &Settings) -> Registry {
    Registry::new(RegistryOptions {
        enabled: settings.observability.metrics.is_some() && !settings.env.metrics.tls,
        publish_quantiles: settings.env.metrics.publish_quantiles,
        kafka_clients: !settings.env.metrics.disable_kafka_clients,
        ..RegistryOptions::default()
    })
}

fn common(settings: &Settings, producer: Option<&ProducerSettings>, registry: &Registry) -> Common {
    let env = &settings.env;
    let record_bytes_max = producer.map_or(REQUEST_SIZE_MAX, |producer| producer.max_request_size);
    Common {
        limits: Limits {
            line_max: settings.http.line_bytes_max,
            headers_bytes_max: settings.http.headers_bytes_max,
            body_max: u64::from(record_bytes_max),
            ..Limits::default()
        },
        times: Times {
            head_ms: lifecycle::millis(env.head_timeout),
            body_ms: lifecycle::millis(env.body_timeout),
            idle_ms: lifecycle::millis(idle_timeout(&settings.http)),
        },
        liveness: env.liveness_probe_path.clone(),
        readiness: env.readiness_probe_path.clone(),
        too_large_status: match env.too_large {
            TooLargeStatus::ContentTooLarge => 413,
            TooLargeStatus::ServiceUnavailable => 503,
        },
        batch_enabled: env.batch_enabled,
        record_bytes_max: usize::try_from(record_bytes_max).unwrap_or(usize::MAX),
        max_block: producer.map_or(MAX_BLOCK, |producer| producer.max_block),
        dispatch: DispatchOptions {
            disable_type: env.metrics.disable_event_type,
            ..DispatchOptions::default()
        },
        registry: registry.clone(),
        ready: AtomicBool::new(false),
        stop: AtomicBool::new(false),
    }
}

/// A connection that waits for its next request neither reads nor writes: the shortest bound ends it.
fn idle_timeout(http: &HttpOptions) -> Duration {
    [http.read_idle_timeout, http.write_idle_timeout]
        .into_iter()
        .flatten()
        .fold(http.idle_timeout, Duration::min)
}

fn factory(
    settings: &Settings,
    shards: usize,
    chores: std::sync::mpsc::Sender<housekeeping::Chore>,
) -> ProducerFactory {
    ProducerFactory {
        settings: settings.producer.clone().map_err(|refused| refused.to_string()),
        shards,
        budget: ByteBudget::new(buffer_memory(settings)),
        statistics: settings.observability.metrics.is_some()
            && !settings.env.metrics.disable_kafka_clients,
        batch_delay: settings.env.batch_delay,
        chores,
        named: 0,
    }
}

fn buffer_memory(settings: &Settings) -> u64 {
    settings.producer.as_ref().map_or(BUFFER_MEMORY, |producer| producer.buffer_memory)
}

/// Says in the log and in metrics what runs.
fn describe<T: Send + 'static>(
    registry: &Registry,
    shards: &Shards<T>,
    topology: &Topology,
    address: Option<SocketAddr>,
    balance: Balance,
    common: &Common,
    buffer_memory: u64,
) {
    registry.shared_gauge(&SHARDS, &[]).set(topology.shards.len() as i64);
    let version = env!("CARGO_PKG_VERSION");
    let librdkafka = librdkafka_version();
    let commit = option_env!("MILLRACE_COMMIT").unwrap_or("unknown");
    registry.info(
        &BUILD_INFO,
        &[("commit", commit), ("librdkafka", &librdkafka), ("version", version)],
    );
    registry.observe(&BYTES_IN_FLIGHT_LIMIT, &[], move || buffer_memory as f64);
    let balance = Arc::new(balance);
    let sum = |read: fn(&millrace_shard::balance::ListenStats) -> u64| {
        let balance = balance.clone();
        move || balance.stats().iter().map(read).sum::<u64>() as f64
    };
    registry.observe(&CONNECTIONS_OPEN, &[], sum(|stats| stats.open as u64));
    registry.observe(&CONNECTIONS_ACCEPTED, &[], sum(|stats| stats.accepted));
    registry.observe(&CONNECTIONS_HANDED_OVER, &[], sum(|stats| stats.handed_over));
    registry.observe(&CONNECTIONS_REFUSED, &[], sum(|stats| stats.refused));
    if let Some(report) = shards.reports().first() {
        let driver = match report.driver {
            Driver::IoUring => "io_uring",
            Driver::Epoll => "epoll",
        };
        registry.info(&IO_DRIVER, &[("driver", driver), ("reason", &report.reason)]);
        tracing::info!(driver, reason = report.reason, "The shards' io driver.");
    }
    tracing::info!(
        shards = topology.shards.len(),
        reason = topology.reason,
        port = address.map(|address| address.port()),
        address = address.map(tracing::field::display),
        recordBytesMax = common.record_bytes_max,
        version,
        librdkafka,
        "The receiver is listening."
    );
}

/// The metrics endpoint, if one is wanted.
async fn metrics(settings: &Settings, registry: Registry) {
    let Some(endpoint) = &settings.observability.metrics else { return };
    if settings.env.metrics.tls {
        return;
    }
    let host = settings.env.metrics.host.to_string();
    admin::run(&host, endpoint.port, &endpoint.path, registry).await;
}
