//! Idle connections and the I/O driver under obstacles: cases 25 and 72 of platform.md 12.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use millrace_tests::broker::BrokerKind;
use millrace_tests::drivers;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix::{Driver, Variant};
use millrace_tests::process::Receiver;
use millrace_tests::rig::{Rig, unique};

/// Becomes the receiver with io_uring denied.
const WITHOUT_IO_URING: &str = env!("CARGO_BIN_EXE_without-io-uring");

fn epoll() -> Variant {
    Variant { driver: Driver::Epoll, broker: BrokerKind::Embedded }
}

/// The rings that the kernel knows of.
fn rings(receiver: &Receiver) -> usize {
    let files = fs::read_dir(format!("/proc/{}/fd", receiver.pid())).unwrap().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("[io_uring]")).count()
}

/// The driver and the reason that the metric gives; they are also in one line of the log.
fn driver_told(receiver: &Receiver) -> (String, String) {
    let samples = receiver.scrape();
    let told: Vec<_> = samples.all("millrace_io_driver_info", &[]).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let [driver, reason] = ["driver", "reason"].map(|label| told[0].labels[label].clone());
    receiver.wait_for_log("the driver and why", |line| {
        line["level"] == "INFO" && line["driver"] == *driver && line["reason"] == *reason
    });
    (driver, reason)
}

drivers! {
    fn p025_idle_connections_are_closed_in_time(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.http_server("idleTimeout", "2"));
        let mut used = Connection::open(rig.receiver.port());
        assert_eq!(used.exchange(&Request::minimal("/ns/a", &unique())).status, 202);
        let idle_since = Instant::now();
        assert!(used.closes(Duration::from_secs(10)), "it stays open");
        let idle = idle_since.elapsed();
        assert!((Duration::from_millis(1_900)..Duration::from_secs(4)).contains(&idle), "closed after {idle:?}");
        let mut never_used = Connection::open(rig.receiver.port());
        let idle_since = Instant::now();
        assert!(never_used.closes(Duration::from_secs(10)), "it stays open");
        let idle = idle_since.elapsed();
        assert!((Duration::from_millis(1_900)..Duration::from_secs(4)).contains(&idle), "closed after {idle:?}");
    }

    /// One that is in use lives on.
    fn p025_busy_connection_is_not_idle(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.http_server("idleTimeout", "2"));
        let mut connection = Connection::open(rig.receiver.port());
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(5) {
            assert_eq!(connection.exchange(&Request::minimal("/ns/a", &unique())).status, 202);
            thread::sleep(Duration::from_millis(500));
        }
    }
}

/// As shipped. Both a connection that was used and one that never was; the wait is the case, so it runs once only.
#[test]
fn p025_without_idle_timeout_connections_stay_open() {
    let rig = Rig::own(epoll(), |setup| setup.http_server("idleTimeout", "0"));
    let mut used = Connection::open(rig.receiver.port());
    assert_eq!(used.exchange(&Request::minimal("/ns/a", &unique())).status, 202);
    let mut never_used = Connection::open(rig.receiver.port());
    thread::sleep(Duration::from_secs(70));
    assert_eq!(used.exchange(&Request::minimal("/ns/a", &unique())).status, 202);
    assert_eq!(never_used.exchange(&Request::minimal("/ns/a", &unique())).status, 202);
}

#[test]
fn p072_io_uring_denied_by_seccomp() {
    let rig =
        Rig::own(epoll(), |setup| setup.env("IO_DRIVER", "auto").started_by(WITHOUT_IO_URING));
    let (driver, reason) = driver_told(&rig.receiver);
    assert_eq!((driver.as_str(), rings(&rig.receiver)), ("epoll", 0));
    assert!(reason.contains("seccomp"), "the reason is {reason:?}");
    for _ in 0..20 {
        let id = unique();
        rig.record_of(&Request::minimal("/ns/a", &id), &id);
    }
}

/// Who insists on io_uring must learn that it is not there, not get something else.
#[test]
fn p072_io_uring_denied_but_demanded() {
    let setup = millrace_tests::setup::Setup::new(Driver::IoUring)
        .contract("")
        .started_by(WITHOUT_IO_URING);
    let receiver = Receiver::launch(&setup);
    let status = receiver.wait_exit(Duration::from_secs(10));
    assert!(
        !status.success() && receiver.printed().contains("seccomp"),
        "{status}\n{}",
        receiver.printed()
    );
}

#[test]
fn p072_io_uring_allowed() {
    let variant = Variant { driver: Driver::IoUring, broker: BrokerKind::Embedded };
    if !variant.available() {
        return;
    }
    let rig = Rig::own(variant, |setup| setup.env("IO_DRIVER", "auto"));
    let (driver, _) = driver_told(&rig.receiver);
    assert_eq!(driver, "io_uring");
    assert!(rings(&rig.receiver) > 0);
    let id = unique();
    rig.record_of(&Request::minimal("/ns/a", &id), &id);
}
