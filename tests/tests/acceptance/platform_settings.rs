//! The environment and the files of a pod: cases 1 to 8 of platform.md 12.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use millrace_bench::shipped;
use millrace_tests::broker::Broker;
use millrace_tests::contract::{CHANNEL_HOST, Contract, Resource};
use millrace_tests::drivers;
use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::matrix::{Driver, Variant};
use millrace_tests::mount::Mount;
use millrace_tests::process::Receiver;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::setup::{Setup, new_folder};
use millrace_tests::wait::SOON;

/// The variables without which Java does not start (platform.md 2).
const REQUIRED: [&str; 9] = [
    "CONFIG_OBSERVABILITY_PATH",
    "DATA_PLANE_CONFIG_FILE_PATH",
    "HTTPSERVER_CONFIG_FILE_PATH",
    "INGRESS_PORT",
    "INGRESS_TLS_PORT",
    "LIVENESS_PROBE_PATH",
    "PRODUCER_CONFIG_FILE_PATH",
    "READINESS_PROBE_PATH",
    "WAIT_STARTUP_SECONDS",
];

/// A receiver with these settings ends within two seconds, not with 0; what it printed.
fn refuses_to_start(setup: &Setup) -> String {
    let started = Instant::now();
    let receiver = Receiver::launch(setup);
    let status = receiver.wait_exit(SOON);
    let took = started.elapsed();
    assert!(!status.success(), "it ended with {status}\n{}", receiver.printed());
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    receiver.printed()
}

/// The broker receiver's environment made that of one of the three workloads: variables, file names and mounts of its
/// manifest, nothing of ours but the ports and the root of the paths.
fn workload(setup: Setup, kind: &str, contract_directory: &str) -> Setup {
    let root = new_folder();
    let contract = setup.contract.clone().unwrap_or_default();
    Mount::new(&root.join(contract_directory), &[("data", &contract)]);
    let [producer, server] =
        ["producer", "httpserver"].map(|what| format!("config-kafka-{kind}-{what}.properties"));
    let files = [
        (producer.as_str(), shipped::PRODUCER_PROPERTIES.as_bytes()),
        (server.as_str(), shipped::HTTP_SERVER_PROPERTIES.as_bytes()),
    ];
    Mount::new(&root.join("config"), &files);
    let path = |name: &str| root.join(name).display().to_string();
    let mut setup = setup
        .env("SERVICE_NAME", &format!("kafka-{kind}-receiver"))
        .env("PRODUCER_CONFIG_FILE_PATH", &path(&format!("config/{producer}")))
        .env("HTTPSERVER_CONFIG_FILE_PATH", &path(&format!("config/{server}")))
        .env("DATA_PLANE_CONFIG_FILE_PATH", &path(&format!("{contract_directory}/data")))
        .env("INSTANCE_ID", "7c3a6ca2-4a50-4a3c-b2b7-3f0f6b0d3c11")
        .without_env("DRAIN_GRACE_SECONDS")
        .without_env("LOGGING_CONFIG_PATH");
    setup.observability.clear();
    setup
}

/// A folder with one file, which is returned.
fn file(content: &str) -> PathBuf {
    let path = new_folder().join("file");
    fs::write(&path, content).unwrap();
    path
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Settings that need no shard to be wrong, so no variant can matter.
fn anywhere() -> Setup {
    Setup::new(Driver::Epoll).contract("")
}

matrix! {
    /// The dispatcher's three workloads come with the dispatcher.
    fn p001_shipped_environments_of_the_receivers(variant: Variant) {
        let workloads =
            [("broker", "brokers-triggers"), ("channel", "channels-subscriptions"), ("sink", "sinks")];
        for (kind, contract_directory) in workloads {
            let rig = Rig::own(variant, |setup| workload(setup, kind, contract_directory));
            let id = unique();
            let (topic, request) = match kind {
                "channel" => (&rig.topics.c, Request::minimal("/", &id).set("Host", CHANNEL_HOST)),
                "sink" => (&rig.topics.s, Request::minimal("/ns/s", &id)),
                _ => (&rig.topics.a, Request::minimal("/ns/a", &id)),
            };
            rig.accepted(&request);
            rig.tail.one(topic, &id);
        }
    }

    fn p007_odd_but_legal_files_are_read_as_java_does(variant: Variant) {
        let producer = file(
            "! a comment\r\n   # another = one\r\nmax.request.size=100\r\n\r\nm\\u0061x.request\\\r\n     .size : 20\\\r\n   \
             4\\u0038  \r\nacks   all\r\n_example = x\r\n",
        );
        let server = file("maxHeaderSize:\\u0031e3\nmaxHeaderSize\t=\t1024\nidleTimeoutUnit SECONDS");
        let rig = Rig::own(variant, |setup| {
            setup
                .env("PRODUCER_CONFIG_FILE_PATH", &shown(&producer))
                .env("HTTPSERVER_CONFIG_FILE_PATH", &shown(&server))
        });
        let minimal = || Request::minimal("/ns/a", &unique());
        rig.accepted(&minimal().body(vec![b'x'; 1500]));
        assert_eq!(rig.status(&minimal().body(vec![b'x'; 2049])), 413);
        rig.accepted(&minimal().header("X-Fits", "x".repeat(700)));
        assert_eq!(rig.status(&minimal().header("X-Large", "x".repeat(1025))), 431);
    }

    fn p008_shipped_files_load_without_a_warning(variant: Variant) {
        // The fixture has a resource that this version refuses; this contract has none.
        let rig = Rig::own(variant, |setup| {
            let topic = format!("t8-{}", unique());
            let broker = Broker::shared(variant.broker);
            broker.create_topic(&topic, 1);
            let resource = Resource::new("Broker", "ns", "a", &topic, broker.bootstrap());
            setup.contract(Contract::new(1).with(resource).to_bytes())
        });
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        let odd: Vec<_> =
            rig.receiver.logs().into_iter().filter(|line| line["level_value"].as_i64() > Some(20_000)).collect();
        assert!(odd.is_empty(), "{odd:?}");
    }
}

drivers! {
    /// A variable of the dispatcher, where 0 is a mistake; that half of the case comes with the dispatcher. The
    /// receiver passes over every variable that it does not know (platform.md 9.4).
    fn p004_variables_of_others_are_passed_over(variant: Variant) {
        let setup = Setup::new(variant.driver).contract("").env("EGRESSES_INITIAL_CAPACITY", "0").env("UNHEARD_OF", "\u{1}");
        Receiver::start(&setup);
    }
}

#[test]
fn p002_each_required_variable() {
    for name in REQUIRED {
        let printed = refuses_to_start(&anywhere().without_env(name));
        assert!(printed.contains(name), "{name} is not named in {printed}");
        for other in REQUIRED.iter().filter(|other| !name.contains(**other) && **other != name) {
            assert!(!printed.contains(other), "without {name}, {other} is blamed too: {printed}");
        }
    }
    let none = REQUIRED.iter().fold(anywhere(), |setup, name| setup.without_env(name));
    let printed = refuses_to_start(&none);
    for name in REQUIRED {
        assert!(printed.contains(name), "{name} is not named in {printed}");
    }
}

#[test]
fn p003_port_that_is_no_number() {
    for value in ["abc", "65536", "-1", "80 80"] {
        let printed = refuses_to_start(&anywhere().env("INGRESS_PORT", value));
        assert!(printed.contains("INGRESS_PORT") && printed.contains(value), "{printed}");
    }
}
