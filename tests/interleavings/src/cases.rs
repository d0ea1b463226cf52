//! A few threads each, through all their interleavings.

pub mod balance;
pub mod budget;
pub mod credits;
pub mod link;
pub mod mailbox;
pub mod owner;
pub mod rate;
pub mod share;
pub mod topic;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs `threads` in every order, up to three forced switches.
fn explore(threads: impl Fn() + Sync + Send + 'static) {
    explore_up_to(3, threads);
}

/// The same up to so many, for cases of many steps.
fn explore_up_to(switches: usize, threads: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(switches));
    builder.check(threads);
}

/// The result of a future that blocks its thread where it would wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here gives way"),
    }
}
