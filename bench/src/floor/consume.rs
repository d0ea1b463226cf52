//! F3: consumes records in batches, reads all of their headers, and does nothing else.

use std::error::Error;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use millrace_kafka::{Consumer, ConsumerOptions, GroupEvent, PartitionQueue, Wake};

use super::part::{Meter, PartFigures};
use super::record;
use crate::latency::Latency;

const WITHIN: Duration = Duration::from_secs(60);
/// As the dispatcher takes them at a time.
const RECORDS_PER_POLL: usize = 64;

/// Rings when something may be read.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn wake(self: &Arc<Self>) -> Wake {
        let bell = Arc::clone(self);
        Arc::new(move || {
            *bell.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
            bell.changed.notify_one();
        })
    }

    fn wait(&self) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited =
            self.changed.wait_timeout_while(rung, Duration::from_millis(50), |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// A member of a group with all partitions that it is given.
pub(crate) struct Subscribed {
    // Dropped before the consumer.
    pub(crate) queues: Vec<PartitionQueue>,
    consumer: Consumer,
    bell: Arc<Bell>,
}

impl Subscribed {
    pub(crate) fn to(topic: &str, options: &ConsumerOptions) -> Result<Self, Box<dyn Error>> {
        let bell = Arc::new(Bell::default());
        let consumer = Consumer::create(options, bell.wake())?;
        consumer.subscribe(std::iter::once(topic)).map_err(|trouble| trouble.to_string())?;
        Ok(Self { queues: Vec::new(), consumer, bell })
    }

    /// Hears what the group says, and takes what it gives.
    pub(crate) fn serve(&mut self, who: &str) -> Result<(), Box<dyn Error>> {
        let mut assigned = None;
        self.consumer.poll(100, |event| match event {
            GroupEvent::Assign(places) => assigned = Some(places),
            GroupEvent::Trouble(trouble) => eprintln!("{who}: {trouble}"),
            _ => {}
        });
        if let Some(places) = assigned {
            let more = self.consumer.accept(&places, |_| self.bell.wake());
            self.queues.extend(more.map_err(|trouble| trouble.to_string())?);
        }
        Ok(())
    }

    /// Until there may be something to read or to hear, for a while at most.
    pub(crate) fn wait(&self) {
        self.bell.wait();
    }
}

/// Reads so many records of a topic from the beginning as a new group; measured from the first one on.
pub(crate) fn run(
    bootstrap: &str,
    topic: &str,
    group: &str,
    records: u64,
) -> Result<PartFigures, Box<dyn Error>> {
    let options = ConsumerOptions::new(&record::consumer_settings()?, bootstrap, group);
    let mut reader = Subscribed::to(topic, &options)?;
    let (mut seen, mut bytes, mut meter) = (0_u64, 0_usize, None);
    let give_up = Instant::now() + WITHIN;
    while seen < records {
        reader.serve("F3")?;
        let mut idle = true;
        for queue in &mut reader.queues {
            loop {
                let taken = queue.poll(RECORDS_PER_POLL, |got| {
                    if let Ok(message) = got {
                        seen += 1;
                        let headers = message.headers();
                        bytes += headers
                            .map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len))
                            .sum::<usize>();
                    }
                });
                if taken.count > 0 {
                    idle = false;
                    if meter.is_none() {
                        // The first records are not counted: they started the clock.
                        meter = Some((Meter::start()?, seen));
                    }
                }
                if !taken.more {
                    break;
                }
            }
        }
        if Instant::now() > give_up {
            return Err(format!("only {seen} of {records} records came").into());
        }
        if idle {
            reader.wait();
        }
    }
    std::hint::black_box(bytes);
    let (meter, before) = meter.ok_or("no record came")?;
    Ok(meter.stop(seen - before, 0, &Latency::default())?)
}
