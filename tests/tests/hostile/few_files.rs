//! S10: a machine that gives little: 1,024 open files, 64 KiB of memory to lock, and io_uring allowed or denied. Floods up
//! to the limit take nothing from what is open already, from the metrics, or from the processor; both programs recover.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use millrace_tests::broker::BrokerKind;
use millrace_tests::files;
use millrace_tests::footprint::cpu_seconds;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix::{Driver, Variant};
use millrace_tests::memlock;
use millrace_tests::metrics::Samples;
use millrace_tests::process::Running;
use millrace_tests::producer::NewRecord;
use millrace_tests::rig::unique;
use millrace_tests::setup::Setup;
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::subscriber::{Answer, Gate};
use millrace_tests::wait::{SOON, pass, until};

use crate::routes::Routes;

/// Becomes the program with io_uring denied.
const WITHOUT_IO_URING: &str = env!("CARGO_BIN_EXE_without-io-uring");
const FILES: u32 = 1_024;
const MEMLOCK_BYTES: u32 = 64 << 10;
const FLOOD: usize = 1_500;
/// Requests at once of the egress that takes all files.
const HUNGRY: usize = 200;
/// How long it is watched at the limit, and what it may take of a core meanwhile.
const WATCHED: Duration = Duration::from_secs(3);
const SHARE_MAX: f64 = 0.5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    AllowsIoUring,
    /// Too little memory may be locked for a ring.
    LocksLittle,
    DeniesIoUring,
}

impl Kernel {
    /// What stands in front of a program so that it finds this kernel; nothing where that cannot be had.
    fn words(self) -> Option<Vec<String>> {
        let mut words = match self {
            Self::AllowsIoUring => Vec::new(),
            Self::LocksLittle | Self::DeniesIoUring => memlock::at_most(MEMLOCK_BYTES)?,
        };
        if self == Self::DeniesIoUring {
            words.push(WITHOUT_IO_URING.to_owned());
        }
        Some(words)
    }
}

/// Not with a driver of the test's choice: the program finds out.
fn few(setup: Setup, words: Vec<String>) -> Setup {
    setup.env("IO_DRIVER", "auto").few_files(FILES).within(words)
}

/// For the harness alone: which driver it then is says the program.
fn variant() -> Variant {
    Variant { driver: Driver::Epoll, broker: BrokerKind::Embedded }
}

/// The driver is told in one metric and in one line, with the reason.
fn tells_its_driver(kernel: Kernel, program: &Running) -> String {
    let samples = until("metrics", SOON, || {
        let port = program.metrics_port();
        Samples::try_scrape(port, &["millrace_io_driver_info"], SOON).ok()
    });
    let told: Vec<_> = samples.all("millrace_io_driver_info", &[]).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let [driver, reason] = ["driver", "reason"].map(|label| told[0].labels[label].clone());
    let tells = |line: &serde_json::Value| line["driver"] == *driver && line["reason"] == *reason;
    program.wait_for_log("the driver and why", tells);
    let lines = program.logs().iter().filter(|line| tells(line)).count();
    assert_eq!(lines, 1, "{}", program.printed());
    let expected = match kernel {
        Kernel::AllowsIoUring => "",
        // A kernel before 5.12 counts all of the ring, a newer one only what it pins.
        Kernel::LocksLittle => "",
        Kernel::DeniesIoUring => "seccomp",
    };
    let told =
        driver == "io_uring" && expected.is_empty() || driver == "epoll" && !reason.is_empty();
    assert!(told && reason.contains(expected), "{driver} because of {reason:?}");
    format!("{driver}: {reason}")
}

/// Share of a core that the program takes now.
fn share(program: &Running) -> f64 {
    let (began, from) = (Instant::now(), cpu_seconds(program.pid()));
    pass(WATCHED);
    (cpu_seconds(program.pid()) - from) / began.elapsed().as_secs_f64()
}

fn scrape(program: &Running) -> Samples {
    Samples::try_scrape(program.metrics_port(), &["millrace_", "process_"], SOON)
        .unwrap_or_else(|why| panic!("no metrics: {why}"))
}

/// So many connections at once, as far as the kernel makes them.
fn flood(port: u16, count: usize) -> Vec<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Beyond what waits to be accepted the kernel makes none.
    let limit = Duration::from_millis(200);
    (0..count).filter_map(|_| TcpStream::connect_timeout(&address, limit).ok()).collect()
}

