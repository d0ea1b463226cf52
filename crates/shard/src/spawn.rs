//! Starts the shards, each a named and perhaps pinned thread with its own runtime; joins them.

use std::future::Future;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use crate::driver::{Driver, DriverChoice, DriverError, DriverReport, Runtime};
use crate::panic::{self, OnPanic};
use crate::sys;

pub use crate::panic::ShardPanic;

/// Exit status after a panic: EX_SOFTWARE of sysexits.h.
const EXIT_SOFTWARE: i32 = 70;

/// The number of a shard, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub usize);

/// What a shard's main function is told.
#[derive(Debug, Clone)]
pub struct ShardContext {
    /// This shard.
    pub id: ShardId,
    /// How many there are.
    pub count: usize,
    /// The core that this thread is bound to.
    pub core: Option<usize>,
    /// The driver of this shard.
    pub driver: DriverReport,
}

/// How to start shards.
#[derive(Clone)]
pub struct StartOptions {
    /// One entry for each shard: the core to bind it to, see
    /// [`Topology::shards`](crate::Topology::shards).
    pub cores: Vec<Option<usize>>,
    /// The io driver.
    pub driver: DriverChoice,
    on_panic: OnPanic,
}

impl StartOptions {
    /// These cores, this driver; a panic ends the process with status 70.
    pub fn new(cores: Vec<Option<usize>>, driver: DriverChoice) -> Self {
        Self { cores, driver, on_panic: Arc::new(|_| std::process::exit(EXIT_SOFTWARE)) }
    }

    /// Another end of the process on a panic. It runs on the panicking thread, after the panic
    /// was logged, and must see to it that the process exits with a status other than 0.
    #[must_use]
    pub fn on_panic(mut self, hook: impl Fn(&ShardPanic) + Send + Sync + 'static) -> Self {
        self.on_panic = Arc::new(hook);
        self
    }
}

/// Why the shards were not started; none runs then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No thread.
    #[error("the thread of shard {shard} can't be started: {error}; see the limit of processes")]
    Thread {
        /// The shard's number.
        shard: usize,
        /// What the system said.
        error: io::Error,
    },
    /// No driver.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A shard died before it had a runtime.
    #[error("shard {shard} ended before its runtime was ready")]
    Lost {
        /// The shard's number.
        shard: usize,
    },
}

/// A shard that ended by a panic; the panic was logged and reported when it happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("shard {shard} panicked")]
pub struct Panicked {
    /// The shard's number.
    pub shard: usize,
}

/// The running shards.
pub struct Shards<T> {
    threads: Vec<JoinHandle<Option<T>>>,
    reports: Vec<DriverReport>,
}

