//! What the dispatcher takes of its machine: P24, P79.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use millrace_tests::broker::{Broker, BrokerKind};
use millrace_tests::matrix::Variant;
use millrace_tests::process::Dispatcher;
use millrace_tests::producer::{self, NewRecord};
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::subscriber::{Answer, Gate};
use millrace_tests::wait::until;
use millrace_tests::{drivers, on_apache};

use crate::cpu_limit::CpuLimit;

const EGRESSES: usize = 200;
const RSS_MIB_MAX: u64 = 700;
const PARTITIONS: i32 = 4;
const PARTITION_BYTES: usize = 4 << 20;
const RECORD_BYTES: usize = 8 << 10;
/// Records of a batch: 64 KiB, as much as one fetch asks for. Larger ones come whole all the same, from any Kafka.
const BATCH: usize = 8;
/// Stalls are noticed after a second; by then everything that is read ahead would be there.
const WATCHED: Duration = Duration::from_secs(6);

/// A figure of `/proc/PID/status` in MiB.
fn memory_mib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

fn fill(bootstrap: &str, topic: &str) {
    let record = NewRecord::event("1").value(vec![b'x'; RECORD_BYTES]);
    let batch = vec![record; BATCH];
    for partition in 0..PARTITIONS {
        for _ in 0..PARTITION_BYTES / (BATCH * RECORD_BYTES) {
            producer::send(bootstrap, topic, partition, &batch);
        }
    }
}

on_apache! {
    /// The backlog is 16 MiB instead of 1 GiB: read ahead by all 200 it would be 3 GiB, so that what reads ahead without
    /// a bound shows as it would there.
    fn p024_stalled_egresses_do_not_fill_the_memory(variant: Variant) {
        let gate = Gate::closed();
        let mut place = None;
        let broker = Broker::start(BrokerKind::Apache);
        let setup = Stage::prepare_on(&broker, variant, Kind::Broker)
            .setup(|setup| setup.web_client("maxPoolSize", "1"))
            .with("p024", |plan| {
                let plan = (1..EGRESSES).fold(plan.partitions(PARTITIONS), |plan, number| {
                    plan.and(&number.to_string(), |egress| if number % 2 == 0 { egress.ordered() } else { egress })
                });
                place = Some(plan.clone());
                plan
            });
        let plan = place.unwrap();
        for egress in &plan.egresses {
            setup.subscriber.endpoint(&egress.name).always(Answer::status(200).behind(&gate));
        }
        let mut before = 0;
        let stage = setup.start_with(|setup| {
            fill(broker.bootstrap(), &plan.topic);
            let dispatcher = Dispatcher::start(setup);
            before = memory_mib(dispatcher.pid(), "VmRSS");
            dispatcher
        });
        let case = stage.case("p024");
        until("all subscribers to stall", Duration::from_secs(120), || {
            plan.egresses.iter().all(|egress| case.subscriber_of(egress).busy() > 0).then_some(())
        });
        let (stalled, mut most) = (Instant::now(), 0);
        while stalled.elapsed() < WATCHED {
            most = most.max(memory_mib(stage.dispatcher.pid(), "VmRSS"));
            thread::sleep(Duration::from_millis(100));
        }
        let peak = memory_mib(stage.dispatcher.pid(), "VmHWM");
        println!("RSS: {before} MiB at start, at most {most} MiB stalled, peak {peak} MiB");
        assert_eq!(case.committed(0), Some(0), "a stalled record was committed");
        gate.open();
        assert!(peak < RSS_MIB_MAX, "{peak} MiB");
    }
}

drivers! {
    /// One core of at least two here; the rounding and other sizes are proven where the number is made.
    fn p079_cpu_limit_decides_on_shards(variant: Variant) {
        let Some(limit) = CpuLimit::of(1.0) else { return };
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| setup.started_by(limit.starter()))
            .with("p079", |plan| plan)
            .start();
        let case = stage.case("p079");
        assert_eq!(stage.dispatcher.scrape().sum("millrace_shards", &[]), 1.0);
        case.send(&[NewRecord::event("1")]);
        case.settles(1);
        drop(stage);
    }
}
