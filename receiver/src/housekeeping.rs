//! A thread for what may block and is nobody's hurry: closing producers, reading their statistics.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use millrace_kafka::Producer;

/// How long a producer that no route uses any more may take to deliver what nobody waits for.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Something to be done off the shards.
pub(crate) enum Chore {
    /// A producer whose last route is gone.
    Close { producer: Producer },
    /// librdkafka's statistics document of one producer.
    Statistics { client_id: String, json: String },
}

/// Starts the thread; it ends when all senders are gone and the last producer is closed.
pub(crate) fn start(
    statistics: impl Fn(&str, &str) + Send + 'static,
) -> io::Result<(Sender<Chore>, JoinHandle<()>)> {
    let (sender, chores) = channel();
    let thread = thread::Builder::new()
        .name("housekeeping".into())
        .spawn(move || keep_house(&chores, &statistics))?;
    Ok((sender, thread))
}

fn keep_house(chores: &Receiver<Chore>, statistics: &impl Fn(&str, &str)) {
    while let Ok(chore) = chores.recv() {
        match chore {
            Chore::Close { producer } => {
                let closed = producer.close(CLOSE_WITHIN, |_| {});
                if closed.undelivered > 0 {
                    tracing::warn!(
                        undelivered = closed.undelivered,
                        "A producer was closed with records that were never acknowledged; their \
                         senders have been told."
                    );
                }
            }
            Chore::Statistics { client_id, json } => statistics(&client_id, &json),
        }
    }
}