impl<T: Send + 'static> Shards<T> {
    /// Starts one shard for each entry of `cores` and runs `main` on each until it returns.
    ///
    /// Comes back once every shard has its runtime, and logs in one line what they run on. All
    /// shards use the same driver: where the choice is automatic and one of them can't have
    /// io_uring, for example because the memory that may be locked is used up, all use epoll.
    ///
    /// Threads that a pinned shard starts inherit its core; start others elsewhere.
    pub fn start<M, F>(options: StartOptions, main: M) -> Result<Self, StartError>
    where
        M: Fn(ShardContext) -> F + Send + Sync + 'static,
        F: Future<Output = T>,
    {
        let main = Arc::new(main);
        let count = options.cores.len();
        let mut starting = Vec::with_capacity(count);
        for (shard, core) in options.cores.iter().copied().enumerate() {
            let (to_starter, from_shard) = mpsc::channel();
            let (to_shard, from_starter) = mpsc::channel();
            let seat = Seat {
                id: ShardId(shard),
                count,
                core,
                choice: options.driver,
                to_starter,
                from_starter,
                on_panic: Arc::clone(&options.on_panic),
            };
            let main = Arc::clone(&main);
            let thread = std::thread::Builder::new()
                .name(format!("shard-{shard}"))
                .spawn(move || seat.run(&*main))
                .map_err(|error| StartError::Thread { shard, error })?;
            starting.push(Starting { thread, from_shard, to_shard });
        }
        Self::agree(starting)
    }

    /// Makes all shards use the same driver, then lets them go.
    fn agree(starting: Vec<Starting<T>>) -> Result<Self, StartError> {
        let mut reports = collect_reports(&starting)?;
        if let Some(refused) = reports.iter().find(|report| report.driver == Driver::Epoll) {
            let reason = refused.reason.clone();
            tell(&starting, &Verdict::UseEpoll(reason));
            reports = collect_reports(&starting)?;
        }
        tell(&starting, &Verdict::Go);
        if let Some(report) = reports.first() {
            tracing::info!(
                shards = reports.len(),
                driver = report.driver.name(),
                entries = report.entries,
                flags = report.flags,
                reason = report.reason,
                "Shards started."
            );
        }
        Ok(Self { threads: starting.into_iter().map(|one| one.thread).collect(), reports })
    }

    /// What the shards run on; all the same driver.
    pub fn reports(&self) -> &[DriverReport] {
        &self.reports
    }

    /// Waits until all shards have returned. Blocks.
    pub fn join(self) -> Result<Vec<T>, Panicked> {
        let mut outputs = Vec::with_capacity(self.threads.len());
        for (shard, thread) in self.threads.into_iter().enumerate() {
            // A shard returns without output only if it was never let go.
            outputs.extend(thread.join().map_err(|_| Panicked { shard })?);
        }
        Ok(outputs)
    }
}

struct Starting<T> {
    thread: JoinHandle<Option<T>>,
    from_shard: mpsc::Receiver<Result<DriverReport, DriverError>>,
    to_shard: mpsc::Sender<Verdict>,
}

fn collect_reports<T>(starting: &[Starting<T>]) -> Result<Vec<DriverReport>, StartError> {
    let report = |(shard, starting): (usize, &Starting<T>)| {
        let told = starting.from_shard.recv().map_err(|_| StartError::Lost { shard })?;
        told.map_err(StartError::Driver)
    };
    starting.iter().enumerate().map(report).collect()
}

fn tell<T>(starting: &[Starting<T>], verdict: &Verdict) {
    for shard in starting {
        // A shard that has gone shows where its report or its output is awaited.
        drop(shard.to_shard.send(verdict.clone()));
    }
}

#[derive(Clone)]
enum Verdict {
    Go,
    UseEpoll(String),
}

/// What a shard's thread starts with.
struct Seat {
    id: ShardId,
    count: usize,
    core: Option<usize>,
    choice: DriverChoice,
    to_starter: mpsc::Sender<Result<DriverReport, DriverError>>,
    from_starter: mpsc::Receiver<Verdict>,
    on_panic: OnPanic,
}

impl Seat {
    fn run<T, F: Future<Output = T>>(self, main: impl Fn(ShardContext) -> F) -> Option<T> {
        panic::watch(self.id, Arc::clone(&self.on_panic));
        let core = self.core.filter(|core| self.pin(*core));
        let mut runtime = self.ready()?;
        let driver = runtime.report().clone();
        let context = ShardContext { id: self.id, count: self.count, core, driver };
        Some(runtime.block_on(async { main(context).await }))
    }

    /// Whether it worked. A shard that floats is slower but right, so it goes on.
    fn pin(&self, core: usize) -> bool {
        let pinned = sys::pin_to(core);
        if let Err(error) = &pinned {
            let shard = self.id.0;
            tracing::warn!(shard, core, error = %error, "A shard can't be bound to its core.");
        }
        pinned.is_ok()
    }

    /// Builds the runtime and waits to be let go; `None` if the start was given up.
    fn ready(&self) -> Option<Runtime> {
        let mut runtime = self.tell(Runtime::build(self.choice))?;
        loop {
            match self.from_starter.recv().ok()? {
                Verdict::Go => return Some(runtime),
                Verdict::UseEpoll(reason) if runtime.report().driver == Driver::IoUring => {
                    drop(runtime);
                    runtime = self.tell(Runtime::epoll(reason))?;
                }
                Verdict::UseEpoll(_) => runtime = self.tell(Ok(runtime))?,
            }
        }
    }

