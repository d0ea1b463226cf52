//! A thread for what may block and is nobody's hurry: closing producers, reading their statistics.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use millrace_kafka::Producer;

use crate::kafka_numbers::KafkaNumbers;

/// How long a producer that no route uses any more may take to deliver what nobody waits for.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Something to be done off the shards.
pub(crate) enum Chore {
    /// A producer whose last route is gone.
    Close { client_id: String, shard: usize, producer: Box<Producer> },
    /// What a producer says about itself.
    Statistics(Document),
}

/// librdkafka's statistics of one producer.
pub(crate) struct Document {
    pub(crate) client_id: String,
    pub(crate) shard: usize,
    pub(crate) json: String,
    /// Records that Kafka did not take.
    pub(crate) failed: u64,
}

/// Starts the thread; it ends when all senders are gone and the last producer is closed.
pub(crate) fn start(mut numbers: KafkaNumbers) -> io::Result<(Sender<Chore>, JoinHandle<()>)> {
    let (sender, chores) = channel();
    let thread = thread::Builder::new()
        .name("housekeeping".into())
        .spawn(move || keep_house(&chores, &mut numbers))?;
    Ok((sender, thread))
}

fn keep_house(chores: &Receiver<Chore>, numbers: &mut KafkaNumbers) {
    while let Ok(chore) = chores.recv() {
        match chore {
            Chore::Close { client_id, shard, producer } => {
                close(*producer);
                numbers.forget(&client_id, shard);
            }
            Chore::Statistics(document) => numbers.take(document),
        }
    }
}

fn close(producer: Producer) {
    let closed = producer.close(CLOSE_WITHIN, |_| {});
    if closed.undelivered > 0 {
        tracing::warn!(
            undelivered = closed.undelivered,
            "A producer was closed with records that were never acknowledged; their senders have \
             been told."
        );
    }
}
