//! A thread for what may block and is nobody's hurry: closing producers, reading the consumers'
//! statistics.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use millrace_kafka::Producer;

use crate::kafka_numbers::{Document, KafkaNumbers};

/// How long a producer that no egress uses any more may take to deliver what nobody waits for.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Something to be done off the shards and off the groups thread.
pub(crate) enum Chore {
    /// A producer for replies whose last egress is gone.
    Close(Box<Producer>),
    /// What a consumer says about itself.
    Statistics(Document),
    /// A consumer is gone.
    Forget { client_id: Box<str>, member: u64 },
}

/// Starts the thread; it ends when all senders are gone.
pub(crate) fn start(mut numbers: KafkaNumbers) -> io::Result<Sender<Chore>> {
    let (sender, chores) = channel();
    thread::Builder::new().name("housekeeping".to_owned()).spawn(move || {
        for chore in chores {
            match chore {
                Chore::Close(producer) => drop(producer.close(CLOSE_WITHIN, |_| {})),
                Chore::Statistics(document) => numbers.take(document),
                Chore::Forget { client_id, member } => numbers.forget(&client_id, member),
            }
        }
    })?;
    Ok(sender)
}
