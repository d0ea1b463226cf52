//! A broker that is broken on purpose, by one run at a time, and the proxies through which programs may come to it.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use millrace_tests::broker::Broker;
use millrace_tests::matrix::Variant;
use millrace_tests::plan::Plan;
use millrace_tests::proxy::Proxy;
use millrace_tests::setup::Setup;

use crate::chain::{Chain, both_orders};

/// When a record is given up. The shipped two minutes would outlast every outage here.
pub(crate) const DELIVERY_TIMEOUT: Duration = Duration::from_secs(2);

/// See the head of this file.
pub(crate) struct Fragile {
    pub(crate) broker: Broker,
    /// The ways of the receiver and of the dispatcher to it, when they are told to go there.
    pub(crate) ways: [Proxy; 2],
}

/// The one of this process, whole.
pub(crate) fn fragile() -> MutexGuard<'static, Fragile> {
    static FRAGILE: OnceLock<Mutex<Fragile>> = OnceLock::new();
    let start = || {
        let (broker, ways) = Broker::start_behind_proxies();
        Mutex::new(Fragile { broker, ways })
    };
    // A run that failed has said so itself.
    let fragile = FRAGILE.get_or_init(start).lock().unwrap_or_else(PoisonError::into_inner);
    fragile.ways.iter().for_each(Proxy::heal);
    fragile
}

impl Fragile {
    /// A chain whose programs reach Kafka and the subscribers through proxies alone, and the proxy before the
    /// subscribers. An attempt that fails is made again for 20 s or more.
    pub(crate) fn chain(&self, variant: Variant, name: &'static str) -> (Chain, Proxy) {
        let [of_receiver, of_dispatcher] = &self.ways;
        let stage = Chain::prepare(&self.broker, variant).setup(nimble);
        let sink = Proxy::to(stage.subscriber.port());
        let detour = |plan| through(both_orders(plan), of_dispatcher, &sink);
        let stage = stage.with(name, detour).start();
        (Chain::on(stage, variant, name, &of_receiver.address(), impatient), sink)
    }
}

fn through(plan: Plan, kafka: &Proxy, sink: &Proxy) -> Plan {
    let mut plan = plan.resource("/bootstrapServers", kafka.address());
    for egress in &mut plan.egresses {
        let destination = format!("http://{}/{}", sink.address(), egress.name);
        *egress = egress.clone().set("/destination", destination).retry(20, 100);
    }
    plan
}

/// Members that notice each other's coming and going within seconds.
fn nimble(setup: Setup) -> Setup {
    setup.consumer("session.timeout.ms", "3000").consumer("heartbeat.interval.ms", "500")
}

/// A receiver that gives a record up after [`DELIVERY_TIMEOUT`].
pub(crate) fn impatient(setup: Setup) -> Setup {
    let timeout = DELIVERY_TIMEOUT.as_millis().to_string();
    let setup = setup.producer("request.timeout.ms", "1000").producer("max.block.ms", &timeout);
    setup.producer("delivery.timeout.ms", &timeout)
}
