//! One case, four tests: each I/O driver of the receiver against each kind of Kafka.

use std::env;
use std::sync::OnceLock;

use io_uring::IoUring;

use crate::broker::{BrokerKind, apache_available, in_ci};
use crate::rig::Rig;

/// Makes all that goes through [`run`] take this driver, `io_uring` or `epoll`: for the long forms of the seeded runs, of
/// which each names one.
const DRIVER: &str = "MILLRACE_IO_DRIVER";

/// The I/O driver a receiver is told to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    IoUring,
    Epoll,
}

impl Driver {
    /// The value of `IO_DRIVER`.
    pub fn setting(self) -> &'static str {
        match self {
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
        }
    }

    /// The one that the environment asks for, if it does.
    ///
    /// # Panics
    /// When it asks for something else.
    fn asked_for() -> Option<Self> {
        match env::var(DRIVER).as_deref() {
            Ok("io_uring") => Some(Self::IoUring),
            Ok("epoll") => Some(Self::Epoll),
            Ok("") | Err(_) => None,
            Ok(other) => panic!("{DRIVER}={other:?} is no driver"),
        }
    }

    /// Whether the kernel allows it. Refused, it is a loud skip for a person and a failure in CI.
    ///
    /// The kernel is asked here, by a ring of our own: a receiver that wrongly thinks it is refused must fail.
    fn available(self) -> bool {
        static RING: OnceLock<Result<(), String>> = OnceLock::new();
        if self == Self::Epoll {
            return true;
        }
        match RING.get_or_init(|| IoUring::new(64).map(drop).map_err(|error| error.to_string())) {
            Ok(()) => true,
            Err(error) => {
                assert!(!in_ci(), "the kernel refuses io_uring ({error}), and CI skips nothing");
                eprintln!("SKIPPED: the kernel refuses io_uring: {error}");
                false
            }
        }
    }
}

/// One of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    pub driver: Driver,
    pub broker: BrokerKind,
}

impl Variant {
    /// Whether it can be run here.
    pub fn available(self) -> bool {
        self.driver.available() && (self.broker == BrokerKind::Embedded || apache_available())
    }
}

/// What a case may ask for: a rig that it shares, or only the variant, to build its own.
pub trait FromVariant: Sized {
    fn with(variant: Variant, case: impl FnOnce(Self));
}

impl FromVariant for Variant {
    fn with(variant: Variant, case: impl FnOnce(Self)) {
        case(variant);
    }
}

impl FromVariant for &'static Rig {
    fn with(variant: Variant, case: impl FnOnce(Self)) {
        let rig = Rig::shared(variant);
        case(rig);
        // It is never dropped, so nobody else would look.
        rig.receiver.audit();
    }
}

/// Runs a case in a variant, or says why not.
pub fn run<T: FromVariant>(driver: Driver, broker: BrokerKind, case: impl FnOnce(T)) {
    let variant = Variant { driver: Driver::asked_for().unwrap_or(driver), broker };
    if variant.available() {
        T::with(variant, case);
    }
}

/// Makes four tests of each function: `name::io_uring_embedded`, `name::epoll_apache` and so on.
///
/// The argument is `&'static Rig` (shared by all such cases of that variant) or `Variant`.
#[macro_export]
macro_rules! matrix {
    ($($(#[$meta:meta])* fn $name:ident($argument:ident: $type:ty) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "a case may need nothing of its file")]
            use super::*;
            use $crate::broker::BrokerKind::{Apache, Embedded};
            use $crate::matrix::Driver::{Epoll, IoUring};

            fn case($argument: $type) $body

            #[test]
            fn io_uring_embedded() { $crate::matrix::run(IoUring, Embedded, case); }
            #[test]
            fn epoll_embedded() { $crate::matrix::run(Epoll, Embedded, case); }
            #[test]
            fn io_uring_apache() { $crate::matrix::run(IoUring, Apache, case); }
            #[test]
            fn epoll_apache() { $crate::matrix::run(Epoll, Apache, case); }
        }
    )+};
}

/// Makes two tests of each function, on the mock cluster: for cases that no Kafka can change.
#[macro_export]
macro_rules! drivers {
    ($($(#[$meta:meta])* fn $name:ident($argument:ident: $type:ty) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "a case may need nothing of its file")]
            use super::*;
            use $crate::broker::BrokerKind::Embedded;
            use $crate::matrix::Driver::{Epoll, IoUring};

            fn case($argument: $type) $body

            #[test]
            fn io_uring_embedded() { $crate::matrix::run(IoUring, Embedded, case); }
            #[test]
            fn epoll_embedded() { $crate::matrix::run(Epoll, Embedded, case); }
        }
    )+};
}
