//! The process-wide registry: cells come in when a shard first needs them, series go out summed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::bounds::latency_bounds;
use crate::cell::{Clock, Counter, Gauge, Histogram, SharedCounter, SharedGauge};
use crate::exposition::{self, Labels};
use crate::kafka::{KafkaClientStats, KafkaClients};
use crate::names::{self, Family};
use crate::owner::{EventTypeBudget, Owner};
use crate::series::{Series, Source};
use crate::{limit, process, writer};

/// Registrations waiting for a scrape before the registering thread tries to file them itself.
const PENDING_MAX: usize = 1_024;
/// A step of the decaying maximum (Micrometer: one minute with Prometheus).
const STEP_SECONDS: u64 = 60;

/// What the registry does; made from the environment by the caller.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// False when nothing is exported (no `metrics-protocol`): cells then go nowhere.
    pub enabled: bool,
    /// METRICS_PUBLISH_QUANTILES: the fine buckets of Micrometer on top.
    pub publish_quantiles: bool,
    /// Distinct event types shown, over all resources; beyond it they count as `unknown`.
    pub event_types_max: usize,
    /// False with DISABLE_KAFKA_CLIENTS_METRICS: no `kafka_*` series.
    pub kafka_clients: bool,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            publish_quantiles: false,
            event_types_max: 10_000,
            kafka_clients: true,
        }
    }
}

/// All metrics of the process; clones share it.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    options: RegistryOptions,
    start: Instant,
    clock: Arc<Clock>,
    bounds: Arc<[u64]>,
    event_types: Arc<EventTypeBudget>,
    /// Of what lives as long as the process.
    process: Owner,
    owners: Mutex<HashMap<String, Owner>>,
    /// Filed at the next scrape: a shard that registers must not wait for one to end.
    pending: Mutex<Vec<Registration>>,
    families: Mutex<Families>,
    kafka: KafkaClients,
}

/// By family name, then by labels as shown.
type Families = BTreeMap<&'static str, (&'static Family, BTreeMap<Labels, Series>)>;

struct Registration {
    owner: Owner,
    family: &'static Family,
    labels: Labels,
    source: Source,
}

impl Registry {
    /// An empty registry, but for what it knows itself: lines suppressed and dropped by the log.
    pub fn new(options: RegistryOptions) -> Self {
        let event_types = Arc::new(EventTypeBudget::new(options.event_types_max));
        let registry = Self(Arc::new(Inner {
            start: Instant::now(),
            clock: Arc::default(),
            bounds: latency_bounds(options.publish_quantiles).into(),
            process: Owner::new(event_types.clone()),
            event_types,
            owners: Mutex::default(),
            pending: Mutex::default(),
            families: Mutex::default(),
            kafka: KafkaClients::new(options.enabled && options.kafka_clients),
            options,
        }));
        registry
            .observe(&names::LOG_LINES_SUPPRESSED, &[], || limit::SUPPRESSED.load(Relaxed) as f64);
        registry.observe(&names::LOG_LINES_DROPPED, &[], || writer::DROPPED.load(Relaxed) as f64);
        registry
    }

    /// Whether anything will be shown.
    pub fn is_enabled(&self) -> bool {
        self.0.options.enabled
    }

    /// A counter for one thread; counters of the same labels are summed.
    pub fn counter(&self, family: &'static Family, labels: &[(&str, &str)]) -> Counter {
        let (counter, cell) = Counter::new();
        self.register(&self.0.process, family, labels, Source::Counter(cell));
        counter
    }

    /// A gauge for one thread; gauges of the same labels are summed, and vanish when dropped.
    pub fn gauge(&self, family: &'static Family, labels: &[(&str, &str)]) -> Gauge {
        let (gauge, cell) = Gauge::new();
        self.register(&self.0.process, family, labels, Source::Gauge(cell));
        gauge
    }

    /// A counter that any thread may write; not for an event's path.
    pub fn shared_counter(
        &self,
        family: &'static Family,
        labels: &[(&str, &str)],
    ) -> SharedCounter {
        let (counter, cell) = SharedCounter::new();
        self.register(&self.0.process, family, labels, Source::Counter(cell));
        counter
    }

    /// A gauge that any thread may write; not for an event's path.
    pub fn shared_gauge(&self, family: &'static Family, labels: &[(&str, &str)]) -> SharedGauge {
        let (gauge, cell) = SharedGauge::new();
        self.register(&self.0.process, family, labels, Source::Gauge(cell));
        gauge
    }

    /// [`Registry::counter`] of a resource.
    pub fn counter_of(
        &self,
        owner: &Owner,
        family: &'static Family,
        labels: &[(&str, &str)],
    ) -> Counter {
        let (counter, cell) = Counter::new();
        self.register(owner, family, labels, Source::Counter(cell));
        counter
    }

