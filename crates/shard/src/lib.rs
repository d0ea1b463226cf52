//! The runtime under both data planes: one thread per core, each with its own io driver.
//!
//! A shard is a thread that runs one single-threaded executor (monoio) on io_uring, or on
//! epoll where the kernel refuses io_uring. Shards share nothing that they write; what crosses
//! goes through a bounded [`mod@mailbox`]. This crate owns everything that knows the executor, so
//! that it can be replaced without touching a product: products use what is exported here.
//!
//! It knows nothing of HTTP, events or Kafka, and starts no task that its caller did not ask for.
//!
//! Unsafe code is in `sys.rs` only, thin calls into libc, and for tests in `sys/confine.rs`.

#![warn(missing_docs)]

pub mod accept;
pub mod balance;
pub mod clock;
pub mod deadline;
pub mod drain;
pub mod driver;
pub mod files;
pub mod listen;
pub mod local;
pub mod mailbox;
pub mod outgoing;
mod panic;
pub mod politeness;
pub mod spawn;
mod sync;
mod sys;
pub mod testing;
pub mod topology;
pub mod wake;
mod yielding;

/// What a read or write gives back: the result, and the buffer that was lent.
pub use monoio::BufResult;
/// Reading and writing with buffers that are lent to the driver and come back with the result.
pub use monoio::buf::{self, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
/// The two traits that [`TcpStream`] reads and writes through, with their `_all` and `_exact` forms.
pub use monoio::io::{AsyncReadRent, AsyncReadRentExt, AsyncWriteRent, AsyncWriteRentExt};
/// A connected socket of this shard. Never hand one to another thread.
pub use monoio::net::TcpStream;
/// Starts a task on this shard. Dropping the handle lets the task run on.
pub use monoio::spawn;
/// A task's result, once awaited.
pub use monoio::task::JoinHandle;
/// A time for [`sleep_until`].
pub use monoio::time::Instant as TimerInstant;
/// Sleeping on this shard's timer wheel (1 ms steps). Call them in a running
/// task: elsewhere they panic.
pub use monoio::time::{Sleep, sleep, sleep_until, timeout};

pub use accept::{Accepted, Acceptor, Closer};
pub use balance::{Balance, ListenStats, OpenConnection, Seat};
pub use deadline::{Cut, Cutter, Guard, Sweeper, Watched};
pub use drain::{Drain, DrainSeat, DrainWatch, Exchange, Phase};
pub use driver::{Driver, DriverChoice, DriverError, DriverReport, Runtime};
pub use listen::{KeepAlive, ListenError, ListenOptions, ShardListener, bind, parse_host};
pub use local::{LocalNotify, OneReceiver, OneSender, Slot, oneshot};
pub use mailbox::{Inbox, Mailbox, MailboxSeat, TrySendError, mailbox};
pub use outgoing::{ConnectOptions, SendNow};
pub use spawn::{Panicked, ShardContext, ShardId, ShardPanic, Shards, StartError, StartOptions};
pub use topology::{CoreRequest, Pinning, Topology, TopologyError};
pub use wake::{PendingReader, WakePair, WakeReader, WakeWriter};
pub use yielding::yield_now;
