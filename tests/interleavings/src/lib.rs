//! Files of the products on a model checker's atomics and locks, and cases for them; see README.md.
//!
//! The cases are called from `tests/`, since the files' own unit tests need their products and so this
//! library must not be compiled as a test.
#![allow(unreachable_pub, reason = "the products' files say so for their own crates")]
#![allow(dead_code, reason = "only part of each file is under test")]

// The names under which the files know each other.
extern crate self as millrace_delivery;
extern crate self as millrace_shard;

mod around;
pub mod cases;
mod product;
mod sync;

use around::{groups, properties, spawn, steps, wake};
use product::{link, mailbox};
pub use product::credits::{Credits, Seat};
pub use product::mailbox::{Inbox, Mailbox, MailboxSeat, TrySendError, mailbox};
