//! Figures of the consumer's prefetch settings against the mock cluster in this process: how fast a
//! partition is read, what standing still costs, and what an empty partition beside a full one does.
//!
//! `cargo run --release -p millrace-kafka --example consumer_figures`
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::group::{Member, options, place};
use common::{Rig, rig};
use millrace_kafka::{Payload, Record};

fn main() {
    speed();
    standing_still();
    beside_an_empty_one();
}

/// Records of `size` bytes, all with the same key if `one` is set.
fn fill(rig: &mut Rig, count: u64, size: usize, one: bool) {
    let topic = rig.producer.topic("t").unwrap();
    for number in 0..count {
        let key = if one { "k".to_owned() } else { number.to_string() };
        let record = Record { key: Some(key.as_bytes()), headers: None };
        rig.producer.produce(&topic, record, Payload::whole(vec![b'x'; size]), number).unwrap();
    }
    rig.reports(count as usize);
}

fn speed() {
    let mut rig = rig(1, 1, |options| options.pairs.push(("batch.size".into(), "16384".into())));
    fill(&mut rig, 4000, 1024, true);
    let mut rates = Vec::new();
    for turn in 0..10 {
        let mut options = options(&rig.cluster.bootstrap_servers(), &format!("speed {turn}"));
        options.pairs.push(("max.partition.fetch.bytes".into(), "65536".into()));
        let mut member = Member::new(&options, &["t"]);
        member.until("nothing comes", |member| !member.messages.is_empty());
        let (begin, had) = (Instant::now(), member.messages.len());
        member.until("records are missing", |member| member.messages.len() == 4000);
        rates.push((4000 - had) as f64 / begin.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    println!("one partition, 1 KiB records: {:.0} to {:.0} records/s", rates[0], rates[9]);
}

fn standing_still() {
    let mut rig = rig(1, 10, |_| {});
    fill(&mut rig, 20_000, 1024, false);
    let mut members: Vec<Member> = Vec::new();
    let before = resident_kib();
    for n in 0..20 {
        let mut options = options(&rig.cluster.bootstrap_servers(), &format!("still {n}"));
        options.pairs.push(("max.partition.fetch.bytes".into(), "65536".into()));
        options.pairs.push(("heartbeat.interval.ms".into(), "3000".into()));
        let mut member = Member::new(&options, &["t"]);
        member.until("no assignment", |member| member.queues.len() == 10);
        member.messages.clear();
        members.push(member);
    }
    std::thread::sleep(Duration::from_secs(2));
    let used = cpu_ms(Duration::from_secs(5));
    println!(
        "20 consumers of 10 partitions at rest: {used} ms CPU in 5 s, {} KiB a partition",
        (resident_kib() - before) / 200
    );
    for member in &members {
        for partition in 0..10 {
            member.consumer.pause(&place(partition)).unwrap();
        }
    }
    let used = cpu_ms(Duration::from_secs(5));
    println!("the same paused: {used} ms CPU in 5 s");
}

fn beside_an_empty_one() {
    for wait_ms in [500, 100, 10] {
        let mut rig = rig(1, 2, |_| {});
        fill(&mut rig, 4000, 1024, true);
        let mut options = options(&rig.cluster.bootstrap_servers(), "mixed");
        options.pairs.push(("max.partition.fetch.bytes".into(), "65536".into()));
        options.pairs.push(("fetch.wait.max.ms".into(), wait_ms.to_string()));
        let mut member = Member::new(&options, &["t"]);
        member.until("no assignment", |member| member.queues.len() == 2);
        let begin = Instant::now();
        let mut read = 0_usize;
        // At most 10 records a millisecond, as a subscriber that is not endless.
        while begin.elapsed() < Duration::from_secs(3) && read < 4000 {
            for queue in member.queues.values_mut() {
                read += queue.poll(10, drop).count;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let rate = read as f64 / begin.elapsed().as_secs_f64();
        println!("beside an empty partition, fetch.wait.max.ms={wait_ms}: {rate:.0} records/s");
    }
}

fn cpu_ms(time: Duration) -> u64 {
    let ticks = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<u64> =
            stat.rsplit(')').next().unwrap().split(' ').filter_map(|f| f.parse().ok()).collect();
        // utime and stime; the state before them is no number.
        fields[10] + fields[11]
    };
    let before = ticks();
    std::thread::sleep(time);
    (ticks() - before) * 10
}

fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
