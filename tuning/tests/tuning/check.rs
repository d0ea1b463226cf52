//! `tuning check`: findings come with what is taken away from the process, and go with it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{beside, run, text, tuning};

/// What `check --json` says when started by that program with these arguments before it; the
/// exit code has to follow.
fn looked(starter: &[&str], arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let mut words: Vec<&str> = starter.to_vec();
    words.extend([tuning(), "check", "--json"]);
    words.extend(arguments);
    let mut command = Command::new(words[0]);
    // What the caller's environment says must not decide.
    for name in ["SHARDS", "IO_DRIVER", "INGRESS_PORT", "CONSUMER_CONFIG_FILE_PATH"] {
        command.env_remove(name);
    }
    command.args(&words[1..]).envs(variables.iter().copied()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let told: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    let warnings = told["warnings"].as_u64().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(warnings > 0)), "{told:#}");
    told
}

fn finding<'a>(told: &'a Value, id: &str) -> Option<&'a Value> {
    told["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == id)
}

fn ring_works(told: &Value) -> bool {
    let works = finding(told, "io-uring-refused").is_none();
    assert!(works || std::env::var_os("CI").is_none(), "CI needs io_uring: {told:#}");
    if !works {
        eprintln!("NOT TESTED: io_uring is refused here anyway");
    }
    works
}

#[test]
fn help_explains_both_commands() {
    let help = text(&run(tuning(), &["--help"]));
    for name in ["check", "sweep"] {
        assert!(help.contains(&format!("\n  {name} ")), "{help}");
        let own = text(&run(tuning(), &[name, "--help"]));
        assert!(own.contains("Examples:"), "{own}");
        assert!(!own.contains("--root"), "{own}");
    }
}

#[test]
fn text_names_every_finding_with_its_fix() {
    let told = looked(&[], &["--program", "both"], &[]);
    let words = text(&run(tuning(), &["check", "--program", "both"]));
    for finding in told["findings"].as_array().unwrap() {
        let id = finding["id"].as_str().unwrap();
        assert!(words.contains(id) && words.contains(finding["fix"].as_str().unwrap()), "{words}");
    }
    assert!(words.contains("things looked at"), "{words}");
    assert_eq!(told["programs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_filter_of_system_calls_shows_and_goes_when_epoll_is_meant() {
    if !ring_works(&looked(&[], &[], &[])) {
        return;
    }
    let without = beside("millrace-tests", "without-io-uring");
    let without = [without.to_str().unwrap()];
    let told = looked(&without, &[], &[]);
    let refused = finding(&told, "io-uring-refused").unwrap_or_else(|| panic!("{told:#}"));
    assert!(refused["found"].as_str().unwrap().contains("seccomp"), "{refused}");
    assert!(refused["fix"].as_str().unwrap().contains("seccompProfile"), "{refused}");
    assert_eq!(told["programs"][0]["io_driver"]["driver"], "epoll");
    let meant = looked(&without, &["--env"], &[("IO_DRIVER", "epoll")]);
    assert!(finding(&meant, "io-uring-refused").is_none(), "{meant:#}");
    let forced = looked(&without, &["--env"], &[("IO_DRIVER", "io_uring")]);
    let found = finding(&forced, "io-uring-refused").unwrap()["found"].as_str().unwrap();
    assert!(found.contains("would not start"), "{found}");
}

#[test]
fn few_open_files_show_until_fewer_connections_are_allowed() {
    let few = ["prlimit", "--nofile=300:300"];
    let receiver = ["--program", "receiver"];
    let told = looked(&few, &receiver, &[]);
    let found = finding(&told, "open-files").unwrap_or_else(|| panic!("{told:#}"));
    assert!(found["found"].as_str().unwrap().starts_with("300 files"), "{found}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("receiver.env"), "INGRESS_MAX_CONNECTIONS=10\nSHARDS=1\n")
        .unwrap();
    let config = ["--config", folder.path().to_str().unwrap()];
    let told = looked(&few, &[receiver, config].concat(), &[]);
    assert!(finding(&told, "open-files").is_none(), "{told:#}");
}

#[test]
fn little_lockable_memory_shows_unless_it_is_not_bounded() {
    let starter = |kib: u64| {
        let mut words = vec!["prlimit".to_owned(), format!("--memlock={0}:{0}", kib * 1_024)];
        // Root is not bound by it, but for this capability.
        let drop = ["setpriv", "--inh-caps=-ipc_lock", "--bounding-set=-ipc_lock", "--"];
        words.extend(drop.map(str::to_owned));
        words
    };
    let is_root = fs::read_to_string("/proc/self/status").unwrap().contains("Uid:\t0\t");
    let told = |kib: u64| {
        let words = starter(kib);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // Others need no capability taken away, and may not take it.
        looked(if is_root { &words } else { &words[..2] }, &["--program", "receiver"], &[])
    };
    let nothing = told(0);
    assert!(finding(&nothing, "memlock").is_some(), "{nothing:#}");
    let enough = told(8_192);
    assert!(finding(&enough, "memlock").is_none(), "{enough:#}");
    if ring_works(&enough) {
        let refused =
            finding(&nothing, "io-uring-refused").unwrap_or_else(|| panic!("{nothing:#}"));
        assert!(refused["fix"].as_str().unwrap().contains("ulimit -l"), "{refused}");
    }
}

#[test]
fn the_environment_tells_which_program_and_how_many_shards() {
    let variables = [("INGRESS_PORT", "8080"), ("SHARDS", "1024"), ("IO_DRIVER", "epoll")];
    let told = looked(&[], &["--env"], &variables);
    let programs = told["programs"].as_array().unwrap();
    assert_eq!(programs.len(), 1);
    assert_eq!(programs[0]["settings"]["program"], "receiver");
    assert_eq!(programs[0]["settings"]["shards"], 1_024);
    assert!(finding(&told, "shards-over-cores").is_some(), "{told:#}");
    let told = looked(&[], &["--env"], &[("INGRESS_PORT", "8080"), ("SHARDS", "1")]);
    assert!(finding(&told, "shards-over-cores").is_none(), "{told:#}");
}

#[test]
fn one_core_is_seen_and_two_shards_on_it_are_too_many() {
    let one = ["taskset", "-c", &first_core()].map(str::to_owned);
    let one: Vec<&str> = one.iter().map(String::as_str).collect();
    let told = looked(&one, &["--program", "dispatcher"], &[]);
    assert_eq!(told["programs"][0]["settings"]["shards"], 1);
    let told = looked(&one, &["--program", "dispatcher", "--env"], &[("SHARDS", "2")]);
    assert!(finding(&told, "shards-over-cores").is_some(), "{told:#}");
}

fn first_core() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    list.trim().split([',', '-']).next().unwrap().to_owned()
}

#[test]
fn what_is_not_understood_exits_with_2_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("producer.properties"), "linger.ms=soon\n").unwrap();
    let config = folder.path().to_str().unwrap();
    for (arguments, part) in [
        (vec!["check", "--bogus"], "--bogus"),
        (vec!["check", "--program", "router"], "router"),
        (vec!["check", "--config", "/nonexistent/dir"], "/nonexistent/dir"),
        (vec!["check", "--config", config], "linger.ms"),
    ] {
        let output = run(tuning(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(part), "{arguments:?}: {}", text(&output));
    }
    assert!(Path::new(config).exists());
}
