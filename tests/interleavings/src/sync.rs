//! In place of each product's `sync.rs`.

mod atomics;
mod queue;

pub(crate) use std::sync::atomic::Ordering;

pub(crate) use atomics::{
    AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize,
};
pub(crate) use loom::sync::{Mutex, MutexGuard};
pub(crate) use queue::ArrayQueue;
