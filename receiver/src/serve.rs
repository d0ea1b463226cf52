//! What each shard runs: its listener, its inbox, and its way out.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use millrace_shard::drain::DrainSeat;
use millrace_shard::{
    Accepted, Acceptor, DrainWatch, Inbox, MailboxSeat, Phase, Seat, ShardListener, sleep, spawn,
};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::shard::{Common, Deadline, Shard, Update};

/// How often a shard that is closing looks whether it is done.
const CLOSING_POLL: Duration = Duration::from_millis(10);
/// For the answers to events that are given up at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Told to a shard by the control thread.
pub(crate) enum Command {
    /// Swap the routes, then say so.
    Apply { update: Update, applied: Sender<()> },
}

/// All that a shard takes along to its thread.
pub(crate) struct ShardSeat {
    pub(crate) common: Arc<Common>,
    pub(crate) listener: ShardListener,
    pub(crate) seat: Seat,
    pub(crate) drain: DrainSeat,
    pub(crate) inbox: MailboxSeat<Command>,
}

/// Serves until the process has drained.
pub(crate) async fn serve(seat: ShardSeat) -> io::Result<()> {
    let common = seat.common.clone();
    let drain = seat.drain.attach()?;
    let shard = Shard::new(seat.common, drain.clone());
    spawn(take_commands(seat.inbox.attach()?, shard.clone()));
    let acceptor = Acceptor::new(seat.listener, seat.seat)?;
    let closer = acceptor.closer();
    spawn({
        let (drain, shard) = (drain.clone(), shard.clone());
        async move {
            drain.reached(Phase::Closing).await;
            closer.close();
            shard.sweeper.expire_where(|deadline| deadline == Deadline::Idle);
        }
    });
    let serving = shard.clone();
    acceptor.run(move |accepted| drop(spawn(serve_client(accepted, serving.clone())))).await;
    finish(&common, &drain, &shard).await;
    Ok(())
}

async fn serve_client(accepted: Accepted, shard: Rc<Shard>) {
    let Accepted { stream, open, .. } = accepted;
    let mut watched = shard.sweeper.watch(stream);
    let (stream, guard) = watched.split();
    Connection::new(stream, shard.clone(), guard).serve().await;
    drop(open);
}

async fn take_commands(mut inbox: Inbox<Command>, shard: Rc<Shard>) {
    while let Some(Command::Apply { update, applied }) = inbox.recv().await {
        shard.apply(update);
        // The control thread may have stopped waiting.
        let _ = applied.send(());
    }
}

/// Waits until all requests are answered and all connections closed. Told to stop before that, it
/// gives up what Kafka has not acknowledged, so that its senders hear 503 and try elsewhere.
async fn finish(common: &Common, drain: &DrainWatch, shard: &Shard) {
    let done = || drain.open() == 0 && shard.sweeper.is_empty();
    while !done() && !common.stop.load(Ordering::Relaxed) {
        sleep(CLOSING_POLL).await;
    }
    if !done() {
        shard.deliveries.give_up_all(|| Err(Failure::Stopping));
        let ends = Instant::now() + LAST_ANSWERS;
        while !done() && Instant::now() < ends {
            sleep(CLOSING_POLL).await;
        }
    }
    shard.close();
}
