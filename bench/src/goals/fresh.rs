//! How long a record takes to its request at the subscriber of an idle, ordered egress, against a bare consumer.
//!
//! Records tell in their id when they were given to the producer. Those sent until the other side has joined
//! its group carry the id of another boot, which nobody measures.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use millrace_kafka::{ConsumerOptions, Message, Payload, Producer, Record};

use super::GoalsArguments;
use super::bed::{Bed, Failure, WITHIN, each, turns};
use super::judge::{Findings, Goal, differences};
use crate::clock;
use crate::floor::consume::Subscribed;
use crate::floor::record;
use crate::ids::{self, EventId, ID_BYTES};
use crate::latency::{Latency, Summary};
use crate::products::{Changes, Product};
use crate::sink::{Sink, SinkPlan};
use crate::usage;

/// The embedded Kafka lets a fetch without records wait for all of `fetch.max.wait.ms`, whatever comes meanwhile.
const FETCH_WAIT_MS: &str = "5";
const PAUSE: Duration = Duration::from_millis(3);
/// From the first record that arrived until all partitions are being read.
const SETTLE: Duration = Duration::from_millis(500);
/// For the last ones to arrive.
const REST: Duration = Duration::from_millis(200);
/// Makes the run one of another boot.
const FOREIGN: u32 = 1 << 20;
const KIND: &str = "com.example.load.0000";

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let bed = Bed::new(arguments)?;
    let mut topics = 0;
    let results = turns(arguments.rounds, 2, |side| {
        topics += 1;
        let topic = format!("turn-{topics}");
        bed.topic(&topic, arguments.partitions)?;
        if side == 0 { consumed(&bed, &topic) } else { dispatched(&bed, &topic) }
    })?;
    let ms = |of: fn(&Summary) -> f64| -> Vec<Vec<f64>> {
        results.iter().map(|side| each(side, |one| of(one) / 1e3)).collect()
    };
    let (p50, p99) = (ms(|one| one.p50_us), ms(|one| one.p99_us));
    let ([bare50, ours50], [bare99, ours99]) = (p50.as_slice(), p99.as_slice()) else {
        return Err("a side is missing".into());
    };
    let mut found = Findings::default();
    let added = differences(ours99, bare99);
    found.goal("p99 − p99 of a bare consumer", "ms", Goal::AtMost(1.0), added);
    found.beside("p50 − p50 of a bare consumer", "ms", differences(ours50, bare50));
    for (name, values) in [
        ("dispatcher, p50", ours50),
        ("dispatcher, p99", ours99),
        ("bare consumer, p50", bare50),
        ("bare consumer, p99", bare99),
    ] {
        found.beside(name, "ms", values.clone());
    }
    found.notes.push(format!(
        "From the call that produces a record to the request, or to the bare consumer; one record each {} ms. Both sides with \
         fetch.max.wait.ms={FETCH_WAIT_MS}: the embedded Kafka makes a fetch that finds nothing wait for all of that time.",
        PAUSE.as_millis()
    ));
    Ok(found)
}

fn dispatched(bed: &Bed<'_>, topic: &str) -> Result<Summary, Failure> {
    let cpus = bed.arguments.other_cpus.0.clone();
    let sink = Sink::start(([127, 0, 0, 1], 0).into(), SinkPlan { cpus, ..SinkPlan::default() })?;
    let url = format!("http://{}/", sink.address());
    let wait = ("consumer", "fetch.max.wait.ms", FETCH_WAIT_MS);
    let wait = (wait.0.to_owned(), wait.1.to_owned(), wait.2.to_owned());
    let changes = Changes { properties: vec![wait], ..Changes::default() };
    let (bootstrap, group) = (bed.bootstrap(), bed.new_group());
    let to = (group.as_str(), true, url.as_str());
    let _dispatcher =
        Product::dispatcher_with(&bootstrap, topic, to, &bed.arguments.cpus.0, &changes)?;
    let sent = send(bed, topic, || sink.accepted())?;
    sink.look(|check, _| judged(&check.latency, sent))
}

