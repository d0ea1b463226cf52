//! Giving way to the other tasks and to the driver.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use crate::local::LocalNotify;
use crate::wake::{WakePair, WakeReader, WakeWriter};

thread_local! {
    static TURNSTILE: RefCell<Option<Rc<Turnstile>>> = const { RefCell::new(None) };
}

/// Lets all other ready tasks run, and the driver look for completions and timers, before the
/// caller goes on. One byte through a socket pair a turn, shared by all that yield in it.
///
/// A task that only wakes itself is put in front by the executor, and the executor asks the
/// driver for completions and timers only when no task is ready: a task that spun that way
/// would starve the shard. So the way back leads through the driver.
pub async fn yield_now() {
    let turnstile = TURNSTILE.with_borrow(|turnstile| turnstile.clone());
    if let Some(turnstile) = turnstile {
        turnstile.pass().await;
    }
}

/// What [`yield_now`] needs on each runtime; one task of its own.
pub(crate) struct Installed {
    turnstile: Rc<Turnstile>,
    task: monoio::task::JoinHandle<()>,
}

/// Called first thing on a runtime.
pub(crate) fn install() -> io::Result<Installed> {
    let WakePair { writer, reader } = WakePair::new()?;
    let reader = reader.attach()?;
    let turnstile = Rc::new(Turnstile {
        writer,
        waiting: Cell::new(false),
        closed: Cell::new(false),
        passed: LocalNotify::new(),
    });
    TURNSTILE.with_borrow_mut(|slot| *slot = Some(Rc::clone(&turnstile)));
    let task = monoio::spawn(turn(reader, Rc::clone(&turnstile)));
    Ok(Installed { turnstile, task })
}

impl Installed {
    /// Called last on the runtime: its task and descriptors are gone afterwards.
    pub(crate) async fn remove(self) {
        TURNSTILE.with_borrow_mut(|slot| drop(slot.take()));
        self.turnstile.closed.set(true);
        self.turnstile.writer.wake();
        self.task.await;
    }
}

struct Turnstile {
    writer: WakeWriter,
    waiting: Cell<bool>,
    closed: Cell<bool>,
    passed: LocalNotify,
}

impl Turnstile {
    async fn pass(&self) {
        if !self.waiting.replace(true) {
            self.writer.wake();
        }
        self.passed.notified().await;
    }
}

async fn turn(mut reader: WakeReader, turnstile: Rc<Turnstile>) {
    while reader.wait().await.is_ok() && !turnstile.closed.get() {
        turnstile.waiting.set(false);
        turnstile.passed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::on_each_driver;

    #[test]
    fn yielding_tasks_take_turns() {
        on_each_driver(|| async {
            let (a, b) = (Rc::new(Cell::new(0_i32)), Rc::new(Cell::new(0_i32)));
            let spin = |own: Rc<Cell<i32>>, other: Rc<Cell<i32>>| async move {
                for _ in 0..100 {
                    own.set(own.get() + 1);
                    assert!((own.get() - other.get()).abs() <= 2);
                    yield_now().await;
                }
            };
            let first = crate::spawn(spin(Rc::clone(&a), Rc::clone(&b)));
            spin(b, a).await;
            first.await;
        });
    }

    #[test]
    fn timers_and_io_go_on_under_yielding_tasks() {
        on_each_driver(|| async {
            let stop = Rc::new(Cell::new(false));
            let spinners: Vec<_> = (0..4)
                .map(|_| {
                    let stop = Rc::clone(&stop);
                    crate::spawn(async move {
                        while !stop.get() {
                            yield_now().await;
                        }
                    })
                })
                .collect();
            let WakePair { writer, reader } = WakePair::new().unwrap();
            let mut reader = reader.attach().unwrap();
            let thread = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                writer.wake();
                writer
            });
            assert_eq!(reader.wait().await.unwrap(), 1);
            crate::sleep(Duration::from_millis(5)).await;
            stop.set(true);
            for spinner in spinners {
                spinner.await;
            }
            thread.join().unwrap();
        });
    }
}