fn receiver(kernel: Kernel) {
    let Some(words) = kernel.words() else { return };
    if !files::room_for(2 * FLOOD as u64) {
        return;
    }
    let routes = Routes::new(variant(), |setup| few(setup, words));
    let receiver = &routes.receiver;
    let pid = receiver.pid();
    assert_eq!(files::limits(pid), (FILES.into(), FILES.into()));
    let driver = tells_its_driver(kernel, receiver);
    let room = receiver.wait_for_log_text("WARN", "INGRESS_MAX_CONNECTIONS");
    let mut kept = Connection::open(routes.port());
    let mut event = |what: &str| {
        let answer = kept.exchange_within(&Request::minimal("/ok", &unique()), SOON);
        assert_eq!(answer.status, 202, "{what}");
    };
    event("before");

    // More connections than files: the bound below the limit closes those that are too many.
    let held = flood(routes.port(), FLOOD);
    until("connections to be refused", SOON, || {
        (scrape(receiver).sum("millrace_connections_refused_total", &[]) > 0.0).then_some(())
    });
    let at_bound = (files::open(pid), share(receiver));
    event("at the bound");
    assert!(
        at_bound.0 < FILES.into(),
        "{} files: none is left for brokers and metrics",
        at_bound.0
    );
    drop(held);

    // Then the limit itself: somebody has lowered it below what the bound was made for.
    until("the flood to be gone", SOON, || {
        (scrape(receiver).sum("millrace_connections_open", &[]) < 10.0).then_some(())
    });
    files::set_soft_limit(pid, files::open(pid) + 8);
    let held = flood(routes.port(), FLOOD / 10);
    receiver.wait_for_log_text("WARN", "Connections can't be accepted");
    let at_limit = share(receiver);
    event("at the limit of files");
    let files_max = scrape(receiver).sum("millrace_connections_open", &[]);
    println!(
        "s10 receiver, {kernel:?}: {driver}; {} connections of each shard; at the bound {} files and {:.0} % of a core, at the \
        limit {files_max} connections and {:.0} %",
        room["connections"],
        at_bound.0,
        100.0 * at_bound.1,
        100.0 * at_limit
    );
    assert!(at_bound.1 < SHARE_MAX && at_limit < SHARE_MAX, "{at_bound:?}, {at_limit}");

    drop(held);
    until("a new connection to be served", SOON, || {
        let mut connection = Connection::try_open(routes.port()).ok()?;
        connection.send(&Request::minimal("/ok", &unique()).to_bytes());
        connection.answer_within(Duration::from_secs(5)).ok().filter(|answer| answer.status == 202)
    });
    files::set_soft_limit(pid, FILES.into());
    event("afterwards");
    routes.landed();
}

fn dispatcher(kernel: Kernel) {
    let Some(words) = kernel.words() else { return };
    let stage = Stage::prepare(variant(), Kind::Broker)
        .setup(|setup| {
            let setup = few(setup, words).consumer("max.poll.records", &HUNGRY.to_string());
            setup.web_client("maxPoolSize", &(2 * HUNGRY).to_string())
        })
        .with("s10", |plan| plan)
        .with("s10-hungry", |plan| plan.egress(|egress| egress.retry(1_000, 100)))
        .start();
    let (kept, hungry) = (stage.case("s10"), stage.case("s10-hungry"));
    let dispatcher = &stage.dispatcher;
    let pid = dispatcher.pid();
    assert_eq!(files::limits(pid), (FILES.into(), FILES.into()));
    let driver = tells_its_driver(kernel, dispatcher);
    kept.send(&[NewRecord::event("before")]);
    kept.settles(1);
    hungry.send(&[NewRecord::event("before")]);
    hungry.settles(1);

    // More requests at once than there are files: some keep all that are left, the others are tried again and again.
    let gate = Gate::closed();
    hungry.subscriber().always(Answer::status(200).behind(&gate));
    files::set_soft_limit(pid, files::open(pid) + HUNGRY as u64 / 2);
    let many: Vec<_> = (0..HUNGRY).map(|id| NewRecord::event(&id.to_string())).collect();
    hungry.send(&many);
    until("no more files to be left", SOON, || {
        let busy = hungry.subscriber().busy();
        pass(Duration::from_secs(1));
        (busy >= HUNGRY / 4 && hungry.subscriber().busy() == busy).then_some(())
    });
    kept.send(&[NewRecord::event("at the limit")]);
    kept.settles(2);
    let at_limit = share(dispatcher);
    let retries = || {
        let group = [("consumer_group", hungry.egress().group.as_str())];
        let page = until("metrics", SOON, || {
            Samples::try_scrape(dispatcher.metrics_port(), &["millrace_"], SOON).ok()
        });
        page.sum("millrace_dispatcher_retries_total", &group)
    };
    until("requests without a file to be tried again", SOON, || (retries() > 0.0).then_some(()));
    let busy = hungry.subscriber().busy();
    assert!(busy < HUNGRY, "it had files for {busy} requests");
    println!(
        "s10 dispatcher, {kernel:?}: {driver}; at the limit {busy} requests of {HUNGRY}, {:.0} % of a core",
        100.0 * at_limit
    );
    assert!(at_limit < SHARE_MAX, "{at_limit}");

    // Answers give files back, with the limit as it is.
    gate.open();
    hungry.settles(1 + HUNGRY as i64);
    files::set_soft_limit(pid, FILES.into());
    kept.send(&[NewRecord::event("afterwards")]);
    kept.settles(3);
}

#[test]
fn s10_receiver_with_few_files() {
    receiver(Kernel::AllowsIoUring);
}

#[test]
fn s10_receiver_with_few_files_and_little_memlock() {
    receiver(Kernel::LocksLittle);
}

#[test]
fn s10_receiver_with_few_files_and_without_io_uring() {
    receiver(Kernel::DeniesIoUring);
}

#[test]
fn s10_dispatcher_with_few_files() {
    dispatcher(Kernel::AllowsIoUring);
}

#[test]
fn s10_dispatcher_with_few_files_and_little_memlock() {
    dispatcher(Kernel::LocksLittle);
}

#[test]
fn s10_dispatcher_with_few_files_and_without_io_uring() {
    dispatcher(Kernel::DeniesIoUring);
}
