//! What threads share is built from these. They have one name here so that `tests/interleavings` can
//! put a model checker's in their place, in the very files that are shipped.

pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering,
};
pub(crate) use std::sync::{Mutex, MutexGuard};
