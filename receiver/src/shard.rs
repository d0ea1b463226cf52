//! What one shard knows: its routes and producers, its bounds, its numbers.
//!
//! Everything here belongs to one thread. The control thread sends an [`Update`] when the contract
//! changed; it is swapped in between two requests, and requests under way finish on what they
//! started with.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use millrace_event::{EventError, Scratch};
use millrace_http1::Limits;
use millrace_kafka::budget::{OverBudget, Reservation};
use millrace_observe::limit::KeyedLimit;
use millrace_observe::{DispatchLatency, DispatchOptions, Registry, limited};
use millrace_shard::clock;
use millrace_shard::{DrainWatch, Exchange, Phase, Sweeper, sleep};

use crate::cluster::ClusterId;
use crate::deliveries::Deliveries;
use crate::lane::{Lane, NewLane, Outcome};
use crate::metrics::ShardMetrics;
use crate::respond::Verdict;
use crate::route::{Latency, Route};
use crate::routes::{Ingress, Routes};

/// How often a request that waits for room looks again: other shards' room shows no other way.
const ROOM_POLL: Duration = Duration::from_millis(5);

static KAFKA_FAILURES: KeyedLimit = KeyedLimit::new();
static BAD_EVENTS: KeyedLimit = KeyedLimit::new();
static NO_INGRESS: KeyedLimit = KeyedLimit::new();

/// Why a connection's socket is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// Nothing asked for too long.
    Idle,
    Head,
    Body,
    /// The client does not read its answer.
    Write,
    /// The client does not close after the last answer.
    Linger,
}

/// Times of a connection, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) head_ms: u64,
    pub(crate) body_ms: u64,
    pub(crate) idle_ms: u64,
}

/// What is the same on all shards and never changes.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) limits: Limits,
    pub(crate) times: Times,
    /// Paths of the platform's probes.
    pub(crate) liveness: String,
    pub(crate) readiness: String,
    /// 413, or 503 where senders shall repeat.
    pub(crate) too_large_status: u16,
    pub(crate) batch_enabled: bool,
    /// Largest record, headers included (`max.request.size`).
    pub(crate) record_bytes_max: usize,
    /// How long a request may wait for room or for its topic's metadata (`max.block.ms`).
    pub(crate) max_block: Duration,
    pub(crate) dispatch: DispatchOptions,
    pub(crate) registry: Registry,
    /// Set once the first state of the contract file has been applied.
    pub(crate) ready: AtomicBool,
    /// Set when draining has taken too long: what is open is cut.
    pub(crate) stop: AtomicBool,
}

/// A change of routes, with the producers that this shard needs for it.
pub(crate) struct Update {
    pub(crate) routes: Arc<Routes>,
    pub(crate) created: Vec<(ClusterId, NewLane)>,
    pub(crate) dropped: Vec<ClusterId>,
}

/// One shard.
pub(crate) struct Shard {
    pub(crate) common: Arc<Common>,
    pub(crate) scratch: RefCell<Scratch>,
    pub(crate) deliveries: Rc<Deliveries<Outcome>>,
    pub(crate) metrics: Rc<ShardMetrics>,
    pub(crate) sweeper: Sweeper<Deadline>,
    drain: DrainWatch,
    routing: RefCell<Routing>,
    bytes: Cell<i64>,
}

/// Bytes set aside for one event; given back when dropped.
pub(crate) struct Room {
    shard: Rc<Shard>,
    route: Rc<Route>,
    reservation: Option<Reservation>,
}

/// There was none within `max.block.ms`.
pub(crate) struct NoRoom;

impl Drop for Room {
    fn drop(&mut self) {
        let Some(reservation) = self.reservation.take() else { return };
        self.shard.count_bytes(-i64::try_from(reservation.bytes()).unwrap_or(i64::MAX));
        self.route.lane.budget().release(reservation);
    }
}

#[derive(Default)]
struct Routing {
    routes: Arc<Routes>,
    /// Parallel to `routes.ingresses()`. None where the producer could not be started.
    served: Vec<Option<Rc<Route>>>,
    lanes: HashMap<ClusterId, Rc<Lane>>,
}

impl Shard {
    pub(crate) fn new(common: Arc<Common>, drain: DrainWatch) -> Rc<Shard> {
        let metrics = Rc::new(ShardMetrics::new(&common.registry));
        Rc::new(Shard {
            scratch: RefCell::new(Scratch::default()),
            deliveries: Rc::new(Deliveries::new()),
            metrics,
            sweeper: Sweeper::new(),
            drain,
            routing: RefCell::default(),
            bytes: Cell::new(0),
            common,
        })
    }

    /// Swaps the routes. What is unchanged keeps its producer, its topic and its numbers.
    pub(crate) fn apply(self: &Rc<Self>, update: Update) {
        let mut routing = self.routing.borrow_mut();
        for (cluster, lane) in update.created {
            match Lane::start(lane, self) {
                Ok(lane) => drop(routing.lanes.insert(cluster, lane)),
                Err(error) => {
                    tracing::error!(error = %error, "A producer cannot be used on this shard.");
                }
            }
        }
        let before: HashMap<Arc<str>, Rc<Route>> = std::mem::take(&mut routing.served)
            .into_iter()
            .flatten()
            .map(|route| (route.ingress.uid.clone(), route))
            .collect();
        let mut served = Vec::with_capacity(update.routes.ingresses().len());
        for ingress in update.routes.ingresses() {
            let known = before.get(&ingress.uid).filter(|old| Arc::ptr_eq(&old.ingress, ingress));
            let lane = routing.lanes.get(&ingress.cluster);
            served.push(match known {
                Some(route) => Some(route.clone()),
                None => lane.map(|lane| self.open_route(ingress.clone(), lane.clone())),
            });
        }
        routing.routes = update.routes;
        routing.served = served;
        for cluster in update.dropped {
            routing.lanes.remove(&cluster);
        }
    }

