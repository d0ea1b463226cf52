//! F5: the name of the sink gets another address: it is used soon, and connections to the old one are closed.

use std::cell::Cell;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use millrace_tests::drivers;
use millrace_tests::matrix::Variant;
use millrace_tests::producer::NewRecord;
use millrace_tests::schedule::is_long;
use millrace_tests::setup::new_folder;
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::subscriber::Subscriber;
use millrace_tests::wait::{SOON, pass, until};

const NAME: &str = "sink.f5.test";
const OLD: Ipv4Addr = Ipv4Addr::LOCALHOST;
const NEW: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// The goal, with the setting as shipped.
const GOAL: Duration = Duration::from_secs(30);
const BETWEEN_EVENTS: Duration = Duration::from_millis(200);

/// Whether a file may be mounted over another one that only a child sees. Refused, as in most containers, it is a loud
/// skip, in CI too.
fn mounts_allowed(over: &Path) -> bool {
    let mount = format!("mount --bind {} /etc/hosts", over.display());
    let tried = Command::new("unshare").args(["--mount", "sh", "-c", &mount]).output();
    let allowed = tried.as_ref().is_ok_and(|output| output.status.success());
    if !allowed {
        eprintln!("SKIPPED: no mount of a child's own: {tried:?}");
    }
    allowed
}

drivers! {
    fn f5_a_name_that_changes_its_address(variant: Variant) {
        // In place: a mounted file stays the one that it was.
        let hosts = new_folder().join("hosts");
        let set = |address: Ipv4Addr| fs::write(&hosts, format!("127.0.0.1 localhost\n{address} {NAME}\n")).unwrap();
        set(OLD);
        if !mounts_allowed(&hosts) {
            return;
        }
        let mount = format!("mount --bind {} /etc/hosts && exec \"$@\"", hosts.display());
        let as_shipped = is_long();
        let old = Subscriber::start_at(OLD, 0);
        let new = Subscriber::start_at(NEW, old.port());
        let url = format!("http://{NAME}:{}/f5", old.port());
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| {
                let setup = setup.within(["unshare", "--mount", "sh", "-c", &mount, "sh"]);
                if as_shipped { setup } else { setup.env("RESOLVE_INTERVAL_SECONDS", "2") }
            })
            .with("f5", |plan| plan.egress(|egress| egress.set("/destination", url.as_str())))
            .start();
        let case = stage.case("f5");
        let (at_old, at_new) = (old.endpoint("f5"), new.endpoint("f5"));
        let sent = Cell::new(0_i64);
        let send = || {
            case.send(&[NewRecord::event(&sent.get().to_string())]);
            sent.set(sent.get() + 1);
        };
        send();
        until("the old address to be used", SOON, || (at_old.count() > 0).then_some(()));
        assert!(old.open_connections() > 0, "none is kept, so none would show");
        assert_eq!(at_new.count(), 0);

        set(NEW);
        let changed = Instant::now();
        until("the new address to be used", SOON, || {
            send();
            pass(BETWEEN_EVENTS);
            (at_new.count() > 0).then_some(())
        });
        let used = changed.elapsed();
        until("connections to the old address to be closed", SOON, || (old.open_connections() == 0).then_some(()));
        let closed = changed.elapsed();
        let before = at_old.count();
        for _ in 0..5 {
            send();
        }
        case.settles(sent.get());
        assert_eq!(at_old.count(), before, "the old address is used again");
        assert_eq!(at_old.count() + at_new.count(), usize::try_from(sent.get()).unwrap(), "each once");
        println!("f5 {variant:?}: new address used after {used:.1?}, the old one's connections closed after {closed:.1?}");
        assert!(used < GOAL && closed < GOAL + Duration::from_secs(5), "used after {used:?}, closed after {closed:?}");

        // A name that is gone for a while does no harm: the last good address holds.
        fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
        pass(Duration::from_secs(if as_shipped { 35 } else { 4 }));
        send();
        case.settles(sent.get());
    }
}
