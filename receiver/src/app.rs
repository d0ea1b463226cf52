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
    BYTES_IN_FLIGHT_LIMIT, CONNECTIONS_ACCEPTED, CONNECTIONS_HANDED_OVER, CONNECTIONS_OPEN,
    CONNECTIONS_REFUSED, REQUESTS_IN_FLIGHT,
};
use millrace_observe::{DispatchOptions, Registry};
use millrace_process::intake::{Intake, Newness};
use millrace_process::{exit, metrics, signals};
use millrace_shard::{Balance, Drain, Pinning, Shards, StartOptions, Topology, bind, mailbox};

use crate::check::Settings;
use crate::clients::ProducerFactory;
use crate::control::{Control, Numbers};
use crate::env::TooLargeStatus;
use crate::files;
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
    // First of all: a signal that comes while the rest starts must not be lost.
    let thread = signals::Control::new()?;
    let env = &settings.env.common;
    let registry = metrics::registry(env, &settings.observability);
    let producer = settings.producer.as_ref().ok();
    let common = Arc::new(common(&settings, producer, &registry));
    let topology = Topology::detect(&env.shards, Pinning::Auto, SHARDS_MAX)?;
    let count = topology.shards.len();
    let listeners = bind(&settings.http.listen(settings.env.ingress_port), count)?;
    let address = listeners.first().map(|listener| listener.address());
    let connections_max = files::connections_max(settings.env.connections_max, count);
    let (balance, balance_seats) = Balance::new(count, connections_max)?;
    let (drain, drain_seats) = Drain::new(count)?;
    let mut mailboxes = Vec::with_capacity(count);
    let mut seats = Vec::with_capacity(count);
    for ((listener, seat), drain) in listeners.into_iter().zip(balance_seats).zip(drain_seats) {
        let (sender, inbox) = mailbox(MAILBOX)?;
        mailboxes.push(sender);
        let seat = ShardSeat { common: common.clone(), listener, seat, drain, inbox };
        seats.push(Mutex::new(Some(seat)));
    }
    let options = StartOptions::new(topology.shards.clone(), env.io_driver).on_panic(move |_| {
        flusher.flush(Duration::from_secs(1));
        std::process::exit(exit::PANIC)
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
    metrics::describe(&registry, &shards, &topology, &librdkafka_version());
    observe_listeners(&registry, balance, buffer_memory(&settings));
    say_listening(&topology, address, &common);
    let (chores, housekeeper) =
        housekeeping::start(KafkaNumbers::new(&registry, buffer_memory(&settings)))?;
    let control = Control {
        reconciler: Reconciler::default(),
        factory: factory(&settings, count, chores),
        shards: mailboxes,
        numbers: Numbers::new(&registry),
        intake: Intake::new(&registry, Newness::Content),
        common: common.clone(),
        contract: None,
        refused: Vec::new(),
    };
    let (updates, contract_updates) = tokio::sync::mpsc::unbounded_channel();
    let watch = Watcher::start(
        &env.contract,
        WatchOptions { poll: env.contract_poll, ..WatchOptions::default() },
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
        thread,
        metrics::serve(env, &settings.observability, registry),
    )
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
            disable_type: env.common.metrics.disable_event_type,
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
            && !settings.env.common.metrics.disable_kafka_clients,
        batch_delay: settings.env.batch_delay,
        chores,
        named: 0,
    }
}

fn buffer_memory(settings: &Settings) -> u64 {
    settings.producer.as_ref().map_or(BUFFER_MEMORY, |producer| producer.buffer_memory)
}

/// Shows what the listeners count, and the bound of what may be in flight.
fn observe_listeners(registry: &Registry, balance: Balance, buffer_memory: u64) {
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
}

fn say_listening(topology: &Topology, address: Option<SocketAddr>, common: &Common) {
    tracing::info!(
        shards = topology.shards.len(),
        reason = topology.reason,
        port = address.map(|address| address.port()),
        address = address.map(tracing::field::display),
        recordBytesMax = common.record_bytes_max,
        version = env!("CARGO_PKG_VERSION"),
        librdkafka = librdkafka_version(),
        "The receiver is listening."
    );
}