    fn open_route(&self, ingress: Arc<Ingress>, lane: Rc<Lane>) -> Rc<Route> {
        let registry = &self.common.registry;
        let latency = DispatchLatency::new(
            registry,
            &registry.owner(&ingress.uid),
            &ingress.kind,
            &ingress.name,
            &ingress.namespace,
            self.common.dispatch,
        );
        let topic = lane.topic(&ingress.topic);
        Rc::new(Route { ingress, lane, topic, latency: Latency(latency) })
    }

    /// The ingress for a request (receiver.md 2.2).
    pub(crate) fn route(&self, path: &[u8], host: Option<&[u8]>) -> Option<Rc<Route>> {
        let routing = self.routing.borrow();
        let found = routing.routes.find(path, host);
        if found.is_none() {
            let path = String::from_utf8_lossy(path);
            let host = String::from_utf8_lossy(host.unwrap_or_default());
            limited!(by NO_INGRESS, &path; warn, path = %path, hostHeader = %host,
                "There is no ingress for this path and host.");
        }
        routing.served.get(found?.0)?.clone()
    }

    /// Whether the readiness probe succeeds (receiver.md 1.6).
    pub(crate) fn is_ready(&self) -> bool {
        self.common.ready.load(Ordering::Relaxed) && self.drain.phase() == Phase::Serving
    }

    /// Whether connections stay open after an answer: not while draining, so that clients move on.
    pub(crate) fn keeps_connections(&self) -> bool {
        self.drain.phase() == Phase::Serving
    }

    /// Whether an idle connection is to be closed.
    pub(crate) fn is_closing(&self) -> bool {
        self.drain.phase() == Phase::Closing
    }

    /// Counts as one open exchange until the result is dropped.
    pub(crate) fn begin_exchange(&self) -> Exchange {
        self.drain.exchange()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        clock::coarse_ms()
    }

    /// Room for `bytes` of an event within the process' budget: at once, or within `max.block.ms`.
    /// Only this request waits; every cluster has a share that no other can take.
    pub(crate) async fn reserve(
        self: &Rc<Self>,
        route: &Rc<Route>,
        bytes: u64,
    ) -> Result<Room, NoRoom> {
        let reserved = match self.reserve_now(route, bytes) {
            Err(OverBudget::Full) => Box::pin(self.reserve_later(route, bytes)).await,
            reserved => reserved,
        };
        reserved.map_err(|_| self.no_room(route, bytes))
    }

    async fn reserve_later(
        self: &Rc<Self>,
        route: &Rc<Route>,
        bytes: u64,
    ) -> Result<Room, OverBudget> {
        let ends = self.now_ms().saturating_add(millis(self.common.max_block));
        let mut reserved = Err(OverBudget::Full);
        while matches!(reserved, Err(OverBudget::Full)) && self.now_ms() < ends {
            sleep(ROOM_POLL).await;
            reserved = self.reserve_now(route, bytes);
        }
        reserved
    }

    fn reserve_now(self: &Rc<Self>, route: &Rc<Route>, bytes: u64) -> Result<Room, OverBudget> {
        let reservation = route.lane.budget().try_reserve(bytes)?;
        self.count_bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
        let (shard, route) = (self.clone(), route.clone());
        Ok(Room { shard, route, reservation: Some(reservation) })
    }

    #[cold]
    fn no_room(&self, route: &Route, bytes: u64) -> NoRoom {
        self.metrics.refused("no_room");
        limited!(warn, topic = %route.ingress.topic, bytes,
            "There was no room for an event within max.block.ms; see buffer.memory.");
        NoRoom
    }

    fn count_bytes(&self, change: i64) {
        let bytes = self.bytes.get().saturating_add(change);
        self.bytes.set(bytes);
        self.metrics.bytes_in_flight.set(bytes);
    }

    /// Lets go of all routes and producers, so that the latter are closed.
    pub(crate) fn close(&self) {
        let routing = std::mem::take(&mut *self.routing.borrow_mut());
        drop(routing);
    }

    /// A body that is no event.
    pub(crate) fn bad_event(&self, route: &Route, error: &EventError) {
        self.metrics.refused(error.reason());
        limited!(by BAD_EVENTS, &route.ingress.uid; warn,
            path = route.ingress.path.as_deref(), topic = %route.ingress.topic, error = %error,
            "A request is not a valid event.");
    }

    /// What Kafka's answer to an event means for its sender.
    pub(crate) fn verdict(&self, route: &Route, outcome: &Outcome) -> Verdict {
        let error = match outcome {
            Ok(_) => return Verdict::Accepted,
            Err(error) => error,
        };
        self.metrics.refused(error.reason());
        limited!(by KAFKA_FAILURES, &route.ingress.uid; error,
            path = route.ingress.path.as_deref(), topic = %route.ingress.topic, error = %error,
            "Kafka did not take an event.");
        if error.is_too_large() { Verdict::TooLarge } else { Verdict::Unavailable }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