fn consumed(bed: &Bed<'_>, topic: &str) -> Result<Summary, Failure> {
    let mut options =
        ConsumerOptions::new(&record::consumer_settings()?, &bed.bootstrap(), &bed.new_group());
    options.pairs.push(("fetch.wait.max.ms".to_owned(), FETCH_WAIT_MS.to_owned()));
    let shared = Arc::new(Shared::default());
    let (reading, cpus, topic_read) =
        (shared.clone(), bed.arguments.cpus.0.clone(), topic.to_owned());
    let reader = thread::spawn(move || {
        // The client's threads are started by this one, and run where it may.
        usage::bind_to(&cpus).map_err(|error| error.to_string())?;
        read(&options, &topic_read, &reading).map_err(|error| error.to_string())
    });
    let sent = send(bed, topic, || shared.seen.load(Ordering::Relaxed));
    shared.over.store(true, Ordering::Relaxed);
    reader.join().map_err(|_| "the reader panicked")??;
    let latency = shared.latency.lock().unwrap_or_else(PoisonError::into_inner);
    judged(&latency, sent?)
}

/// Without some of the records the percentiles would be too good.
fn judged(latency: &Latency, sent: u64) -> Result<Summary, Failure> {
    if latency.samples() != sent {
        return Err(format!("{} of {sent} records arrived", latency.samples()).into());
    }
    Ok(latency.summary())
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    seen: AtomicU64,
    latency: Mutex<Latency>,
}

/// Reads until told that it is over.
fn read(options: &ConsumerOptions, topic: &str, shared: &Shared) -> Result<(), Failure> {
    let mut reader = Subscribed::to(topic, options)?;
    while !shared.over.load(Ordering::Relaxed) {
        reader.serve("bare consumer")?;
        let mut idle = true;
        for queue in &mut reader.queues {
            let taken = queue.poll(64, |got| {
                if let Ok(message) = got {
                    shared.note(&message);
                }
            });
            idle &= taken.count == 0;
        }
        if idle {
            reader.wait();
        }
    }
    Ok(())
}

impl Shared {
    fn note(&self, message: &Message) {
        let now = clock::now_ns();
        let id = message.headers().find(|(name, _)| *name == b"ce_id").and_then(|(_, id)| id);
        let Some(id) = id.and_then(EventId::parse) else { return };
        self.seen.fetch_add(1, Ordering::Relaxed);
        if id.is_of_this_boot() {
            let mut latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
            latency.record(now.saturating_sub(id.planned_ns));
        }
    }
}

/// Sends a record at a time, first until some arrive, then those that count; how many these are.
fn send(bed: &Bed<'_>, topic: &str, arrived: impl Fn() -> u64) -> Result<u64, Failure> {
    let (_ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    let options = record::producer_options(&bed.bootstrap())?;
    let producer = Producer::create(&options, std::os::fd::AsFd::as_fd(&theirs))?;
    let handle = producer.topic(topic)?;
    let run = ids::new_run();
    let (mut number, mut failed) = (0_u64, None);
    let mut one = |run: u32| -> Result<(), Failure> {
        let mut id = [0; ID_BYTES];
        EventId { run, stream: 0, number, planned_ns: clock::now_ns() }.write(&mut id);
        number += 1;
        let headers = record::event(std::str::from_utf8(&id)?, KIND, None);
        let payload = Payload::whole(vec![b'x'; bed.arguments.size as usize]);
        handle.rotate();
        producer
            .produce(&handle, Record { key: None, headers: Some(headers) }, payload, number)
            .map_err(|refused| refused.error.to_string())?;
        thread::sleep(PAUSE);
        producer.poll_reports(usize::MAX, |report| failed = report.outcome.err().or(failed.take()));
        match &failed {
            Some(error) => Err(error.to_string().into()),
            None => Ok(()),
        }
    };
    let began = Instant::now();
    while arrived() == 0 {
        one(run ^ FOREIGN)?;
        if began.elapsed() > WITHIN {
            return Err("no record arrived".into());
        }
    }
    let settled = Instant::now() + SETTLE;
    while Instant::now() < settled {
        one(run ^ FOREIGN)?;
    }
    let (until, mut sent) = (Instant::now() + bed.arguments.duration * 3, 0);
    while Instant::now() < until {
        one(run)?;
        sent += 1;
    }
    thread::sleep(REST);
    producer.close(Duration::from_secs(5), |_| {});
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_records_are_of_another_boot() {
        let id = |run| EventId { run, stream: 0, number: 0, planned_ns: 1 };
        let run = ids::new_run();
        assert!(id(run).is_of_this_boot() && !id(run ^ FOREIGN).is_of_this_boot());
    }

    #[test]
    fn a_missing_record_is_no_result() {
        let mut latency = Latency::default();
        latency.record(1_000);
        assert_eq!(judged(&latency, 1).unwrap().samples, 1);
        assert!(judged(&latency, 2).is_err());
    }
}