    /// [`Registry::gauge`] of a resource.
    pub fn gauge_of(
        &self,
        owner: &Owner,
        family: &'static Family,
        labels: &[(&str, &str)],
    ) -> Gauge {
        let (gauge, cell) = Gauge::new();
        self.register(owner, family, labels, Source::Gauge(cell));
        gauge
    }

    /// [`Registry::shared_gauge`] of a resource; vanishes with its last clone, too.
    pub fn shared_gauge_of(
        &self,
        owner: &Owner,
        family: &'static Family,
        labels: &[(&str, &str)],
    ) -> SharedGauge {
        let (gauge, cell) = SharedGauge::new();
        self.register(owner, family, labels, Source::Gauge(cell));
        gauge
    }

    /// A number kept elsewhere, asked at each scrape; `read` must be quick and not block.
    pub fn observe(
        &self,
        family: &'static Family,
        labels: &[(&str, &str)],
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.register(&self.0.process, family, labels, Source::Read(Box::new(read)));
    }

    /// A constant 1 whose labels are the message, such as [`names::BUILD_INFO`].
    pub fn info(&self, family: &'static Family, labels: &[(&str, &str)]) {
        self.observe(family, labels, || 1.0);
    }

    /// The owner of a resource's series, by the resource's uid: the live one, or a new one.
    pub fn owner(&self, uid: &str) -> Owner {
        let mut owners = lock(&self.0.owners);
        owners
            .entry(uid.to_owned())
            .or_insert_with(|| Owner::new(self.0.event_types.clone()))
            .clone()
    }

    /// An owner that no uid leads to: for one run of a resource, of which a second may begin while
    /// the first still ends. [`Registry::retire`] ends it.
    pub fn unnamed_owner(&self) -> Owner {
        Owner::new(self.0.event_types.clone())
    }

    /// Removes a resource's series at once (R154); unknown uids are no mistake.
    pub fn remove_owner(&self, uid: &str) {
        if let Some(owner) = lock(&self.0.owners).remove(uid) {
            self.retire(&owner);
        }
    }

    /// Removes an owner's series at once; series of the same labels that others own stay.
    pub fn retire(&self, owner: &Owner) {
        owner.retire();
        let mut families = self.filed();
        for (_, series) in families.values_mut() {
            series.retain(|_, series| !series.forget_removed());
        }
    }

    /// Replaces what is shown of one Kafka client.
    pub fn kafka_client(&self, stats: KafkaClientStats) {
        self.0.kafka.replace(stats);
    }

    /// Shows a Kafka client no more.
    pub fn forget_kafka_client(&self, client_id: &str) {
        self.0.kafka.forget(client_id);
    }

    /// Tells the time, about once a second; the maximum of a histogram lives by it.
    pub fn tick(&self, now: Instant) {
        let seconds = now.saturating_duration_since(self.0.start).as_secs();
        self.0.clock.advance(seconds / STEP_SECONDS);
    }

    /// The page in Prometheus text format 0.0.4 (platform.md 8.1).
    pub fn render(&self) -> String {
        let step = self.0.clock.step();
        let mut out = String::with_capacity(16 * 1_024);
        {
            let mut families = self.filed();
            for (family, series) in families.values_mut() {
                series.retain(|_, series| !series.fold());
                let values = series.iter().map(|(labels, series)| (labels, series.value()));
                exposition::family(&mut out, family, values, step);
            }
        }
        self.0.kafka.render(&mut out);
        process::render(&mut out);
        out
    }

    pub(crate) fn histogram(
        &self,
        owner: &Owner,
        family: &'static Family,
        labels: &[(&str, &str)],
    ) -> Histogram {
        let (histogram, cell) = Histogram::new(self.0.bounds.clone(), self.0.clock.clone());
        self.register(owner, family, labels, Source::Histogram(cell));
        histogram
    }

    fn register(
        &self,
        owner: &Owner,
        family: &'static Family,
        labels: &[(&str, &str)],
        source: Source,
    ) {
        debug_assert_eq!(labels.len(), family.labels.len(), "labels of {}", family.name);
        if !self.is_enabled() {
            return;
        }
        let labels = Labels::new(labels);
        let full = {
            let mut pending = lock(&self.0.pending);
            pending.push(Registration { owner: owner.clone(), family, labels, source });
            pending.len() >= PENDING_MAX
        };
        // Nobody scrapes: then nobody holds the families, and filing them here keeps the queue
        // short.
        if full && let Ok(mut families) = self.0.families.try_lock() {
            self.file(&mut families);
        }
    }

    /// The families with everything registered so far in them.
    fn filed(&self) -> MutexGuard<'_, Families> {
        let mut families = lock(&self.0.families);
        self.file(&mut families);
        families
    }

    fn file(&self, families: &mut Families) {
        for new in std::mem::take(&mut *lock(&self.0.pending)) {
            if new.owner.is_alive() {
                let (_, series) = families
                    .entry(new.family.name)
                    .or_insert_with(|| (new.family, BTreeMap::new()));
                series.entry(new.labels).or_default().add(new.owner, new.source);
            }
        }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("options", &self.0.options).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
