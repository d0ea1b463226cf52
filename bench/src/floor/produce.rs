//! F2: produces the receiver's record as the receiver batches it, and does nothing else.

use std::error::Error;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use millrace_kafka::batcher::{Batcher, BatcherSettings, Decision};
use millrace_kafka::{Headers, Payload, Producer, Record, Topic};
use rustix::event::{PollFd, PollFlags, poll};

use super::part::{Meter, PartFigures};
use super::record;
use crate::clock::{self, MILLISECOND};
use crate::latency::Latency;

/// Records of a batch in a topic that is filled to be consumed: about as many as a busy receiver writes, which are 51.
/// Kafka hands out whole batches, so that larger ones would be a load of their own.
const BATCH_RECORDS: u64 = 64;

/// What is produced.
#[derive(Clone, Debug)]
pub(crate) struct ProducePlan {
    pub(crate) bootstrap: String,
    pub(crate) topic: String,
    /// Records on their way at a time, as the receiver's connections would have them.
    pub(crate) in_flight: usize,
    pub(crate) keys: u32,
    pub(crate) size: usize,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

pub(super) struct Pending {
    pub(super) buffer: Vec<u8>,
    pub(super) since_ns: u64,
}

/// Each report is followed by the next record, until the time is over.
pub(crate) fn run(plan: &ProducePlan) -> Result<PartFigures, Box<dyn Error>> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let producer = Producer::create(&record::producer_options(&plan.bootstrap)?, theirs.as_fd())?;
    let topic = producer.topic(&plan.topic)?;
    let mut batcher = Batcher::new(BatcherSettings::default());
    let fresh = || Pending { buffer: vec![b'x'; plan.size], since_ns: clock::now_ns() };
    let mut pending: Vec<Pending> = (0..plan.in_flight).map(|_| fresh()).collect();
    let (mut latency, mut events, mut failed, mut key) = (Latency::default(), 0_u64, 0_u64, 0_u32);
    let mut decision = Decision::Keep;
    for record in &pending {
        decision = batcher.push(Instant::now, record.buffer.len());
    }
    if decision == Decision::Keep {
        decision = batcher.turn_ended(Instant::now());
    }
    let began = clock::now_ns();
    let from = began + crate::load::nanos(plan.warm_up);
    let until = from + crate::load::nanos(plan.duration);
    let mut meter = None;
    loop {
        if decision == Decision::Flush {
            flush(plan, &producer, &topic, &mut pending, &mut key)?;
        }
        let now = clock::now_ns();
        if meter.is_none() && now >= from {
            meter = Some(Meter::start()?);
        }
        if now >= until {
            break;
        }
        wait(&ours, batcher.deadline())?;
        let mut back = Vec::new();
        let polled = producer.poll_reports(usize::MAX, |report| back.push(report));
        decision = batcher.reported(polled.reports);
        if decision == Decision::Flush {
            flush(plan, &producer, &topic, &mut pending, &mut key)?;
            decision = Decision::Keep;
        }
        let now = clock::now_ns();
        for report in back {
            if meter.is_some() {
                events += u64::from(report.outcome.is_ok());
                failed += u64::from(report.outcome.is_err());
                latency.record(now.saturating_sub(report.token));
            }
            let buffer = report.payload.into_buffer();
            let pushed = batcher.push(Instant::now, buffer.len());
            pending.push(Pending { buffer, since_ns: now });
            if pushed == Decision::Flush {
                flush(plan, &producer, &topic, &mut pending, &mut key)?;
            }
        }
        if decision == Decision::Keep {
            decision = batcher.turn_ended(Instant::now());
        }
    }
    let figures = meter.ok_or("nothing was measured")?.stop(events, failed, &latency)?;
    producer.close(Duration::from_secs(5), |_| {});
    Ok(figures)
}

pub(super) fn flush(
    plan: &ProducePlan,
    producer: &Producer,
    topic: &Topic,
    pending: &mut Vec<Pending>,
    next_key: &mut u32,
) -> Result<(), String> {
    topic.rotate();
    for Pending { buffer, since_ns } in pending.drain(..) {
        *next_key = next_key.wrapping_add(1);
        let key = (plan.keys > 0).then(|| format!("key-{:08x}", *next_key % plan.keys.max(1)));
        let headers = Some(record::headers(key.as_deref()));
        let record = Record { key: key.as_deref().map(str::as_bytes), headers };
        // The token is the time, so that no table is needed.
        producer
            .produce(topic, record, Payload::whole(buffer), since_ns)
            .map_err(|refused| refused.error.to_string())?;
    }
    Ok(())
}

/// Until reports have come or pending records must go.
pub(super) fn wait(
    wake: &std::os::unix::net::UnixStream,
    deadline: Option<Instant>,
) -> std::io::Result<()> {
    let most = Duration::from_nanos(20 * MILLISECOND);
    let left = deadline.map_or(most, |at| at.saturating_duration_since(Instant::now()).min(most));
    let timeout = clock::timespec(crate::load::nanos(left));
    let mut fds = [PollFd::new(wake, PollFlags::IN)];
    match poll(&mut fds, Some(&timeout)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ok(()),
        Ok(_) => {
            let mut bytes = [0_u8; 256];
            while rustix::io::read(wake, &mut bytes).is_ok_and(|count| count == bytes.len()) {}
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes so many records, as fast as it goes, for those who consume; evenly, in bursts of 64.
pub(crate) fn fill(
    bootstrap: &str,
    topic: &str,
    records: u64,
    size: usize,
) -> Result<(), Box<dyn Error>> {
    fill_with(bootstrap, topic, records, size, |_| (None, record::headers(None)))
}

/// The same with the key and the headers that `describe` says for each record, counted from 0.
pub(crate) fn fill_with(
    bootstrap: &str,
    topic: &str,
    records: u64,
    size: usize,
    mut describe: impl FnMut(u64) -> (Option<String>, Headers),
) -> Result<(), Box<dyn Error>> {
    let (_ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    let mut options = record::producer_options(bootstrap)?;
    options.pairs.push(("batch.num.messages".to_owned(), BATCH_RECORDS.to_string()));
    let producer = Producer::create(&options, theirs.as_fd())?;
    let handle = producer.topic(topic)?;
    let give_up = Instant::now() + Duration::from_secs(60);
    let (mut done, mut failed) = (0_u64, None);
    let mut sent = 0_u64;
    while done < records {
        // Only once the partitions are known are records spread over them.
        let ahead = if done == 0 { 1 } else { 2_000 };
        while sent < records && sent - done < ahead {
            if sent.is_multiple_of(BATCH_RECORDS) {
                handle.rotate();
            }
            let (key, headers) = describe(sent);
            let key = key.as_deref().map(str::as_bytes);
            let record = Record { key, headers: Some(headers) };
            producer
                .produce(&handle, record, Payload::whole(vec![b'x'; size]), sent)
                .map_err(|refused| refused.error.to_string())?;
            sent += 1;
        }
        let polled = producer
            .poll_reports(usize::MAX, |report| failed = report.outcome.err().or(failed.take()));
        done += polled.reports as u64;
        if let Some(error) = &failed {
            return Err(format!("filling {topic}: {error}").into());
        }
        if Instant::now() > give_up {
            return Err(format!("filling {topic} took too long: {done} of {records}").into());
        }
        if polled.reports == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    producer.close(Duration::from_secs(5), |_| {});
    Ok(())
}
