//! Which driver comes out under which obstacle. Obstacles are put up in a process of their own.

use super::*;
use crate::spawn::{Shards, StartOptions};
use crate::sys::confine;
use crate::testing::drivers;

const SETUP: libc::c_long = libc::SYS_io_uring_setup;
const ENTER: libc::c_long = libc::SYS_io_uring_enter;
const REGISTER: libc::c_long = libc::SYS_io_uring_register;

#[test]
fn words_of_the_setting() {
    for (text, choice) in [
        ("auto", DriverChoice::Auto),
        (" IO_URING ", DriverChoice::IoUring),
        ("io-uring", DriverChoice::IoUring),
        ("epoll", DriverChoice::Epoll),
    ] {
        assert_eq!(text.parse::<DriverChoice>().unwrap(), choice);
    }
    let error = "kqueue".parse::<DriverChoice>().unwrap_err().to_string();
    assert_eq!(error, "io driver \"kqueue\" is unknown: use auto, io_uring or epoll");
}

#[test]
fn automatic_choice_is_the_best_that_works() {
    let report = Runtime::build(DriverChoice::Auto).unwrap().report().clone();
    if drivers().contains(&DriverChoice::IoUring) {
        assert_eq!(report.driver, Driver::IoUring);
        assert!(report.entries >= 256);
    } else {
        assert_eq!(report.driver, Driver::Epoll);
        assert!(report.reason.contains("io_uring can't be used"));
    }
}

#[test]
fn epoll_can_be_forced() {
    let report = Runtime::build(DriverChoice::Epoll).unwrap().report().clone();
    assert_eq!((report.driver, report.entries, report.flags), (Driver::Epoll, 0, ""));
    assert_eq!(report.reason, "set by configuration");
}

#[test]
fn runtime_is_used_again() {
    for choice in drivers() {
        let mut runtime = Runtime::build(choice).unwrap();
        for n in 0..3 {
            let output = runtime.block_on(async move {
                crate::yield_now().await;
                n
            });
            assert_eq!(output, n);
        }
    }
}

#[test]
fn refusals_are_told_apart() {
    let denied = |level| ring::denied(level);
    assert!(denied(Some(2)).contains("kernel.io_uring_disabled=2"));
    assert!(denied(Some(1)).contains("without privilege"));
    assert!(denied(Some(0)).contains("seccomp"));
    assert!(denied(None).contains("seccomp"));
    let words = |code| ring::obstacle(&io::Error::from_raw_os_error(code));
    assert!(words(libc::ENOMEM).contains("112 KiB"), "{}", words(libc::ENOMEM));
    assert!(words(libc::ENOSYS).contains("no io_uring"));
    assert!(words(libc::EMFILE).contains("Too many open files"));
}

#[test]
fn seccomp_leads_to_epoll_and_says_so() {
    for calls in ["all", "setup", "enter", "register"] {
        let said = confine::in_child("driver::tests::child_denied", calls);
        assert!(said.contains("auto: epoll"), "{calls}: {said}");
        assert!(said.contains("seccomp"), "{calls}: {said}");
        assert!(said.contains("forced: io_uring was asked for"), "{calls}: {said}");
        assert!(said.contains("shards: epoll epoll"), "{calls}: {said}");
    }
}

#[test]
#[ignore = "started by seccomp_leads_to_epoll_and_says_so"]
fn child_denied() {
    match confine::told().as_deref() {
        Some("all") => confine::deny(&[SETUP, ENTER, REGISTER]),
        Some("setup") => confine::deny(&[SETUP]),
        Some("enter") => confine::deny(&[ENTER]),
        Some("register") => confine::deny(&[REGISTER]),
        _ => return,
    }
    report_all();
}

#[test]
fn little_lockable_memory_leads_to_fewer_entries_or_epoll() {
    for kib in ["0", "40", "96", "8192"] {
        let said = confine::in_child("driver::tests::child_memlock", kib);
        if said.contains("still root") {
            eprintln!("NOT TESTED with little lockable memory: {said}");
            return;
        }
        let full = said.contains("auto: io_uring 1024");
        let explained = said.contains("RLIMIT_MEMLOCK is") && said.contains("112 KiB");
        assert!(full || explained || !drivers().contains(&DriverChoice::IoUring), "{said}");
        // Either all shards have a ring or none has.
        let uniform = ["shards: io_uring io_uring", "shards: epoll epoll"];
        assert!(uniform.iter().any(|words| said.contains(words)), "{said}");
    }
}

#[test]
#[ignore = "started by little_lockable_memory_leads_to_fewer_entries_or_epoll"]
fn child_memlock() {
    let Some(kib) = confine::told().and_then(|text| text.parse::<u64>().ok()) else {
        return;
    };
    confine::limit(libc::RLIMIT_MEMLOCK, kib * 1_024);
    if !confine::become_nobody() {
        println!("still root");
        return;
    }
    report_all();
}

/// Prints what each way of choosing gives, after having used it.
fn report_all() {
    let mut runtime = Runtime::build(DriverChoice::Auto).unwrap();
    let report = runtime.report().clone();
    println!("auto: {} {} ({})", report.driver, report.entries, report.reason);
    runtime.block_on(async { crate::sleep(std::time::Duration::from_millis(2)).await });
    drop(runtime);
    match Runtime::build(DriverChoice::IoUring) {
        Ok(_) => println!("forced: works"),
        Err(error) => println!("forced: {error}"),
    }
    let options = StartOptions::new(vec![None; 2], DriverChoice::Auto);
    let shards = Shards::start(options, |_| crate::yield_now()).unwrap();
    let names: Vec<_> = shards.reports().iter().map(|report| report.driver.name()).collect();
    println!("shards: {}", names.join(" "));
    shards.join().unwrap();
}
