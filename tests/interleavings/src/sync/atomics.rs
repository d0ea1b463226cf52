//! Loom's atomics, with fences around accesses that are sequentially consistent.
//!
//! Loom takes such an access for one that acquires and releases. Two fences around it restore what
//! the language promises: of a store and a load after it on one thread, and the same on another with
//! the two places swapped, one load sees the other's store.

use std::fmt;
use std::sync::atomic::Ordering;

use loom::sync::atomic::fence;

fn ordered<T>(ordering: Ordering, access: impl FnOnce() -> T) -> T {
    if ordering != Ordering::SeqCst {
        return access();
    }
    fence(Ordering::SeqCst);
    let result = access();
    fence(Ordering::SeqCst);
    result
}

macro_rules! common {
    ($name:ident, $number:ty) => {
        #[derive(Default)]
        pub(crate) struct $name(loom::sync::atomic::$name);

        impl $name {
            #[track_caller]
            pub(crate) fn new(value: $number) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, ordering: Ordering) -> $number {
                ordered(ordering, || self.0.load(ordering))
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $number, ordering: Ordering) {
                ordered(ordering, || self.0.store(value, ordering));
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $number, ordering: Ordering) -> $number {
                ordered(ordering, || self.0.swap(value, ordering))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

macro_rules! number {
    ($name:ident, $number:ty) => {
        common!($name, $number);

        impl $name {
            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $number, ordering: Ordering) -> $number {
                ordered(ordering, || self.0.fetch_add(value, ordering))
            }

            #[track_caller]
            pub(crate) fn fetch_sub(&self, value: $number, ordering: Ordering) -> $number {
                ordered(ordering, || self.0.fetch_sub(value, ordering))
            }

            #[track_caller]
            pub(crate) fn fetch_max(&self, value: $number, ordering: Ordering) -> $number {
                ordered(ordering, || self.0.fetch_max(value, ordering))
            }

            #[track_caller]
            pub(crate) fn compare_exchange_weak(
                &self,
                current: $number,
                new: $number,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$number, $number> {
                ordered(success, || self.0.compare_exchange_weak(current, new, success, failure))
            }

            #[track_caller]
            pub(crate) fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                update: impl FnMut($number) -> Option<$number>,
            ) -> Result<$number, $number> {
                ordered(set, || self.0.fetch_update(set, fetch, update))
            }
        }
    };
}

common!(AtomicBool, bool);
number!(AtomicU8, u8);
number!(AtomicI32, i32);
number!(AtomicU32, u32);
number!(AtomicI64, i64);
number!(AtomicU64, u64);
number!(AtomicUsize, usize);
