//! Black-box acceptance of the dispatcher: the cases of dispatcher.md 18 (`d…`), contract.md 10 (`c…`) and platform.md
//! 12 (`p…`).
//!
//! Cases that only send and look are declared by `cases!` and share one dispatcher a variant, whose contract is made of
//! all their plans; those that stop, change or starve something start their own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "in a test, a failed unwrap says where and ends that test")]

mod contracts;
mod cpu_limit;
mod dead_letter;
mod filters;
mod filters_alone;
mod invalid;
mod lanes;
mod lifecycle;
mod metrics;
mod offsets;
mod overrides;
mod plain;
mod platform;
mod reconcile;
mod reply;
mod request;
mod resources;
mod retry;
mod rigs;

/// All cases of the shared stages.
const DECLARED: &[&[millrace_tests::stage::Declared]] = &[
    contracts::CASES,
    dead_letter::CASES,
    filters::CASES,
    invalid::CASES,
    lanes::CASES,
    metrics::CASES,
    offsets::CASES,
    overrides::CASES,
    plain::CASES,
    reply::CASES,
    request::CASES,
    retry::CASES,
];
