//! One case of the dispatcher, three tests: both I/O drivers on librdkafka's mock, and a real Apache Kafka.

use crate::broker::BrokerKind;
use crate::matrix::{Driver, Variant};
use crate::stage::{Case, Declared, Kind, Stage};

/// Runs a case on the shared stage of a variant, or says why not.
pub fn run(
    variant: Variant,
    kind: Kind,
    declared: &[&[Declared]],
    name: &str,
    case: fn(&Case<'_>),
) {
    if variant.available() {
        let stage = Stage::shared(variant, kind, declared);
        case(&stage.case(name));
        // It is never dropped, so nobody else would look.
        stage.dispatcher.audit();
    }
}

/// A real Kafka with the driver that is preferred here.
pub fn apache() -> Variant {
    let variant = Variant { driver: Driver::IoUring, broker: BrokerKind::Apache };
    if variant.available() { variant } else { Variant { driver: Driver::Epoll, ..variant } }
}

/// Makes three tests of each function: `name::io_uring`, `name::epoll` and `name::apache`, and a list `CASES` of all,
/// which the test program must name in its `DECLARED`, so that the shared stage knows their egresses.
///
/// ```ignore
/// cases! { Broker;
///     /// With the plan of dispatcher.md 18.
///     fn d001_minimal(case) { case.send(&[NewRecord::event("1")]); }
///     /// With changes of it.
///     fn d002_query(case, |plan| plan.egress(|egress| egress.to("?x=1"))) { … }
/// }
/// ```
#[allow(clippy::crate_in_macro_def, reason = "the list of all cases is the test program's")]
#[macro_export]
macro_rules! cases {
    ($kind:ident; $($(#[$meta:meta])* fn $name:ident($case:ident $(, $plan:expr)?) $body:block)+) => {
        pub(crate) const CASES: &[$crate::stage::Declared] = &[$($crate::stage::Declared {
            name: stringify!($name),
            kind: $crate::stage::Kind::$kind,
            plan: $crate::plan_or_same!($($plan)?),
        }),+];
        $(
            $(#[$meta])*
            mod $name {
                #[allow(unused_imports, reason = "a case may need nothing of its file")]
                use super::*;
                use $crate::broker::BrokerKind::Embedded;
                use $crate::matrix::{Driver, Variant};

                fn case($case: &$crate::stage::Case<'_>) $body

                fn run(variant: Variant) {
                    let kind = $crate::stage::Kind::$kind;
                    $crate::cases::run(variant, kind, crate::DECLARED, stringify!($name), case);
                }

                #[test]
                fn io_uring() { run(Variant { driver: Driver::IoUring, broker: Embedded }); }
                #[test]
                fn epoll() { run(Variant { driver: Driver::Epoll, broker: Embedded }); }
                #[test]
                fn apache() { run($crate::cases::apache()); }
            }
        )+
    };
}

/// The plan's change, or none.
#[doc(hidden)]
#[macro_export]
macro_rules! plan_or_same {
    () => {
        |plan| plan
    };
    ($plan:expr) => {
        $plan
    };
}

/// Makes one test of each function, `name::apache`, which gets a variant with a real Kafka: for cases about groups,
/// transactions and rebalances.
#[macro_export]
macro_rules! on_apache {
    ($($(#[$meta:meta])* fn $name:ident($argument:ident: $type:ty) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "a case may need nothing of its file")]
            use super::*;

            fn case($argument: $type) $body

            #[test]
            fn apache() {
                let variant = $crate::cases::apache();
                if variant.available() {
                    case(variant);
                }
            }
        }
    )+};
}
