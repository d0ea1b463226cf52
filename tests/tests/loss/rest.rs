//! Whether a program has anything left over when nothing happens any more: requests, records, connections, threads.

use std::collections::BTreeMap;

use millrace_tests::footprint::Footprint;
use millrace_tests::process::Running;
use millrace_tests::proxy::Proxy;
use millrace_tests::sockets;
use millrace_tests::wait::{SOON, within};

/// What a receiver's metrics say is under way.
pub(crate) const OF_RECEIVER: &[&str] = &[
    "millrace_receiver_requests_in_flight",
    "millrace_receiver_in_flight_bytes",
    "millrace_producer_queue_records",
    "millrace_connections_open",
];
/// The same of a dispatcher.
pub(crate) const OF_DISPATCHER: &[&str] = &[
    "millrace_dispatcher_records_in_flight",
    "millrace_dispatcher_partitions_stalled",
    "millrace_dispatcher_oldest_record_age_seconds",
    "millrace_dispatcher_lag_records",
    "kn_eventing_dispatch_in_flight_requests_1",
];

/// More threads or files than before: librdkafka has a thread and a socket for a broker's address once it needs it.
const MORE_MAX: usize = 4;

/// What a program has at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    threads: usize,
    /// Without connections that come through the proxies given.
    files: usize,
}

impl Held {
    pub(crate) fn by(program: &Running, beside: &[&Proxy]) -> Self {
        let connections = |proxy: &&Proxy| sockets::connections(program.pid(), proxy.port()).len();
        let files = Footprint::of(program.pid()).expect("it runs").open_files;
        Self {
            threads: program.scrape().sum("process_threads", &[]) as usize,
            files: files.saturating_sub(beside.iter().map(connections).sum()),
        }
    }
}

/// Waits until all gauges are at 0 and the program has no more than before.
///
/// # Panics
/// When it never comes to that.
pub(crate) fn assert_at_rest(
    name: &str,
    program: &Running,
    gauges: &[&'static str],
    before: Held,
    beside: &[&Proxy],
) {
    let busy = || {
        let samples = program.scrape();
        let values = gauges.iter().map(|gauge| (*gauge, samples.sum(gauge, &[])));
        values.filter(|(_, value)| *value > 0.0).collect::<BTreeMap<_, _>>()
    };
    let more =
        |now: Held| now.threads > before.threads + MORE_MAX || now.files > before.files + MORE_MAX;
    let rests = || (busy().is_empty() && !more(Held::by(program, beside))).then_some(());
    let rested = within(SOON, rests);
    let after = Held::by(program, beside);
    println!("{name} at rest: {before:?} before, {after:?} after");
    assert!(rested.is_some(), "{name} never rests: {:?}, {before:?}, {after:?}", busy());
}

/// Waits until a program has exactly the connections that a proxy has: neither side keeps one that is over.
///
/// # Panics
/// When it never comes to that.
pub(crate) fn assert_no_dead_connections(name: &str, program: &Running, proxy: &Proxy) {
    let both = || (sockets::connections(program.pid(), proxy.port()).len(), proxy.open());
    let same = within(SOON, || (both().0 == both().1).then_some(()));
    let (own, through) = both();
    assert!(same.is_some(), "{name} has {own} connections to a proxy that has {through}");
}
