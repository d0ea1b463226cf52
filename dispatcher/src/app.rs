//! Puts the parts together: shards, groups thread, contract, metrics, and the way out.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_client::Resolver;
use millrace_contract::watch::{WatchOptions, Watcher};
use millrace_filter::Mode;
use millrace_kafka::librdkafka_version;
use millrace_observe::DispatchOptions;
use millrace_observe::log::Flusher;
use millrace_process::intake::{Intake, Newness};
use millrace_process::signals;
use millrace_process::{exit, metrics};
use millrace_shard::{Drain, Pinning, Shards, StartOptions, Topology, files, mailbox};

use crate::check::Settings;
use crate::env::OnLastFailure;
use crate::groups::{self, ShardSeat};
use crate::healthy::Healthy;
use crate::housekeeping;
use crate::kafka_numbers::KafkaNumbers;
use crate::lifecycle::{self, Running};
use crate::link::Nudges;
use crate::plan::PlanOptions;
use crate::shard::{self, Beat, Common, ShardStart};

/// Shards when nothing is set, see the receiver's.
const SHARDS_MAX: usize = 8;
/// Commands that may wait for a shard.
const MAILBOX: usize = 1024;

/// Why the dispatcher cannot run.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs until a signal ends it.
pub(crate) fn run(settings: Settings, healthy: Healthy, flusher: Flusher) -> Result<(), Failure> {
    // First of all: a signal that comes while the rest starts must not be lost.
    let thread = signals::Control::new()?;
    let env = &settings.env;
    let registry = metrics::registry(&env.common, &settings.observability);
    if let Err(error) = files::raise_limit() {
        tracing::warn!(%error, "The limit of open files is not known.");
    }
    let topology = Topology::detect(&env.common.shards, Pinning::Auto, SHARDS_MAX)?;
    let count = topology.shards.len();
    let polled = settings.consumer.as_ref().ok().and_then(|it| it.max_poll_records);
    let common = Arc::new(Common {
        registry: registry.clone(),
        client: settings.webclient.for_shard(count, polled, env.resolve_interval),
        resolver: Resolver::start()?,
        meters: DispatchOptions {
            disable_type: env.common.metrics.disable_event_type,
            ..DispatchOptions::default()
        },
        reply_bytes_max: env.response_body_max,
        reply_timeout: settings.producer.as_ref().map_or(Duration::ZERO, |it| it.delivery_timeout),
        stall_after: env.stall_after,
    });
    let (drain, drains) = Drain::new(count)?;
    let (mut seats, mut starts) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for drain in drains {
        let (commands, inbox) = mailbox(MAILBOX)?;
        let (nudges, nudges_seat) = Nudges::new()?;
        let beat = Arc::<Beat>::default();
        seats.push(ShardSeat { commands, nudges, beat: beat.clone(), load: 0 });
        let common = common.clone();
        let start = ShardStart { common, drain, commands: inbox, nudges: nudges_seat, beat };
        starts.push(Mutex::new(Some(start)));
    }
    let options =
        StartOptions::new(topology.shards.clone(), env.common.io_driver).on_panic(move |_| {
            flusher.flush(Duration::from_secs(1));
            std::process::exit(exit::PANIC)
        });
    let shards = Shards::start(options, move |context| {
        let start = starts.get(context.id.0).and_then(|start| start.lock().ok()?.take());
        async move {
            match start {
                Some(start) => shard::run(start).await,
                None => Err(io::Error::other("a shard was started twice")),
            }
        }
    })?;
    metrics::describe(&registry, &shards, &topology, &librdkafka_version());
    tracing::info!(shards = count, version = env!("CARGO_PKG_VERSION"), "The dispatcher runs.");
    let chores = housekeeping::start(KafkaNumbers::new(&registry))?;
    let groups =
        groups::start(groups(&settings), registry.clone(), seats, groups::words(), chores)?;
    let (updates, news) = tokio::sync::mpsc::unbounded_channel();
    let watch = Watcher::start(
        &env.common.contract,
        WatchOptions { poll: env.common.contract_poll, ..WatchOptions::default() },
        // The receiving side is gone only when the process ends.
        move |update| drop(updates.send(update)),
    )?;
    let running = Running {
        shards,
        drain,
        groups,
        intake: Intake::new(&registry, Newness::Generation),
        healthy,
        watch,
    };
    let page = metrics::serve(&env.common, &settings.observability, registry);
    lifecycle::run(running, news, &settings, thread, page)
}

fn groups(settings: &Settings) -> groups::Settings {
    let env = &settings.env;
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let consumer = settings.consumer.as_ref();
    let transforms = consumer.ok().filter(|consumer| consumer.transformer_enabled);
    groups::Settings {
        plan: PlanOptions {
            cesql: if env.cesql_strict { Mode::Strict } else { Mode::Lax },
            backoff_cap_ms: env.backoff_max.map(millis),
            jitter_percent: env.backoff_jitter_percent,
            retry_after_cap_ms: env.retry_after_max.map(millis),
            hold: env.dead_letter_on_failure == OnLastFailure::Hold,
            plain_kind: transforms.map(|consumer| consumer.invalid_kind_plural.clone()),
            max_poll_records: consumer.ok().and_then(|consumer| consumer.max_poll_records),
        },
        consumer: settings.consumer.clone().map_err(|refused| refused.to_string()),
        producer: settings.producer.clone().map_err(|refused| refused.to_string()),
        statistics: settings.observability.metrics.is_some()
            && !env.common.metrics.disable_kafka_clients,
        drain: env.drain,
        revoke_drain: env.revoke_drain,
        stall_after: env.stall_after,
    }
}
