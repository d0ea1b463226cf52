//! Every rule in both states, on a made-up machine: a root with /proc and /sys in it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::driver::Probed;
use super::facts::Facts;
use super::finding::Severity;
use super::rules::RULES;
use super::wanted::Wanted;
use super::*;

/// A machine on which there is nothing to say: four cores, no limits, a good kernel.
const HEALTHY: [(&str, &str); 18] = [
    ("proc/sys/kernel/osrelease", "6.12.1-generic\n"),
    ("proc/sys/kernel/io_uring_disabled", "0\n"),
    ("proc/self/status", "Uid:\t1000\nCapEff:\t0000000000000000\nCpus_allowed_list:\t0-3\n"),
    ("proc/self/limits", LIMITS),
    ("proc/self/cgroup", "0::/\n"),
    ("proc/self/mountinfo", "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
    ("sys/fs/cgroup/cpu.max", "max 100000\n"),
    ("sys/fs/cgroup/cpu.stat", "nr_periods 1000\nnr_throttled 0\n"),
    ("sys/fs/cgroup/memory.max", "max\n"),
    ("sys/fs/cgroup/memory.events", "oom 0\noom_kill 0\n"),
    ("sys/fs/cgroup/pids.max", "max\n"),
    ("sys/devices/system/cpu/online", "0-3\n"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    ("proc/sys/net/ipv4/tcp_tw_reuse", "2\n"),
    ("proc/sys/net/core/rmem_max", "212992\n"),
];

const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units\n\
Max processes             30000                30000                processes\n\
Max open files            1048576              1048576              files\n\
Max locked memory         8388608              8388608              bytes\n";

/// The made-up machine with some files written otherwise, and a directory of settings.
struct Scenery {
    root: TempDir,
    arguments: CheckArguments,
    driver: Probed,
}

impl Scenery {
    fn healthy() -> Self {
        let root = tempfile::tempdir().unwrap();
        let config = root.path().join("config");
        fs::create_dir(&config).unwrap();
        let scenery = Self {
            arguments: CheckArguments {
                program: None,
                env: false,
                config: Some(config),
                egresses: None,
                partitions: 10,
                brokers: 3,
                json: false,
                root: root.path().to_owned(),
            },
            driver: Probed {
                driver: "io_uring",
                entries: 1_024,
                flags: "",
                reason: "the kernel allows it".to_owned(),
            },
            root,
        };
        HEALTHY.iter().for_each(|(path, text)| scenery.write(path, text));
        scenery
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn with(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// The same with one thing said otherwise in a healthy file.
    fn changed(self, path: &str, from: &str, to: &str) -> Self {
        let text = fs::read_to_string(self.root.path().join(path)).unwrap();
        assert!(text.contains(from), "{path} has no {from:?}");
        self.with(path, &text.replace(from, to))
    }

    /// With lines in place of the shipped ones in one file of properties.
    fn set(self, file: &str, lines: &str) -> Self {
        self.with(&format!("config/config-kafka-broker-{file}.properties"), lines)
    }

    fn on_epoll(mut self, reason: &str) -> Self {
        self.driver = Probed { driver: "epoll", entries: 0, flags: "", reason: reason.to_owned() };
        self
    }

    fn wanted(&self, program: Program) -> Wanted {
        Wanted::read(program, &self.arguments, &self.facts()).unwrap()
    }

    fn facts(&self) -> Facts {
        Facts::gather(self.root.path())
    }

    fn findings(&self, program: Program) -> Vec<Finding> {
        rules::all(&self.facts(), &self.wanted(program), &self.driver)
    }
}

/// One case for each rule: what is told of, and the scenery in which it is.
fn cases() -> Vec<(&'static str, Program, Scenery)> {
    use Program::{Dispatcher, Receiver};
    let healthy = Scenery::healthy;
    let short = {
        let mut scenery = healthy();
        scenery.driver.entries = 256;
        scenery
    };
    let many = |egresses| {
        let mut scenery = healthy();
        scenery.arguments.egresses = Some(egresses);
        scenery
    };
    let limits = "proc/self/limits";
    let open_files = "1048576              1048576 ";
    vec![
        (
            "io-uring-refused",
            Receiver,
            healthy().on_epoll("denied with EPERM by a seccomp profile"),
        ),
        ("io-uring-short", Receiver, short),
        ("kernel-old", Receiver, healthy().with("proc/sys/kernel/osrelease", "5.15.0\n")),
        (
            "clock-source",
            Dispatcher,
            healthy()
                .with("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"),
        ),
        (
            "huge-pages",
            Receiver,
            healthy()
                .with("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
        ),
        ("memlock", Receiver, healthy().changed(limits, "8388608   ", "65536   ")),
        ("open-files", Receiver, healthy().changed(limits, open_files, "1024     1048576 ")),
        ("open-files", Dispatcher, healthy().changed(limits, open_files, "1024     4096 ")),
        ("threads", Dispatcher, healthy().with("sys/fs/cgroup/pids.max", "100\n")),
        ("threads", Receiver, healthy().changed(limits, "30000 ", "20 ")),
        ("memory-limit", Receiver, healthy().with("sys/fs/cgroup/memory.max", "50000000\n")),
        ("memory-limit", Dispatcher, healthy().with("sys/fs/cgroup/memory.max", "50000000\n")),
        ("oom-killed", Receiver, healthy().with("sys/fs/cgroup/memory.events", "oom_kill 1\n")),
        ("shards-over-cores", Receiver, healthy().with("config/receiver.env", "SHARDS=5\n")),
        ("shards-below-cores", Receiver, healthy().with("config/receiver.env", "SHARDS=2\n")),
        (
            "cpu-quota-fraction",
            Receiver,
            healthy().with("sys/fs/cgroup/cpu.max", "150000 100000\n"),
        ),
        (
            "cpu-throttled",
            Dispatcher,
            healthy().with("sys/fs/cgroup/cpu.stat", "nr_periods 1000\nnr_throttled 20\n"),
        ),
        (
            "affinity-below-quota",
            Receiver,
            healthy().with("sys/fs/cgroup/cpu.max", "800000 100000"),
        ),
        (
            "cpu-governor",
            Receiver,
            healthy()
                .with("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "powersave\n")
                .with("sys/devices/system/cpu/cpu2/cpufreq/scaling_driver", "acpi-cpufreq\n"),
        ),
        ("kafka-threads", Dispatcher, many(200)),
        ("accept-queue", Receiver, healthy().with("proc/sys/net/core/somaxconn", "128\n")),
        ("accept-queue", Receiver, healthy().set("httpserver", "acceptBacklog=9000\n")),
        (
            "syn-queue",
            Receiver,
            healthy()
                .with("proc/sys/net/ipv4/tcp_max_syn_backlog", "128\n")
                .with("proc/sys/net/ipv4/tcp_syncookies", "0\n"),
        ),
        ("socket-buffers", Receiver, healthy().set("producer", "receive.buffer.bytes=1000000\n")),
        (
            "local-ports",
            Dispatcher,
            healthy().with("proc/sys/net/ipv4/ip_local_port_range", "50000 51000\n"),
        ),
        (
            "port-reuse",
            Dispatcher,
            healthy().set("webclient", "keepAlive=false\nmaxPoolSize=100\n"),
        ),
        ("linger-small-batches", Receiver, healthy().set("producer", "linger.ms=5\n")),
        ("budget-below-record", Receiver, healthy().set("producer", "buffer.memory=1000000\n")),
        ("pool-below-window", Dispatcher, healthy().set("webclient", "maxPoolSize=10\n")),
        (
            "fetch-over-queue",
            Dispatcher,
            healthy().set("consumer", "max.partition.fetch.bytes=1048576\nmax.poll.records=50\n"),
        ),
    ]
}

#[test]
fn a_good_machine_with_shipped_settings_has_no_findings() {
    let scenery = Scenery::healthy();
    for program in [Program::Receiver, Program::Dispatcher] {
        let findings = scenery.findings(program);
        assert!(findings.is_empty(), "{findings:#?}");
    }
}

#[test]
fn each_rule_tells_of_its_own_and_of_nothing_else() {
    let cases = cases();
    for (id, program, scenery) in &cases {
        let findings = scenery.findings(*program);
        let ids: Vec<&str> = findings.iter().map(|finding| finding.id).collect();
        assert_eq!(ids, [*id], "{findings:#?}");
        let Finding { found, fix, .. } = &findings[0];
        assert!(found.ends_with('.') && fix.ends_with('.'), "{id}: {found} / {fix}");
        assert!(found.chars().any(char::is_alphanumeric) && !fix.contains("  "), "{id}: {fix}");
    }
    for (id, _) in RULES {
        assert!(cases.iter().any(|(known, ..)| *known == id), "{id} is never told of");
    }
}

#[test]
fn a_machine_that_tells_nothing_is_not_complained_of() {
    let mut scenery = Scenery::healthy();
    let nothing = tempfile::tempdir().unwrap();
    scenery.arguments.root = nothing.path().to_owned();
    let facts = Facts::gather(nothing.path());
    for program in [Program::Receiver, Program::Dispatcher] {
        let wanted = Wanted::read(program, &scenery.arguments, &facts).unwrap();
        assert_eq!(wanted.shards, 1);
        let findings = rules::all(&facts, &wanted, &scenery.driver);
        assert!(findings.is_empty(), "{findings:#?}");
    }
}

#[test]
fn the_fix_follows_the_reason() {
    for (reason, disabled, fix) in [
        ("kernel.io_uring_disabled=2 forbids it", "2", "kernel.io_uring_disabled=0"),
        ("denied with EPERM, most likely by a seccomp profile", "0", "seccomp profile"),
        ("too little memory may be locked (ENOMEM)", "0", "ulimit -l"),
        ("this kernel's io_uring can't accept", "0", "kernel of 6.1"),
    ] {
        let scenery =
            Scenery::healthy().on_epoll(reason).with("proc/sys/kernel/io_uring_disabled", disabled);
        let findings = scenery.findings(Program::Receiver);
        assert!(findings[0].fix.contains(fix), "{reason}: {}", findings[0].fix);
    }
    // Whoever asked for epoll has what he wants.
    let scenery = Scenery::healthy()
        .on_epoll("set by configuration")
        .with("config/dispatcher.env", "IO_DRIVER=epoll\n");
    assert!(scenery.findings(Program::Dispatcher).is_empty());
}

#[test]
fn root_may_lock_all_memory() {
    let locked = |capabilities: &str| {
        let limits = "proc/self/limits";
        let scenery = Scenery::healthy().changed(limits, "8388608   ", "0   ");
        scenery
            .changed("proc/self/status", "0000000000000000", capabilities)
            .findings(Program::Receiver)
            .is_empty()
    };
    assert!(locked("000001ffffffffff") && locked("0000000000004000"));
    assert!(!locked("000001ffffffbfff"));
}

#[test]
fn a_quota_lays_out_the_shards_and_warns_below_them() {
    let wanted = |text: &str, env: &str| {
        let scenery =
            Scenery::healthy().with("sys/fs/cgroup/cpu.max", text).with("config/receiver.env", env);
        let ids: Vec<&str> =
            scenery.findings(Program::Receiver).iter().map(|finding| finding.id).collect();
        (scenery.wanted(Program::Receiver).shards, ids.join(" "))
    };
    assert_eq!(wanted("200000 100000", ""), (2, String::new()));
    assert_eq!(wanted("50000 100000", ""), (1, "cpu-quota-fraction".to_owned()));
    let over = "shards-over-cores cpu-quota-fraction".to_owned();
    assert_eq!(wanted("200000 100000", "SHARDS=3\n"), (3, over));
}

#[test]
fn a_contract_counts_egresses_and_clusters() {
    let contract = r#"{"generation":"1","resources":[
        {"uid":"1","topics":["a"],"bootstrapServers":"one:9092","ingress":{"path":"/a"},
         "reference":{"kind":"Broker","namespace":"n","name":"a"},
         "egresses":[{"uid":"2","consumerGroup":"g","destination":"http://x/","discardReply":{},
                      "reference":{"kind":"Trigger","namespace":"n","name":"t"}},
                     {"uid":"3","consumerGroup":"h","destination":"http://x/",
                      "reference":{"kind":"Trigger","namespace":"n","name":"u"}}]},
        {"uid":"4","topics":["b"],"bootstrapServers":"two:9092","ingress":{"path":"/b"},
         "reference":{"kind":"Broker","namespace":"n","name":"b"}}]}"#;
    let scenery = Scenery::healthy().with("contract", contract);
    let env = |program: &str| {
        let path = scenery.root.path().join("contract");
        scenery.write(
            &format!("config/{program}.env"),
            &format!("DATA_PLANE_CONFIG_FILE_PATH={}\n", path.display()),
        );
    };
    env("receiver");
    env("dispatcher");
    let dispatcher = scenery.wanted(Program::Dispatcher);
    assert_eq!((dispatcher.egresses, dispatcher.replying), (2, 1));
    let receiver = scenery.wanted(Program::Receiver);
    assert_eq!((receiver.clusters, receiver.counted), (2, "of the contract"));
    // As counted on the real programs: four shards, three brokers.
    assert_eq!(receiver.threads(), 6 + 4 + 2 * 4 * 5);
    assert_eq!(dispatcher.threads(), 10 + 4 + 2 * 6 + 5);
}

#[test]
fn settings_with_which_the_program_would_not_start_are_refused() {
    for (path, text) in [
        ("config/receiver.env", "SHARDS=many\n"),
        ("config/receiver.env", "IO_DRIVER=kqueue\n"),
        ("config/x-producer.properties", "linger.ms=soon\n"),
    ] {
        let scenery = Scenery::healthy().with(path, text);
        let refused = Wanted::read(Program::Receiver, &scenery.arguments, &scenery.facts());
        assert!(matches!(refused, Err(CheckError::Settings { .. })), "{text}");
    }
    let mut scenery = Scenery::healthy();
    scenery.arguments.config = Some(Path::new("/nonexistent/config").to_owned());
    let refused = Wanted::read(Program::Receiver, &scenery.arguments, &scenery.facts());
    assert!(matches!(refused, Err(CheckError::Config { .. })));
}

#[test]
fn what_is_the_same_for_both_programs_is_told_once() {
    let scenery = Scenery::healthy()
        .with("sys/fs/cgroup/memory.events", "oom_kill 1\n")
        .with("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    let all = [Program::Receiver, Program::Dispatcher].map(|program| scenery.findings(program));
    let told = finding::together(all.iter().map(Vec::as_slice));
    let ids: Vec<&str> = told.iter().map(|finding| finding.id).collect();
    assert_eq!(ids, ["oom-killed", "huge-pages"], "warnings come first");
    assert_eq!(told[0].programs, [Program::Receiver, Program::Dispatcher]);
    assert_eq!((told[0].severity, told[1].severity), (Severity::Warning, Severity::Note));
}