    fn tell(&self, built: Result<Runtime, DriverError>) -> Option<Runtime> {
        match built {
            Ok(runtime) => {
                self.to_starter.send(Ok(runtime.report().clone())).ok()?;
                Some(runtime)
            }
            Err(error) => {
                // The starter may have given up on another shard's error already.
                drop(self.to_starter.send(Err(error)));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn shards_have_names_numbers_and_cores() {
        let core = sys::affinity().unwrap().last().copied();
        let options = StartOptions::new(vec![core, None], DriverChoice::Auto);
        let shards = Shards::start(options, |shard| async move {
            let name = std::thread::current().name().map(str::to_owned);
            crate::sleep(std::time::Duration::from_millis(1)).await;
            (shard.id.0, shard.count, name, shard.core, sys::affinity().unwrap().len())
        })
        .unwrap();
        let all = sys::affinity().unwrap().len();
        let outputs = shards.join().unwrap();
        assert_eq!(outputs[0], (0, 2, Some("shard-0".to_owned()), core, 1));
        assert_eq!(outputs[1], (1, 2, Some("shard-1".to_owned()), None, all));
    }

    #[test]
    fn forced_driver_is_used_and_reported() {
        for (choice, driver) in
            [(DriverChoice::Epoll, Driver::Epoll), (DriverChoice::IoUring, Driver::IoUring)]
        {
            if !crate::testing::drivers().contains(&choice) {
                continue;
            }
            let options = StartOptions::new(vec![None; 2], choice);
            let shards = Shards::start(options, |shard| async move { shard.driver }).unwrap();
            let reports = shards.reports().to_vec();
            assert!(reports.iter().all(|report| report.driver == driver), "{reports:?}");
            assert_eq!(shards.join().unwrap(), reports);
        }
    }

    #[test]
    fn unusable_core_is_survived() {
        let options = StartOptions::new(vec![Some(8_000)], DriverChoice::Epoll);
        let shards = Shards::start(options, |shard| async move { shard.core }).unwrap();
        assert_eq!(shards.join().unwrap(), vec![None]);
    }

    #[test]
    fn panic_is_reported_once_and_the_others_go_on() {
        for choice in crate::testing::drivers() {
            let seen = Arc::new(AtomicUsize::new(0));
            let hook = {
                let seen = Arc::clone(&seen);
                move |panic: &ShardPanic| {
                    assert_eq!(panic.shard, ShardId(1));
                    assert_eq!(panic.message, "on purpose");
                    assert!(panic.location.contains("spawn.rs"), "{}", panic.location);
                    seen.fetch_add(1, Ordering::SeqCst);
                }
            };
            let options = StartOptions::new(vec![None; 3], choice).on_panic(hook);
            let shards = Shards::start(options, |shard| async move {
                crate::spawn(async move {
                    assert!(shard.id != ShardId(1), "on purpose");
                })
                .await;
            })
            .unwrap();
            assert_eq!(shards.join(), Err(Panicked { shard: 1 }));
            assert_eq!(seen.load(Ordering::SeqCst), 1);
        }
    }

    #[test]
    fn panic_ends_the_process_with_70() {
        let status = crate::sys::confine::child("spawn::tests::child_panic", "").unwrap().status;
        assert_eq!(status.code(), Some(EXIT_SOFTWARE));
    }

    #[test]
    #[ignore = "started by panic_ends_the_process_with_70"]
    fn child_panic() {
        if crate::sys::confine::told().is_none() {
            return;
        }
        let options = StartOptions::new(vec![None; 2], DriverChoice::Auto);
        let shards = Shards::start(options, |shard| async move {
            assert!(shard.id == ShardId(0), "on purpose");
            std::future::pending::<()>().await;
        });
        shards.unwrap().join().unwrap();
    }
}
