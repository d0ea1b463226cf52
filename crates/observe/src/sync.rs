//! What threads share is built from these. They have one name here so that `tests/interleavings` can
//! put a model checker's in their place, in the very files that are shipped.

pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
